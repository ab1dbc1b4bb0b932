"""Pictures that may be among those a network was trained on."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

NAME, FOLDER, SOURCE = "name", "folder", "source"

# WordNet's offset of the category and the picture's number, as ImageNet spells its files.
_TRAINING_NAME = re.compile(r"n\d{8}_\d+")
_SYNSET = re.compile(r"n\d{8}")
_HELD_BACK = re.compile(r"ILSVRC20\d\d_(val|test)_\d+")
_DATASET = re.compile(r"imagenet|ilsvrc", re.IGNORECASE)


def imagenet_evidence(stimulus: str, source: str | None = None) -> str | None:
    """What says that a picture is one of ImageNet's: ``name``, ``folder`` or ``source``; None for nothing.

    Parameters
    ----------
    stimulus : the picture's path
    source : where it comes from, if that is known

    Notes
    -----
    Whether it is one of the 1,281,167 pictures of ILSVRC 2012 that networks are trained on is not known:
    ImageNet has about 14 million. Validation and test pictures of ILSVRC, known by their names, are not.
    """
    path = PurePosixPath(stimulus)
    if _HELD_BACK.fullmatch(path.stem):
        return None
    if _TRAINING_NAME.fullmatch(path.stem):
        return NAME
    if any(_SYNSET.fullmatch(part) or _DATASET.search(part) for part in path.parts[:-1]):
        return FOLDER
    if source is not None and _DATASET.search(source):
        return SOURCE
    return None
