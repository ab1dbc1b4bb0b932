"""Features -> responses: kernels, ridge, folds, layer choice, and the encoder with its file."""

from .encoder import Encoder
from .fit import EncoderFit, fit_encoder
from .folds import Folds, make_folds

__all__ = ["Encoder", "EncoderFit", "Folds", "fit_encoder", "make_folds"]
