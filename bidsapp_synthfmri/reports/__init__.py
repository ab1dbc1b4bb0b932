"""HTML pages and figures from what ``derivatives`` wrote; opens no data file, writes none."""

from .failure import failure_page
from .group import group_page
from .page import Figure, Page
from .participant import participant_page
from .sheet import LabelShare, Ranked, RankedImage, picture_sheet

__all__ = [
    "Figure",
    "LabelShare",
    "Page",
    "Ranked",
    "RankedImage",
    "failure_page",
    "group_page",
    "participant_page",
    "picture_sheet",
]
