"""Time and memory of the group level's default experiments, beside scikit-learn fitting the same decoders.

    python benchmarks/decoding.py [--quick] [--every K]

Four simulated participants with the voxels of BOLD5000's regions, its numbers of images, sources and test
images, five categories, and 5,000 images more. Ours is what the group level runs on each
(``workflow.decode_participant`` on the default list: sizes, sources, controls, means, LDA, mixed sets,
unseen categories) and the statistics over them (``score_experiments``); ``config`` has the seconds of both.
Reading and writing files is no part of it, nor is the simulation.

The peer fits the same cells, one by one, and predicts the same test trials: every Kth cell, its seconds
times the number of cells over those timed, each classifier scaled by itself. ``peer_timed`` says how many
those are. It gets no statistics to do. scikit-learn chooses ridge's penalty by its own efficient leave-one-
out (RidgeClassifierCV), LDA's shrinkage (GridSearchCV) and the penalty of logistic regression
(LogisticRegressionCV) by five folds over the same values; ours leaves single stimuli out for ridge and LDA.
``agreement`` is the share of test trials of the timed cells that get the same class from scikit-learn
refitted, in float64, at the hyperparameter that ours chose.
"""

from __future__ import annotations

import warnings
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import torch
from measure import Measurement, argument_parser, own_peak_mb, print_line, rounded, threads

from bidsapp_synthfmri.config import RunConfig
from bidsapp_synthfmri.decoding import DEFAULT_EXPERIMENTS
from bidsapp_synthfmri.decoding.cells import Cell
from bidsapp_synthfmri.decoding.classifiers import CLASSIFIERS, Classifier
from bidsapp_synthfmri.decoding.lda import SHRINKAGES
from bidsapp_synthfmri.decoding.linear import LinearDecoders
from bidsapp_synthfmri.decoding.logistic import LOGISTIC_ALPHAS
from bidsapp_synthfmri.decoding.ridge import ALPHAS
from bidsapp_synthfmri.derivatives.results import ParticipantResults
from bidsapp_synthfmri.encoding.components import PictureComponents
from bidsapp_synthfmri.structures import Responses, Synthetic, Trials, VoxelSpace
from bidsapp_synthfmri.workflow.decoding import ParticipantDecoded, decode_participant, score_experiments

# Voxels of EarlyVis, LOC, OPA, PPA and RSC: CSI1's are published; the others' add up to their totals.
REGIONS = {
    "CSI1": (495, 342, 288, 331, 229),
    "CSI2": (667, 460, 388, 446, 309),
    "CSI3": (912, 630, 530, 610, 422),
    "CSI4": (819, 566, 476, 547, 379),
}
ROI_NAMES = ("EarlyVis", "LOC", "OPA", "PPA", "RSC")
N_TRAINING = {"CSI1": 4803, "CSI2": 4803, "CSI3": 4803, "CSI4": 2862}
CATEGORY_SHARES = (0.35, 0.3, 0.15, 0.1, 0.1)
# COCO, ImageNet and scenes, as BOLD5000 has them.
SOURCES = ("COCO_train2014_{:012d}.jpg", "n02084071_{}.JPEG", "beach{}.jpg")
SOURCE_SHARES = np.array([2000, 1916, 1000]) / 4916
N_LATENT, N_COMPONENTS = 40, 512


@dataclass(frozen=True)
class Sizes:
    """How large the study is: images more, test images and their repeats, and what it is divided by."""

    n_more: int = 5000
    n_test: int = 113
    repeats: int = 4
    images: int = 1
    voxels: int = 1


QUICK = Sizes(n_more=250, n_test=30, repeats=2, images=24, voxels=20)


def simulate(name: str, sizes: Sizes) -> ParticipantResults:
    """Category structure in 40 latent features, voxels of reliability up to .2, shrunk encoders."""
    rng = np.random.default_rng(sorted(REGIONS).index(name))
    regions = [max(4, n // sizes.voxels) for n in REGIONS[name]]
    n_voxels, n_train, n_classes = sum(regions), N_TRAINING[name] // sizes.images, len(CATEGORY_SHARES)
    n_own = n_train + sizes.n_test
    n = n_own + sizes.n_more
    kinds = rng.choice(n_classes, n, p=CATEGORY_SHARES)
    kinds[n_train:n_own] = np.arange(sizes.n_test) % n_classes
    centres = 0.3 * rng.standard_normal((n_classes, N_LATENT))
    latent = centres[kinds] + rng.standard_normal((n, N_LATENT))
    tuning = rng.standard_normal((N_LATENT, n_voxels)) / np.sqrt(N_LATENT)
    reliability = rng.uniform(0.01, 0.2, n_voxels)

    def synthetic(error: float) -> np.ndarray:
        wrong = tuning + error * rng.standard_normal(tuning.shape) / np.sqrt(N_LATENT)
        return np.asarray(latent @ wrong * reliability**1.5, dtype=np.float32)

    table = _pictures(kinds, np.repeat(["train", "test", "more"], [n_train, sizes.n_test, sizes.n_more]), rng)
    shown = np.concatenate([np.arange(n_train), np.arange(n_train, n_own).repeat(sizes.repeats)])
    noise = rng.standard_normal((len(shown), n_voxels)) * np.sqrt(1 - reliability)
    real = np.asarray(latent[shown] @ tuning * np.sqrt(reliability) + noise, dtype=np.float32)
    trials = table.loc[shown, ["stimulus", "label"]].rename(columns={"label": "kind"}).reset_index(drop=True)
    sessions = rng.integers(15, size=len(shown)).astype(str)
    trials = trials.assign(session=sessions, run="1", onset=0.0, duration=1.0)
    space, predicted, unseen = _space(regions), synthetic(0.5), (table["split"] != "test").to_numpy()
    own = table[:n_own].drop(columns=["label", "fold"])
    scores = rng.standard_normal((n_own, N_COMPONENTS // sizes.voxels), dtype=np.float32)
    scores[:, : N_LATENT // sizes.voxels] += latent[:n_own, : N_LATENT // sizes.voxels]
    explained = np.full(scores.shape[1], 1 / scores.shape[1], dtype=np.float32)
    nothing = pd.DataFrame()
    return ParticipantResults(
        participant=name,
        task="5000scenes",
        space="T1w",
        voxels=space,
        responses=Responses(real, Trials(trials), space, "lss", "z"),
        splits=table["split"].to_numpy(dtype=str)[shown],
        synthetic=Synthetic(predicted[:n_own], own, space),
        extra=(Synthetic(predicted[n_own:], table[n_own:].reset_index(drop=True), space),),
        encoding=nothing,
        accounting=nothing,
        reliability=nothing,
        summary={"unseen_categories": {"label_set": "column:kind"}},
        card={},
        unseen=Synthetic(synthetic(0.6)[unseen], table[unseen].reset_index(drop=True), space),
        untrained=Synthetic(synthetic(2.0)[:n_own], own, space),
        pictures=PictureComponents(tuple(own["stimulus"]), scores, explained, ("features",)),
    )


def _pictures(kinds: np.ndarray, splits: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Pictures with BOLD5000's names; categories are in two folds."""
    source = rng.choice(len(SOURCES), len(kinds), p=SOURCE_SHARES)
    return pd.DataFrame(
        {
            "stimulus": [SOURCES[number].format(image + 1) for image, number in enumerate(source)],
            "split": splits,
            "prediction": np.where(splits == "train", "out-of-fold", "encoder"),
            "label": [f"kind{kind}" for kind in kinds],
            "fold": kinds % 2 + 1,
        }
    )


def _space(regions: list[int]) -> VoxelSpace:
    n_voxels = sum(regions)
    ijk = np.stack([np.arange(n_voxels)] * 3, axis=1)
    membership = np.repeat(np.arange(len(regions)), regions) == np.arange(len(regions))[:, None]
    return VoxelSpace(ijk, np.eye(4), (n_voxels,) * 3, ROI_NAMES, membership, "T1w")


CONFIG = RunConfig(Path("bids"), Path("out"), level="group", label_column="kind")


@dataclass
class Ours:
    """Seconds of decoding and of statistics, claims decided, and sentences on what was left out."""

    decoding_s: float = 0.0
    statistics_s: float = 0.0
    decisions: int = 0
    skipped: tuple[str, ...] = ()


def ours(sizes: Sizes) -> Ours:
    """The default list on every participant, then the statistics."""
    found, decoded = Ours(), list[ParticipantDecoded]()
    for name in REGIONS:
        results = simulate(name, sizes)
        start = perf_counter()
        decoded.append(decode_participant(results, CONFIG, DEFAULT_EXPERIMENTS))
        found.decoding_s += perf_counter() - start
    start = perf_counter()
    scores = score_experiments(decoded, CONFIG)
    found.statistics_s, found.decisions = perf_counter() - start, len(scores.decisions)
    found.skipped = scores.skipped
    return found


@dataclass
class Peer:
    """What is counted and timed on the way through the cells.

    Attributes
    ----------
    every : which cells are timed
    n : fits by classifier, one for each labelling
    timed : of them timed
    seconds : scikit-learn's, of those timed
    same : (n_trials,) of each timed cell, whether the refitted peer says the same
    """

    every: int
    n: dict[str, int] = field(default_factory=dict)
    timed: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    same: dict[str, list[np.ndarray]] = field(default_factory=dict)

    @property
    def total_s(self) -> float:
        """Seconds for all cells, each classifier's scaled by its own."""
        return sum(self.seconds[name] * self.n[name] / self.timed[name] for name in self.seconds)


@dataclass(frozen=True)
class Watched:
    """A classifier of ours beside scikit-learn's: every Kth cell is fitted by both, the others by none."""

    name: str
    ours: Classifier
    peer: Peer

    def fit(self, cell: Cell) -> Any:
        """Decoders that time the peer when they are asked to predict; of no worth where nothing is timed."""
        n = self.peer.n.get(self.name, 0)
        self.peer.n[self.name] = n + cell.n_labellings
        # The first cell of a classifier is one of those timed, so that there always is one.
        if n // self.peer.every == (n + cell.n_labellings - 1) // self.peer.every and n % self.peer.every:
            return _nothing(cell)
        return _Timed(self, cell, self.ours.fit(cell))


@dataclass(frozen=True)
class _Timed:
    """Decoders of ours; predictions are made by both."""

    watched: Watched
    cell: Cell
    found: LinearDecoders

    def __getattr__(self, name: str) -> Any:
        return getattr(self.found, name)

    def predict(self, responses: torch.Tensor) -> torch.Tensor:
        peer, name = self.watched.peer, self.watched.name
        train, test = _scaled(self.cell, responses)
        labels = self.cell.labels[0].numpy()
        start = perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of convergence, which it is not asked to reach more closely
            fit_peer(name, train, labels).predict(test)
        peer.seconds[name] = peer.seconds.get(name, 0.0) + perf_counter() - start
        peer.timed[name] = peer.timed.get(name, 0) + 1
        predicted = self.found.predict(responses)
        oracle = refitted(name, train, test, labels, float(self.found.penalty[0]))
        if self.cell.noise_sd is None:
            peer.same.setdefault(name, []).append(predicted[0].numpy() == oracle)
        return predicted


def _nothing(cell: Cell) -> LinearDecoders:
    n_voxels = cell.responses.shape[1]
    return LinearDecoders(
        torch.zeros(cell.n_labellings, n_voxels, cell.n_classes),
        torch.zeros(cell.n_labellings, cell.n_classes),
        torch.ones(cell.n_labellings, dtype=torch.float64),
        (),
        torch.zeros(cell.n_labellings, 0, dtype=torch.float64),
    )


@contextmanager
def watching(peer: Peer) -> Iterator[None]:
    """All classifiers leave their fits to the peer."""
    before = dict(CLASSIFIERS)
    CLASSIFIERS.update({name: _watched(name, make(), peer) for name, make in before.items()})
    try:
        yield
    finally:
        CLASSIFIERS.update(before)


def _watched(name: str, classifier: Classifier, peer: Peer) -> Any:
    return lambda: Watched(name, classifier, peer)


def run_peer(sizes: Sizes, every: int) -> Peer:
    """scikit-learn on the cells that the default list has."""
    peer = Peer(every)
    with watching(peer):
        for name in REGIONS:
            decode_participant(simulate(name, sizes), CONFIG, DEFAULT_EXPERIMENTS)
    return peer


def _scaled(cell: Cell, test: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    centre, scale = cell.responses.mean(dim=0), cell.scale
    return ((cell.responses - centre) / scale).numpy(), ((test.to(centre) - centre) / scale).numpy()


def fit_peer(classifier: str, train: np.ndarray, labels: np.ndarray) -> Any:
    """scikit-learn's classifier with its hyperparameter chosen."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegressionCV, RidgeClassifierCV
    from sklearn.model_selection import GridSearchCV, StratifiedKFold

    n, folds = len(train), StratifiedKFold(5)
    if classifier == "ridge":
        model = RidgeClassifierCV(np.array(ALPHAS) * n, class_weight="balanced")
    elif classifier == "lda":
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
    return model.fit(train, labels)


def refitted(
    classifier: str, train: np.ndarray, test: np.ndarray, labels: np.ndarray, penalty: float
) -> np.ndarray:
    """scikit-learn's predictions in float64 at a given hyperparameter."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression, RidgeClassifier

    train, test = train.astype(np.float64), test.astype(np.float64)
    if classifier == "lda":
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=penalty).fit(train, labels)
        return np.argmax(model.decision_function(test) - np.log(model.priors_), axis=1)
    if classifier == "ridge":
        one = RidgeClassifier(alpha=penalty * len(train), class_weight="balanced")
    else:
        one = LogisticRegression(
            C=1 / (len(train) * penalty), class_weight="balanced", tol=1e-8, max_iter=5000
        )
    return np.asarray(one.fit(train, labels).predict(test))


def _arguments() -> Namespace:
    parser = argument_parser(__doc__)
    parser.add_argument("--every", type=int, help="time every Kth cell (default: 41; quick: 83)")
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    sizes = QUICK if arguments.quick else Sizes()
    every = arguments.every or (83 if arguments.quick else 41)
    found = ours(sizes)
    peak_mb = float(own_peak_mb())
    peer = run_peer(sizes, every)
    config = {
        "participants": len(REGIONS),
        "experiments": [experiment.name for experiment in DEFAULT_EXPERIMENTS],
        "cells": peer.n,
        "decoding_s": rounded(found.decoding_s),
        "statistics_s": rounded(found.statistics_s),
        "decisions": found.decisions,
        "left_out": len(found.skipped),
        "every": every,
        "peer_timed": peer.timed,
    }
    agreement: dict[str, Any] = {
        "compared": "share of test trials of one class at the same hyperparameter, real training sets",
        **{name: rounded(float(np.concatenate(parts).mean()), 6) for name, parts in peer.same.items()},
    }
    from importlib.metadata import version

    name = f"scikit-learn {version('scikit-learn')}"
    total = Measurement(found.decoding_s + found.statistics_s, found, None, peer.total_s, peer, peak_mb)
    print_line("decoding", config, total, name, agreement, threads())


if __name__ == "__main__":
    main()
