"""The options of a run, one decorator a concern, and the configuration they make."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from ..config import (
    CROPS,
    DEFAULT_CONFOUNDS,
    DEVICES,
    ESTIMATORS,
    JOINT_MODELS,
    LAYER_SELECTIONS,
    PENALTY_SEARCHES,
    RunConfig,
)
from ..errors import UsageError
from .lists import ListOption

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
_FOLDER = click.Path(path_type=Path)
_PATH_LIKE = re.compile(r"[^:]*[./\\\\]")


def applied(function: Decorated, options: Sequence[Callable[[Any], Any]]) -> Decorated:
    """The function with some options, in their order."""
    for option in reversed(options):
        function = option(function)
    return function


def selection_options(function: Decorated) -> Decorated:
    """What to read."""
    return applied(
        function,
        [
            click.option(
                "--participant-label",
                "--participant_label",
                "participant_labels",
                cls=ListOption,
                multiple=True,
                metavar="LABEL...",
                help="Participants, with or without sub-. Default: all.",
            ),
            click.option(
                "--session-label",
                "--session_label",
                "session_labels",
                cls=ListOption,
                multiple=True,
                metavar="LABEL...",
                help="Sessions, with or without ses-. Default: all.",
            ),
            click.option(
                "--task-label",
                "--task_label",
                "task_label",
                metavar="LABEL",
                help="Task. Default: the one task whose events name pictures.",
            ),
            click.option(
                "--space", metavar="LABEL", help="Space of the BOLD. Default: the only one there is."
            ),
            click.option(
                "--roi",
                "rois",
                cls=ListOption,
                multiple=True,
                metavar="NAME...",
                help="ROIs; PPA means both hemispheres. Default: every ROI mask, else the brain mask.",
            ),
            click.option(
                "--stimulus-column",
                default="stim_file",
                show_default=True,
                help="Events column that names the picture.",
            ),
        ],
    )


def folder_options(function: Decorated) -> Decorated:
    """Where things are."""
    return applied(
        function,
        [
            click.option(
                "-d",
                "--derivatives",
                cls=ListOption,
                multiple=True,
                metavar="NAME=PATH...",
                help="Preprocessed data and ROI masks. Default: every folder of BIDS_DIR/derivatives.",
            ),
            click.option(
                "--stimuli-dir", type=_FOLDER, help="Folder of the pictures. Default: BIDS_DIR/stimuli."
            ),
            click.option(
                "--images",
                cls=ListOption,
                multiple=True,
                metavar="NAME=PATH...",
                help="Extra pictures to synthesise responses to: a folder, its subfolders being categories, "
                "a TSV, a tar archive, a .npy or an HDF5 file.",
            ),
            click.option(
                "-w", "--work-dir", type=_FOLDER, help="Work directory. Default: OUTPUT_DIR/../work."
            ),
        ],
    )


def response_options(function: Decorated) -> Decorated:
    """How single-trial responses are estimated."""
    return applied(
        function,
        [
            click.option(
                "--responses",
                default=ESTIMATORS[-1],
                show_default=True,
                metavar=f"{{{','.join(ESTIMATORS)},PATH}}",
                help="Single-trial estimator, or the file or folder of precomputed responses.",
            ),
            click.option(
                "--confounds",
                cls=ListOption,
                multiple=True,
                metavar="{acompcor,motion24,minimal,none,COLUMN}...",
                help="Confounds to project out: strategies, columns (either generation of names), patterns "
                "such as 'cosine*'. Default: acompcor.",
            ),
            click.option(
                "--fd-threshold",
                type=float,
                metavar="MM",
                help="Leave out volumes whose framewise displacement is above this. Default: keep all.",
            ),
            click.option(
                "--min-ncsnr",
                type=float,
                metavar="X",
                help="Leave out voxels whose signal-to-noise over repeats is below this. Default: keep all.",
            ),
        ],
    )


def network_options(function: Decorated) -> Decorated:
    """Which network's features, of what part of a picture."""
    return applied(
        function,
        [
            click.option(
                "--backbone", default="alexnet", show_default=True, help="torchvision classification model."
            ),
            click.option(
                "--layers",
                cls=ListOption,
                multiple=True,
                metavar="NODE...",
                help="torchvision node names. Default: the family's.",
            ),
            click.option(
                "--weights",
                default="imagenet",
                show_default=True,
                metavar="{imagenet,random,FILE}",
                help="The network's weights; a file is .pth or .safetensors.",
            ),
            click.option(
                "--crop",
                type=click.Choice(CROPS),
                default=CROPS[0],
                show_default=True,
                help="Make pictures square by cutting their centre, squashing, or padding.",
            ),
            click.option(
                "--image-size",
                type=int,
                metavar="PIXELS",
                help="Side of the network's input. Default: what its weights were trained with.",
            ),
            click.option(
                "--untrained-control",
                is_flag=True,
                help="Also fit on the same network with random weights, and report both.",
            ),
        ],
    )


def encoder_options(function: Decorated) -> Decorated:
    """How features predict responses, and how that is tested."""
    return applied(
        function,
        [
            click.option(
                "--layer-selection",
                type=click.Choice(LAYER_SELECTIONS),
                default=LAYER_SELECTIONS[0],
                show_default=True,
                help="One layer a voxel, one a ROI, or all layers jointly.",
            ),
            click.option(
                "--joint-model",
                type=click.Choice(JOINT_MODELS),
                default=JOINT_MODELS[0],
                show_default=True,
                help="How --layer-selection joint joins layers.",
            ),
            click.option(
                "--penalty-search",
                type=click.Choice(PENALTY_SEARCHES),
                default=PENALTY_SEARCHES[0],
                show_default=True,
                help="Exact folds around generalised cross-validation's choice, or over the whole grid; "
                "or that choice itself.",
            ),
            click.option(
                "--unseen-categories/--no-unseen-categories",
                default=True,
                show_default=True,
                help="Also fit without each of some folds of categories (--labels), for decoders of "
                "categories that no encoder saw.",
            ),
            click.option(
                "--uncertainty",
                is_flag=True,
                help="Store with the encoder how sure it is of any prediction; its file grows by far.",
            ),
            click.option(
                "--test-fraction",
                type=float,
                default=0.1,
                show_default=True,
                help="Share of stimuli to test on where too few repeat.",
            ),
            click.option(
                "--source-column",
                metavar="COLUMN",
                help="Events column with each picture's source. Default: ImgType, where there is one.",
            ),
        ],
    )


def decoding_options(function: Decorated) -> Decorated:
    """What is decoded."""
    return applied(
        function,
        [
            click.option(
                "--labels",
                cls=ListOption,
                multiple=True,
                metavar="{NAME,FILE}...",
                help="What to decode: a label set (source, superordinate, scene, setting, column:NAME ...), "
                "a TSV with columns stimulus and label, or labels:COLUMN and a TSV. The participant level "
                "leaves its categories out of encoders.",
            ),
            click.option(
                "--label-column",
                metavar="COLUMN",
                help="Column of the trial table that holds the label.",
            ),
            click.option(
                "--experiments",
                type=click.Path(path_type=Path),
                metavar="FILE",
                help="TOML list of decoding experiments (group level). Default: see docs/experiments.md.",
            ),
            click.option(
                "--coco-annotations",
                type=_FOLDER,
                metavar="FILE",
                help="COCO's instances_train2014.json, for the label sets coco_....",
            ),
        ],
    )


def compute_options(function: Decorated) -> Decorated:
    """What every command that computes takes of the machine."""
    return applied(
        function,
        [
            click.option("--device", type=click.Choice(DEVICES), default="auto", show_default=True),
            click.option(
                "--n-cpus", "--n_cpus", type=int, help="Threads. Default: what affinity and cgroup allow."
            ),
        ],
    )


random_seed = click.option("--random-seed", type=int, default=0, show_default=True)


def machine_options(function: Decorated) -> Decorated:
    """How the run uses the machine."""
    return applied(
        function,
        [
            click.option(
                "--cache-size",
                type=float,
                metavar="GB",
                help="Most that cached features may take; the least recently used go. Default: no bound.",
            ),
            compute_options,
            random_seed,
            click.option("--dry-run", is_flag=True, help="Say what would be done, and stop."),
            click.option("-v", "--verbose", "verbosity", count=True, help="More detail; -vv for still more."),
        ],
    )


def run_config(**options: Any) -> RunConfig:
    """The configuration that the options make.

    Raises
    ------
    UsageError : a NAME=PATH without a name, or what ``RunConfig`` refuses
    """
    options["participant_labels"] = _without_prefix(
        "sub-", "--participant-label", options["participant_labels"]
    )
    options["session_labels"] = _without_prefix("ses-", "--session-label", options["session_labels"])
    if options["task_label"]:
        options["task_label"] = options["task_label"].removeprefix("task-")
    if options["space"]:
        options["space"] = options["space"].removeprefix("space-")
    options["derivatives"] = _named_paths("--derivatives", options["derivatives"])
    options["images"] = _named_paths("--images", options["images"])
    options["label_set"], options["labels"] = _label_set_and_file(options.get("labels", ()))
    options["rois"] = _separate("--roi", options["rois"])
    options["layers"] = _separate("--layers", options["layers"])
    options["confounds"] = _separate("--confounds", options.get("confounds", ())) or DEFAULT_CONFOUNDS
    return RunConfig(**options, command=shlex.join(sys.argv))


def _separate(option: str, values: Sequence[str]) -> tuple[str, ...]:
    """Distinct values in order; a quoted list and commas count as separators too.

    An option given with nothing in it is refused: an empty shell variable must not mean all.
    """
    words = tuple(dict.fromkeys(word for value in values for word in value.replace(",", " ").split()))
    if values and not words:
        raise UsageError(f"{option} was given, but names nothing", f"Name something, or leave {option} out")
    return words


def _label_set_and_file(values: Sequence[str]) -> tuple[str | None, Path | None]:
    """The label set's name and the table's path among the words of ``--labels``.

    A word that is a file's path, or has a dot or a slash before any colon, is the table.
    """
    files = [word for word in values if Path(word).is_file() or _PATH_LIKE.match(word)]
    names = [word for word in values if word not in files]
    if len(names) > 1 or len(files) > 1:
        raise UsageError(
            f"--labels names {len(names)} label sets and {len(files)} files",
            "Name one label set, or give one file, or labels:COLUMN and its file",
        )
    if not all(values):
        raise UsageError("--labels was given, but names nothing", "Name a label set or a file")
    return (names[0] if names else None), (Path(files[0]) if files else None)


def _without_prefix(prefix: str, option: str, labels: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(label.removeprefix(prefix) for label in _separate(option, labels)))


def _named_paths(option: str, values: Sequence[str]) -> tuple[tuple[str, Path], ...]:
    pairs = []
    for value in values:
        name, equals, path = value.partition("=")
        if not (name and equals and path):
            raise UsageError(f"{option} {value!r} has no name", f"Write {option} NAME=PATH")
        pairs.append((name, Path(path)))
    return tuple(pairs)
