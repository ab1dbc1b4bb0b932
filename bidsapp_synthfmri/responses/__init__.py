"""BOLD -> one response per trial: HRF, design, nuisance, estimators."""

from .estimate import RunData, estimate_responses

__all__ = ["RunData", "estimate_responses"]
