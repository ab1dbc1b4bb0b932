"""The steps of both levels, in order."""

from .levels import run_level
from .synthesise import synthesise_folder

__all__ = ["run_level", "synthesise_folder"]
