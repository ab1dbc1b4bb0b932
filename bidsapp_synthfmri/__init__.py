"""BIDS App: encode, synthesise and decode fMRI responses to natural images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .encoding import Encoder
    from .synthesis.stream import SyntheticDataset

__version__ = "0.1.0"
__all__ = ["Encoder", "SyntheticDataset", "__version__"]


def __getattr__(name: str) -> Any:
    # torch takes seconds to import, which `--version` and a mistyped option need not wait for.
    if name == "Encoder":
        from .encoding import Encoder

        return Encoder
    if name == "SyntheticDataset":
        from .synthesis.stream import SyntheticDataset

        return SyntheticDataset
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
