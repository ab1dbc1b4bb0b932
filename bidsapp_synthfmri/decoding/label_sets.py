"""What a label set is: a label for each stimulus, the source it is defined within, and every gap."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_NAMED = 5


@dataclass(frozen=True)
class Gap:
    """Stimuli that a label set should label and cannot, for one reason.

    Attributes
    ----------
    reason : completes the sentence "n stimuli have no label: ..."
    items : what has no label (stimuli, or the synsets or categories in their names)
    n_stimuli : how many stimuli that are
    """

    reason: str
    items: tuple[str, ...]
    n_stimuli: int


@dataclass(frozen=True)
class LabelSet:
    """Labels of stimuli under one scheme.

    Attributes
    ----------
    name : as experiments name it
    description : what the labels are, in a few words
    origin : where they come from, with version
    within : the image source that they are defined in (``coco``, ``imagenet`` or ``scenes``), so that
        classes do not differ by source; None where the scheme knows no sources
    labels : one a stimulus, in the order asked for; None for gaps and for stimuli of other sources
    gaps : why stimuli of this source have none
    n_outside : stimuli of other sources, which take no part
    """

    name: str
    description: str
    origin: str
    within: str | None
    labels: tuple[str | None, ...]
    gaps: tuple[Gap, ...]
    n_outside: int

    @property
    def n_labelled(self) -> int:
        """Stimuli with a label."""
        return sum(label is not None for label in self.labels)

    @property
    def n_gaps(self) -> int:
        """Stimuli of this source without a label."""
        return sum(gap.n_stimuli for gap in self.gaps)

    @property
    def counts(self) -> tuple[tuple[str, int], ...]:
        """Each label and its number of stimuli, most first, then by name."""
        found = Counter(label for label in self.labels if label is not None)
        return tuple(sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))

    @property
    def sentences(self) -> tuple[str, ...]:
        """What a report says of coverage: labelled, each gap, and who takes no part."""
        asked = len(self.labels) - self.n_outside
        of = f" of source {self.within}" if self.within else ""
        said = [
            f"Label set {self.name!r}: {self.n_labelled} of {asked} stimuli{of} have one of "
            f"{len(self.counts)} labels."
        ]
        said += [
            f"Label set {self.name!r}: {gap.n_stimuli} stimuli have no label: {gap.reason} "
            f"({_some(gap.items)})."
            for gap in self.gaps
        ]
        if self.n_outside:
            said.append(f"Label set {self.name!r}: {self.n_outside} stimuli of other sources take no part.")
        return tuple(said)


@dataclass(frozen=True)
class Reading:
    """What a scheme says of one stimulus.

    Attributes
    ----------
    label : None for a gap
    reason, item : of a gap: why, and what has no label
    """

    label: str | None
    reason: str = ""
    item: str = ""


def collect_gaps(readings: Iterable[Reading]) -> tuple[Gap, ...]:
    """Gaps by reason, in order of first occurrence; items are named once and sorted."""
    items: dict[str, list[str]] = {}
    for reading in readings:
        if reading.label is None:
            items.setdefault(reading.reason, []).append(reading.item)
    return tuple(Gap(reason, tuple(sorted(set(found))), len(found)) for reason, found in items.items())


def assemble(
    name: str, description: str, origin: str, within: str | None, readings: Sequence[Reading | None]
) -> LabelSet:
    """A label set from the readings of all stimuli; None for a stimulus of another source."""
    own = [reading for reading in readings if reading is not None]
    return LabelSet(
        name=name,
        description=description,
        origin=origin,
        within=within,
        labels=tuple(None if reading is None else reading.label for reading in readings),
        gaps=collect_gaps(own),
        n_outside=len(readings) - len(own),
    )


def _some(items: Sequence[str]) -> str:
    named = ", ".join(items[:_NAMED])
    return named if len(items) <= _NAMED else f"{named} and {len(items) - _NAMED} more"
