"""The options of ``synthesize`` and ``rank``, and the configuration they make."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from ..synthesis_config import DEFAULT_SET, DEFAULT_TOP, NOISE_KINDS, RankConfig, SynthesisConfig
from .machine_options import compute_options, random_seed
from .options import Decorated, applied
from .paths import WrittenPath

_PATH = click.Path(path_type=Path)


def image_arguments(function: Decorated) -> Decorated:
    """ENCODER, IMAGES and OUT."""
    return applied(
        function,
        [
            click.argument("encoder", type=_PATH),
            click.argument("source", metavar="IMAGES", type=_PATH),
            click.argument("output_dir", metavar="OUT", type=WrittenPath(path_type=Path)),
        ],
    )


def image_options(function: Decorated) -> Decorated:
    """How images are read."""
    return applied(
        function,
        [
            click.option(
                "--dataset",
                metavar="NAME",
                help="Dataset of an HDF5 file. Default: the only one of four dimensions.",
            ),
            click.option("--require-labels", is_flag=True, help="Refuse IMAGES in which one has no label."),
            click.option(
                "--strict",
                is_flag=True,
                help="Refuse the first picture that cannot be read; else it is skipped.",
            ),
            click.option(
                "--batch-size", type=int, default=64, show_default=True, help="Images a forward pass."
            ),
            click.option("--weights-file", type=_PATH, help="Weights of an encoder fitted on a file."),
            compute_options,
        ],
    )


def trial_options(function: Decorated) -> Decorated:
    """What is synthesised, and how it is written."""
    return applied(
        function,
        [
            click.option(
                "--name",
                default=DEFAULT_SET,
                show_default=True,
                metavar="LABEL",
                help="The image set's name in file names, letters and digits.",
            ),
            click.option(
                "--repeats", type=int, default=1, show_default=True, help="Synthetic trials an image."
            ),
            click.option(
                "--noise",
                type=click.Choice(NOISE_KINDS),
                default=NOISE_KINDS[0],
                show_default=True,
                help="Noise of single trials: none, independent over voxels, or as in the participant's.",
            ),
            click.option(
                "--snr-scale",
                type=float,
                default=1.0,
                show_default=True,
                help="Factor on the standard deviation of the signal; the noise stays as measured.",
            ),
            click.option(
                "--uncertainty",
                is_flag=True,
                help="Also write the encoder's own uncertainty, and add it to noisy trials.",
            ),
            random_seed,
            click.option(
                "--shard-size",
                type=int,
                metavar="N",
                help="Images a file. Default: files of at most 2,048 images and 100 MB.",
            ),
        ],
    )


def rank_options(function: Decorated) -> Decorated:
    """What images are ranked by."""
    return applied(
        function,
        [
            click.option("--roi", required=True, metavar="NAME", help="Region; PPA means both hemispheres."),
            click.option("--contrast", metavar="NAME", help="Region whose response is taken off."),
            click.option(
                "--top", type=int, default=DEFAULT_TOP, show_default=True, help="Images shown of either end."
            ),
        ],
    )


def rank_config(**options: Any) -> RankConfig:
    """The configuration that the options make.

    Raises
    ------
    UsageError : what ``RankConfig`` refuses
    """
    return RankConfig(**options, command=shlex.join(sys.argv))


def synthesis_config(**options: Any) -> SynthesisConfig:
    """The configuration that the options make.

    Raises
    ------
    UsageError : what ``SynthesisConfig`` refuses
    """
    return SynthesisConfig(**options, command=shlex.join(sys.argv))
