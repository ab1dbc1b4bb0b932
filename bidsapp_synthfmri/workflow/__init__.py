"""The steps of both levels, in order."""

from .levels import run_level
from .synthesise import synthesise_folder
from .synthetic_bold import synthesise_bold

__all__ = ["run_level", "synthesise_bold", "synthesise_folder"]
