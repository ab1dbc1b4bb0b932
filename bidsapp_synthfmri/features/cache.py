"""Features of a stimulus set, each distinct picture computed once and kept on disk."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import PIL
import torch
import torchvision

from ..errors import OF_THE_MACHINE, InputMalformedError, InputMissingError, NothingMatchedError
from ..structures import Features, FloatArray, LayerFeatures, StimulusSet
from .backbones import Backbone
from .entries import EntryWriter, map_values, publish, read_entry, unpublished
from .eviction import evict, touch
from .extraction import BATCH_SIZE, extract, n_units
from .images import name_of
from .stored import StoredPicture

_LOGGER = logging.getLogger(__name__)

Extractor = Callable[..., Iterator[tuple[FloatArray, ...]]]


def cached_features(
    backbone: Backbone,
    stimuli: StimulusSet,
    cache_dir: Path,
    batch_size: int = BATCH_SIZE,
    progress: Callable[[int], None] | None = None,
    n_workers: int = 2,
    max_bytes: int | None = None,
    extractor: Extractor = extract,
) -> Features:
    """Features of every stimulus, read from the cache where it has them.

    Parameters
    ----------
    backbone : network and layers
    stimuli : its ``path`` column names the files
    cache_dir : folder of the cache; made where absent, shared safely between processes
    batch_size, n_workers : as in ``extract``
    progress : told how many stimuli were finished since it was last told
    max_bytes : bound on the cache; None sets none. Entries used longest ago go, those of this set last:
        what of them exceeds the bound is usable here, but leaves the cache as well.
    extractor : gives what ``extract`` does, its parameters being those

    Returns
    -------
    per layer (n_stimuli, n_units) float32, memory-mapped read-only (``entries.release_pages``)

    Raises
    ------
    NothingMatchedError : the set is empty
    InputMissingError, InputMalformedError : a picture that is not there or cannot be decoded

    Notes
    -----
    A layer is one entry, under a key of the files' contents in order, weights, preprocessing, node
    and the libraries' versions. It takes its name when it is complete, with a checksum that every
    reading compares: one that is damaged is computed again. The first batch size to compute an entry
    decides its float32 rounding.
    """
    if len(stimuli) == 0:
        raise NothingMatchedError(f"The image set {stimuli.name} is empty", "Check its folder")
    pictures = _Pictures.of(stimuli)
    folders = {node: cache_dir / _entry_name(backbone, node, pictures) for node in backbone.nodes}
    values = {node: stored for node, folder in folders.items() if (stored := read_entry(folder)) is not None}
    missing = {node: folder for node, folder in folders.items() if node not in values}
    for node in values:
        touch(folders[node])
    told = progress if progress is not None else lambda _: None
    if missing:
        room = _Room(cache_dir, max_bytes, tuple(folders.values()))
        extracted = partial(extractor, batch_size=batch_size, n_workers=n_workers)
        values |= _compute(backbone, pictures, missing, told, extracted, room)
    else:
        told(len(stimuli))
    if max_bytes is not None:
        _bound(cache_dir, max_bytes, sum(matrix.nbytes for matrix in values.values()))
    layers = zip(backbone.layers, backbone.nodes, strict=True)
    return Features(
        stimuli.stimuli, tuple(LayerFeatures(layer, values[node], folders[node]) for layer, node in layers)
    )


def missing_bytes(backbone: Backbone, stimuli: StimulusSet, cache_dir: Path, units: Sequence[int]) -> int:
    """What ``cached_features`` would add to the cache; what is there is not checked.

    Parameters
    ----------
    units : of each layer, as ``n_units`` counts them

    Raises
    ------
    InputMissingError, InputMalformedError : a picture that is not there or cannot be read
    """
    pictures = _Pictures.of(stimuli)
    of_nodes = zip(backbone.nodes, units, strict=True)
    absent = [n for node, n in of_nodes if not (cache_dir / _entry_name(backbone, node, pictures)).exists()]
    return 4 * len(pictures.contents) * sum(absent)


@dataclass(frozen=True)
class _Room:
    """Where entries are made, and what may be removed for them.

    Attributes
    ----------
    cache_dir : folder of the cache
    max_bytes : bound on its entries; None sets none
    spared : the entries of this call
    """

    cache_dir: Path
    max_bytes: int | None
    spared: tuple[Path, ...]

    def make(self, n_bytes: int) -> None:
        """Remove older entries, so that the cache does not exceed the bound while it grows."""
        if self.max_bytes is not None:
            evict(self.cache_dir, max(0, self.max_bytes - n_bytes), self.spared)


def _bound(cache_dir: Path, max_bytes: int, n_bytes: int) -> None:
    if n_bytes > max_bytes:
        _LOGGER.warning(
            "These features take %.2f GB, the cache may take %.2f GB (--cache-size): "
            "what exceeds it is used now, not kept, and computed again by the next run",
            n_bytes / 1e9,
            max_bytes / 1e9,
        )
    evict(cache_dir, max_bytes)


@dataclass(frozen=True)
class _Pictures:
    """Files of a stimulus set and their contents.

    Attributes
    ----------
    contents : hash of each stimulus' file, one a row
    distinct : a file of each distinct content, in order of appearance
    rows : the rows of each distinct content
    """

    contents: tuple[str, ...]
    distinct: tuple[Path, ...]
    rows: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, stimuli: StimulusSet) -> _Pictures:
        paths = [Path(path) for path in stimuli.table["path"]]
        contents = tuple(file_sha256(path) for path in paths)
        rows: dict[str, list[int]] = {}
        for row, content in enumerate(contents):
            rows.setdefault(content, []).append(row)
        return cls(
            contents, tuple(paths[first] for first, *_ in rows.values()), tuple(map(tuple, rows.values()))
        )


def file_sha256(picture: Path | StoredPicture) -> str:
    """Hash of a picture's file, or of its bytes inside another file.

    Raises
    ------
    InputMissingError, InputMalformedError : it is not there, or cannot be read
    """
    try:
        if isinstance(picture, StoredPicture):
            return hashlib.sha256(bytes(picture.content())).hexdigest()
        with picture.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise InputMissingError(
            f"The picture {name_of(picture)} is not there", "Check the folder of pictures"
        ) from error
    except OSError as error:
        if error.errno in OF_THE_MACHINE:
            raise
        raise InputMalformedError(
            f"{name_of(picture)} cannot be read ({error})", "Check what it is"
        ) from error


def _entry_name(backbone: Backbone, node: str, pictures: _Pictures) -> str:
    key = {
        "contents": pictures.contents,
        "weights": backbone.weights_sha256,
        "preprocessing": backbone.preprocessing.key,
        "device": backbone.device.type,
        "precision": backbone.precision,
        "versions": [torch.__version__, torchvision.__version__, PIL.__version__],
    }
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return f"{backbone.name}_{node}_{digest[:32]}"


def _compute(
    backbone: Backbone,
    pictures: _Pictures,
    folders: Mapping[str, Path],
    told: Callable[[int], None],
    extracted: Extractor,
    room: _Room,
) -> dict[str, FloatArray]:
    """Make the entries of some nodes, and map them."""
    to_nodes = replace(backbone, layers=tuple(folders), nodes=tuple(folders))
    units = n_units(to_nodes)
    values = {}
    with unpublished(room.cache_dir) as partial:
        room.make(4 * len(pictures.contents) * sum(units))
        made = [partial / folder.name for folder in folders.values()]
        with ExitStack() as stack:
            writers = [
                stack.enter_context(closing(EntryWriter(folder, len(pictures.contents), columns)))
                for folder, columns in zip(made, units, strict=True)
            ]
            done = 0
            for layers in extracted(to_nodes, pictures.distinct):
                rows = pictures.rows[done : done + len(layers[0])]
                for writer, activations in zip(writers, layers, strict=True):
                    writer.put(activations, rows)
                done += len(rows)
                told(sum(map(len, rows)))
            for writer in writers:
                writer.finish({"n_images": len(pictures.contents), "backbone": to_nodes.identity()})
        for (node, folder), finished in zip(folders.items(), made, strict=True):
            # Mapped before it has its name: the mapping stays, whatever other processes do to the folder.
            values[node] = map_values(finished)
            publish(finished, folder)
    return values
