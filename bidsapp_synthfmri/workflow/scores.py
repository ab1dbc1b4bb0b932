"""The participant level's tables of scores, from what the science rooms computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..config import RunConfig
from ..encoding import EncoderFit
from ..encoding.split import HeldOut
from ..evaluation import uncertainty
from ..evaluation.accounting import Accounting, account
from ..evaluation.comparison import Comparison
from ..evaluation.contrast import Contrast, contrast
from ..evaluation.reliability import Reliability
from ..structures import FloatArray, Responses, RoiSet, Synthetic
from ..synthesis.noise import noise_matched
from .control import Control
from .runtime import generator
from .selection import Measured

_NOISE_DRAWS = 20
BOOTSTRAP_DRAWS = 2000


@dataclass(frozen=True)
class Evaluation:
    """Scores of one participant.

    Attributes
    ----------
    accounting : the five rows
    encoding_table, reliability_table, uncertainty_table : long form, see derivatives/columns.py
    """

    accounting: Accounting
    encoding_table: pd.DataFrame
    reliability_table: pd.DataFrame
    uncertainty_table: pd.DataFrame


def evaluate(
    config: RunConfig,
    participant: str,
    responses: Responses,
    measured: Measured,
    held_out: HeldOut,
    synthetic: Synthetic,
    fit: EncoderFit,
    control: Control | None = None,
    test_variance: FloatArray | None = None,
) -> Evaluation:
    """The five rows on the test trials and encoding scores, of the voxels kept; reliability of all voxels.

    Parameters
    ----------
    config, participant : for the generators
    responses : of the voxels kept
    measured : of all voxels
    held_out, synthetic, fit : the test set, and what the encoder says of it
    control : what the same network with random weights says of it; None where that was not asked
    test_variance : (n_test_stimuli, n_voxels) of the predictions; None where the encoder does not know it
    """
    rois = responses.voxels.roi_sets()
    comparison = held_out_comparison(config, participant, responses, held_out, synthetic, measured.of_kept)
    accounting = account(comparison, rois, generator(config, participant, "bootstrap"), BOOTSTRAP_DRAWS)
    encoding = _encoding_table(rois, fit, accounting)
    if control is not None:
        # The accounting's draws, so that the trained network's interval is the same in both tables.
        rng = generator(config, participant, "bootstrap")
        contrasts = contrast(comparison, control.prediction, rois, rng, BOOTSTRAP_DRAWS)
        encoding = _with_control(encoding, rois, control, contrasts)
    return Evaluation(
        accounting=accounting,
        encoding_table=encoding,
        reliability_table=_reliability_table(measured),
        uncertainty_table=_uncertainty_table(comparison, measured.of_kept, rois, test_variance),
    )


def held_out_comparison(
    config: RunConfig,
    participant: str,
    responses: Responses,
    held_out: HeldOut,
    synthetic: Synthetic,
    known: Reliability | None,
) -> Comparison:
    """The test trials and what the encoder says of them; noise-matched where the reliability is known."""
    test_rows = np.flatnonzero(synthetic.table["split"] == "test")
    position = np.full(len(synthetic.table), -1)
    position[test_rows] = np.arange(len(test_rows))
    prediction = synthetic.values[test_rows]
    samples = None
    if known is not None:
        rng = generator(config, participant, "noise")
        samples = noise_matched(prediction, known.r, known.total_sd, _NOISE_DRAWS, rng)
    return Comparison(
        real=responses.values[held_out.is_test],
        stimulus_index=position[responses.trials.stimulus_index[held_out.is_test]],
        prediction=prediction,
        samples=samples,
        r=None if known is None else known.r,
    )


def _encoding_table(rois: Sequence[RoiSet], fit: EncoderFit, accounting: Accounting) -> pd.DataFrame:
    rows: list[tuple[str, str, str, float, int]] = []
    for roi in rois:
        n_voxels = int(roi.voxels.sum())
        for number, layer in enumerate(fit.layers):
            of_layer = _of_layer(fit, number, roi)
            rows += [(roi.name, layer, metric, value, n_voxels) for metric, value in of_layer.items()]
        rows += [
            (roi.name, "selected", "cv_r", _mean(fit.selected_r, roi), n_voxels),
            (roi.name, "selected", "cv_r2", _mean(fit.selected_r2, roi), n_voxels),
        ]
        rows.append((roi.name, "best", "test_r", _mean(accounting.voxels.synthetic_real, roi), n_voxels))
    return pd.DataFrame(rows, columns=["roi", "layer", "metric", "value", "n_voxels"])


def _of_layer(fit: EncoderFit, layer: int, roi: RoiSet) -> dict[str, float]:
    """How well a layer predicts a region's voxels, and what they make of it, by metric."""
    alone = {"cv_r": _mean(fit.cv_r[layer], roi), "cv_r2": _mean(fit.cv_r2[layer], roi)}
    if fit.variance_split is None:
        return {**alone, "share_of_voxels": float((fit.best_layer[roi.voxels] == layer).mean())}
    return {
        **alone,
        "layer_weight": _mean(fit.layer_weights[layer], roi),
        "variance_split": _mean(fit.variance_split[layer], roi),
    }


def _with_control(
    encoding: pd.DataFrame, rois: Sequence[RoiSet], control: Control, contrasts: Sequence[Contrast]
) -> pd.DataFrame:
    """The encoding scores with the control's beside them; test scores gain their intervals."""
    is_test = encoding["metric"] == "test_r"
    label = encoding.loc[is_test, "layer"].iloc[0]
    by_layer = [
        (roi.name, layer, "untrained_cv_r", _mean(control.cv_r[number], roi), int(roi.voxels.sum()))
        for roi in rois
        for number, layer in enumerate(control.layers)
    ]
    tested = [
        (found.roi, label, metric, score.value, score.n_voxels, score.low, score.high, *p, score.n_stimuli)
        for found in contrasts
        for metric, score, p in (
            ("test_r", found.first, (np.nan, np.nan)),
            ("untrained_test_r", found.second, (np.nan, np.nan)),
            ("trained_minus_untrained", found.difference, (found.p, found.p_fdr)),
        )
    ]
    columns = [*encoding.columns, "ci_low", "ci_high", "p", "p_fdr", "n_stimuli"]
    return pd.concat(
        [
            encoding[~is_test],
            pd.DataFrame(by_layer, columns=list(encoding.columns)),
            pd.DataFrame(tested, columns=columns).astype({"n_stimuli": "Int64"}),
        ],
        ignore_index=True,
    )


def _reliability_table(measured: Measured) -> pd.DataFrame:
    known, halves = measured.reliability, measured.split_half
    columns = ["roi", "metric", "value", "n_voxels", "n_stimuli", "n_trials"]
    if known is None or halves is None:
        return pd.DataFrame(columns=columns)
    metrics = {"ncsnr": known.ncsnr, "r": known.r, "noise_ceiling": known.noise_ceiling, "split_half": halves}
    rows = [
        (roi.name, metric, _mean(values, roi), int(roi.voxels.sum()), known.n_repeated, known.n_trials)
        for roi in measured.voxels.roi_sets()
        for metric, values in metrics.items()
    ]
    return pd.DataFrame(rows, columns=columns)


def _uncertainty_table(
    comparison: Comparison, known: Reliability | None, rois: Sequence[RoiSet], variance: FloatArray | None
) -> pd.DataFrame:
    """Empty where nothing repeats: noise is not known then."""
    if known is None:
        return pd.DataFrame(columns=list(uncertainty.COLUMNS))
    return uncertainty.uncertainty_scores(comparison, known, rois, variance)


def _mean(values: FloatArray, roi: RoiSet) -> float:
    """Mean over the ROI's voxels in which the value is defined; NaN where there is none."""
    chosen = values[roi.voxels]
    chosen = chosen[np.isfinite(chosen)]
    return float(chosen.mean(dtype=np.float64)) if len(chosen) else float("nan")
