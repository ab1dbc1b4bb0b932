"""Files that are broken, hostile or merely unusual, each made by code, with what must come of it."""

from __future__ import annotations

from . import json_files, nifti, pictures, tables
from .case import Case, Place

CASES: tuple[Case, ...] = (*nifti.CASES, *tables.CASES, *json_files.CASES, *pictures.CASES)
REFUSED = tuple(case for case in CASES if case.code)
LEGAL = tuple(case for case in CASES if not case.code)

__all__ = ["CASES", "LEGAL", "REFUSED", "Case", "Place"]
