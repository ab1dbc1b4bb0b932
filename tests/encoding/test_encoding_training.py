"""Batches of voxels where a device's memory is short."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch

from bidsapp_synthfmri.encoding import training as training_module
from bidsapp_synthfmri.encoding.left_out import FoldSolver
from bidsapp_synthfmri.encoding.training import PenaltySearch, TrainingSet, layer_kernels

N_VOXELS = 13
CPU = torch.device("cpu")


@pytest.fixture
def fitted(layered):
    """A problem's training set, and the solver of its first layer's ridge to all trials."""
    problem = layered(np.full((1, N_VOXELS), 1.0))
    rows, index = np.unique(problem.index, return_inverse=True)
    alphas = tuple(np.logspace(-1, 3, 5))
    training = TrainingSet(
        layers=("layer0",),
        kernels=layer_kernels(problem.features.layers, rows, CPU),
        index=index,
        values=problem.values,
        folds=problem.folds,
        penalties=PenaltySearch(alphas, "exact", CPU, torch.float64, N_VOXELS),
    )
    everything = np.arange(len(problem.values))
    decomposition = training.decomposed(training.kernel(0), everything)
    return training, FoldSolver(decomposition, training.folds, alphas), everything


@pytest.fixture
def cramped(monkeypatch):
    """Let the device hold few voxels; gives the sizes that were tried."""
    tried: list[int] = []

    def hold(most: int) -> list[int]:
        choose = training_module.choose_alphas

        def limited(solver, values, search):
            tried.append(values.shape[1])
            if values.shape[1] > most:
                raise torch.OutOfMemoryError("no memory")
            return choose(solver, values, search)

        monkeypatch.setattr(training_module, "choose_alphas", limited)
        return tried

    return hold


def test_a_batch_that_the_device_does_not_hold_is_fitted_in_halves(fitted, cramped, caplog):
    training, solver, rows = fitted
    (block,) = training.voxel_blocks()
    whole = training.block_scores(solver, rows, block)
    tried = cramped(4)
    with caplog.at_level("WARNING"):
        parts = training.block_scores(solver, rows, block)
    assert tried == [13, 6, 3, 3, 7, 3, 4]
    assert sum("half of them are fitted" in message for message in caplog.messages) == 3
    assert parts.voxels == whole.voxels
    for known in fields(whole):
        if known.name != "voxels":
            # Products of another size sum in another order, in float64 throughout.
            np.testing.assert_allclose(getattr(parts, known.name), getattr(whole, known.name), rtol=1e-5)


def test_a_device_that_does_not_hold_one_voxel_is_an_error(fitted, cramped):
    training, solver, rows = fitted
    cramped(0)
    with pytest.raises(torch.OutOfMemoryError):
        training.block_scores(solver, rows, slice(0, N_VOXELS))
