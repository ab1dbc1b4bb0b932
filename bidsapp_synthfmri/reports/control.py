"""The trained network against the same one untrained: scores by region, in words and in a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ..structures import Json
from .estimates import Estimate, estimate_of, regions_of, roi_name, rois_of
from .layer_figure import TEST_R
from .numbers import correlation_with_interval, count, listed, probability_cell
from .tables import Table
from .words import counted_of

UNTRAINED_CV_R = "untrained_cv_r"
_UNTRAINED_TEST_R = "untrained_test_r"
_DIFFERENCE = "trained_minus_untrained"
_OF_THE_CONTROL = (UNTRAINED_CV_R, _UNTRAINED_TEST_R, _DIFFERENCE)


@dataclass(frozen=True)
class RoiControl:
    """Correlations with single responses to test images in one region.

    Attributes
    ----------
    roi : its name
    trained, untrained : of each network
    difference : trained less untrained, paired
    """

    roi: str
    trained: Estimate
    untrained: Estimate
    difference: Estimate


def without_control(encoding: pd.DataFrame) -> pd.DataFrame:
    """The encoding scores of the trained network alone."""
    return encoding[~encoding["metric"].isin(_OF_THE_CONTROL)]


def controls_of(encoding: pd.DataFrame) -> tuple[RoiControl, ...]:
    """Both networks in every region, all voxels last; empty where there was no control."""
    tested = encoding[encoding["metric"].isin((TEST_R, _UNTRAINED_TEST_R, _DIFFERENCE))]
    if not tested["metric"].eq(_DIFFERENCE).any():
        return ()
    rows = {(str(row["roi"]), str(row["metric"])): estimate_of(row) for _, row in tested.iterrows()}
    return tuple(
        RoiControl(
            roi,
            *(rows.get((roi, metric), Estimate()) for metric in (TEST_R, _UNTRAINED_TEST_R, _DIFFERENCE)),
        )
        for roi in rois_of(tested)
    )


def control_words(controls: Sequence[RoiControl], summary: Json) -> tuple[str, ...]:
    """Where training helps, and what the comparison is of.

    Parameters
    ----------
    controls : at least one
    summary : the run's facts; ``untrained_control`` says which random weights
    """
    return (_finding(controls), _comparison(summary))


def _finding(controls: Sequence[RoiControl]) -> str:
    known = [one for one in regions_of(controls) if one.difference.known]
    if not known:
        return "No correlation with real responses to test images could be computed for both networks."
    names = [roi_name(one.roi) for one in known]
    better, worse, open_ = (
        [roi_name(one.roi) for one in known if _direction(one.difference) == sign] for sign in (1, -1, 0)
    )
    parts = [f"The trained network predicts better in {counted_of(better, names)}"]
    if worse:
        parts.append(f"worse in {counted_of(worse, names)}")
    sentences = [f"{', '.join(parts)}."]
    if open_:
        where = listed(open_)
        sentences.append(
            f"In {where} the two do not differ significantly, which is not to say that they are equal."
        )
    sentences.append("Better or worse means q below .05; q is p corrected over regions.")
    return " ".join(sentences)


def _direction(difference: Estimate) -> int:
    """1 where the trained network is significantly better, -1 where it is worse, 0 where that is open."""
    return 0 if not difference.significant else 1 if difference.value > 0 else -1


def _comparison(summary: Json) -> str:
    weights = summary.get("untrained_control", {}).get("weights")
    which = f" ({weights})" if weights else ""
    return (
        f"The untrained network has the same architecture with random weights{which}. Images, layers,"
        " training trials and folds are the same; penalty and layer are chosen by the same rule. Random"
        " filters keep much of an image’s layout, contrast and colour, so an untrained network is a strong"
        " baseline, most of all in early visual areas; the difference is what training added. The weights are"
        " one random draw: intervals speak of other images, not of other draws."
    )


def with_interval(estimate: Estimate, signed: bool = False) -> str:
    """The value and its interval as pages write them."""
    return correlation_with_interval(estimate.value, estimate.low, estimate.high, signed)


def control_table(controls: Sequence[RoiControl]) -> Table:
    """Both correlations and their difference, a line a region."""
    lines = [
        (
            roi_name(one.roi),
            count(one.difference.n_voxels),
            count(one.difference.n_stimuli),
            with_interval(one.trained),
            with_interval(one.untrained),
            with_interval(one.difference, signed=True),
            probability_cell(one.difference.q),
        )
        for one in controls
    ]
    heads = ("Region", "Voxels", "Images", "Trained", "Untrained", "Difference", "q")
    note = (
        "Correlation of noiseless predictions with single real responses to test images, mean over the"
        " region's voxels, with 95% intervals. Difference: trained less untrained, paired over voxels and"
        " images. q: its p-value corrected over regions."
    )
    return Table("Trained and untrained network", heads, tuple(lines), note=note)
