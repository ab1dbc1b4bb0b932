"""Features -> responses: kernels, ridge, folds, layer choice, and the encoder with its file and card."""

from .card import GridEdge, Provenance, Search, TrainingData, grid_edges, model_card
from .encoder import Encoder, VoxelChoices
from .fit import EncoderFit, fit_encoder
from .folds import Folds, make_folds

__all__ = [
    "Encoder",
    "EncoderFit",
    "Folds",
    "GridEdge",
    "Provenance",
    "Search",
    "TrainingData",
    "VoxelChoices",
    "fit_encoder",
    "grid_edges",
    "make_folds",
    "model_card",
]
