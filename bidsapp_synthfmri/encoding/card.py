"""The model card: what a stored encoder is, of which data, how it was fitted, and how far to trust it.

``model_card.schema.json`` documents every key and is what cards are checked against; what only the file
itself can say (hash, layers in use, voxels) is added when it is written (``storage.complete_card``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from ..structures import ALL_VOXELS, BoolArray, FloatArray, Json, Space
from .encoder import VoxelChoices
from .folds import Folds
from .selection import GridEdge

_SCHEMA = "model_card.schema.json"
_DESCRIPTION = "Voxelwise encoding model: image to fMRI response"
_INTENDED_USE = (
    "Predicts the noiseless single-trial response of this participant's voxels to a picture, for encoding "
    "analyses and as synthetic data to train decoders on."
)
_LIMITS = (
    "Synthetic responses are predictions: no human was scanned for them, they have none of a measurement's "
    "noise unless it was drawn, and they hold at best for this participant and for pictures like the "
    "training stimuli. Its scores are cross-validated inside the training set, where penalties were chosen "
    "by them: they are no test scores."
)


@dataclass(frozen=True)
class TrainingData:
    """What the encoder was fitted to.

    Attributes
    ----------
    participant, task : labels without ``sub-`` and ``task-``
    stimuli : the training stimuli's identities
    n_trials : training trials
    responses : estimator of the single-trial responses
    unit : of the responses, and so of predictions
    dataset, doi : the BIDS dataset's name and DOI; None where they are not known
    """

    participant: str
    task: str
    stimuli: tuple[str, ...]
    n_trials: int
    responses: str
    unit: str
    dataset: str | None = None
    doi: str | None = None


@dataclass(frozen=True)
class Search:
    """How penalties and layers were chosen.

    Attributes
    ----------
    penalty_search : ``window``, ``exact`` or ``gcv``
    alphas : the grid of penalties, ascending
    layer_selection : ``voxel``, ``roi`` or ``joint``
    sentence : the layer selection in words
    joint_model : ``stacking`` or ``banded``; None where voxels have one layer
    grid_edges : by layer, how many penalties lie at the grid's ends
    """

    penalty_search: str
    alphas: tuple[float, ...]
    layer_selection: str
    sentence: str
    joint_model: str | None
    grid_edges: Sequence[GridEdge]


@dataclass(frozen=True)
class Provenance:
    """What it takes to make the encoder again.

    Attributes
    ----------
    software : version by package, ``bidsapp_synthfmri`` among them
    seed : of every generator
    configuration_hash : of the options that change results; None outside the app
    """

    software: Mapping[str, str]
    seed: int
    configuration_hash: str | None = None


def model_card(
    data: TrainingData,
    folds: Folds,
    search: Search,
    choices: VoxelChoices,
    voxels: Space,
    backbone: Json,
    provenance: Provenance,
) -> Json:
    """The card of an encoder that is not written yet; plain values, no number that JSON does not have.

    Parameters
    ----------
    data : what it was fitted to
    folds : of the training trials
    search : how penalties and layers were chosen
    choices : per voxel
    voxels : where they lie, for scores by ROI
    backbone : ``Backbone.identity()``
    provenance : software, seed, configuration
    """
    return {
        "description": _DESCRIPTION,
        "intended_use": _INTENDED_USE,
        "limits": _LIMITS,
        "participant": data.participant,
        "task": data.task,
        "responses": data.responses,
        "unit": data.unit,
        "data": {
            "dataset": data.dataset,
            "doi": data.doi,
            "n_trials": data.n_trials,
            "n_stimuli": len(data.stimuli),
            "stimuli": list(data.stimuli),
        },
        "folds": {"description": folds.description, "number": folds.n_folds, "unit": folds.unit},
        "penalty": {
            "search": search.penalty_search,
            "alphas": list(search.alphas),
            "n_at_edge": sum(edge.n_first + edge.n_last for edge in search.grid_edges),
            "grid_edges": [asdict(edge) for edge in search.grid_edges],
        },
        "layer_selection": {
            "rule": search.layer_selection,
            "description": search.sentence,
            "joint_model": search.joint_model,
        },
        "scores": _scores(choices, voxels),
        "backbone": backbone,
        "software": dict(provenance.software),
        "seed": provenance.seed,
        "configuration_hash": provenance.configuration_hash,
    }


@cache
def card_schema() -> Json:
    """The JSON schema (draft 2020-12) of a complete card."""
    schema: Json = json.loads(files(__package__).joinpath(_SCHEMA).read_text(encoding="utf-8"))
    return schema


def missing_keys(card: Json) -> tuple[str, ...]:
    """Keys that every complete card has and this one lacks, dotted where they lie in another."""
    return tuple(_missing(card, card_schema(), ""))


def _missing(card: Json, schema: Json, prefix: str) -> Iterator[str]:
    for key in schema.get("required", ()):
        if key not in card:
            yield prefix + key
        elif isinstance(card[key], dict):
            yield from _missing(card[key], schema["properties"][key], f"{prefix}{key}.")


def _scores(choices: VoxelChoices, voxels: Space) -> Json:
    everywhere = np.ones(len(voxels), dtype=bool)
    rois = [roi for roi in voxels.roi_sets() if roi.name != ALL_VOXELS]
    return {
        "n_voxels": len(voxels),
        "cv_r": _summary(choices.cv_r, everywhere),
        "cv_r2": _summary(choices.cv_r2, everywhere),
        "rois": [
            {
                "name": roi.name,
                "n_voxels": int(roi.voxels.sum()),
                "cv_r": _summary(choices.cv_r, roi.voxels),
                "cv_r2": _summary(choices.cv_r2, roi.voxels),
            }
            for roi in rois
        ],
    }


def _summary(scores: FloatArray, voxels: BoolArray) -> Json:
    """Median and mean over the voxels where a score is defined, and how many those are."""
    defined = scores[voxels & np.isfinite(scores)].astype(np.float64)
    if len(defined) == 0:
        return {"median": None, "mean": None, "n_defined": 0}
    return {"median": float(np.median(defined)), "mean": float(defined.mean()), "n_defined": len(defined)}
