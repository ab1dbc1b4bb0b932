"""Time to fit one layer's ridge over a grid of penalties, beside himalaya's KernelRidgeCV.

    python benchmarks/encoder.py [--quick] [--device D] [--n N --units P --voxels V] [--peer-dtype T]

Both start from the same float32 features and responses, and end with the chosen alpha, the
cross-validated score and the dual weights of every voxel, over the same five session folds and twenty
alphas. Ours multiplies in float32 and solves in float64. The peer computes in the dtype of its input:
float32, which is faster for it, unless asked for float64. The limit is the bare product X @ X.T in float32.
The defaults are AlexNet's features.12 for the training trials of BOLD5000's CSI1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import himalaya
import numpy as np
import torch
from himalaya.backend import set_backend
from himalaya.kernel_ridge import KernelRidgeCV
from measure import Measurement, argument_parser, measure, print_line, rounded, threads
from numpy.typing import NDArray
from sklearn.model_selection import PredefinedSplit

from bidsapp_synthfmri.encoding.folds import Folds
from bidsapp_synthfmri.encoding.kernels import decompose, linear_kernel
from bidsapp_synthfmri.encoding.ridge import choose_alpha, dual_weights
from bidsapp_synthfmri.structures import FloatArray

FULL, QUICK = (4803, 9216, 1685), (600, 2000, 300)
N_FOLDS = 5
ALPHAS = tuple(float(alpha) for alpha in np.logspace(-2, 6, 20))
_N_LATENT = 256

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """What both fit.

    Attributes
    ----------
    features : (n, n_units) float32, scaled so that the centred kernel's mean eigenvalue is 1
    values : (n, n_voxels) float32 responses
    folds : one a session, of consecutive trials
    """

    features: FloatArray
    values: FloatArray
    folds: Folds


@dataclass(frozen=True)
class Fit:
    """Per voxel: the alpha chosen and its cross-validated R2; and dual weights (n, n_voxels)."""

    alpha: Array
    r2: Array
    dual: Array


def simulate(n: int, n_units: int, n_voxels: int, rng: np.random.Generator) -> Problem:
    """Rectified features of a decaying spectrum; voxels that depend on them more or less."""
    spectrum = np.arange(1, _N_LATENT + 1, dtype=np.float32) ** -0.5
    latent = rng.standard_normal((n, _N_LATENT), dtype=np.float32) * spectrum
    features = latent @ rng.standard_normal((_N_LATENT, n_units), dtype=np.float32)
    features += rng.standard_normal(features.shape, dtype=np.float32)
    np.maximum(features, 0, out=features)
    features /= np.sqrt(features.var(axis=0, dtype=np.float64).sum())
    signal = latent @ rng.standard_normal((_N_LATENT, n_voxels), dtype=np.float32)
    share = rng.uniform(0.02, 0.6, n_voxels).astype(np.float32)
    values = np.sqrt(share) * signal / signal.std(axis=0)
    values += np.sqrt(1 - share) * rng.standard_normal(values.shape, dtype=np.float32)
    labels = np.arange(n, dtype=np.int64) * N_FOLDS // n
    return Problem(features, values, Folds(labels, f"{N_FOLDS} folds, one a session"))


def ours(problem: Problem, device: torch.device) -> Fit:
    """Kernel, one eigendecomposition, exact folds for every alpha, dual weights."""
    rows = np.arange(len(problem.features))
    decomposition = decompose(linear_kernel(problem.features, rows, device), rows)
    Y = torch.from_numpy(problem.values).to(device, torch.float64)
    scores = choose_alpha(decomposition, Y, problem.folds, ALPHAS)
    dual = dual_weights(decomposition, Y, scores.alpha) / decomposition.scale
    return Fit(*(tensor.cpu().numpy() for tensor in (scores.alpha, scores.r2, dual)))


def peer(problem: Problem, device: str, dtype: str) -> Fit:
    """himalaya, which decomposes the kernel of every fold's training rows, then of all rows."""
    set_backend("torch_cuda" if device.startswith("cuda") else "torch")
    model = KernelRidgeCV(
        alphas=np.array(ALPHAS),
        kernel="linear",
        fit_intercept=True,
        cv=PredefinedSplit(problem.folds.labels),
        warn=False,
    )
    model.fit(problem.features.astype(dtype, copy=False), problem.values.astype(dtype, copy=False))
    alpha, loss, dual = (
        tensor.cpu().numpy().astype(np.float64)
        for tensor in (model.best_alphas_, model.cv_scores_, model.dual_coef_)
    )
    return Fit(alpha, 1 + loss / problem.values.var(axis=0, dtype=np.float64), dual)


def limit(problem: Problem, device: torch.device) -> FloatArray:
    """The bare product of all features with themselves."""
    X = torch.from_numpy(problem.features).to(device)
    return (X @ X.T).cpu().numpy()


def agreement(measurement: Measurement[Fit, Fit]) -> dict[str, Any]:
    """How close the two fits are, over voxels."""
    mine, other = measurement.ours, measurement.peer
    if other is None:
        raise ValueError("nothing to compare with")
    ratio = np.abs(np.log10(mine.alpha / other.alpha))
    same = ratio < 1e-3  # the peer's alphas are rounded to its dtype
    difference = np.abs(mine.dual[:, same] - other.dual[:, same]).max(axis=0)
    return {
        "compared": "alpha, cross-validated R2 and, where alphas are the same, dual weights of every voxel",
        "same_alpha_share": rounded(float(same.mean())),
        "max_abs_log10_alpha_ratio": rounded(float(ratio.max())),
        "cv_r2_correlation": rounded(float(np.corrcoef(mine.r2, other.r2)[0, 1]), 7),
        "cv_r2_max_abs_difference": rounded(float(np.abs(mine.r2 - other.r2).max()), 3),
        "dual_max_difference_in_sd": rounded(float((difference / mine.dual[:, same].std(axis=0)).max()), 3),
    }


def main() -> None:
    parser = argument_parser(__doc__)
    for option, what in (("--n", "trials"), ("--units", "units of the layer"), ("--voxels", "voxels")):
        parser.add_argument(option, type=int, help=f"number of {what}")
    parser.add_argument("--peer-dtype", choices=("float32", "float64"), default="float32")
    arguments = parser.parse_args()
    default = QUICK if arguments.quick else FULL
    given = (arguments.n, arguments.units, arguments.voxels)
    n, n_units, n_voxels = (value or size for value, size in zip(given, default, strict=True))
    device = torch.device(arguments.device)
    problem = simulate(n, n_units, n_voxels, np.random.default_rng(0))
    measurement = measure(
        partial(ours, problem, device),
        partial(limit, problem, device),
        partial(peer, problem, arguments.device, arguments.peer_dtype),
        arguments.device,
    )
    config = {
        "n": n,
        "units": n_units,
        "voxels": n_voxels,
        "folds": N_FOLDS,
        "alphas": len(ALPHAS),
        "ours_dtype": "float32 products, float64 solves",
        "peer_dtype": arguments.peer_dtype,
    }
    name = f"himalaya {himalaya.__version__} KernelRidgeCV, torch backend"
    print_line(
        "encoder", config, measurement, name, agreement(measurement), threads(), device=arguments.device
    )


if __name__ == "__main__":
    main()
