"""Datasets with known truth: BIDS trees in BOLD5000's shape whose responses were made by rule."""

from .bold5000 import Bold5000Tree, write_bold5000_tree
from .config import BOLD5000_ROIS, RoiModel, SimulationConfig
from .dataset import SimulatedDataset, simulate
from .noise import TemporalNoise, simulate_bold
from .pictures import CATEGORIES, draw_picture

__all__ = [
    "BOLD5000_ROIS",
    "CATEGORIES",
    "Bold5000Tree",
    "RoiModel",
    "SimulatedDataset",
    "SimulationConfig",
    "TemporalNoise",
    "draw_picture",
    "simulate",
    "simulate_bold",
    "write_bold5000_tree",
]
