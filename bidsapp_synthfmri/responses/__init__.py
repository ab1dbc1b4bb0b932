"""BOLD -> one response per trial: HRF, design, nuisance, estimators."""

from .estimate import estimate_responses
from .runs import RunData

__all__ = ["RunData", "estimate_responses"]
