"""The steps of both levels, of synthesis and of ranking, in order."""

from .levels import run_level
from .rank import rank
from .synthesise import synthesise

__all__ = ["rank", "run_level", "synthesise"]
