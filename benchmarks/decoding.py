"""Time and memory to fit a study's decoders, beside scikit-learn doing the same cells one by one.

    python benchmarks/decoding.py [--quick] [--device D] [--every K] [--classifiers NAME ...] [--all]

The cells: four participants with the regions of BOLD5000's, decoding one of five categories within a source
of 1,870 training images; real and synthetic training sets of growing size; ridge, LDA and logistic
regression, each with its hyperparameter chosen inside the training set; and full real sets under permuted
labels. Ours and the peer are timed on every Kth cell (the list is the same for every run); ``--all`` adds how
long ours takes for all of them. scikit-learn chooses by its own efficient leave-one-out for ridge
(RidgeClassifierCV), by five folds for LDA (GridSearchCV over the same intensities) and logistic
regression (LogisticRegressionCV over the same penalties); ours leaves single stimuli out for ridge and LDA.
Both get float32 responses and predict the test trials. ``agreement`` compares predictions on real
training sets, scikit-learn refitted at the hyperparameters that ours chose.
"""

from __future__ import annotations

import warnings
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
import torch
from measure import argument_parser, measure, print_line, rounded, threads

from bidsapp_synthfmri.decoding.cells import Cell, make_cell
from bidsapp_synthfmri.decoding.classifiers import CLASSIFIERS
from bidsapp_synthfmri.decoding.lda import SHRINKAGES
from bidsapp_synthfmri.decoding.logistic import LOGISTIC_ALPHAS
from bidsapp_synthfmri.decoding.ridge import ALPHAS

# Voxels of EarlyVis, LOC, OPA, PPA and RSC: CSI1's are published; the others' add up to their totals.
REGIONS = {
    "CSI1": (495, 342, 288, 331, 229),
    "CSI2": (667, 460, 388, 446, 309),
    "CSI3": (912, 630, 530, 610, 422),
    "CSI4": (819, 566, 476, 547, 379),
}
CATEGORY_SHARES = (0.35, 0.3, 0.15, 0.1, 0.1)
STEPS = (0.25, 0.5, 1.0, 2.0)
N_PERMUTATIONS = 20


@dataclass(frozen=True)
class Sizes:
    """How large the study is."""

    n_real: int = 1870
    n_more: int = 5000
    n_test: int = 45
    repeats: int = 4
    n_permutations: int = N_PERMUTATIONS
    voxels: int = 1  # a voxel of the quick case stands for so many


QUICK = Sizes(120, 300, 20, 2, 2, 20)


@dataclass(frozen=True)
class Work:
    """One cell: what to fit, and the test trials to predict.

    Attributes
    ----------
    responses : (n, v) float32
    labels : (n_labellings, n)
    noise_sd : (v,), or None for real trials
    test : (n_test_trials, v)
    classifier : name
    """

    responses: np.ndarray
    labels: np.ndarray
    noise_sd: np.ndarray | None
    test: np.ndarray
    classifier: str

    def cell(self, device: str) -> Cell:
        """As ours takes it."""
        return make_cell(self.responses, self.labels, noise_sd=self.noise_sd, device=device)


@dataclass(frozen=True)
class Participant:
    """Real and synthetic responses to labelled images."""

    sets: dict[str, tuple[np.ndarray, np.ndarray]]
    noise_sd: np.ndarray
    test: np.ndarray
    regions: tuple[slice, ...]


def simulate(regions: tuple[int, ...], sizes: Sizes, rng: np.random.Generator) -> Participant:
    """Category structure in 40 latent features, voxels of reliability up to .2, a shrunk encoder."""
    regions = tuple(max(4, n // sizes.voxels) for n in regions)
    n_voxels, n_latent, n_classes = sum(regions), 40, len(CATEGORY_SHARES)
    centres = 0.3 * rng.standard_normal((n_classes, n_latent))
    tuning = rng.standard_normal((n_latent, n_voxels)) / np.sqrt(n_latent)
    reliability = rng.uniform(0.01, 0.2, n_voxels)
    error = 0.5 * rng.standard_normal(tuning.shape) / np.sqrt(n_latent)

    def latent(n: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.r_[np.arange(n_classes), rng.choice(n_classes, n - n_classes, p=CATEGORY_SHARES)]
        return centres[labels] + rng.standard_normal((n, n_latent)), labels

    def real(z: np.ndarray) -> np.ndarray:
        noise = rng.standard_normal((len(z), n_voxels)) * np.sqrt(1 - reliability)
        return (z @ tuning * np.sqrt(reliability) + noise).astype(np.float32)

    def synthetic(z: np.ndarray) -> np.ndarray:
        return (z @ (tuning + error) * reliability**1.5).astype(np.float32)

    z, labels = latent(sizes.n_real)
    more, more_labels = latent(sizes.n_more)
    test, _ = latent(sizes.n_test)
    sets = {
        "real": (real(z), labels),
        "synthetic_same": (synthetic(z), labels),
        "synthetic_more": (synthetic(more), more_labels),
    }
    ends = np.cumsum(regions)
    parts = tuple(slice(int(end - size), int(end)) for end, size in zip(ends, regions, strict=True))
    noise_sd = np.sqrt(1 - reliability).astype(np.float32)
    return Participant(
        sets, noise_sd, real(np.repeat(test, sizes.repeats, axis=0)), (*parts, slice(0, n_voxels))
    )


def works(participant: Participant, sizes: Sizes, rng: np.random.Generator) -> Iterator[Work]:
    """All cells of one participant, region by region."""
    names = tuple(CLASSIFIERS)
    for region in participant.regions:
        test = np.ascontiguousarray(participant.test[:, region])
        for name, (values, labels) in participant.sets.items():
            noise_sd = None if name == "real" else participant.noise_sd[region]
            for step in (step for step in STEPS if step * sizes.n_real <= 0.75 * len(values)):
                n = int(step * sizes.n_real)
                for classifier in names:
                    yield Work(values[:n, region], labels[None, :n], noise_sd, test, classifier)
            for classifier in names:
                yield Work(values[:, region], labels[None], noise_sd, test, classifier)
        values, labels = participant.sets["real"]
        permuted = np.stack([rng.permutation(labels) for _ in range(sizes.n_permutations)])
        for classifier in ("ridge", "lda"):
            yield Work(values[:, region], permuted, None, test, classifier)


def study(sizes: Sizes, every: int, classifiers: tuple[str, ...]) -> Iterator[Work]:
    """Every Kth cell of the study; participants are simulated on the way."""
    number = 0
    for name, regions in REGIONS.items():
        rng = np.random.default_rng(sorted(REGIONS).index(name))
        for work in works(simulate(regions, sizes, rng), sizes, rng):
            number += 1
            if number % every == 0 and work.classifier in classifiers:
                yield work


Fitted = tuple[np.ndarray, np.ndarray]


def ours(cells: list[Work], device: str) -> list[Fitted]:
    """Predictions (n_labellings, n_test_trials) and penalties of each cell."""
    results = []
    for work in cells:
        found = CLASSIFIERS[work.classifier]().fit(work.cell(device))
        predicted = found.predict(torch.from_numpy(work.test).to(device))
        results.append((predicted.cpu().numpy(), found.penalty.cpu().numpy()))
    return results


def peer(cells: list[Work]) -> list[np.ndarray]:
    """scikit-learn's predictions, labelling by labelling."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of convergence, which it is not asked to reach more closely
        return [np.stack([_peer_fit(work, labels) for labels in work.labels]) for work in cells]


def _scaled(work: Work) -> Fitted:
    centre = work.responses.mean(axis=0)
    scale = work.responses.std(axis=0) if work.noise_sd is None else work.noise_sd
    return (work.responses - centre) / scale, (work.test - centre) / scale


def _peer_fit(work: Work, labels: np.ndarray) -> np.ndarray:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegressionCV, RidgeClassifierCV
    from sklearn.model_selection import GridSearchCV, StratifiedKFold

    train, test = _scaled(work)
    n, folds = len(train), StratifiedKFold(5)
    if work.classifier == "ridge":
        model = RidgeClassifierCV(np.array(ALPHAS) * n, class_weight="balanced")
    elif work.classifier == "lda":
        grid = {"shrinkage": list(SHRINKAGES)}
        one = LinearDiscriminantAnalysis(solver="lsqr")
        model = GridSearchCV(one, grid, cv=folds, scoring="neg_log_loss")
    else:
        model = LogisticRegressionCV(
            Cs=[1 / (n * alpha) for alpha in LOGISTIC_ALPHAS],
            cv=folds,
            scoring="neg_log_loss",
            class_weight="balanced",
            max_iter=1000,
        )
    return np.asarray(model.fit(train, labels).predict(test))


def refitted(work: Work, labels: np.ndarray, penalty: float) -> np.ndarray:
    """scikit-learn's predictions in float64 at a given hyperparameter."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression, RidgeClassifier

    train, test = (part.astype(np.float64) for part in _scaled(work))
    n = len(train)
    if work.classifier == "lda":
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=penalty).fit(train, labels)
        return np.argmax(model.decision_function(test) - np.log(model.priors_), axis=1)
    if work.classifier == "ridge":
        one = RidgeClassifier(alpha=penalty * n, class_weight="balanced")
    else:
        one = LogisticRegression(C=1 / (n * penalty), class_weight="balanced", tol=1e-8, max_iter=5000)
    return np.asarray(one.fit(train, labels).predict(test))


def agreement(cells: list[Work], results: list[Fitted]) -> dict[str, Any]:
    """Share of test trials that get the same class, over cells of real training sets."""
    same: dict[str, list[np.ndarray]] = {}
    for work, (predicted, penalty) in zip(cells, results, strict=True):
        if work.noise_sd is None:
            oracle = refitted(work, work.labels[0], float(penalty[0]))
            same.setdefault(work.classifier, []).append(predicted[0] == oracle)
    return {name: rounded(float(np.concatenate(parts).mean()), 6) for name, parts in same.items()}


def _seconds_of_all(sizes: Sizes, classifiers: tuple[str, ...], device: str) -> dict[str, Any]:
    """Seconds of ours on every cell, less the simulation's, and how many there are."""
    seconds, n = 0.0, 0
    for work in study(sizes, 1, classifiers):
        start = perf_counter()
        ours([work], device)
        seconds += perf_counter() - start
        n += work.labels.shape[0]
    return {"all_fits": n, "all_ours_s": rounded(seconds)}


def _arguments() -> Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("--every", type=int, help="time every Kth cell (default: 29; quick: 7)")
    parser.add_argument("--classifiers", nargs="+", choices=tuple(CLASSIFIERS), default=tuple(CLASSIFIERS))
    parser.add_argument("--all", action="store_true", help="also time ours on all cells")
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    sizes = QUICK if arguments.quick else Sizes()
    every = arguments.every or (7 if arguments.quick else 29)
    chosen = tuple(arguments.classifiers)
    cells = list(study(sizes, every, chosen))
    result = measure(
        partial(ours, cells, arguments.device), peer=partial(peer, cells), device=arguments.device
    )
    compared: dict[str, Any] = {
        "compared": "share of test trials of one class at the same hyperparameter, real training sets",
        **agreement(cells, result.ours),
    }
    if arguments.all:
        compared |= _seconds_of_all(sizes, chosen, arguments.device)
    config = {
        "participants": len(REGIONS),
        "cells": len(cells),
        "fits": sum(len(work.labels) for work in cells),
        "every": every,
        "classifiers": chosen,
        "permutations": sizes.n_permutations,
    }
    from importlib.metadata import version

    name = f"scikit-learn {version('scikit-learn')}"
    print_line("decoding", config, result, name, compared, threads(), device=arguments.device)


if __name__ == "__main__":
    main()
