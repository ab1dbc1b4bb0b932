"""The label sets by name, and the one function that applies one of them to stimuli."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from ..errors import InputMissingError, UsageError
from .label_sets import LabelSet, Reading, assemble
from .label_sets_coco import SUPERCATEGORIES, CocoAnnotations
from .label_sets_names import (
    COCO,
    IMAGENET,
    SCENES,
    coco_number,
    image_source,
    scene_category,
    scene_settings,
    synset_labels,
    synset_of,
)
from .labels import label_stimuli

_BOLD5000 = "Names as BOLD5000's stimuli have them (OpenNeuro ds001499; Chang et al. 2019)"
_WORDNET = "WordNet 3.0 (Princeton University 2006) by the synset in the file's name"
_PLACES = "Places365's list of indoor and outdoor categories (Zhou et al. 2018), or the category's own name"
_INSTANCES = "COCO's instance annotations (Lin et al. 2014), from the file given"
COLUMN, TABLE = "column:", "labels:"


@dataclass(frozen=True)
class LabelInputs:
    """What label sets may need beside the stimuli's names.

    Attributes
    ----------
    trials : table with ``stimulus`` and the columns that ``column:NAME`` asks for
    table : the user's table, with ``stimulus``, ``label`` and the columns that ``labels:NAME`` asks for
    where : what messages call that table; its file
    of : what messages call the stimuli (``participant CSI1``, ``image set NAME``)
    coco : from ``coco_annotations``
    fall_back : label by names where the table knows none of the stimuli
    """

    trials: pd.DataFrame | None = None
    table: pd.DataFrame | None = None
    where: str = "the labels table"
    of: str = ""
    coco: CocoAnnotations | None = None
    fall_back: bool = False


Labeller = Callable[[Sequence[str], LabelInputs], list[Reading | None]]


@dataclass(frozen=True)
class Scheme:
    """A way to label stimuli by their names.

    Attributes
    ----------
    description, origin, within : as ``LabelSet`` has them
    read : a reading of each stimulus, None for stimuli of other sources
    """

    description: str
    origin: str
    within: str | None
    read: Labeller


def label_set(name: str, stimuli: Sequence[str], inputs: LabelInputs | None = None) -> LabelSet:
    """Labels of stimuli under the scheme of a name.

    Parameters
    ----------
    name : a key of ``SCHEMES``, or ``column:NAME`` (a column of the trials), ``labels`` (the user's
        table), ``labels:NAME`` (another column of it), ``names`` (folders, else file names)
    stimuli : identities, each once

    Raises
    ------
    UsageError : no scheme has this name
    InputMissingError : the scheme needs a file that was not given
    InputMalformedError : a table lacks the column, gives a stimulus two labels, or knows none
    """
    given = inputs or LabelInputs()
    if name in SCHEMES:
        scheme = SCHEMES[name]
        readings = scheme.read(stimuli, given)
        return assemble(name, scheme.description, scheme.origin, scheme.within, readings)
    if name == "names" or name == "labels" or name.startswith((COLUMN, TABLE)):
        return _from_user(name, stimuli, given)
    known = ", ".join([*SCHEMES, f"{COLUMN}NAME", "labels", f"{TABLE}NAME", "names"])
    raise UsageError(f"There is no label set {name!r}", f"Choose among {known}")


def _from_user(name: str, stimuli: Sequence[str], inputs: LabelInputs) -> LabelSet:
    column = name.partition(":")[2]
    if name == "names":
        found = label_stimuli(stimuli)
        description = "folder or file name"
    elif name.startswith(COLUMN):
        if inputs.trials is None:
            raise InputMissingError(
                f"Label set {name!r} needs the trials of {inputs.of or 'these stimuli'}, and there are none",
                "Choose a label set that does not ask for a column of the events",
            )
        found = label_stimuli(stimuli, inputs.trials, column)
        description = f"column {column!r} of the events"
    else:
        if inputs.table is None:
            raise InputMissingError(f"Label set {name!r} needs a table", "Give it with --labels")
        label = column or "label"
        found = label_stimuli(
            stimuli,
            labels=inputs.table,
            where=inputs.where,
            of=inputs.of,
            fallback_to_names=inputs.fall_back,
            label=label,
        )
        description = f"column {label!r} of the user's table"
    reason = "the name is only a number" if name == "names" else "there is no value for it"
    readings = [
        Reading(label, reason, stimulus) for stimulus, label in zip(stimuli, found.names, strict=True)
    ]
    return assemble(name, description, found.source, None, readings)


def _each(read: Callable[[str], Reading | None]) -> Labeller:
    return lambda stimuli, _: [read(stimulus) for stimulus in stimuli]


def _source(stimulus: str) -> Reading:
    return Reading(image_source(stimulus), "the name is none of ImageNet's, COCO's or BOLD5000's", stimulus)


def _synset_column(column: str) -> Labeller:
    def read(stimulus: str) -> Reading | None:
        synset = synset_of(stimulus)
        if synset is None:
            return None
        labels = synset_labels(column)
        if synset not in labels:
            return Reading(None, "the synset is none of ILSVRC's 1,000", synset)
        label = labels[synset]
        if label is None:
            return Reading(None, "the synset belongs to none of the chosen classes", synset)
        return Reading(label)

    return _each(read)


def _scene(stimulus: str) -> Reading | None:
    return Reading(scene_category(stimulus)) if image_source(stimulus) == SCENES else None


def _setting(stimulus: str) -> Reading | None:
    if image_source(stimulus) != SCENES:
        return None
    category = str(scene_category(stimulus))
    return Reading(scene_settings()[category], "no source says whether the category is indoors", category)


def _coco(read: Callable[[CocoAnnotations, Sequence[int]], list[Reading]]) -> Labeller:
    def label(stimuli: Sequence[str], inputs: LabelInputs) -> list[Reading | None]:
        if inputs.coco is None:
            raise InputMissingError(
                "COCO's label sets need COCO's annotations",
                "Give instances_train2014.json with --coco-annotations",
            )
        numbers = [coco_number(stimulus) for stimulus in stimuli]
        found = iter(read(inputs.coco, [number for number in numbers if number is not None]))
        return [None if number is None else next(found) for number in numbers]

    return label


def _presence(supercategory: str) -> Labeller:
    return _coco(lambda annotations, numbers: annotations.presence(numbers, supercategory))


SCHEMES = {
    "source": Scheme("image source: coco, imagenet or scenes", _BOLD5000, None, _each(_source)),
    "synset": Scheme("ImageNet category, one a synset", _WORDNET, IMAGENET, _synset_column("lemma")),
    "lexicographer": Scheme(
        "WordNet lexicographer file of the synset", _WORDNET, IMAGENET, _synset_column("lexicographer")
    ),
    "superordinate": Scheme(
        "chosen class that the synset is a kind of", _WORDNET, IMAGENET, _synset_column("superordinate")
    ),
    "scene": Scheme("scene category", _BOLD5000, SCENES, _each(_scene)),
    "setting": Scheme("indoor or outdoor scene category", _PLACES, SCENES, _each(_setting)),
    "coco_supercategory": Scheme(
        "supercategory that covers most of the image",
        _INSTANCES,
        COCO,
        _coco(lambda annotations, numbers: annotations.largest(numbers, "supercategory")),
    ),
    "coco_category": Scheme(
        "category that covers most of the image",
        _INSTANCES,
        COCO,
        _coco(lambda annotations, numbers: annotations.largest(numbers, "category")),
    ),
    **{
        f"coco_has_{name}": Scheme(f"whether the image shows {name}", _INSTANCES, COCO, _presence(name))
        for name in SUPERCATEGORIES
    },
}
