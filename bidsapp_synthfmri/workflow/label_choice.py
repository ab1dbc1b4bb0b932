"""The labels that a run asks for, by the name of a label set: of a participant's stimuli, of extra images."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import pandas as pd

from ..config import RunConfig
from ..decoding import SCHEMES, CocoAnnotations, Gap, LabelInputs, LabelSet, coco_annotations, label_set
from ..decoding import without_outlines as _without_outlines
from ..derivatives.results import ParticipantResults
from ..errors import InputMalformedError, InputMissingError
from ..structures import Json, Trials

_COLUMN, _TABLE = "column:", "labels:"
_FOLDERS = "column:label"
_NO_FOLDER = "its folder is no label of the set"


def chosen_labels(config: RunConfig) -> str:
    """The label set that the options ask for: a name, else the table, a column, or the stimuli's names."""
    if config.label_set is not None:
        return config.label_set
    if config.labels is not None:
        return "labels"
    return "names" if config.label_column is None else f"{_COLUMN}{config.label_column}"


def labels_of(results: ParticipantResults, name: str | None, config: RunConfig) -> LabelSet:
    """Labels of a participant's stimuli.

    Parameters
    ----------
    name : of a label set, as ``decoding.label_set`` knows them; None for the one that the options ask for

    Returns
    -------
    the set, its labels in the order of ``results.responses.trials.stimuli``

    Raises
    ------
    UsageError : no label set has this name
    InputMissingError : a file that the set needs was not given, or is not there
    InputMalformedError : the file cannot be read, or does not fit the stimuli
    """
    return labels_of_trials(results.responses.trials, results.participant, name, config)


def labels_of_trials(trials: Trials, participant: str, name: str | None, config: RunConfig) -> LabelSet:
    """``labels_of`` of trials at hand."""
    inputs = _inputs(config, f"participant {participant}", trials.table)
    return label_set(name or chosen_labels(config), trials.stimuli, inputs)


def labels_of_images(images: pd.DataFrame, own: LabelSet, config: RunConfig) -> LabelSet:
    """Labels of an extra image set, to train decoders of ``own`` with.

    Parameters
    ----------
    images : a row an image, with ``stimulus``; ``split`` is the set's name, ``label`` an image's folder where
        it has one
    own : labels of the participant's stimuli

    Returns
    -------
    the set, its labels in the order of the images

    Raises
    ------
    as ``labels_of``

    Notes
    -----
    Label sets that go by names (source, synset, scene ...) read the images' names. Where these say nothing
    of any image, a folder that is called as one of ``own``'s labels is that label. For the others, folders
    come first, then a column or table of that name, then the images' names.
    """
    if own.name in SCHEMES:
        return _by_scheme(images, own, config)
    stimuli = _stimuli(images)
    inputs = _inputs(config, f"image set {_name(images)}", images)
    column = own.name.removeprefix(_COLUMN)
    if own.name.startswith(_COLUMN) and column in images:
        return label_set(own.name, stimuli, inputs)
    if _has_folders(images):
        return label_set(_FOLDERS, stimuli, inputs)
    if inputs.table is not None and own.name.partition(":")[0] == "labels":
        return label_set(own.name, stimuli, replace(inputs, fall_back=True))
    return label_set("names", stimuli, inputs)


def label_source(labels: LabelSet) -> str:
    """Where labels come from, in a sentence."""
    if labels.name not in SCHEMES:
        return labels.origin
    return f"Labels are those of the set {labels.name!r}: {labels.description}. {labels.origin}."


def label_notes(sets: Mapping[str, LabelSet]) -> list[str]:
    """What a report says of a label set's coverage, participants with the same coverage together.

    Parameters
    ----------
    sets : of each participant
    """
    said: dict[str, list[str]] = {}
    for participant, labels in sets.items():
        for sentence in labels.sentences:
            said.setdefault(sentence, []).append(participant)
    return [
        f"{'Participant' if len(who) == 1 else 'Participants'} {', '.join(who)}: {sentence}"
        for sentence, who in said.items()
    ]


def label_facts(labels: LabelSet) -> Json:
    """A label set's counts and gaps, as plain values."""
    return {
        "name": labels.name,
        "description": labels.description,
        "origin": labels.origin,
        "within": labels.within,
        "n_labelled": labels.n_labelled,
        "n_outside": labels.n_outside,
        "gaps": [{"reason": gap.reason, "n_stimuli": gap.n_stimuli} for gap in labels.gaps],
        "counts": dict(labels.counts),
    }


def _by_scheme(images: pd.DataFrame, own: LabelSet, config: RunConfig) -> LabelSet:
    inputs = _inputs(config, f"image set {_name(images)}", images)
    found = label_set(own.name, _stimuli(images), inputs)
    if found.n_labelled or not _has_folders(images):
        return found
    known = {label for label, _ in own.counts}
    folders = [None if pd.isna(label) else str(label) for label in images["label"]]
    labels = tuple(folder if folder in known else None for folder in folders)
    strange = [str(folder) for folder in folders if folder not in known]
    gaps = (Gap(_NO_FOLDER, tuple(sorted(set(strange))), len(strange)),) if strange else ()
    origin = "Folders of the image set that are called as labels of the set"
    return replace(found, labels=labels, gaps=gaps, n_outside=0, origin=origin)


def _inputs(config: RunConfig, of: str, trials: pd.DataFrame) -> LabelInputs:
    return LabelInputs(
        trials=trials,
        table=None if config.labels is None else _read_table(config.labels),
        where=f"--labels {config.labels}",
        of=of,
        coco=None if config.coco_annotations is None else _read_coco(config.coco_annotations),
    )


def _stimuli(images: pd.DataFrame) -> tuple[str, ...]:
    return tuple(str(stimulus) for stimulus in images["stimulus"])


def _name(images: pd.DataFrame) -> str:
    return str(images["split"].iloc[0])


def _has_folders(images: pd.DataFrame) -> bool:
    return "label" in images and bool(images["label"].notna().any())


def _read_table(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise InputMissingError(f"--labels {path} is not there", "Give a TSV with columns stimulus and label")
    try:
        return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputMalformedError(
            f"--labels {path} is not a table ({error})", "Give a TSV with columns stimulus and label"
        ) from error


def _read_coco(path: Path) -> CocoAnnotations:
    if not path.is_file():
        raise InputMissingError(
            f"--coco-annotations {path} is not there", "Give COCO's instances_train2014.json"
        )
    return _parse_coco(path.resolve(), path.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _parse_coco(path: Path, _changed: int) -> CocoAnnotations:
    """The file is 450 MB: read once for all participants, and again where it was changed."""
    try:
        with path.open(encoding="utf-8") as lines:
            parsed = json.load(lines, object_hook=_without_outlines)
    except (ValueError, RecursionError) as error:
        raise InputMalformedError(
            f"--coco-annotations {path} is not JSON ({error})", "Give COCO's instances_train2014.json"
        ) from error
    return coco_annotations(parsed, f"--coco-annotations {path}")
