"""The steps of both levels, of synthesis and of ranking, in order."""

from .levels import run_level
from .rank import rank
from .synthesise import synthesise
from .synthetic_bold import synthesise_bold

__all__ = ["rank", "run_level", "synthesise", "synthesise_bold"]
