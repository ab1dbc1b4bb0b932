"""BIDS App: encode, synthesise and decode fMRI responses to natural images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .encoding import Encoder

__version__ = "0.1.0"
__all__ = ["Encoder", "__version__"]


def __getattr__(name: str) -> Any:
    # torch takes seconds to import, which `--version` and a mistyped option need not wait for.
    if name == "Encoder":
        from .encoding import Encoder

        return Encoder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
