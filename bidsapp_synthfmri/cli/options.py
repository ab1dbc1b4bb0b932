"""The options of a run, one decorator a concern."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from ..config import (
    CROPS,
    ESTIMATORS,
    JOINT_MODELS,
    LAYER_SELECTIONS,
    PENALTY_SEARCHES,
    WEIGHTS_BY_NAME,
)
from .lists import ListOption
from .paths import LabelsWord, NamedPath, NameOrPath, WrittenPath

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
_FOLDER = click.Path(path_type=Path)
_MADE = WrittenPath(path_type=Path)


def applied(function: Decorated, options: Sequence[Callable[[Any], Any]], title: str = "") -> Decorated:
    """The function with some options, in their order; ``title`` is what ``--help`` puts above them."""
    before = len(function.__dict__.get("__click_params__", ()))
    for option in reversed(options):
        function = option(function)
    for made in function.__dict__["__click_params__"][before:] if title else ():
        made.title = title
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
                "--exclude-participant-label",
                "--exclude_participant_label",
                "exclude_participant_labels",
                cls=ListOption,
                multiple=True,
                metavar="LABEL...",
                help="Participants to leave out.",
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
                "--bids-filter-file",
                "--bids_filter_file",
                type=_FOLDER,
                metavar="FILE",
                help="JSON of entities that files must have, by kind: events, bold, mask, confounds, roi.",
            ),
            click.option(
                "--bids-database-dir",
                "--bids_database_dir",
                type=_FOLDER,
                metavar="DIR",
                expose_value=False,
                help="Accepted, without effect: the index takes seconds, and is made anew each time.",
            ),
            click.option(
                "--reset-database",
                is_flag=True,
                expose_value=False,
                help="Accepted, without effect, like --bids-database-dir.",
            ),
            click.option(
                "--skip-bids-validation",
                "--skip_bids_validation",
                is_flag=True,
                help="Do not check the files used against BIDS.",
            ),
            click.option(
                "--strict", is_flag=True, help="Refuse files that do not pass the check, which else warns."
            ),
            click.option(
                "--stimulus-column",
                default="stim_file",
                show_default=True,
                help="Events column that names the picture.",
            ),
        ],
        "What to read",
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
                type=NamedPath(),
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
                type=NamedPath(),
                metavar="NAME=PATH...",
                help="Extra pictures to synthesise responses to: a folder, its subfolders being categories, "
                "a TSV, a tar archive, a .npy or an HDF5 file.",
            ),
            click.option(
                "-w",
                "--work-dir",
                type=_MADE,
                help="Work directory. Default: OUTPUT_DIR/../work.",
            ),
        ],
        "Folders",
    )


def response_options(function: Decorated) -> Decorated:
    """How single-trial responses are estimated."""
    return applied(
        function,
        [
            click.option(
                "--responses",
                type=NameOrPath(ESTIMATORS),
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
        "Single-trial responses",
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
                type=NameOrPath(WEIGHTS_BY_NAME),
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
        "Network",
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
        "Encoder",
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
                type=LabelsWord(),
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
        "Decoding (group level)",
    )
