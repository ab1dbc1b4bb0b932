"""click commands and option groups: parsing only."""

from .main import bids_app, main

__all__ = ["bids_app", "main"]
