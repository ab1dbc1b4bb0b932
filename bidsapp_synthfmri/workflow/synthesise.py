"""Responses of a stored encoder to a folder of images."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ..config import RunConfig
from ..dataset.stimuli import read_image_folder
from ..derivatives import participant as written
from ..derivatives.dataset import require_own, write_dataset_files
from ..derivatives.writer import Writer
from ..encoding import Encoder
from ..errors import UsageError
from ..structures import StimulusSet
from .console import LOGGER, Stopwatch, logging_to
from .levels import guarded, open_log
from .model import synthesise_set
from .runtime import choose_device, pinned_threads

_SET_NAME = "Images"


def synthesise_folder(
    encoder: Path, images: Path, out: Path, weights_file: Path | None, device: str, n_cpus: int | None
) -> int:
    """Write synthetic responses to every image below a folder.

    Parameters
    ----------
    encoder : ``.safetensors`` file with its card beside it
    images : folder; its first level of subfolders are categories
    out : derivative dataset to write
    weights_file : the network's weights, where they were read from a file
    device, n_cpus : as for a run

    Returns
    -------
    the exit code
    """
    images_read = read_image_folder(_SET_NAME, images)
    if out.resolve().is_relative_to(images.resolve()):
        raise UsageError(f"OUT {out} lies inside IMAGES {images}", "Choose a folder outside it")
    require_own(out)
    config = RunConfig(images, out, images=((_SET_NAME, images),), device=device, n_cpus=n_cpus)
    log = open_log(config)
    with logging_to(log.path, 0), pinned_threads(n_cpus):
        step = partial(_write, encoder, images_read, config, weights_file)
        guarded(step, log, out, None)
    return 0


def _write(encoder: Path, images: StimulusSet, config: RunConfig, weights_file: Path | None) -> None:
    watch = Stopwatch("synthesize")
    with watch.step("loading the encoder"):
        model = Encoder.load(encoder, weights_file, str(choose_device(config.device)))
    with watch.step(f"synthesising responses to {len(images)} images"):
        synthetic = synthesise_set(model, images)
    writer = Writer(config.output_dir, model.card["participant"], model.card["task"], model.voxels.space)
    write_dataset_files(config.output_dir, config, level="synthesize")
    written.write_roi_dseg(writer, model.voxels)
    written.write_synthetic(
        writer,
        synthetic,
        images.name,
        unit=model.card["unit"],
        encoder_uri=encoder.resolve().as_uri(),
        encoder_sha256=model.card["sha256"],
    )
    LOGGER.info("synthesize: done, see %s", config.output_dir)
