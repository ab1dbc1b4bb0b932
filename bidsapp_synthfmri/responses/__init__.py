"""BOLD -> one response per trial: HRF, design, nuisance, estimators."""

from .estimate import PRECOMPUTED, RunData, estimate_responses, standardise_precomputed

__all__ = ["PRECOMPUTED", "RunData", "estimate_responses", "standardise_precomputed"]
