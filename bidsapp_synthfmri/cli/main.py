"""The commands: run, demo, simulate, synthesize, rank, completion."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from click.shell_completion import get_completion_class

from .. import __version__
from ..config import LEVELS, WEIGHTS_BY_NAME
from ..errors import SynthfmriError
from .bold_options import bold_options, take_bold_config
from .configuration import run_config
from .lists import ListCommand
from .machine_options import compute_options, machine_options, random_seed, run_options
from .options import (
    decoding_options,
    encoder_options,
    folder_options,
    network_options,
    response_options,
    selection_options,
)
from .paths import NameOrPath, WrittenPath
from .synthesis_options import (
    image_arguments,
    image_options,
    rank_config,
    rank_options,
    synthesis_config,
    trial_options,
)

_FOLDER = click.Path(path_type=Path)
_MADE = WrittenPath(path_type=Path)


def _guarded(function: Callable[..., int], *arguments: Any, **options: Any) -> None:
    """Leave with the function's exit code; an error a user can act on is one sentence and its own code."""
    try:
        code = function(*arguments, **options)
    except SynthfmriError as error:
        click.echo(f"Error: {error}", err=True)
        code = error.exit_code
    sys.exit(code)


@click.command(cls=ListCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("bids_dir", type=_FOLDER, required=False)
@click.argument("output_dir", type=_MADE, required=False)
@click.argument("level", metavar="{participant,group}", type=click.Choice(LEVELS), required=False)
@selection_options
@folder_options
@response_options
@network_options
@encoder_options
@decoding_options
@machine_options
@run_options
@click.version_option(__version__, prog_name="synthfmri")
def run(**options: Any) -> None:
    """From BOLD to encoders and synthetic responses (participant), to decoders trained on them (group).

    BIDS_DIR is the dataset, OUTPUT_DIR the derivative dataset to write. The group level reads OUTPUT_DIR
    only. The three may be left out where --config-file has them.
    """
    context = click.get_current_context()
    given = {name for name in options if context.get_parameter_source(name) is ParameterSource.COMMANDLINE}

    def start() -> int:
        from ..workflow import run_level

        return run_level(run_config(given, **options))

    _guarded(start)


@click.command()
@click.argument("directory", type=_MADE)
@click.option(
    "--weights",
    type=NameOrPath(WEIGHTS_BY_NAME),
    default="imagenet",
    show_default=True,
    metavar="{imagenet,random,FILE}",
)
@random_seed
@compute_options
@click.option("--overwrite", is_flag=True, help="Replace a demo that is there already.")
def demo(**options: Any) -> None:
    """Make a small BOLD5000-shaped dataset in DIRECTORY, run both levels, print where the reports are."""

    def start() -> int:
        from .demo import run_demo

        return run_demo(**options)

    _guarded(start)


@click.command()
@click.argument("directory", type=_MADE)
@click.option("--participants", type=int, default=2, show_default=True, help="How many participants.")
@click.option("--sessions", type=int, help="Sessions a participant.")
@click.option("--runs", type=int, help="Runs a session.")
@click.option("--naming", type=click.Choice(["fmriprep", "legacy"]), default="fmriprep", show_default=True)
@random_seed
def simulate(**options: Any) -> None:
    """Write a simulated dataset with known truth to DIRECTORY."""

    def start() -> int:
        from .demo import run_simulate

        return run_simulate(**options)

    _guarded(start)


@click.command()
@image_arguments
@trial_options
@bold_options
@image_options
def synthesize(**options: Any) -> None:
    """Responses of a stored ENCODER to IMAGES, written to OUT.

    IMAGES is a folder (its subfolders are categories), a TSV with columns path and label, a tar archive or
    pattern of several, a .npy file or an HDF5 file. A second call with the same options goes on where the
    first was stopped. With --bold it writes a synthetic scan in place of responses.
    """

    def start() -> int:
        from ..workflow import synthesise, synthesise_bold

        bold = take_bold_config(options)
        return synthesise(synthesis_config(**options)) if bold is None else synthesise_bold(bold)

    _guarded(start)


@click.command()
@image_arguments
@rank_options
@image_options
def rank(**options: Any) -> None:
    """Which IMAGES a stored ENCODER expects to drive a region most, and least: a table and a sheet in OUT.

    IMAGES as for synthesize.
    """

    def start() -> int:
        from ..workflow import rank as rank_step

        return rank_step(rank_config(**options))

    _guarded(start)


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes SHELL complete commands and options; eval it, or source it from a file."""
    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"click does not complete {shell}")
    click.echo(made(main, {}, "synthfmri", "_SYNTHFMRI_COMPLETE").source())


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="synthfmri")
def main() -> None:
    """Encode, synthesise and decode fMRI responses to natural images."""


for command in (run, demo, simulate, synthesize, rank, completion):
    main.add_command(command)


def bids_app() -> None:
    """``run.py``: the ``run`` command itself, as BIDS Apps are called."""
    run(prog_name="run.py")
