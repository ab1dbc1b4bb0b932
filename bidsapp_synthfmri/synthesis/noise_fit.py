"""A participant's noise model, from how repeated presentations of a stimulus differ.

Presentations of a stimulus share its signal. The m - 1 orthonormal contrasts of its m presentations hold
noise alone, each with the noise's own covariance, and stimuli are independent: no degree of freedom is
counted twice. Divided by each voxel's noise standard deviation they are draws of the noise's correlation
C = F'F + diag(u^2), of unit diagonal, where v may be too large for C to be formed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import helmert

from ..errors import InputMalformedError
from ..structures import FloatArray, IntArray
from .factors import SHRINKAGES, Principal, log_likelihood
from .noise_model import NoiseModel

# With fewer repeated stimuli than this, what is left out says little: voxels' noise is taken as independent.
MIN_STIMULI = 10
RANKS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
_N_FOLDS = 5
_MAX_CONTRASTS = 3000
_MAX_VALUES = 2**28
# Predictions that vary less than this share of a trial's standard deviation are float32 rounding.
_CONSTANT = 1e-5


@dataclass(frozen=True)
class Spread:
    """How predictions of images that a fit did not see vary.

    Attributes
    ----------
    centre, sd : (n_voxels,) mean and standard deviation over images
    drawn : (n_voxels,) variance that a draw of the encoder's posterior adds, mean over images; None where the
        encoder has no posterior
    """

    centre: NDArray[np.floating]
    sd: NDArray[np.floating]
    drawn: NDArray[np.floating] | None = None


def fit_noise_model(
    values: FloatArray, stimulus_index: IntArray, signal_sd: FloatArray, noise_sd: FloatArray, spread: Spread
) -> NoiseModel:
    """The noise model of some trials, of which some show the same stimulus.

    Parameters
    ----------
    values : (n_trials, n_voxels) responses
    stimulus_index : (n_trials,)
    signal_sd, noise_sd : (n_voxels,) of the same trials, as ``evaluation.reliability`` has them
    spread : of the encoder's predictions

    Raises
    ------
    InputMalformedError : no stimulus is repeated

    Notes
    -----
    Rank and shrinkage are those of the highest Gaussian likelihood of stimuli left out, five folds of
    them, among ``RANKS`` and ``SHRINKAGES``; ``factors`` has the estimator. At most 3,000 contrasts, or as
    many as fit 1 GB, of stimuli evenly spread over all, are searched with.
    """
    stimuli = _repeated(stimulus_index)
    n_trials = sum(map(len, stimuli))
    model = NoiseModel(
        centre=spread.centre.astype(np.float32),
        gain=_gain(signal_sd, noise_sd, spread.sd),
        signal_sd=signal_sd.astype(np.float32),
        noise_sd=noise_sd.astype(np.float32),
        factors=np.zeros((0, len(noise_sd)), dtype=np.float32),
        unique_sd=np.ones(len(noise_sd), dtype=np.float32),
        shrinkage=0.0,
        held_out=float("nan"),
        held_out_independent=float("nan"),
        n_stimuli=len(stimuli),
        n_trials=n_trials,
        n_searched=0,
        gain_drawn=None
        if spread.drawn is None
        else _gain(signal_sd, noise_sd, np.sqrt(spread.sd**2 + spread.drawn)),
    )
    if len(stimuli) < MIN_STIMULI:
        return model
    return _with_factors(model, *_contrasts(values, stimuli, noise_sd))


def _with_factors(model: NoiseModel, contrasts: FloatArray, stimulus: IntArray) -> NoiseModel:
    everything = Principal.of(contrasts, max(RANKS))
    ranks, likelihood = _search(everything.gram, contrasts, stimulus)
    best, shrunk = np.unravel_index(likelihood.argmax(), likelihood.shape)
    shrinkage = SHRINKAGES[shrunk] if ranks[best] else 0.0
    chosen = everything.factors(ranks[best], shrinkage)
    return replace(
        model,
        factors=chosen.loadings,
        unique_sd=chosen.unique_sd,
        shrinkage=shrinkage,
        held_out=float(likelihood.max()),
        held_out_independent=float(likelihood[0, 0]),
        n_searched=len(contrasts),
    )


def _search(
    gram: NDArray[np.float64], contrasts: FloatArray, stimulus: IntArray
) -> tuple[tuple[int, ...], NDArray[np.float64]]:
    """Ranks tried, and the likelihood (n_ranks, n_shrinkages) of left-out stimuli, a contrast and voxel."""
    fold = stimulus % _N_FOLDS
    smallest = len(contrasts) - np.bincount(fold).max()
    ranks = tuple(rank for rank in RANKS if rank <= min(smallest // 2, contrasts.shape[1] - 1))
    total = np.zeros((len(ranks), len(SHRINKAGES)))
    for number in range(_N_FOLDS):
        kept, left_out = np.flatnonzero(fold != number), contrasts[fold == number]
        principal = Principal.of(contrasts[kept], max(ranks), gram[np.ix_(kept, kept)])
        for i, rank in enumerate(ranks):
            for j, shrinkage in enumerate(SHRINKAGES):
                if rank or j == 0:
                    total[i, j] += log_likelihood(left_out, principal.factors(rank, shrinkage))
    total[0] = total[0, 0]
    return ranks, total / contrasts.size


def _repeated(stimulus_index: IntArray) -> list[IntArray]:
    """Trials of each stimulus that was shown more than once."""
    order = np.argsort(stimulus_index, kind="stable")
    starts = np.flatnonzero(np.diff(stimulus_index[order])) + 1
    stimuli = [trials for trials in np.split(order, starts) if len(trials) > 1]
    if not stimuli:
        raise InputMalformedError(
            "No stimulus was presented more than once, so noise cannot be told from signal",
            "Use a task with repeated stimuli, or synthesise without noise",
        )
    return stimuli


def _contrasts(
    values: FloatArray, stimuli: list[IntArray], noise_sd: FloatArray
) -> tuple[FloatArray, IntArray]:
    """(n, n_voxels) contrasts of unit variance, and (n,) the stimulus of each; of some stimuli if of many."""
    most = max(MIN_STIMULI, min(_MAX_CONTRASTS, _MAX_VALUES // len(noise_sd)))
    n_contrasts = sum(len(trials) - 1 for trials in stimuli)
    n_kept = min(len(stimuli), max(MIN_STIMULI, len(stimuli) * most // n_contrasts))
    kept = [stimuli[number] for number in np.linspace(0, len(stimuli) - 1, n_kept).astype(int)]
    stimulus = np.repeat(np.arange(n_kept), [len(trials) - 1 for trials in kept])
    contrasts = np.empty((len(stimulus), len(noise_sd)), dtype=np.float32)
    scale = np.divide(1, noise_sd, out=np.zeros_like(noise_sd), where=noise_sd > 0)
    done = 0
    for trials in kept:
        rows = slice(done, done + len(trials) - 1)
        contrasts[rows] = helmert(len(trials)).astype(np.float32) @ values[trials]
        done = rows.stop
    contrasts *= scale
    return contrasts, stimulus


def _gain(signal_sd: FloatArray, noise_sd: FloatArray, spread: NDArray[np.floating]) -> FloatArray:
    varies = spread > _CONSTANT * np.hypot(signal_sd, noise_sd)
    gain = np.zeros(len(spread))
    np.divide(signal_sd, spread, out=gain, where=varies)
    return gain.astype(np.float32)
