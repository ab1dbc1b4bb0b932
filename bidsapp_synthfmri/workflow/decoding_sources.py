"""Which source the pictures that decoders see are from: a photo collection, for most."""

from __future__ import annotations

from ..config import RunConfig
from ..decoding import label_set
from ..derivatives.results import ParticipantResults
from .sources import UNLABELLED, image_sources


def source_of_stimuli(results: ParticipantResults, config: RunConfig) -> dict[str, str] | None:
    """The source of each stimulus, extra images under ``SET/NAME``; None where nothing tells them apart.

    Names tell it where they are those of COCO, ImageNet and BOLD5000's scenes, for all the dataset's own
    stimuli; else the events or folders do (``sources.image_sources``), and extra images have none.

    Raises
    ------
    UsageError : the events have no column of the name given with ``--source-column``
    """
    trials = results.responses.trials
    named = label_set("source", trials.stimuli)
    if config.source_column is None and not named.n_gaps:
        found = _known(trials.stimuli, named.labels)
        for extra in results.extra:
            own = tuple(str(stimulus) for stimulus in extra.table["stimulus"])
            name = str(extra.table["split"].iloc[0])
            keys = tuple(f"{name}/{stimulus}" for stimulus in own)
            found |= _known(keys, label_set("source", own).labels)
    else:
        sources = image_sources(trials, config.source_column)
        labels = {} if sources is None else sources.labels
        found = {stimulus: source for stimulus, source in labels.items() if source != UNLABELLED}
    return found if len(set(found.values())) > 1 else None


def _known(stimuli: tuple[str, ...], sources: tuple[str | None, ...]) -> dict[str, str]:
    pairs = zip(stimuli, sources, strict=True)
    return {stimulus: source for stimulus, source in pairs if source is not None}
