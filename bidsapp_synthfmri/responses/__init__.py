"""BOLD -> one response per trial: HRF, design, nuisance, estimators.

What estimates is imported when it is first asked for: an encoder needs only the haemodynamic responses.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .estimate import estimate_responses
    from .outcome import PRECOMPUTED, standardise_precomputed
    from .runs import RunData

__all__ = ["PRECOMPUTED", "RunData", "estimate_responses", "standardise_precomputed"]

_HOMES = {
    "PRECOMPUTED": "outcome",
    "RunData": "runs",
    "estimate_responses": "estimate",
    "standardise_precomputed": "outcome",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
