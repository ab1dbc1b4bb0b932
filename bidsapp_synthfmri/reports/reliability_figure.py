"""How reliable the voxels of every ROI are: distribution of ncsnr, and both estimators of r."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from ..derivatives.results import ReliabilityMaps
from ..structures import FloatArray, RoiSet
from .drawing import COLOURS, MOST_ROIS, Mark, canvas, drawn, legend_above, svg_of, zero_line
from .estimates import roi_name
from .numbers import correlation, counted, percent
from .page import Figure

_VARIANCE = Mark(COLOURS["blue"], "o", 6.5)
_HALVES = Mark(COLOURS["orange"], "D", 6.0)
_MEAN = Mark(COLOURS["ink"], "|", 12.0)
_THRESHOLD: dict[str, Any] = {"color": COLOURS["vermillion"], "linewidth": 1.5, "linestyle": "--"}
_N_BINS = (12, 48)
_SHOWN = 0.995  # quantile at which the ncsnr axis ends: few voxels must not squeeze the others
_HEIGHT = 0.72
_INCHES_PER_ROI = 0.62


def reliability_figure(maps: ReliabilityMaps, min_ncsnr: float | None) -> Figure | None:
    """Two panels, a line a ROI; None where nothing repeats.

    Parameters
    ----------
    maps : of all voxels measured
    min_ncsnr : the threshold below which voxels were left out, to be drawn; None for none
    """
    if not np.isfinite(maps.r).any():
        return None
    rois = maps.voxels.roi_sets()
    shown = rois[:MOST_ROIS] if len(rois) <= MOST_ROIS else (*rois[: MOST_ROIS - 1], rois[-1])
    return Figure(
        "reliability",
        _draw(maps, shown, min_ncsnr),
        _caption(maps, shown, len(rois), min_ncsnr),
        _alt(maps, shown, min_ncsnr),
    )


@drawn
def _draw(maps: ReliabilityMaps, rois: tuple[RoiSet, ...], min_ncsnr: float | None) -> str:
    drawing = canvas(1.35 + _INCHES_PER_ROI * len(rois))
    left, right = drawing.subplots(1, 2, sharey=True)
    edges = _edges(maps, rois, min_ncsnr)
    for place, roi in enumerate(rois):
        _distribution(left, maps.ncsnr[roi.voxels], edges, place, min_ncsnr)
        _spread(right, maps.r[roi.voxels], _VARIANCE, place - 0.14)
        _spread(right, maps.split_half[roi.voxels], _HALVES, place + 0.14)
    left.set_title("Signal-to-noise of every voxel")
    left.set_xlabel("ncsnr (standard deviation of signal over noise)")
    right.set_title("Reliability of one response, two estimators")
    right.set_xlabel("Reliability r (mean and middle half of voxels)")
    left.set_yticks(range(len(rois)), [f"{roi_name(roi.name)} ({int(roi.voxels.sum()):,})" for roi in rois])
    left.set_ylim(len(rois) - 0.5, -0.5)
    left.set_xlim(edges[0], edges[-1])
    zero_line(right)
    for axes in (left, right):
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
        for place in range(1, len(rois)):
            axes.axhline(place - 0.5, color=COLOURS["grid"], linewidth=0.8)
    if min_ncsnr is not None:
        left.axvline(min_ncsnr, **_THRESHOLD)
    legend_above(drawing, _handles(min_ncsnr), columns=4)
    return svg_of(drawing)


def _handles(min_ncsnr: float | None) -> list[Line2D]:
    handles = [
        _MEAN.handle("mean ncsnr"),
        _VARIANCE.handle("r from variances"),
        _HALVES.handle("r from split halves"),
    ]
    if min_ncsnr is not None:
        handles.append(Line2D([], [], label=f"--min-ncsnr {min_ncsnr:g}", **_THRESHOLD))
    return handles


def _edges(maps: ReliabilityMaps, rois: tuple[RoiSet, ...], min_ncsnr: float | None) -> NDArray[np.float64]:
    """Edges of the bins, from 0 to nearly the largest ncsnr; more of them where regions are larger."""
    known = maps.ncsnr[np.isfinite(maps.ncsnr)]
    highest = float(np.quantile(known, _SHOWN)) if len(known) else 0.0
    size = float(np.median([roi.voxels.sum() for roi in rois]))
    n_bins = int(np.clip(3 * np.cbrt(size), *_N_BINS))
    return np.linspace(0, max(1.05 * highest, 1.2 * (min_ncsnr or 0.0), 0.1), n_bins + 1)


def _distribution(
    axes: Axes, ncsnr: FloatArray, edges: NDArray[np.float64], place: int, min_ncsnr: float | None
) -> None:
    """A histogram that stands on the ROI's line, its highest bin as tall as any other ROI's."""
    above = ncsnr[ncsnr > 0]
    counts, _ = np.histogram(np.minimum(above, edges[-1]), edges)
    base = place + _HEIGHT / 2
    tops = base - _HEIGHT * counts / max(counts.max(), 1)
    axes.stairs(tops, edges, baseline=base, fill=True, color=COLOURS["sky"], alpha=0.75, linewidth=0)
    axes.stairs(tops, edges, baseline=base, color=COLOURS["blue"], linewidth=0.9)
    mean = _mean(ncsnr)
    if np.isfinite(mean):
        axes.plot([min(mean, edges[-1])], [base - 0.12], linestyle="none", **_MEAN.style())
    kept = "" if min_ncsnr is None else f", {percent(float(np.mean(ncsnr >= min_ncsnr)))} kept"
    axes.text(
        edges[-1],
        place - _HEIGHT / 2,
        f"{percent(1 - len(above) / len(ncsnr))} at 0{kept}",
        ha="right",
        va="center",
        fontsize=9,
        color=COLOURS["muted"],
    )


def _spread(axes: Axes, values: FloatArray, mark: Mark, height: float) -> None:
    known = values[np.isfinite(values)]
    if not len(known):
        return
    axes.plot(np.quantile(known, (0.25, 0.75)), [height] * 2, color=mark.colour, linewidth=2, alpha=0.75)
    axes.plot([_mean(known)], [height], linestyle="none", **mark.style())


def _caption(maps: ReliabilityMaps, shown: tuple[RoiSet, ...], n_rois: int, min_ncsnr: float | None) -> str:
    parts = [
        "Left: how the signal-to-noise ratio over repeats is spread over a region's voxels; in brackets their"
        " number. The highest bar of every region is drawn equally tall. Voxels whose repeats agree no better"
        " than chance have the value 0: they are not drawn, but count in the mean.",
        "Right: reliability of one response, from the variance within and between images and from split"
        " halves; marks are means over voxels, bars the middle half of them. The two means should agree. In"
        " single voxels only split halves can be negative.",
    ]
    beyond = int((maps.ncsnr > _edges(maps, shown, min_ncsnr)[-1]).sum())
    if beyond:
        parts.append(f"The last bar also holds {counted(beyond, 'voxel')} beyond the axis.")
    if min_ncsnr is not None:
        parts.append(
            "Dashed: voxels below it were left out of encoder, synthesis and decoding; all are shown here."
        )
    if not np.isfinite(maps.split_half).any():
        parts.append("Too few images repeat to split their presentations.")
    if len(shown) < n_rois:
        parts.append(f"{len(shown)} of {n_rois} regions are drawn; the table has all of them.")
    return " ".join(parts)


def _alt(maps: ReliabilityMaps, rois: tuple[RoiSet, ...], min_ncsnr: float | None) -> str:
    values = [
        f"{roi_name(roi.name)} {correlation(_mean(maps.ncsnr[roi.voxels]))}, r"
        f" {correlation(_mean(maps.r[roi.voxels]))}, split halves"
        f" {correlation(_mean(maps.split_half[roi.voxels]))}"
        for roi in rois
    ]
    threshold = "" if min_ncsnr is None else f" A dashed line at {min_ncsnr:g} is the threshold for voxels."
    return (
        "Histograms of ncsnr over voxels, a line a region, and dots of reliability with the middle half of"
        f" voxels. Mean ncsnr: {'; '.join(values)}.{threshold}"
    )


def _mean(values: FloatArray) -> float:
    """Mean of what is finite, as the tables have it; not-a-number where nothing is."""
    known = values[np.isfinite(values)]
    return float(known.mean(dtype=np.float64)) if len(known) else float("nan")
