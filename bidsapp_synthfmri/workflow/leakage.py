"""What training may have seen of the test: pictures, sessions, the network's own training set, sources."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from ..config import RunConfig
from ..encoding.split import HeldOut
from ..errors import InputMalformedError, SynthfmriError
from ..evaluation import within_groups as grouped
from ..evaluation.comparison import Comparison
from ..evaluation.sharing import time_shared
from ..features.cache import file_sha256
from ..features.imagenet import imagenet_evidence
from ..features.images import sources_of
from ..features.perceptual import (
    LEAST_CORRELATION,
    MOST_BITS,
    Alike,
    PictureCodes,
    alike_pairs,
    alike_within,
    picture_codes,
)
from ..structures import IntArray, Json, Responses, RoiSet, StimulusSet, Synthetic
from .inputs import ParticipantInputs
from .runtime import generator
from .scores import BOOTSTRAP_DRAWS, held_out_comparison
from .sources import ImageSources, image_sources

# Below this many stimuli a correlation over them says next to nothing (standard error above .3).
LEAST_STIMULI = 10
_PAIR_COLUMNS = ("stimulus", "other", "other_split", "kind", "distance", "correlation")
_TRAIN, _TEST = "train", "test"


@dataclass(frozen=True)
class Leakage:
    """The audit of one participant's split.

    Attributes
    ----------
    pairs : test pictures and others that show the same
    stimuli : one row a stimulus: its side, source, and what says that a network may know it
    scores : of test stimuli by source, and without those that may have leaked
    facts : counts, limits and where they come from
    """

    pairs: pd.DataFrame
    stimuli: pd.DataFrame
    scores: pd.DataFrame
    facts: Json


def without_pictures(images: StimulusSet, pictures: Iterable[str]) -> StimulusSet:
    """The set without images that equal one of ``pictures`` byte by byte, whatever their names."""
    tested = {file_sha256(Path(picture)) for picture in pictures}
    kept = [file_sha256(picture) not in tested for picture in sources_of(images)]
    return StimulusSet(images.name, images.table[kept].reset_index(drop=True))


def audit(
    config: RunConfig,
    participant: str,
    pictures: StimulusSet,
    extra: Sequence[StimulusSet],
    responses: Responses,
    held_out: HeldOut,
    synthetic: Synthetic,
    weights: str,
) -> Leakage:
    """Everything that training and test share, and scores without it.

    Parameters
    ----------
    config, participant : source column, and seeds
    pictures, extra : the stimuli's files, and the extra image sets without the test pictures
    responses, held_out, synthetic : trials, which of them test, and predictions
    weights : of the network: ``imagenet``, ``random`` or ``file``

    Raises
    ------
    SynthfmriError : a stimulus is on both sides of the split, which the split rules out
    UsageError : the events have no such source column
    """
    _require_disjoint(responses, held_out)
    sources = image_sources(responses.trials, config.source_column)
    stimuli = _stimuli(synthetic, sources)
    codes = picture_codes(_paths(pictures, stimuli["stimulus"]))
    pairs = pd.DataFrame(
        [*_own_pairs(codes, stimuli), *_extra_pairs(codes, stimuli, extra)], columns=list(_PAIR_COLUMNS)
    )
    in_training = pairs.loc[pairs["other_split"] == _TRAIN, "stimulus"]
    counts = stimuli["stimulus"].map(in_training.value_counts()).fillna(0).astype(np.int64)
    stimuli = stimuli.assign(alike_in_training=counts)
    comparison = held_out_comparison(config, participant, responses, held_out, synthetic, None)
    subsets = _subsets(stimuli[stimuli["split"] == _TEST], weights)
    scores = _scores(config, participant, comparison, responses.voxels.roi_sets(), subsets)
    facts = {
        "most_bits": MOST_BITS,
        "least_correlation": LEAST_CORRELATION,
        "n_flat": int(codes.is_flat.sum()),
        "extra_sets": {images.name: len(images) for images in extra},
        "shared": asdict(time_shared(responses.trials, held_out.is_test)),
        "weights": weights,
        "source_origin": None if sources is None else sources.origin,
        "n_mixed_sources": 0 if sources is None else sources.n_mixed,
        "least_stimuli": LEAST_STIMULI,
    }
    return Leakage(pairs, stimuli, scores, facts)


def leakage_notes(leakage: Leakage) -> list[str]:
    """A sentence where training holds copies of test pictures."""
    n_copied = int((leakage.stimuli["alike_in_training"] > 0).sum())
    if not n_copied:
        return []
    n_test = int((leakage.stimuli["split"] == _TEST).sum())
    return [
        f"Training holds copies of {n_copied} of {n_test} test pictures under other names: see Leakage, which"
        " also has the scores without them."
    ]


def _require_disjoint(responses: Responses, held_out: HeldOut) -> None:
    stimuli = responses.trials.table["stimulus"]
    both = set(stimuli[held_out.is_test]) & set(stimuli[~held_out.is_test])
    if both:
        raise SynthfmriError(
            f"{len(both)} stimuli are on both sides of the split, such as {min(both)}", "Report this defect"
        )


def _stimuli(synthetic: Synthetic, sources: ImageSources | None) -> pd.DataFrame:
    """One row a stimulus, in the order of ``synthetic``."""
    names = [str(stimulus) for stimulus in synthetic.table["stimulus"]]
    labels = [None if sources is None else sources.labels[name] for name in names]
    evidence = [imagenet_evidence(name, label) for name, label in zip(names, labels, strict=True)]
    return pd.DataFrame(
        {
            "stimulus": names,
            "split": synthetic.table["split"].astype(str).to_numpy(),
            "source": pd.Series(labels, dtype=object),
            "imagenet": pd.Series(evidence, dtype=object),
        }
    )


def _paths(pictures: StimulusSet, stimuli: pd.Series) -> list[Path]:
    path_of = dict(zip(pictures.stimuli, pictures.table["path"], strict=True))
    return [Path(path_of[stimulus]) for stimulus in stimuli]


def _own_pairs(codes: PictureCodes, stimuli: pd.DataFrame) -> Iterator[tuple[object, ...]]:
    """Test pictures alike to training pictures, then to each other."""
    is_test = (stimuli["split"] == _TEST).to_numpy()
    tested = codes.take(np.flatnonzero(is_test))
    test, train = list(stimuli["stimulus"][is_test]), list(stimuli["stimulus"][~is_test])
    for pair in alike_pairs(tested, codes.take(np.flatnonzero(~is_test))):
        yield _record(pair, test, train, _TRAIN)
    for pair in alike_within(tested):
        yield _record(pair, test, test, _TEST)


def _extra_pairs(
    codes: PictureCodes, stimuli: pd.DataFrame, extra: Sequence[StimulusSet]
) -> Iterator[tuple[object, ...]]:
    is_test = (stimuli["split"] == _TEST).to_numpy()
    tested, test = codes.take(np.flatnonzero(is_test)), list(stimuli["stimulus"][is_test])
    for images in extra:
        others = picture_codes(sources_of(images))
        for pair in alike_pairs(tested, others):
            yield _record(pair, test, images.stimuli, images.name)


def _record(pair: Alike, first: Sequence[str], second: Sequence[str], split: str) -> tuple[object, ...]:
    names = (first[pair.first], second[pair.second])
    return (*names, split, pair.kind, pair.distance, round(pair.correlation, 3))


def _subsets(tested: pd.DataFrame, weights: str) -> Iterator[tuple[str, str, IntArray]]:
    """Subset, source where it is one, and the group of each test stimulus; below 0 it takes no part."""
    yield "all", "", np.zeros(len(tested), dtype=np.int64)
    numbers, labels = pd.factorize(tested["source"], sort=True)
    if len(labels) > 1:
        for number, label in enumerate(labels):
            yield "source", str(label), np.where(numbers == number, 0, -1)
        yield "within_sources", "", np.asarray(numbers, dtype=np.int64)
    known = tested["imagenet"].notna().to_numpy()
    if weights != "random" and known.any():
        yield "imagenet", "", np.where(known, 0, -1)
        yield "not_imagenet", "", np.where(known, -1, 0)
    alike = (tested["alike_in_training"] > 0).to_numpy()
    if alike.any():
        yield "without_duplicates", "", np.where(alike, -1, 0)


def _scores(
    config: RunConfig,
    participant: str,
    comparison: Comparison,
    rois: Sequence[RoiSet],
    subsets: Iterable[tuple[str, str, IntArray]],
) -> pd.DataFrame:
    """Every subset's scores; n/a where its stimuli are too few."""
    parts = []
    for subset, source, group in subsets:
        n_stimuli = int((group >= 0).sum())
        if subset != "all" and n_stimuli < LEAST_STIMULI:
            part = _unscored(rois, n_stimuli)
        else:
            rng = generator(config, participant, "leakage", subset, source)
            part = grouped.within_groups(comparison, group, rois, rng, BOOTSTRAP_DRAWS)
        parts.append(part.assign(subset=subset, source=source))
    return pd.concat(parts, ignore_index=True)[["subset", "source", *grouped.COLUMNS]]


def _unscored(rois: Sequence[RoiSet], n_stimuli: int) -> pd.DataFrame:
    """Rows that say how few stimuli there are."""
    rows = [
        (roi.name, row, np.nan, np.nan, np.nan, int(roi.voxels.sum()), n_stimuli)
        for roi in rois
        for row in grouped.ROWS
    ]
    return pd.DataFrame(rows, columns=list(grouped.COLUMNS))


def without_test_pictures(inputs: ParticipantInputs, held_out: HeldOut) -> tuple[ParticipantInputs, int]:
    """The inputs, no extra picture being a test picture; and how many were.

    Raises
    ------
    InputMalformedError : an image set has no other pictures
    """
    tested = set(inputs.trials.table["stimulus"][held_out.is_test])
    pictures = inputs.stimuli.table["path"][inputs.stimuli.table["stimulus"].isin(tested)]
    kept = tuple(without_pictures(images, pictures) for images in inputs.extra)
    for before, after in zip(inputs.extra, kept, strict=True):
        if len(after) == 0:
            raise InputMalformedError(
                f"All {len(before)} images of --images {before.name} are test pictures",
                "Give pictures that the participant was not tested with",
            )
    return replace(inputs, extra=kept), sum(map(len, inputs.extra)) - sum(map(len, kept))
