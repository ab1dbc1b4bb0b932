"""The page of a participant whose run failed."""

from __future__ import annotations

from collections.abc import Sequence

from .page import Page, render


def failure_page(participant: str, error: str, remedy: str, log: str, crashes: Sequence[str] = ()) -> Page:
    """What went wrong, what to do about it, and where the details are.

    Parameters
    ----------
    participant : label without ``sub-``
    error : the problem, as the error says it
    remedy : what to do
    log : path of the log, as text
    crashes : paths of crash files, the latest last
    """
    return Page(
        render(
            "failure.html.j2", participant=participant, error=error, remedy=remedy, log=log, crashes=crashes
        )
    )
