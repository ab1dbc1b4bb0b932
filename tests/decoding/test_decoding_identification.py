"""Ranks of the seen image among candidates: the brute-force oracle, ties, flat patterns, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from bidsapp_synthfmri.decoding import identification, identification_patterns
from bidsapp_synthfmri.decoding.identification import Ranks, rank_candidates
from bidsapp_synthfmri.decoding.identification_null import exchanged, rank_test_images
from bidsapp_synthfmri.decoding.identification_patterns import SCALINGS, Scaling
from bidsapp_synthfmri.errors import InputMalformedError
from bidsapp_synthfmri.structures import FloatArray, IntArray


def simulate(
    seed: int, n_trials: int = 40, n_candidates: int = 300, n_voxels: int = 50, noise: float = 2.0
) -> tuple[FloatArray, FloatArray, IntArray]:
    rng = np.random.default_rng(seed)
    synthetic = rng.standard_normal((n_candidates, n_voxels)) + 3 * rng.standard_normal(n_voxels)
    seen = rng.integers(0, n_candidates, n_trials)
    real = 2 * synthetic[seen] + noise * rng.standard_normal((n_trials, n_voxels)) + 5
    return real.astype(np.float32), synthetic.astype(np.float32), seen


def brute_force(
    real: FloatArray, synthetic: FloatArray, seen: IntArray, scaling: Scaling, reference: FloatArray
) -> tuple[list[int], list[int]]:
    """Counts one pair at a time, in float64, by numpy's own correlation."""
    x, y = real.astype(np.float64), synthetic.astype(np.float64)
    if scaling != "raw":
        x, y = x - reference.astype(np.float64).mean(axis=0), y - y.mean(axis=0)
    if scaling == "standardised":
        x, y = x / reference.astype(np.float64).std(axis=0), y / y.std(axis=0)
    better, tied = [], []
    for pattern, own in zip(x, seen, strict=True):
        r = np.array([np.corrcoef(pattern, candidate)[0, 1] for candidate in y])
        lead = np.delete(r - r[own], own)
        better.append(int((lead > 1e-12).sum()))
        tied.append(int((np.abs(lead) <= 1e-12).sum()))
    return better, tied


@pytest.mark.parametrize("scaling", SCALINGS)
@pytest.mark.parametrize("given", [True, False])
def test_ranks_are_those_of_every_correlation_computed_alone(scaling: Scaling, given: bool) -> None:
    real, synthetic, seen = simulate(0, noise=9.0)
    reference = simulate(1)[0] if given else None
    found = rank_candidates(real, synthetic, seen, scaling, reference)
    better, tied = brute_force(real, synthetic, seen, scaling, real if reference is None else reference)
    assert found.better.tolist() == better
    assert found.tied.tolist() == tied == [0] * len(seen)
    assert found.n_candidates == 300
    assert 0 < np.median(found.better) < 100  # neither trivial nor at chance


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    real, synthetic, seen = simulate(2)
    whole = rank_candidates(real, synthetic, seen, "standardised")
    cross = rank_test_images(real, synthetic, np.unique(seen), "standardised")
    monkeypatch.setattr(identification_patterns, "_BLOCK_BYTES", 8 * 50 * 7)
    parts = rank_candidates(real, synthetic, seen, "standardised")
    np.testing.assert_array_equal(parts.better, whole.better)
    np.testing.assert_array_equal(
        rank_test_images(real, synthetic, np.unique(seen), "standardised").better, cross.better
    )


def test_copies_of_the_seen_image_are_tied_and_near_copies_are_not() -> None:
    real, synthetic, seen = simulate(3, n_trials=20, n_voxels=3000)
    copies = synthetic[seen]
    closer = synthetic[seen] + 1e-5 * (real - real.mean(axis=1, keepdims=True))
    candidates = np.concatenate([synthetic, copies, 3 * copies + 2, closer.astype(np.float32)])
    found = rank_candidates(real, candidates, seen)
    better, tied = brute_force(real, candidates, seen, "raw", real)
    assert found.better.tolist() == better
    assert found.tied.tolist() == tied
    assert min(better) >= 1
    assert min(tied) >= 1  # the copy; whether the scaled one is exactly level is float32's rounding of it


def test_float32_products_stay_within_a_tenth_of_the_margin() -> None:
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((2, 400, 3104))
    x, y = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (x, x + 0.5 * y))
    error = x.astype(np.float32) @ y.astype(np.float32).T - x @ y.T
    assert np.abs(error).max() < identification._MARGIN / 10


def test_tied_candidates_share_the_mean_of_their_ranks() -> None:
    ranks = Ranks(np.array([0.0, 3.0]), np.array([0.0, 2.0]), 11, 0, 0)
    np.testing.assert_allclose(ranks.rank, [1, 5])
    np.testing.assert_allclose(ranks.percentile, [1, 0.6])


def test_flat_patterns_have_no_rank_and_are_counted() -> None:
    real, synthetic, seen = simulate(5)
    seen[:3] = [10, 11, 12]
    real[0] = 7.3  # a flat trial
    synthetic[11] = -2.1  # a flat seen candidate
    synthetic[200] = 0.0
    found = rank_candidates(real, synthetic, seen)
    undefined = np.isin(seen, [11, 200])
    undefined[0] = True
    np.testing.assert_array_equal(np.isnan(found.better), undefined)
    assert found.n_undefined == undefined.sum()
    assert (found.n_flat_candidates, found.n_candidates) == (2, 298)
    kept = np.setdiff1d(np.arange(300), [11, 200])
    rows = np.searchsorted(kept, seen[~undefined])
    without = rank_candidates(real[~undefined], synthetic[kept], rows)
    np.testing.assert_array_equal(found.better[~undefined], without.better)


def test_voxels_that_do_not_vary_are_left_out_of_standardised_patterns() -> None:
    real, synthetic, seen = simulate(6)
    without = rank_candidates(real[:, 2:], synthetic[:, 2:], seen, "standardised")
    real[:, 0], synthetic[:, 1] = 4.2, 0.1
    found = rank_candidates(real, synthetic, seen, "standardised")
    assert found.n_flat_voxels == 2
    np.testing.assert_array_equal(found.better, without.better)
    assert rank_candidates(real, synthetic, seen, "centred").n_flat_voxels == 0


def test_a_truth_without_noise_is_first_and_noise_alone_is_anywhere() -> None:
    real, synthetic, seen = simulate(7, noise=0.0)
    assert rank_candidates(real, synthetic, seen).better.max() == 0
    real, synthetic, seen = simulate(8, n_trials=600, noise=0.0)
    noise = np.random.default_rng(9).standard_normal(real.shape).astype(np.float32)
    # sd of a uniform percentile is .29, of the mean of 600 .012: five of these, as seen images repeat
    found = rank_candidates(noise, synthetic, seen, "centred")
    assert found.percentile.mean() == pytest.approx(0.5, abs=0.06)


def test_cross_ranks_hold_the_seen_images_own_ranks() -> None:
    real, synthetic, seen = simulate(10)
    images, shown = np.unique(seen, return_inverse=True)
    for scaling in SCALINGS:
        own = rank_candidates(real, synthetic, seen, scaling)
        cross = rank_test_images(real, synthetic, images, scaling)
        assert cross.better.shape == (40, len(images))
        np.testing.assert_array_equal(cross.better[np.arange(40), shown], own.better)
        np.testing.assert_array_equal(cross.tied, 0)
        other = rank_candidates(real, synthetic, np.full(40, images[3]), scaling)
        np.testing.assert_array_equal(cross.better[:, 3], other.better)


def test_cross_ranks_leave_out_flat_patterns() -> None:
    real, synthetic, _ = simulate(11)
    real[2], synthetic[5], synthetic[6] = 1.0, 1.0, 1.0
    synthetic[8] = synthetic[7]
    cross = rank_test_images(real, synthetic, np.array([4, 5, 7]))
    assert np.isnan(cross.better[2]).all()
    assert np.isnan(cross.better[:, 1]).all()
    own = rank_candidates(real, synthetic, np.full(40, 7))
    np.testing.assert_array_equal(cross.better[:, 2], own.better)
    np.testing.assert_array_equal(cross.tied[:, 2], own.tied)


def test_images_are_exchanged_within_their_stratum_only() -> None:
    strata = ["coco", "imagenet", None, "coco", "imagenet", "coco"]
    order = exchanged(strata, 200, np.random.default_rng(12))
    assert all(sorted(row) == list(range(6)) for row in order.tolist())
    assert {(strata[image], strata[place]) for row in order for place, image in enumerate(row)} == {
        ("coco", "coco"),
        ("imagenet", "imagenet"),
        (None, None),
    }
    assert set(order[:, 0]) == {0, 3, 5}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda real, synthetic, seen: (real[:, :-1], synthetic, seen),
            "different numbers of voxels: 49, 50",
        ),
        (lambda real, synthetic, seen: (real[:-1], synthetic, seen), "39 real responses and 40 seen"),
        (lambda real, synthetic, seen: (real, synthetic, seen + 300), "image is not among the 300"),
        (lambda real, synthetic, seen: (real[:, :2], synthetic[:, :2], seen), "2 voxels"),
        (lambda real, synthetic, seen: (real * np.inf, synthetic, seen), "real responses are not finite"),
        (lambda real, synthetic, seen: (real, synthetic * np.nan, seen), "synthetic responses are not"),
    ],
)
def test_what_does_not_fit_is_refused(change, message) -> None:
    with pytest.raises(InputMalformedError, match=message):
        rank_candidates(*change(*simulate(13)))


def test_a_region_without_varying_voxels_cannot_be_standardised() -> None:
    real, synthetic, seen = simulate(14, n_voxels=4)
    synthetic[:, :2] = 1.0
    with pytest.raises(InputMalformedError, match="2 voxels that vary"):
        rank_candidates(real, synthetic, seen, "standardised")


def test_no_trials_give_no_ranks() -> None:
    real, synthetic, seen = simulate(15)
    assert rank_candidates(real[:0], synthetic, seen[:0]).better.shape == (0,)
