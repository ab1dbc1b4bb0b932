"""Prediction by image source, and with the sources' means removed."""

from __future__ import annotations

from .drawing import COLOURS, MOST_ROIS, Mark, canvas, draw_estimate, drawn, legend_above, svg_of, zero_line
from .estimates import roi_name
from .leakage import ALL, WITHIN, Audit, Subset
from .numbers import correlation, count, counted
from .page import Figure

_ALL = Mark(COLOURS["ink"], "D", 6.0)
_WITHIN = Mark(COLOURS["vermillion"], "o", 6.5)
_SOURCES = (
    Mark(COLOURS["blue"], "s", 5.5),
    Mark(COLOURS["green"], "^", 6.5),
    Mark(COLOURS["orange"], "v", 6.5),
    Mark(COLOURS["purple"], "P", 6.5),
    Mark(COLOURS["sky"], "X", 6.5),
)
_INCHES_PER_MARK = 0.17


def leakage_figure(audit: Audit) -> Figure | None:
    """Points with 95% intervals, a group a region; None where there are no scores by source."""
    within, everything = audit.subset(WITHIN), audit.subset(ALL)
    if within is None or everything is None or not within.known:
        return None
    known = [source for source in audit.sources if source.known]
    marks = [
        (everything, _ALL, "all test images"),
        *((s, mark, s.source) for s, mark in zip(known, _SOURCES, strict=False)),
        (within, _WITHIN, "all, source means removed"),
    ]
    rois = audit.rois[:MOST_ROIS]
    return Figure("leakage", _draw(marks, rois), _caption(audit, known), _alt(marks, rois))


@drawn
def _draw(marks: list[tuple[Subset, Mark, str]], rois: tuple[str, ...]) -> str:
    drawing = canvas(1.2 + (0.25 + _INCHES_PER_MARK * len(marks)) * len(rois))
    axes = drawing.subplots()
    axes.grid(axis="x")
    zero_line(axes)
    axes.tick_params(axis="y", length=0)
    step = 0.8 / len(marks)
    for place, roi in enumerate(rois):
        if place:
            axes.axhline(place - 0.5, color=COLOURS["grid"], linewidth=0.8)
        for row, (subset, mark, _) in enumerate(marks):
            draw_estimate(axes, subset.synthetic_real(roi), mark, place + (row - (len(marks) - 1) / 2) * step)
    axes.set_yticks(range(len(rois)), [roi_name(roi) for roi in rois])
    axes.set_ylim(len(rois) - 0.5, -0.5)
    axes.set_xlabel("Correlation of synthetic with real responses (Pearson r, mean over voxels)")
    handles = [mark.handle(f"{label} ({count(subset.n_stimuli)})") for subset, mark, label in marks]
    legend_above(drawing, handles, columns=3)
    return svg_of(drawing)


def _caption(audit: Audit, known: list[Subset]) -> str:
    parts = [
        "Marks are estimates, bars 95% bootstrap intervals over test images. If prediction only told image"
        " sources apart, the correlation would vanish within each source, and with the mean of each source"
        " removed from responses and predictions.",
    ]
    if few := [source for source in audit.sources if not source.known]:
        least = count(audit.facts.get("least_stimuli"))
        which = counted(len(few), "source has", "sources have")
        parts.append(f"{which} fewer than {least} test images: too few to be scored alone.")
    if len(known) > len(_SOURCES):
        parts.append(f"The {len(_SOURCES)} largest of {len(known)} sources are drawn.")
    if len(audit.rois) > MOST_ROIS:
        parts.append(f"The first {MOST_ROIS} of {len(audit.rois)} regions are drawn.")
    return " ".join(parts)


def _alt(marks: list[tuple[Subset, Mark, str]], rois: tuple[str, ...]) -> str:
    values = [
        f"{roi_name(roi)}: "
        + ", ".join(f"{label} {correlation(s.synthetic_real(roi).value)}" for s, _, label in marks)
        for roi in rois
    ]
    return f"Dot plot of correlations with intervals, a group of marks a region. {'; '.join(values)}."
