"""Which source the pictures that decoders see are from: a photo collection, for most."""

from __future__ import annotations

from ..config import RunConfig
from ..decoding import label_set
from ..derivatives.results import ParticipantResults
from ..structures import Trials
from .sources import UNLABELLED, image_sources


def source_of_stimuli(results: ParticipantResults, config: RunConfig) -> dict[str, str] | None:
    """The source of each stimulus, extra images under ``SET/NAME``; None where nothing tells them apart.

    Names tell it where they are those of COCO, ImageNet and BOLD5000's scenes, for all the dataset's own
    stimuli; else the events or folders do (``sources.image_sources``), and extra images have none.

    Raises
    ------
    UsageError : the events have no column of the name given with ``--source-column``
    """
    found = _of_trials(results.responses.trials, config)
    if config.source_column is None and _are_named(results.responses.trials.stimuli):
        for extra in results.extra:
            own = tuple(str(stimulus) for stimulus in extra.table["stimulus"])
            name = str(extra.table["split"].iloc[0])
            keys = tuple(f"{name}/{stimulus}" for stimulus in own)
            found |= _known(keys, label_set("source", own).labels)
    return _if_several(found)


def source_of_trials(trials: Trials, config: RunConfig) -> dict[str, str] | None:
    """``source_of_stimuli`` of the dataset's own stimuli alone."""
    return _if_several(_of_trials(trials, config))


def _of_trials(trials: Trials, config: RunConfig) -> dict[str, str]:
    if config.source_column is None and _are_named(trials.stimuli):
        return _known(trials.stimuli, label_set("source", trials.stimuli).labels)
    sources = image_sources(trials, config.source_column)
    labels = {} if sources is None else sources.labels
    return {stimulus: source for stimulus, source in labels.items() if source != UNLABELLED}


def _are_named(stimuli: tuple[str, ...]) -> bool:
    """Whether all names are ones that tell the source."""
    return not label_set("source", stimuli).n_gaps


def _if_several(found: dict[str, str]) -> dict[str, str] | None:
    return found if len(set(found.values())) > 1 else None


def _known(stimuli: tuple[str, ...], sources: tuple[str | None, ...]) -> dict[str, str]:
    pairs = zip(stimuli, sources, strict=True)
    return {stimulus: source for stimulus, source in pairs if source is not None}
