"""What every pass of an encoder over images has in common: the record, the threads, the last word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from ..dataset.image_listing import ImageListing, ImageSurvey, survey
from ..dataset.image_sets import list_images
from ..derivatives.dataset import require_own
from ..derivatives.writer import Writer
from ..encoding import Encoder
from ..errors import ImagesSkippedError, InputMalformedError
from ..features.preprocessing import Preprocessing
from ..synthesis_config import ImageConfig
from .console import LOGGER, Stopwatch, logging_to
from .levels import guarded, open_log
from .runtime import choose_device, pinned_threads

Config = TypeVar("Config", bound=ImageConfig)


@dataclass(frozen=True)
class Pass:
    """A pass about to begin.

    Attributes
    ----------
    listing, found : the images, and what is known of them before they are read
    encoder : with its network at hand
    threads : for decoding and for computing
    watch : tells of steps
    """

    listing: ImageListing
    found: ImageSurvey
    encoder: Encoder
    threads: int
    watch: Stopwatch

    @property
    def preprocessing(self) -> Preprocessing:
        """From a picture to the network's input."""
        return Preprocessing.from_dict(self.encoder.card["backbone"]["preprocessing"])

    def writer(self, config: ImageConfig) -> Writer:
        """Of the encoder's participant, into OUT."""
        card = self.encoder.card
        return Writer(config.output_dir, card["participant"], card["task"], self.encoder.voxels.space)


def over_images(config: Config, step: Callable[[Config, Pass], tuple[int, str]]) -> int:
    """Run a step over all images, with a record of it in OUT.

    Parameters
    ----------
    config : what was asked
    step : computes and writes; gives the number of images skipped, and where they are named

    Returns
    -------
    0

    Raises
    ------
    ImagesSkippedError : some pictures could not be read; all else was written
    SynthfmriError : what the readers, the encoder and the writer refuse
    """
    listing = list_images(config.source, config.dataset)
    require_own(config.output_dir)
    log = open_log(config)
    with logging_to(log.path, 0), pinned_threads(config.n_cpus) as threads:
        LOGGER.info("%s", config.command)
        whole = partial(_begun, config, listing, threads, step)
        n_skipped, n_images, where = guarded(whole, log, config.output_dir, None)
        LOGGER.info("%s: done, see %s", config.level, config.output_dir)
        if n_skipped:
            LOGGER.warning("%s: %d of %d images were skipped", config.level, n_skipped, n_images)
    if n_skipped:
        raise ImagesSkippedError(
            f"{n_skipped} of {n_images} images cannot be read and were skipped; {where} names them",
            "Replace them and give another OUT, or do without them; --strict refuses the first",
        )
    return 0


def require_some(n_skipped: int, n_images: int, config: ImageConfig) -> None:
    """Refuse a source of which nothing can be read.

    Raises
    ------
    InputMalformedError : all images were skipped
    """
    if n_skipped == n_images:
        raise InputMalformedError(
            f"None of the {n_images} images of {config.source} can be read", "Give pictures"
        )


def _begun(
    config: Config, listing: ImageListing, threads: int, step: Callable[[Config, Pass], tuple[int, str]]
) -> tuple[int, int, str]:
    watch = Stopwatch(config.level)
    with watch.step("listing the images"):
        found = survey(listing, require_labels=config.require_labels)
    with watch.step("loading the encoder"):
        encoder = Encoder.load(config.encoder, config.weights_file, str(choose_device(config.device)))
    n_skipped, where = step(config, Pass(listing, found, encoder, threads, watch))
    return n_skipped, found.n_images, where
