"""How reliable the voxels of every ROI are: distribution of ncsnr, and both estimators of r."""

from __future__ import annotations

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
_MEDIAN = Mark(COLOURS["ink"], "|", 12.0)
_N_BINS = 48
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
        _caption(maps, len(shown), len(rois), min_ncsnr),
        _alt(maps, shown, min_ncsnr),
    )


@drawn
def _draw(maps: ReliabilityMaps, rois: tuple[RoiSet, ...], min_ncsnr: float | None) -> str:
    drawing = canvas(1.35 + _INCHES_PER_ROI * len(rois))
    left, right = drawing.subplots(1, 2, sharey=True)
    edges = _edges(maps.ncsnr, min_ncsnr)
    for place, roi in enumerate(rois):
        _distribution(left, maps.ncsnr[roi.voxels], edges, place, min_ncsnr)
        _spread(right, maps.r[roi.voxels], _VARIANCE, place - 0.14)
        _spread(right, maps.split_half[roi.voxels], _HALVES, place + 0.14)
    left.set_title("Signal-to-noise of every voxel")
    left.set_xlabel("ncsnr (standard deviation of signal over noise)")
    right.set_title("Reliability of one response, two estimators")
    right.set_xlabel("Reliability r (median and middle half of voxels)")
    left.set_yticks(range(len(rois)), [f"{roi_name(roi.name)} ({int(roi.voxels.sum()):,})" for roi in rois])
    left.set_ylim(len(rois) - 0.5, -0.5)
    left.set_xlim(edges[0], edges[-1])
    zero_line(right)
    for axes in (left, right):
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
        for place in range(1, len(rois)):
            axes.axhline(place - 0.5, color=COLOURS["grid"], linewidth=0.8)
    handles = [_MEDIAN.handle("median"), _VARIANCE.handle("from variances"), _HALVES.handle("split halves")]
    if min_ncsnr is not None:
        left.axvline(min_ncsnr, color=COLOURS["vermillion"], linewidth=1.5, linestyle="--")
        line = Line2D([], [], color=COLOURS["vermillion"], linestyle="--", linewidth=1.5)
        line.set_label(f"--min-ncsnr {min_ncsnr:g}")
        handles.append(line)
    legend_above(drawing, handles, columns=len(handles))
    return svg_of(drawing)


def _edges(ncsnr: FloatArray, min_ncsnr: float | None) -> NDArray[np.float64]:
    """Edges of the bins, from 0 to nearly the largest ncsnr, the threshold always within."""
    known = ncsnr[np.isfinite(ncsnr)]
    highest = float(np.quantile(known, _SHOWN)) if len(known) else 0.0
    return np.linspace(0, max(1.05 * highest, 1.2 * (min_ncsnr or 0.0), 0.1), _N_BINS + 1)


def _distribution(
    axes: Axes, ncsnr: FloatArray, edges: NDArray[np.float64], place: int, min_ncsnr: float | None
) -> None:
    """A histogram that stands on the ROI's line, its highest bin as tall as any other ROI's."""
    known = np.nan_to_num(ncsnr, nan=0.0, posinf=edges[-1])
    counts, _ = np.histogram(np.minimum(known, edges[-1]), edges)
    base = place + _HEIGHT / 2
    tops = base - _HEIGHT * counts / max(counts.max(), 1)
    axes.stairs(tops, edges, baseline=base, fill=True, color=COLOURS["sky"], alpha=0.75, linewidth=0)
    axes.stairs(tops, edges, baseline=base, color=COLOURS["blue"], linewidth=0.9)
    median = float(np.median(known))
    axes.plot([min(median, edges[-1])], [base - 0.12], linestyle="none", **_MEDIAN.style())
    if min_ncsnr is not None:
        kept = float(np.mean(ncsnr >= min_ncsnr))
        axes.text(
            edges[-1],
            place - 0.18,
            f"{percent(kept)} kept",
            ha="right",
            va="center",
            fontsize=9,
            color=COLOURS["muted"],
        )


def _spread(axes: Axes, values: FloatArray, mark: Mark, height: float) -> None:
    known = values[np.isfinite(values)]
    if not len(known):
        return
    low, middle, high = np.quantile(known, (0.25, 0.5, 0.75))
    axes.plot([low, high], [height] * 2, color=mark.colour, linewidth=2, alpha=0.75)
    axes.plot([middle], [height], linestyle="none", **mark.style())


def _caption(maps: ReliabilityMaps, n_shown: int, n_rois: int, min_ncsnr: float | None) -> str:
    parts = [
        "Left: how many voxels of a region have which signal-to-noise ratio over repeats; the highest bar of"
        " every region is drawn equally tall. Voxels whose repeats agree no better than noise stand at 0.",
        "Right: reliability of one response from the variance within and between images, and from split"
        " halves stepped up or down to one response. The two should agree; only split halves can be negative.",
    ]
    edge = _edges(maps.ncsnr, min_ncsnr)[-1]
    beyond = int((maps.ncsnr > edge).sum())
    if beyond:
        parts.append(f"The last bar holds {counted(beyond, 'voxel')} beyond the axis as well.")
    if min_ncsnr is not None:
        parts.append(
            "Dashed: voxels below it were left out of encoder, synthesis and decoding; all are shown here."
        )
    if not np.isfinite(maps.split_half).any():
        parts.append("Too few images repeat to split their presentations.")
    if n_shown < n_rois:
        parts.append(f"{n_shown} of {n_rois} regions are drawn; the table has all of them.")
    return " ".join(parts)


def _alt(maps: ReliabilityMaps, rois: tuple[RoiSet, ...], min_ncsnr: float | None) -> str:
    values = [
        f"{roi_name(roi.name)} {correlation(_median(maps.ncsnr[roi.voxels]))}, r"
        f" {correlation(_median(maps.r[roi.voxels]))}, split halves"
        f" {correlation(_median(maps.split_half[roi.voxels]))}"
        for roi in rois
    ]
    threshold = "" if min_ncsnr is None else f" A dashed line at {min_ncsnr:g} is the threshold for voxels."
    return (
        "Histograms of ncsnr over voxels, a line a region, and dots of reliability with the middle half of"
        f" voxels. Medians of ncsnr: {'; '.join(values)}.{threshold}"
    )


def _median(values: FloatArray) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else float("nan")
