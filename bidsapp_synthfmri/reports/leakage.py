"""What training may have seen of the test, as a participant's files have it."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from ..derivatives.results import ParticipantResults
from ..structures import Json
from .estimates import Estimate, estimate_of, number, rois_of

SYNTHETIC_REAL, REAL_REAL = "synthetic_real", "real_real"
ALL, SOURCE, WITHIN = "all", "source", "within_sources"
IMAGENET, NOT_IMAGENET, WITHOUT_DUPLICATES = "imagenet", "not_imagenet", "without_duplicates"
TRAIN, TEST = "train", "test"
SAME_FILE, NEAR, MIRRORED = "same-file", "near-duplicate", "mirrored"
KINDS = (SAME_FILE, NEAR, MIRRORED)


@dataclass(frozen=True)
class Subset:
    """Some test images, and what was scored on them.

    Attributes
    ----------
    kind : ``all``, ``source``, ``within_sources``, ``imagenet``, ``not_imagenet`` or ``without_duplicates``
    source : its name, of kind ``source``
    n_stimuli : how many
    scores : correlation of synthetic with real, and of real with real, by region
    """

    kind: str
    source: str
    n_stimuli: int
    scores: dict[str, tuple[Estimate, Estimate]]

    def synthetic_real(self, roi: str) -> Estimate:
        """The prediction's correlation in a region."""
        return self.scores.get(roi, (Estimate(), Estimate()))[0]

    def real_real(self, roi: str) -> Estimate:
        """The agreement of two presentations in a region."""
        return self.scores.get(roi, (Estimate(), Estimate()))[1]

    @property
    def known(self) -> bool:
        """Whether any region has a score."""
        return any(synthetic.known for synthetic, _ in self.scores.values())


@dataclass(frozen=True)
class Audit:
    """The audit of one participant's split.

    Attributes
    ----------
    pairs : test pictures and others that show the same
    stimuli : one row a stimulus
    subsets : scored parts of the test images
    rois : regions, all voxels last
    facts : counts and limits of the summary
    n_on_both_sides : stimuli of both test and training trials, by the table of trials
    """

    pairs: pd.DataFrame
    stimuli: pd.DataFrame
    subsets: tuple[Subset, ...]
    rois: tuple[str, ...]
    facts: Json
    n_on_both_sides: int

    @property
    def n_test(self) -> int:
        """Test pictures."""
        return int((self.stimuli["split"] == TEST).sum())

    @property
    def extra_sets(self) -> tuple[str, ...]:
        """Names of the extra image sets."""
        return tuple(map(str, self.facts.get("extra_sets", {})))

    def n_alike(self, side: str, *kinds: str) -> int:
        """Test pictures, of both members of a pair of them, alike to one of a side in one of some ways."""
        chosen = self.pairs[(self.pairs["other_split"] == side) & self.pairs["kind"].isin(kinds or KINDS)]
        alike = set(chosen["stimulus"])
        return len(alike | set(chosen["other"]) if side == TEST else alike)

    def n_imagenet(self, side: str) -> int:
        """Pictures of a side that may be ImageNet's."""
        return int((self.stimuli["imagenet"].notna() & (self.stimuli["split"] == side)).sum())

    def shared(self, key: str) -> float:
        """A fact on what test and training trials share in time."""
        return number(self.facts.get("shared", {}).get(key))

    def subset(self, kind: str) -> Subset | None:
        """The subset of a kind, if there is one."""
        return next((subset for subset in self.subsets if subset.kind == kind), None)

    @property
    def sources(self) -> tuple[Subset, ...]:
        """The sources, those with most test images first."""
        found = [subset for subset in self.subsets if subset.kind == SOURCE]
        return tuple(sorted(found, key=lambda subset: -subset.n_stimuli))


def audit_of(results: ParticipantResults) -> Audit | None:
    """The audit as written; None where it was not made."""
    facts = results.summary.get("leakage")
    if results.leakage is None or not isinstance(facts, dict):
        return None
    scores = results.leakage.scores
    keys = scores[["subset", "source"]].fillna("").astype(str).agg("\0".join, axis=1)
    subsets = tuple(_subset(key, part) for key, part in scores.groupby(keys, sort=False))
    shown, is_test = results.responses.trials.table["stimulus"], results.splits == TEST
    return Audit(
        pairs=results.leakage.pairs,
        stimuli=results.leakage.stimuli,
        subsets=subsets,
        rois=rois_of(scores),
        facts=facts,
        n_on_both_sides=len(set(shown[is_test]) & set(shown[~is_test])),
    )


def _subset(key: object, part: pd.DataFrame) -> Subset:
    kind, source = str(key).split("\0")
    estimates = {(str(row["roi"]), str(row["row"])): estimate_of(row) for _, row in part.iterrows()}
    scores = {
        roi: (estimates.get((roi, SYNTHETIC_REAL), Estimate()), estimates.get((roi, REAL_REAL), Estimate()))
        for roi in rois_of(part)
    }
    n_stimuli = max((int(synthetic.n_stimuli) for synthetic, _ in scores.values()), default=0)
    return Subset(kind, source, n_stimuli, scores)
