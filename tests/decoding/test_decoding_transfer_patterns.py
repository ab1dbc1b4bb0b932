"""Correlation of mapped responses: numpy's correlations, weighted resamples, exchanges that are allowed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from bidsapp_synthfmri.decoding.transfer_patterns import COLUMNS, voxel_correlations
from bidsapp_synthfmri.structures import RoiSet

N_IMAGES, N_VOXELS = 24, 10
ROIS = (RoiSet("PPA", np.arange(N_VOXELS) < 4), RoiSet("all", np.ones(N_VOXELS, dtype=bool)))
ONE = np.zeros(N_IMAGES, dtype=np.int64)


def three(seed: int = 0, shared: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    signal = rng.standard_normal((N_IMAGES, N_VOXELS))
    noisy = [signal * (shared if n == 1 else 1) + rng.standard_normal(signal.shape) for n in range(3)]
    real, mapped, predicted = (part.astype(np.float32) for part in noisy)
    return real, mapped + 5, predicted


def columns(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    return np.diag(np.corrcoef(one.T, two.T)[:N_VOXELS, N_VOXELS:])


def test_values_are_the_mean_over_voxels_of_numpys_correlations() -> None:
    real, mapped, predicted = three()
    table, n_flat = voxel_correlations(real, mapped, predicted, ROIS, ONE, np.random.default_rng(0), 50)
    assert tuple(table.columns) == COLUMNS
    assert n_flat == 0
    for _, row in table.iterrows():
        voxels = next(roi.voxels for roi in ROIS if roi.name == row["roi"])
        assert row["n_voxels"] == voxels.sum()
        assert row["value"] == pytest.approx(columns(mapped, real)[voxels].mean(), abs=1e-6)
        assert row["own"] == pytest.approx(columns(predicted, real)[voxels].mean(), abs=1e-6)
        assert row["difference"] == pytest.approx(row["value"] - row["own"])


def test_intervals_are_those_of_images_drawn_again() -> None:
    real, mapped, predicted = three()
    table, _ = voxel_correlations(real, mapped, predicted, ROIS, ONE, np.random.default_rng(0), 2000)
    rng, draws = np.random.default_rng(9), []
    for _ in range(2000):
        rows = rng.integers(N_IMAGES, size=N_IMAGES)
        draws.append((columns(mapped[rows], real[rows]), columns(predicted[rows], real[rows])))
    means = np.array(draws).mean(axis=2)  # (2000, 2)
    row = table.set_index("roi").loc["all"]
    wanted = np.quantile(means[:, 0], [0.025, 0.975])
    assert [row["ci_low"], row["ci_high"]] == pytest.approx(wanted, abs=0.02)  # of 2,000 draws each
    wanted = np.quantile(means[:, 0] - means[:, 1], [0.025, 0.975])
    assert [row["difference_low"], row["difference_high"]] == pytest.approx(wanted, abs=0.02)


def test_p_is_uniform_where_nothing_is_shared() -> None:
    p = []
    for seed in range(200):
        real, mapped, predicted = three(seed, shared=0.0)
        table, _ = voxel_correlations(
            real, mapped, predicted, ROIS[1:], ONE, np.random.default_rng(seed), 100
        )
        p.append(float(table["p"].iloc[0]))
    assert kstest(p, "uniform").pvalue > 0.01


def test_images_are_exchanged_within_strata_alone() -> None:
    """Strata that explain all of the correlation leave nothing: chance is what they give."""
    strata = np.arange(N_IMAGES) % 3
    rng = np.random.default_rng(4)
    centres = 3 * rng.standard_normal((3, N_VOXELS))
    real, mapped = (
        (centres[strata] + rng.standard_normal((N_IMAGES, N_VOXELS))).astype(np.float32) for _ in range(2)
    )
    found = [
        voxel_correlations(real, mapped, real, ROIS[1:], own, np.random.default_rng(0), 500)[0].iloc[0]
        for own in (ONE, strata)
    ]
    assert found[0]["p"] < 0.01
    assert abs(found[0]["chance"]) < 0.05
    assert found[1]["p"] > 0.05
    assert found[1]["chance"] == pytest.approx(found[1]["value"], abs=0.1)


def test_voxels_that_do_not_vary_are_counted_and_left_out() -> None:
    real, mapped, predicted = three()
    mapped[:, :2], predicted[:, 5] = 1.0, 0.0
    rois = (*ROIS, RoiSet("flat", np.arange(N_VOXELS) < 2))
    table, n_flat = voxel_correlations(real, mapped, predicted, rois, ONE, np.random.default_rng(0), 50)
    assert n_flat == 3
    assert table.set_index("roi")["n_voxels"].to_dict() == {"PPA": 2, "all": 7}
    assert np.isfinite(table.drop(columns="roi").to_numpy(dtype=float)).all()
