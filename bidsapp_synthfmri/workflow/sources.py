"""Where each stimulus comes from: a photo collection, a rendering, another lab."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

import pandas as pd

from ..errors import UsageError
from ..structures import Trials

UNLABELLED = "unlabelled"
_BOLD5000_COLUMN = "ImgType"
_REPEATED = "rep_"
_OWN_COLUMNS = frozenset({"session", "run", "onset", "duration", "stimulus"})
_MISSING = frozenset({"", "n/a"})
_FEWEST_FOLDERS, _MOST_FOLDERS = 2, 20


@dataclass(frozen=True)
class ImageSources:
    """The source of every stimulus.

    Attributes
    ----------
    origin : what says so
    labels : by stimulus; ``unlabelled`` where nothing is said
    n_mixed : stimuli whose presentations have different labels; theirs is the most frequent one, of
        several such the first shown
    """

    origin: str
    labels: dict[str, str]
    n_mixed: int = 0


def image_sources(trials: Trials, column: str | None) -> ImageSources | None:
    """Sources from an events column, else from folders; None where nothing tells sources apart.

    Parameters
    ----------
    trials : all of them
    column : events column; None means ``ImgType`` where there is one, else the first folder of the
        stimuli's paths where all lie in 2 to 20 of them

    Returns
    -------
    labels without the ``rep_`` that BOLD5000 puts before some

    Raises
    ------
    UsageError : the events have no such column
    """
    there = [str(name) for name in trials.table.columns if name not in _OWN_COLUMNS]
    if column is not None and column not in there:
        raise UsageError(
            f"The events have no column {column}; besides times and stimulus theirs are"
            f" {', '.join(there) or 'none'}",
            "Name one of them with --source-column, or leave it out",
        )
    chosen = column if column is not None else _BOLD5000_COLUMN
    if chosen in there:
        found = _of_column(trials, chosen)
        if found is not None or column is not None:
            return found
    return _of_folders(trials)


def _of_column(trials: Trials, column: str) -> ImageSources | None:
    """None where no presentation has a label."""
    labels = trials.table[column].fillna("").astype(str).str.strip().str.removeprefix(_REPEATED)
    table = pd.DataFrame({"stimulus": trials.table["stimulus"].astype(str), "label": labels})
    table = table[~table["label"].isin(_MISSING)]
    if table.empty:
        return None
    counts = table.groupby("stimulus", sort=False)["label"].value_counts(sort=False)
    most = counts.groupby(level="stimulus", sort=False).idxmax()
    found = {str(stimulus): str(label) for stimulus, label in most}
    n_mixed = int((counts.groupby(level="stimulus").size() > 1).sum())
    labels_of = {stimulus: found.get(stimulus, UNLABELLED) for stimulus in trials.stimuli}
    return ImageSources(f"events column {column}", labels_of, n_mixed)


def _of_folders(trials: Trials) -> ImageSources | None:
    parts = {stimulus: PurePosixPath(stimulus).parts for stimulus in trials.stimuli}
    folders = {stimulus: found[0] for stimulus, found in parts.items() if len(found) > 1}
    if len(folders) < len(parts) or not _FEWEST_FOLDERS <= len(set(folders.values())) <= _MOST_FOLDERS:
        return None
    return ImageSources("first folder of each picture's path", folders)
