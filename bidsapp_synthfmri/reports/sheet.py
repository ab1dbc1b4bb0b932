"""The sheet of the images that drive a region most and least."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from .numbers import MINUS, count
from .page import Page, render
from .provenance import Fact
from .tables import Table

_SIDE = 180
_QUALITY = 80
_MOST_LABELS = 10


@dataclass(frozen=True)
class RankedImage:
    """One picture of the sheet.

    Attributes
    ----------
    rank : from 1, the highest score
    score : in standard deviations
    stimulus, label : what it is; no label is None
    picture : RGB
    """

    rank: int
    score: float
    stimulus: str
    label: str | None
    picture: Image.Image

    @property
    def source(self) -> str:
        """The picture, small, as a data URI."""
        small = self.picture.copy()
        small.thumbnail((_SIDE, _SIDE))
        stream = BytesIO()
        small.save(stream, "JPEG", quality=_QUALITY)
        return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"

    @property
    def alt(self) -> str:
        """What stands in for the picture."""
        label = "" if self.label is None else f", category {self.label}"
        return f"Image {self.stimulus}{label}: rank {self.rank}, score {self.score_text}"

    @property
    def score_text(self) -> str:
        """The score with its sign."""
        return f"{'+' if self.score >= 0 else MINUS}{abs(self.score):.2f}"


@dataclass(frozen=True)
class LabelShare:
    """How often a category stands among the highest images and among all, as shares."""

    label: str
    of_highest: float
    of_all: float


@dataclass(frozen=True)
class Ranked:
    """What a sheet tells.

    Attributes
    ----------
    participant, region : labels; the region, or the contrast in words
    contrast : whether two regions are compared
    n_images, n_skipped : ranked, and left out as unreadable
    highest, lowest : in order of rank
    labels : categories, most frequent among the highest first; empty without labels
    notes : what a reader must see first
    facts : where it comes from
    """

    participant: str
    region: str
    contrast: bool
    n_images: int
    n_skipped: int
    highest: Sequence[RankedImage]
    lowest: Sequence[RankedImage]
    labels: Sequence[LabelShare]
    notes: Sequence[str]
    facts: Sequence[Fact]


def picture_sheet(ranked: Ranked) -> Page:
    """The page; nothing in it refers to another file or host."""
    return Page(
        render(
            "sheet.html.j2",
            ranked=ranked,
            strip=[
                Fact("images ranked", count(ranked.n_images)),
                Fact("skipped, unreadable", count(ranked.n_skipped)),
            ],
            labels=_label_table(ranked.labels[:_MOST_LABELS], len(ranked.highest)),
        )
    )


def _label_table(labels: Sequence[LabelShare], n_highest: int) -> Table | None:
    if not labels:
        return None
    rows = tuple((share.label, f"{share.of_highest:.0%}", f"{share.of_all:.0%}") for share in labels)
    return Table(
        title="Categories",
        columns=("Category", f"Share of the {n_highest} highest", "Share of all"),
        rows=rows,
        note="A category that the region prefers stands more often among the highest than among all.",
    )
