"""Identification of one participant's test images: every region, kind of pattern and scaling."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch

from ..errors import InputMalformedError
from ..evaluation.presentations import group_presentations
from ..structures import FloatArray, IntArray, RoiSet
from .identification import rank_candidates
from .identification_group import StimulusScores, stimulus_scores
from .identification_null import rank_test_images
from .identification_patterns import LEAST_VOXELS, Scaling
from .identification_scores import COLUMNS, identification_scores

SINGLE_TRIAL, MEAN_OF_REPEATS = "single_trial", "mean_of_repeats"
TABLE_COLUMNS = ("roi", "pattern", "scaling", *COLUMNS)


@dataclass(frozen=True)
class ShownTrials:
    """Real trials of test images.

    Attributes
    ----------
    values : (n_trials, n_voxels)
    stimuli : (n_trials,) image of each trial
    """

    values: FloatArray
    stimuli: tuple[str, ...]


@dataclass(frozen=True)
class Candidates:
    """Synthetic responses to candidate images, the test images among them.

    Attributes
    ----------
    values : (n_candidates, n_voxels) noiseless predictions, in the unit of the real responses
    images : (n_candidates,) names, each once
    """

    values: FloatArray
    images: tuple[str, ...]

    def __post_init__(self) -> None:
        if not len(self.values) == len(self.images) == len(set(self.images)):
            raise InputMalformedError(
                f"There are {len(self.values)} candidates, {len(self.images)} names and "
                f"{len(set(self.images))} different ones",
                "Give each candidate image a name of its own",
            )


def of_source(
    trials: ShownTrials, candidates: Candidates, source_of: Mapping[str, str | None], source: str
) -> tuple[ShownTrials, Candidates]:
    """Trials and candidates of one image source, so that the source cannot tell the candidates apart.

    Parameters
    ----------
    source_of : image source of every image; images that it lacks are of none
    """
    rows = [row for row, image in enumerate(trials.stimuli) if source_of.get(image) == source]
    kept = [row for row, image in enumerate(candidates.images) if source_of.get(image) == source]
    return (
        ShownTrials(trials.values[rows], tuple(trials.stimuli[row] for row in rows)),
        Candidates(candidates.values[kept], tuple(candidates.images[row] for row in kept)),
    )


@dataclass(frozen=True)
class Identified:
    """Scores and what was left out.

    Attributes
    ----------
    table : columns ``TABLE_COLUMNS``
    sentences : what was left out, and why
    by_stimulus : what each test image adds, to pool participants by; one for each region, kind of pattern
        and scaling
    """

    table: pd.DataFrame
    sentences: tuple[str, ...]
    by_stimulus: tuple[StimulusScores, ...] = ()


def identify(
    tested: ShownTrials,
    candidates: Candidates,
    rois: Sequence[RoiSet],
    rng: np.random.Generator,
    *,
    who: str,
    source_of: Mapping[str, str | None] | None = None,
    reference: FloatArray | None = None,
    scalings: Sequence[Scaling] = ("raw", "standardised"),
    most: int = 10000,
    draws: int = 2000,
    device: torch.device | None = None,
) -> Identified:
    """Identification scores of one participant.

    Parameters
    ----------
    rois : voxels to identify from
    rng : draws candidates where there are more than ``most``, then intervals and permutations
    who : how sentences begin
    source_of : image source of each test image; p then exchanges images within their source
    reference : real training trials, whose mean and sd scale the real patterns
    most : candidates at most; test images are always among them

    Notes
    -----
    A test image without a synthetic response, and a region of fewer than three voxels, are left out with
    a sentence. Intervals and p are over the test images at hand, so they hold for images like these.
    """
    trials, chosen, sentences = _select(tested, candidates, rng, most, who)
    frames: list[pd.DataFrame] = []
    by_stimulus: list[StimulusScores] = []
    if trials.stimuli:
        problem = _problem(trials, chosen, source_of, reference)
        for roi in rois:
            if (n_voxels := int(roi.voxels.sum())) < LEAST_VOXELS:
                sentences.append(
                    f"{who}: ROI {roi.name} was left out of identification: patterns need {LEAST_VOXELS} "
                    f"voxels, it has {n_voxels}."
                )
                continue
            for table, dropped, own in _scores(problem.of_roi(roi), scalings, rng, draws, device):
                frames.append(table)
                by_stimulus += [] if own is None else [own]
                sentences += [f"{who}, ROI {roi.name}: {sentence}" for sentence in dropped]
    if not frames:
        return Identified(pd.DataFrame(columns=list(TABLE_COLUMNS)), tuple(sentences))
    return Identified(pd.concat(frames, ignore_index=True), tuple(sentences), tuple(by_stimulus))


@dataclass(frozen=True)
class _Problem:
    """Arrays of one participant, or of one of its regions.

    Attributes
    ----------
    patterns : name, (n, n_voxels) real patterns and (n,) number of the test image of each
    synthetic : (n_candidates, n_voxels)
    images : (n_images,) names of the test images
    rows : (n_images,) where each test image stands among the candidates
    strata : (n_images,) what images are exchanged within; None for no bounds
    reference : (n_reference, n_voxels) or None
    roi : the region's name
    """

    patterns: tuple[tuple[str, FloatArray, IntArray], ...]
    synthetic: FloatArray
    images: tuple[str, ...]
    rows: IntArray
    strata: tuple[str | None, ...] | None
    reference: FloatArray | None
    roi: str = ""

    def of_roi(self, roi: RoiSet) -> _Problem:
        """The same of a region's voxels."""
        return replace(
            self,
            patterns=tuple((name, real[:, roi.voxels], shown) for name, real, shown in self.patterns),
            synthetic=self.synthetic[:, roi.voxels],
            reference=None if self.reference is None else self.reference[:, roi.voxels],
            roi=roi.name,
        )


def _problem(
    trials: ShownTrials,
    chosen: Candidates,
    source_of: Mapping[str, str | None] | None,
    reference: FloatArray | None,
) -> _Problem:
    index, images = pd.factorize(np.asarray(trials.stimuli, dtype=object))
    row_of = {image: row for row, image in enumerate(chosen.images)}
    grouped = group_presentations(np.asarray(index, dtype=np.int64))
    patterns = [(SINGLE_TRIAL, trials.values, np.asarray(index, dtype=np.int64))]
    if grouped.counts.max() > 1:
        patterns.append((MEAN_OF_REPEATS, grouped.means(trials.values).astype(np.float32), grouped.stimuli))
    return _Problem(
        tuple(patterns),
        chosen.values,
        tuple(str(image) for image in images),
        np.array([row_of[str(image)] for image in images], dtype=np.int64),
        None if source_of is None else tuple(source_of.get(str(image)) for image in images),
        reference,
    )


def _scores(
    problem: _Problem,
    scalings: Sequence[Scaling],
    rng: np.random.Generator,
    draws: int,
    device: torch.device | None,
) -> Iterator[tuple[pd.DataFrame, list[str], StimulusScores | None]]:
    """Table, sentences, and what each image adds, of each kind of pattern and scaling."""
    for name, real, shown in problem.patterns:
        for scaling in scalings:
            given = (scaling, problem.reference, device)
            ranks = rank_candidates(real, problem.synthetic, problem.rows[shown], *given)
            cross = rank_test_images(real, problem.synthetic, problem.rows, *given)
            scores = identification_scores(ranks, shown, rng, cross, problem.strata, draws)
            scores.insert(0, "roi", problem.roi)
            scores.insert(1, "pattern", name)
            scores.insert(2, "scaling", scaling)
            counts = (
                (ranks.n_undefined, f"{name} patterns have no rank, because theirs or their image's is flat"),
                (ranks.n_flat_candidates, "candidates were left out, because their pattern is flat"),
                (ranks.n_flat_voxels, "voxels were left out, because they do not vary"),
            )
            cell = (problem.roi, name, scaling)
            own = stimulus_scores(cell, ranks, cross, shown, problem.images, problem.strata)
            yield scores, [f"{n} {what} ({scaling})." for n, what in counts if n], own


def _select(
    tested: ShownTrials, candidates: Candidates, rng: np.random.Generator, most: int, who: str
) -> tuple[ShownTrials, Candidates, list[str]]:
    """Trials whose image is a candidate, at most so many candidates, and sentences on the others."""
    known = set(candidates.images)
    rows = [row for row, stimulus in enumerate(tested.stimuli) if stimulus in known]
    shown = {tested.stimuli[row] for row in rows}
    sentences = []
    if lost := set(tested.stimuli) - shown:
        sentences.append(
            f"{who}: {len(lost)} test images have no synthetic response and were left out of identification "
            f"({min(lost)!r} is one)."
        )
    is_shown = np.array([image in shown for image in candidates.images], dtype=bool)
    others = np.flatnonzero(~is_shown)
    n_drawn = max(0, most - int(is_shown.sum()))
    if len(others) > n_drawn:
        sentences.append(
            f"{who}: {n_drawn} of {len(others)} candidates beside the test images were drawn at random."
        )
        others = rng.choice(others, n_drawn, replace=False)
    kept = np.sort(np.concatenate([np.flatnonzero(is_shown), others]))
    chosen = candidates
    if len(kept) < len(candidates.images):
        chosen = Candidates(candidates.values[kept], tuple(candidates.images[row] for row in kept))
    trials = ShownTrials(tested.values[rows], tuple(tested.stimuli[row] for row in rows))
    return trials, chosen, sentences
