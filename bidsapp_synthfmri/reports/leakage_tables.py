"""What training may have seen of the test, as exact numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from .estimates import number, roi_name
from .leakage import (
    ALL,
    IMAGENET,
    MIRRORED,
    NEAR,
    NOT_IMAGENET,
    SAME_FILE,
    TEST,
    TRAIN,
    WITHIN,
    WITHOUT_DUPLICATES,
    Audit,
    Subset,
)
from .leakage_words import compared
from .numbers import MISSING, correlation, correlation_with_interval, count, counted, listed, percent
from .tables import Table

MOST_PAIRS = 20
_PAIR_HEADS = ("Test image", "Alike to", "Of", "How", "Bits that differ", "Thumbnail r")
_SIDES = {TRAIN: "training", TEST: "test"}
_KINDS = {SAME_FILE: "same file", NEAR: "near-duplicate", MIRRORED: "mirrored"}
_HEADS = {
    ALL: "All",
    WITHIN: "Source means removed",
    IMAGENET: "May be known to the network",
    NOT_IMAGENET: "Without those",
    WITHOUT_DUPLICATES: "Without copies in training",
}


def shared_tables(audit: Audit) -> tuple[Table, ...]:
    """What test and training share, counted; pairs of images that show the same."""
    pairs = _pairs(audit)
    return (_counts(audit),) if pairs is None else (_counts(audit), pairs)


def subset_tables(audit: Audit) -> tuple[Table, ...]:
    """Scores by source; scores without what may have leaked."""
    by_source = (audit.subset(ALL), *audit.sources, audit.subset(WITHIN))
    leaked = [audit.subset(kind) for kind in (IMAGENET, NOT_IMAGENET, WITHOUT_DUPLICATES)]
    found = (
        _source_table(audit, by_source) if audit.sources else None,
        _leaked_table(audit, (audit.subset(ALL), *leaked)) if any(leaked) else None,
    )
    return tuple(table for table in found if table is not None)


def _counts(audit: Audit) -> Table:
    rows = [
        (what, count(n), count(of), percent(n / of) if of and n >= 0 else MISSING)
        for what, n, of in _counted(audit)
    ]
    return Table(
        "What test and training share", ("", "Found", "Of", "Share"), tuple(rows), note=compared(audit)
    )


def _counted(audit: Audit) -> Iterator[tuple[str, float, float]]:
    tested = audit.n_test
    yield "Test images that are training stimuli", audit.n_on_both_sides, tested
    yield "Test images whose file is also a training image’s", audit.n_alike(TRAIN, SAME_FILE), tested
    yield "Test images with a near-duplicate in training", audit.n_alike(TRAIN, NEAR), tested
    yield "Test images with a mirrored copy in training", audit.n_alike(TRAIN, MIRRORED), tested
    yield "Test images alike to another test image", audit.n_alike(TEST), tested
    for name in audit.extra_sets:
        yield f"Test images alike to one of the image set {name}", audit.n_alike(name), tested
    trials = audit.shared("n_test_trials")
    yield "Test trials in sessions with training trials", audit.shared("n_shared_session"), trials
    yield "Test trials in runs with training trials", audit.shared("n_shared_run"), trials
    yield "Test trials beside a training trial", audit.shared("n_beside_training"), trials
    yield "Test images that may be ImageNet’s", audit.n_imagenet(TEST), tested
    yield "Training images that may be ImageNet’s", audit.n_imagenet(TRAIN), len(audit.stimuli) - tested


def _pairs(audit: Audit) -> Table | None:
    if audit.pairs.empty:
        return None
    rows = tuple(
        (
            str(pair["stimulus"]),
            str(pair["other"]),
            _SIDES.get(str(pair["other_split"]), str(pair["other_split"])),
            _KINDS.get(str(pair["kind"]), str(pair["kind"])),
            count(number(pair["distance"])),
            correlation(number(pair["correlation"])),
        )
        for _, pair in audit.pairs.iloc[:MOST_PAIRS].iterrows()
    )
    more = len(audit.pairs) - len(rows)
    note = f"{counted(more, 'more pair is', 'more pairs are')} in desc-leakage_pairs.tsv." if more else ""
    return Table("Images that show the same", _PAIR_HEADS, rows, n_heads=4, note=note)


def _source_table(audit: Audit, subsets: Sequence[Subset | None]) -> Table:
    origin = str(audit.facts.get("source_origin") or "not known")
    note = (
        f"Sources: {origin}. {_SCORES} A source alone varies less than all together, so its correlation may"
        " be lower where prediction is as good: compare with real with real."
    )
    if n_mixed := int(audit.facts.get("n_mixed_sources") or 0):
        note += f" {counted(n_mixed, 'image')} had several labels and took the most frequent."
    return _scores(audit, "Prediction by image source", subsets, note)


def _leaked_table(audit: Audit, subsets: Sequence[Subset | None]) -> Table:
    return _scores(audit, "Prediction without test images that may have leaked", subsets, _SCORES)


_SCORES = (
    "Correlation of the noiseless synthetic with a single real response across test images, mean over the"
    " region’s voxels, with 95% intervals over images; below it, that of two real responses. In brackets: how"
    " many images."
)


def _scores(audit: Audit, title: str, subsets: Sequence[Subset | None], note: str) -> Table:
    given = [subset for subset in subsets if subset is not None]
    there = [subset for subset in given if subset.known]
    if few := [f"{_name(s)} ({count(s.n_stimuli)})" for s in given if not s.known]:
        least = count(audit.facts.get("least_stimuli"))
        note += f" Not scored alone, with fewer than {least} test images: {listed(few)}."
    heads = [f"{_name(s)} ({count(s.n_stimuli)})" for s in there]
    rows = tuple((roi_name(roi), *(_cell(subset, roi) for subset in there)) for roi in audit.rois)
    return Table(title, ("Region", *heads), rows, note=note)


def _name(subset: Subset) -> str:
    return _HEADS.get(subset.kind, subset.source)


def _cell(subset: Subset, roi: str) -> str:
    synthetic, real = subset.synthetic_real(roi), subset.real_real(roi)
    text = correlation_with_interval(synthetic.value, synthetic.low, synthetic.high)
    return f"{text}\n{correlation(real.value)} real with real" if math.isfinite(real.value) else text
