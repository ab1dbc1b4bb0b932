"""Responses of a stored encoder to a folder of images."""

from __future__ import annotations

from pathlib import Path

from ..config import RunConfig
from ..dataset.stimuli import read_image_folder
from ..derivatives import participant as written
from ..derivatives.dataset import write_dataset_files
from ..derivatives.logs import RunLog
from ..derivatives.writer import Writer
from ..encoding import Encoder
from .console import LOGGER, Stopwatch, logging_to
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
    config = RunConfig(images, out, images=((_SET_NAME, images),), device=device, n_cpus=n_cpus)
    log = RunLog.create(config)
    watch = Stopwatch("synthesize")
    with logging_to(log.path, 0), pinned_threads(n_cpus):
        with watch.step("loading the encoder"):
            model = Encoder.load(encoder, weights_file, str(choose_device(device)))
        with watch.step(f"synthesising responses to {len(images_read)} images"):
            synthetic = synthesise_set(model, images_read)
        writer = Writer(out, model.card["participant"], model.card["task"], model.voxels.space)
        write_dataset_files(out, config)
        written.write_roi_dseg(writer, model.voxels)
        written.write_synthetic(writer, synthetic, _SET_NAME, unit=model.card["unit"])
        LOGGER.info("synthesize: done, see %s", out)
    return 0
