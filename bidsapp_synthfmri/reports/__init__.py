"""HTML pages and figures from what ``derivatives`` wrote; opens no data file, writes none."""

from .failure import failure_page
from .group import group_page
from .page import Figure, Page
from .participant import participant_page

__all__ = ["Figure", "Page", "failure_page", "group_page", "participant_page"]
