"""The steps of both levels, in order."""

from .levels import run_level
from .synthesise import synthesise

__all__ = ["run_level", "synthesise"]
