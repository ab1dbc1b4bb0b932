"""Responses of a stored encoder to any number of images, shard by shard."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from .. import __version__
from ..dataset.image_listing import MISSING_LABEL, ImageSurvey
from ..derivatives import participant as written
from ..derivatives.dataset import write_dataset_files
from ..derivatives.manifest import Manifest
from ..derivatives.occupied import writer_of_set
from ..derivatives.writer import Writer
from ..encoding import Encoder
from ..errors import MemoryExceededError
from ..structures import FloatArray, Json, Synthetic
from ..synthesis_config import SynthesisConfig
from .console import LOGGER
from .images import BATCHES_AHEAD, Decoded, NumberedImage, Readable, decoded, require_listed
from .memory import available_bytes
from .passes import Pass, over_images, require_some
from .progress import told_images
from .sampling import Sampler
from .shards import Shard, cut, default_size, images_of

# The array of a shard's responses, and the copy of it that is written.
_COPIES = 2


def synthesise(config: SynthesisConfig) -> int:
    """Write synthetic responses to every image of a source; what an earlier call finished stays.

    Returns
    -------
    0

    Raises
    ------
    ImagesSkippedError : some pictures could not be read; all else was written
    SynthfmriError : what the readers, the encoder and the writer refuse
    """
    return over_images(config, synthesise_pass)


def synthesise_pass(config: SynthesisConfig, given: Pass) -> tuple[int, str]:
    """Write every shard that is not whole yet, without a record of the run.

    Returns
    -------
    how many images were skipped, and the file that names them

    Raises
    ------
    OutputInUseError : another run is writing this set
    SynthfmriError : what the encoder and the writer refuse
    """
    encoder, n_images = given.encoder, given.found.n_images
    sampler = Sampler(encoder, config)
    sampler.require()
    size = config.shard_size or default_size(len(encoder.voxels), config.repeats, config.batch_size)
    writer = given.writer(config)
    with writer_of_set(config.output_dir, str(writer.place.participant), config.name):
        manifest = Manifest.open(writer, config.name, _configuration(config, encoder, given.found, size))
        write_dataset_files(config.output_dir, config)
        written.write_roi_dseg(writer, encoder.voxels)
        with given.watch.step(f"synthesising responses to {n_images} images"):
            _Synthesis(config, given, sampler, writer, manifest).run(cut(n_images, size))
    require_some(manifest.n_skipped, n_images, config)
    return manifest.n_skipped, str(manifest.path)


def _configuration(config: SynthesisConfig, encoder: Encoder, found: ImageSurvey, size: int) -> Json:
    """Everything that the bytes of the set depend on, but for the machine."""
    return {
        **config.science(),
        "shard_size": size,
        "encoder_sha256": encoder.card["sha256"],
        "n_images": found.n_images,
        "images": found.fingerprint,
        "synthfmri": __version__,
    }


@dataclass(frozen=True)
class _Synthesis:
    """One synthesis under way: what its shards have in common."""

    config: SynthesisConfig
    given: Pass
    sampler: Sampler
    writer: Writer
    manifest: Manifest

    def run(self, shards: Sequence[Shard]) -> None:
        """Make the shards that are not whole on disk, in order."""
        missing = [shard for shard in shards if not self.manifest.is_whole(shard.number)]
        total, to_do = (sum(shard.n_images for shard in part) for part in (shards, missing))
        if to_do < total:
            LOGGER.info("synthesize: %d of %d images are done already", total - to_do, total)
        values = self._allocated(missing)
        images = decoded(
            images_of(self.given.listing, missing),
            self.given.preprocessing,
            self.given.threads,
            BATCHES_AHEAD * self.config.batch_size,
        )
        with told_images("synthesize", total, total - to_do) as told:
            for shard in missing:
                number = shard.number if len(shards) > 1 else None
                self._make(shard, number, images, values, told)
                LOGGER.debug("synthesize: file %d of %d is written", shard.number, len(shards))

    def _allocated(self, shards: Sequence[Shard]) -> FloatArray:
        """Room for the responses of the largest shard, refused if it is not there."""
        rows = max((shard.n_images for shard in shards), default=0) * self.config.repeats
        n_voxels = len(self.given.encoder.voxels)
        needed, available = _COPIES * 4 * rows * n_voxels, available_bytes()
        if available is not None and needed > available:
            raise MemoryExceededError(
                f"{rows} responses a file take about {needed / 1e9:.1f} GB and {available / 1e9:.1f} GB are"
                " free",
                "Give a smaller --shard-size",
            )
        return np.empty((rows, n_voxels), dtype=np.float32)

    def _make(
        self,
        shard: Shard,
        number: int | None,
        images: Iterator[Decoded],
        values: FloatArray,
        told: Callable[[int], None],
    ) -> None:
        """Compute a shard, write it, and record that it is whole."""
        pictures = Readable(islice(images, shard.n_images), self.config.strict, told)
        uncertainty: list[FloatArray] = []
        n_rows = 0
        for trials, sd in self.sampler.batches(pictures):
            values[n_rows : n_rows + len(trials)] = trials
            n_rows += len(trials)
            uncertainty += [] if sd is None else [sd]
            told(len(trials) // self.config.repeats)
        require_listed(pictures, shard.n_images)
        paths: tuple[Path, ...] = ()
        if n_rows:
            sd = np.concatenate(uncertainty) if uncertainty else None
            paths = self._write(number, pictures, values[:n_rows], sd)
        self.manifest.finish(shard.number, shard.n_images, paths, pictures.skipped)

    def _write(
        self, number: int | None, pictures: Readable, values: FloatArray, sd: FloatArray | None
    ) -> tuple[Path, ...]:
        name, voxels, unit = self.config.name, self.given.encoder.voxels, self.given.encoder.card["unit"]
        facts = {**self.sampler.facts, "SkippedImages": len(pictures.skipped)}
        table = self._table(pictures.kept)
        paths = written.write_synthetic(
            self.writer,
            Synthetic(values, self._repeated(table), voxels),
            name,
            unit=unit,
            encoder_uri=self.config.encoder.resolve().as_uri(),
            encoder_sha256=self.given.encoder.card["sha256"],
            shard=number,
            facts=facts,
        )
        if sd is None:
            return paths
        return paths + written.write_uncertainty(
            self.writer, sd, table, voxels, name, unit=unit, shard=number, facts=facts
        )

    def _table(self, kept: Sequence[NumberedImage]) -> pd.DataFrame:
        """One row an image."""
        table = pd.DataFrame(
            {
                "stimulus": [numbered.image.stimulus for numbered in kept],
                "split": self.config.name,
                "prediction": "encoder",
                "listed": [numbered.position + 1 for numbered in kept],
            }
        )
        if self.given.found.n_labelled:
            table["label"] = [numbered.image.label or MISSING_LABEL for numbered in kept]
        return table

    def _repeated(self, table: pd.DataFrame) -> pd.DataFrame:
        """One row a synthetic trial, those of an image one after the other."""
        repeats = self.config.repeats
        rows = table.loc[table.index.repeat(repeats)].reset_index(drop=True)
        return rows.assign(repeat=np.tile(np.arange(1, repeats + 1), len(table))) if repeats > 1 else rows
