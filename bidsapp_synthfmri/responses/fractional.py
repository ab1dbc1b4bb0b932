"""Fractional ridge regression in a design's eigenbasis, for many runs and voxels at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .spectra import Spectra

# Of the length of the least-squares estimate's deviations from the mean response.
FRACTIONS = tuple(round(1 - 0.05 * step, 2) for step in range(20))
# Penalties between .001 of the smallest squared singular value and 1,000 of the largest, at which
# lengths are computed; between them the penalty's logarithm is interpolated.
_N_PENALTIES = 40
_MARGIN = 1e3


@dataclass(frozen=True)
class FractionGrid:
    """Length of the ridge estimate over that of least squares, along a grid of penalties.

    Attributes
    ----------
    logarithms : (n_runs, n_penalties) natural logarithms of the penalties, rising
    lengths : (n_runs, n_penalties, n_voxels), falling from 1
    """

    logarithms: torch.Tensor
    lengths: torch.Tensor

    def penalties(self, fraction: torch.Tensor) -> torch.Tensor:
        """(n_runs, n_voxels) penalties at which estimates have a (n_voxels,) fraction of their length."""
        n_penalties = self.lengths.shape[1]
        above = (self.lengths > fraction).sum(dim=1, keepdim=True).clamp(1, n_penalties - 1)
        upper, lower = self.lengths.gather(1, above - 1)[:, 0], self.lengths.gather(1, above)[:, 0]
        share = ((upper - fraction) / (upper - lower).clamp_min(1e-12)).clamp(0, 1)
        step = self.logarithms[:, 1:2] - self.logarithms[:, :1]
        penalty = (self.logarithms[:, :1] + (above[:, 0] - 1 + share) * step).exp()
        return torch.where(fraction >= 1, torch.zeros_like(penalty), penalty)


def fraction_grid(designs: Spectra, coefficients: torch.Tensor) -> FractionGrid:
    """Lengths along the penalties of every run.

    Parameters
    ----------
    designs : of the runs
    coefficients : (n_runs, n_trials, n_voxels) ``projection @ series``
    """
    square = designs.singular.square()  # (n_runs, n_trials)
    finite = torch.isfinite(square)
    smallest = torch.where(finite, square, torch.inf).amin(dim=1) / _MARGIN
    largest = torch.where(finite, square, 0).amax(dim=1) * _MARGIN
    low, high = smallest.clamp_max(1e30).log()[:, None], largest.clamp_min(1e-30).log()[:, None]
    logarithms = low + (high - low) * torch.linspace(0, 1, _N_PENALTIES, device=square.device)
    energy = (coefficients / designs.singular[:, :, None]).square()  # of least squares
    shrink = _shrinkage(square[:, None, :], logarithms.exp()[:, :, None]).square()
    length = (shrink @ energy) / energy.sum(dim=1, keepdim=True).clamp_min(torch.finfo(energy.dtype).tiny)
    return FractionGrid(logarithms, length.sqrt())


def ridge(designs: Spectra, coefficients: torch.Tensor, penalty: torch.Tensor) -> torch.Tensor:
    """(n_runs, n_trials, n_voxels) ridge estimates with a penalty per run and voxel.

    Parameters
    ----------
    designs : of the runs
    coefficients : (n_runs, n_trials, n_voxels) ``projection @ series``
    penalty : (n_runs, n_voxels)

    Notes
    -----
    b = V diag(s / (s^2 + penalty)) U'y. Rokem & Kay 2020 choose the penalty by the length of b relative
    to least squares.
    """
    singular = designs.singular[:, :, None]
    shrunk = coefficients / singular * _shrinkage(singular.square(), penalty[:, None, :])
    return designs.rotation @ shrunk


def restore(values: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Ridge estimates with the scale and offset of the unregularised ones.

    Parameters
    ----------
    values, reference : (n_trials, n_voxels) of one session

    Returns
    -------
    (n_trials, n_voxels) the least-squares prediction of ``reference`` from ``values`` and a constant; the
    constant alone where ``values`` do not vary
    """
    mean, target = values.mean(dim=0), reference.mean(dim=0)
    centred = values - mean
    joint = (centred * (reference - target)).sum(dim=0)
    spread = centred.square().sum(dim=0)
    slope = torch.where(spread > 0, joint / spread, torch.zeros_like(spread))
    return centred * slope + target


def _shrinkage(square: torch.Tensor, penalty: torch.Tensor) -> torch.Tensor:
    """s^2 / (s^2 + penalty), 1 for directions without trials (s infinite), whose estimate is 0 anyway."""
    return 1 / (1 + penalty / square)
