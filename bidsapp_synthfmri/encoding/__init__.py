"""Features -> responses: kernels, ridge, folds, layer choice, and the encoder with its file and card."""

from .card import Provenance, Search, TrainingData, alphas_at_edge, model_card
from .encoder import Encoder, VoxelChoices
from .fit import EncoderFit, fit_encoder
from .folds import Folds, make_folds

__all__ = [
    "Encoder",
    "EncoderFit",
    "Folds",
    "Provenance",
    "Search",
    "TrainingData",
    "VoxelChoices",
    "alphas_at_edge",
    "fit_encoder",
    "make_folds",
    "model_card",
]
