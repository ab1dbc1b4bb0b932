"""BOLD -> one response per trial: HRF, design, nuisance, estimators."""

from .estimate import estimate_responses
from .outcome import PRECOMPUTED, standardise_precomputed
from .runs import RunData

__all__ = ["PRECOMPUTED", "RunData", "estimate_responses", "standardise_precomputed"]
