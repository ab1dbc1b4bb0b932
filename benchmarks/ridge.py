"""Time and memory to fit one layer's ridge over a grid of penalties, beside himalaya's KernelRidgeCV.

    python benchmarks/ridge.py [--quick] [--device D] [--search {window,exact,gcv}] [--folds F]
                               [--n N --units P --voxels V] [--backend {torch,numpy} ...] [--dtype T]

A line for each of himalaya's backends. All start from the same float32 features and responses, and end with
every voxel's alpha, cross-validated score, out-of-fold predictions (ours) and dual weights, over the same
session folds and twenty alphas. Ours multiplies in float32 and decomposes in float64; ``--dtype`` is what
ours solves in and the peer computes in. ``agreement`` compares the choices, and predictions for 200 rows that
neither saw. Peak memory is that of a process of its own that loads the arrays and fits; ``peak_mb`` is ours.
The limit is the bare symmetric product of the features in float32. The defaults are AlexNet's features.12 for
the training trials of BOLD5000's CSI1.
"""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import Namespace
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from measure import Measurement, argument_parser, measure, own_peak_mb, print_line, rounded, threads
from numpy.typing import NDArray
from scipy.linalg import blas

from bidsapp_synthfmri.config import PENALTY_SEARCHES
from bidsapp_synthfmri.encoding.folds import Folds
from bidsapp_synthfmri.encoding.kernels import decompose, linear_kernel
from bidsapp_synthfmri.encoding.ridge import choose_alpha
from bidsapp_synthfmri.structures import FloatArray

FULL, QUICK = (4803, 9216, 1685), (600, 2000, 300)
ALPHAS = tuple(float(alpha) for alpha in np.logspace(-2, 6, 20))
BACKENDS = ("torch", "numpy")
_N_LATENT, _N_NEW = 256, 200
_ARRAYS = ("features", "values", "new")

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Problem:
    """What all fit.

    Attributes
    ----------
    features : (n, n_units) float32, scaled so that the centred kernel's mean eigenvalue is 1
    values : (n, n_voxels) float32 responses, of SD 1
    new : (200, n_units) features of images to predict
    folds : one a session, of consecutive trials
    """

    features: FloatArray
    values: FloatArray
    new: FloatArray
    folds: Folds


@dataclass(frozen=True)
class Fit:
    """Per voxel: the alpha chosen, its cross-validated R2, and predictions (200, n_voxels) of new images."""

    alpha: Array
    r2: Array
    predicted: Array


def simulate(n: int, n_units: int, n_voxels: int, n_folds: int, rng: np.random.Generator) -> Problem:
    """Rectified features of a decaying spectrum; voxels that depend on them more or less."""
    spectrum = np.arange(1, _N_LATENT + 1, dtype=np.float32) ** -0.5
    latent = rng.standard_normal((n + _N_NEW, _N_LATENT), dtype=np.float32) * spectrum
    features = latent @ rng.standard_normal((_N_LATENT, n_units), dtype=np.float32)
    features += rng.standard_normal(features.shape, dtype=np.float32)
    np.maximum(features, 0, out=features)
    features /= np.sqrt(features[:n].var(axis=0, dtype=np.float64).sum())
    signal = latent[:n] @ rng.standard_normal((_N_LATENT, n_voxels), dtype=np.float32)
    share = rng.uniform(0.02, 0.6, n_voxels).astype(np.float32)
    values = np.sqrt(share) * signal / signal.std(axis=0)
    values += np.sqrt(1 - share) * rng.standard_normal(values.shape, dtype=np.float32)
    return Problem(features[:n], values, features[n:], session_folds(n, n_folds))


def session_folds(n: int, n_folds: int) -> Folds:
    """Consecutive rows, as equal in number as may be."""
    return Folds(np.arange(n, dtype=np.int64) * n_folds // n, f"{n_folds} folds, one a session")


def ours(problem: Problem, device: str, dtype: str, search: str) -> Fit:
    """Kernel, reduction, exact folds, dual weights."""
    rows = np.arange(len(problem.features))
    kernel = linear_kernel(problem.features, rows, torch.device(device))
    decomposition = decompose(kernel, rows, getattr(torch, dtype), len(ALPHAS))
    del kernel
    scores = choose_alpha(decomposition, torch.from_numpy(problem.values), problem.folds, ALPHAS, search)
    centred = problem.new - problem.features.mean(axis=0, dtype=np.float64).astype(np.float32)
    cross = torch.from_numpy(centred @ problem.features.T).to(scores.dual.dtype)  # (200, n)
    predicted = cross @ scores.dual / decomposition.scale + torch.from_numpy(problem.values.mean(axis=0))
    return Fit(*(tensor.double().numpy() for tensor in (scores.alpha, scores.r2, predicted)))


def peer(problem: Problem, device: str, dtype: str, backend: str) -> Fit:
    """himalaya, which decomposes the kernel of every fold's training rows, then of all rows."""
    from himalaya.backend import set_backend  # here, not to count in the memory of ours
    from himalaya.kernel_ridge import KernelRidgeCV
    from sklearn.model_selection import PredefinedSplit

    on_gpu = backend == "torch" and device.startswith("cuda")
    made = set_backend("torch_cuda" if on_gpu else backend)
    model = KernelRidgeCV(
        alphas=np.array(ALPHAS, dtype=dtype),
        kernel="linear",
        fit_intercept=True,
        cv=PredefinedSplit(problem.folds.labels),
        warn=False,
    )
    model.fit(problem.features.astype(dtype, copy=False), problem.values.astype(dtype, copy=False))
    predicted = model.predict(problem.new.astype(dtype, copy=False))
    alpha, loss, new = (
        made.to_numpy(array).astype(np.float64) for array in (model.best_alphas_, model.cv_scores_, predicted)
    )
    return Fit(alpha, 1 + loss / problem.values.var(axis=0, dtype=np.float64), new)


def limit(problem: Problem, device: str) -> object:
    """The bare product of all features with themselves, of which half need be computed."""
    if device == "cpu":
        return blas.ssyrk(1.0, problem.features.T, trans=1)
    X = torch.from_numpy(problem.features).to(device)
    return (X @ X.T).cpu()


def agreement(measurement: Measurement[Fit, Fit]) -> dict[str, Any]:
    """How close the two fits are, over voxels."""
    mine, other = measurement.ours, measurement.peer
    if other is None:
        raise ValueError("nothing to compare with")
    ratio = np.abs(np.log10(mine.alpha / other.alpha))
    same = ratio < 1e-3  # the peer's alphas are rounded to its dtype
    difference = np.abs(mine.predicted - other.predicted)[:, same]
    return {
        "compared": "alpha and cross-validated R2 of every voxel; predictions (SD) where alphas are the same",
        "same_alpha_share": rounded(float(same.mean()), 6),
        "max_abs_log10_alpha_ratio": rounded(float(ratio.max())),
        "cv_r2_max_abs_difference": rounded(float(np.abs(mine.r2 - other.r2).max()), 3),
        "prediction_max_difference": rounded(float(difference.max()), 3),
    }


def peak_alone(problem: Problem, who: str, arguments: Namespace) -> int:
    """MB that a process took at most which only loads the arrays and fits."""
    with TemporaryDirectory() as folder:
        for name in _ARRAYS:
            np.save(Path(folder) / f"{name}.npy", getattr(problem, name))
        options = ["--device", arguments.device, "--dtype", arguments.dtype, "--search", arguments.search]
        options += ["--folds", str(problem.folds.n_folds), "--only", who, "--arrays", folder]
        done = subprocess.run(
            [sys.executable, __file__, *options], capture_output=True, text=True, check=True
        )
    return int(json.loads(done.stdout))


def fit_alone(arguments: Namespace) -> None:
    """Load the arrays, fit, and print the peak of memory."""
    arrays = {name: np.load(Path(arguments.arrays) / f"{name}.npy") for name in _ARRAYS}
    problem = Problem(**arrays, folds=session_folds(len(arrays["values"]), arguments.folds))
    _work(problem, arguments.only, arguments)
    print(own_peak_mb())


def _work(problem: Problem, who: str, arguments: Namespace) -> Fit:
    if who == "ours":
        return ours(problem, arguments.device, arguments.dtype, arguments.search)
    return peer(problem, arguments.device, arguments.dtype, who)


def _arguments() -> Namespace:
    parser = argument_parser(__doc__)
    for option, what in (("--n", "trials"), ("--units", "units of the layer"), ("--voxels", "voxels")):
        parser.add_argument(option, type=int, help=f"number of {what}")
    parser.add_argument("--folds", type=int, default=5, help="number of sessions")
    parser.add_argument("--search", choices=PENALTY_SEARCHES, default=PENALTY_SEARCHES[0])
    parser.add_argument("--backend", choices=BACKENDS, nargs="+", default=BACKENDS, help="himalaya's")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument(
        "--only", choices=("ours", *BACKENDS), help="fit to --arrays, print the peak of memory"
    )
    parser.add_argument("--arrays", help="folder of the arrays, with --only")
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    if arguments.only:
        fit_alone(arguments)
        return
    default = QUICK if arguments.quick else FULL
    given = (arguments.n, arguments.units, arguments.voxels)
    n, n_units, n_voxels = (value or size for value, size in zip(given, default, strict=True))
    problem = simulate(n, n_units, n_voxels, arguments.folds, np.random.default_rng(0))
    for backend in arguments.backend:
        measurement = measure(
            partial(_work, problem, "ours", arguments),
            partial(limit, problem, arguments.device),
            partial(_work, problem, backend, arguments),
            arguments.device,
        )
        compared = agreement(measurement)
        if arguments.device == "cpu":
            measurement = replace(measurement, peak_mb=peak_alone(problem, "ours", arguments))
            compared["peer_peak_mb"] = peak_alone(problem, backend, arguments)
        config = {
            "n": n,
            "units": n_units,
            "voxels": n_voxels,
            "folds": arguments.folds,
            "alphas": len(ALPHAS),
            "search": arguments.search,
            "dtype": arguments.dtype,
        }
        name = f"himalaya {version('himalaya')} KernelRidgeCV, {backend} backend"
        print_line("ridge", config, measurement, name, compared, threads(), device=arguments.device)


if __name__ == "__main__":
    main()
