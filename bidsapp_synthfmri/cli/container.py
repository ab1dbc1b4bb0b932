"""``synthfmri-docker``: run the program in a container, its paths being those of this machine."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from .. import __version__
from ..config import RunConfig
from ..errors import SynthfmriError
from .configuration import stored_values
from .engines import ENGINES, IMAGES, TORCH_HOME, Call, engine_program
from .main import main as program
from .main import run
from .mounts import Mount, Mounts, container_words, made_folder
from .paths import NameOrPath


@click.command(
    context_settings={
        "help_option_names": ["-h", "--help"],
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
    }
)
@click.option("--engine", type=click.Choice(list(ENGINES)), help="Default: the first that is on PATH.")
@click.option(
    "--image",
    help="Image to run. Default: synthfmri; with apptainer the file synthfmri.sif.",
)
@click.option("--gpu/--no-gpu", default=None, help="Give it the GPUs. Default: with --device cuda.")
@click.option(
    "--torch-home",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="torchvision's cache of weights on this machine. Without it the image's own are used.",
)
@click.option("--print-command", is_flag=True, help="Print the engine's command line, and stop.")
@click.version_option(__version__, prog_name="synthfmri-docker")
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED, metavar="[COMMAND] WORD...")
def synthfmri_docker(
    engine: str | None,
    image: str | None,
    gpu: bool | None,
    torch_home: Path | None,
    print_command: bool,
    words: Sequence[str],
) -> None:
    """Run synthfmri in a container with docker, podman or apptainer.

    The words are those of synthfmri: BIDS_DIR OUTPUT_DIR {participant,group} and options, or another of its
    commands with its own. Options of synthfmri-docker come first. Paths are of this machine; what is read
    is mounted read-only. There is no network, unless weights have to be fetched into --torch-home.
    """
    try:
        name, path = engine_program(engine)
        call = container_call(words, image or IMAGES[name], gpu, torch_home)
    except SynthfmriError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    arguments = ENGINES[name](call)
    if print_command:
        click.echo(shlex.join([name, *arguments]))
        return
    sys.stdout.flush()
    os.execv(path, [name, *arguments])  # nosec B606 - the engine in this process's place, no shell between


def container_call(words: Sequence[str], image: str, gpu: bool | None, torch_home: Path | None) -> Call:
    """What a container has to be given to run the program's words.

    Parameters
    ----------
    words : as ``synthfmri`` takes them; without a command they are those of ``run``
    image : the engine's name of it
    gpu : None gives the GPUs where the words say ``--device cuda``
    torch_home : torchvision's cache on this machine; None uses the image's

    Raises
    ------
    click.UsageError : the program would refuse the words
    InputMissingError, OutputUnwritableError : a path among them is not there, or cannot be made
    UsageError : the configuration file cannot be read
    """
    command, rest = (program.commands[words[0]], words[1:]) if words[0] in program.commands else (run, words)
    context = command.make_context(str(command.name), list(rest))
    given = {
        name: value
        for name, value in context.params.items()
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    if command is run:
        given = _completed(given)
    mounts = Mounts()
    inside = container_words(command, given, mounts)
    cache: tuple[Mount, ...] = ()
    network = False
    if torch_home is not None:
        network = _must_fetch(torch_home, {**context.params, **given})
        cache = (Mount(made_folder(torch_home), TORCH_HOME, writable=network),)
    return Call(
        image=image,
        words=(str(command.name), *inside),
        mounts=(*mounts.found, *cache),
        network=network,
        gpu=given.get("device") == "cuda" if gpu is None else gpu,
    )


def _completed(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a run, with paths that its configuration file has, and the work directory."""
    stored = _stored(given["config_file"]) if "config_file" in given else {}
    values = {**stored, **given}
    if "work_dir" not in values and {"bids_dir", "output_dir"} <= set(values):
        folders = RunConfig(bids_dir=values["bids_dir"], output_dir=values["output_dir"])
        values["work_dir"] = folders.work_folder
    return values


def _stored(file: Path) -> dict[str, Any]:
    """Values of a configuration file that name paths, and the level, as the command line has them."""
    values = stored_values(file)
    kinds = {str(parameter.name): parameter.type for parameter in run.params}
    stored: dict[str, Any] = {"level": values["level"]} if "level" in values else {}
    for name in ("derivatives", "images"):
        if name in values:
            stored[name] = [f"{label}={path}" for label, path in values[name]]
    if "labels" in values:
        stored["labels"] = [word for key in ("label_set", "labels") if (word := values.get(key))]
    for name in set(values) - set(stored):
        if isinstance(kinds.get(name), click.Path | NameOrPath):
            stored[name] = values[name]
    return stored


def _must_fetch(torch_home: Path, options: Mapping[str, Any]) -> bool:
    """Whether ImageNet weights are asked for that the cache lacks; their names begin with the network's."""
    if options.get("weights", "imagenet") != "imagenet":
        return False
    cached = torch_home.glob(f"hub/checkpoints/{options.get('backbone', '')}*.pth")
    return next(cached, None) is None
