"""Features -> responses: kernels, ridge, folds, layer choice, and the encoder with its file and card."""

from .card import Provenance, Search, TrainingData, model_card
from .encoder import Encoder, VoxelChoices
from .fit import EncoderFit, fit_encoder
from .folds import Folds, make_folds
from .selection import GridEdge
from .without import LeftOut

__all__ = [
    "Encoder",
    "EncoderFit",
    "Folds",
    "GridEdge",
    "LeftOut",
    "Provenance",
    "Search",
    "TrainingData",
    "VoxelChoices",
    "fit_encoder",
    "make_folds",
    "model_card",
]
