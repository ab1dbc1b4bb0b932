"""Sentences on what thresholds left out, and on penalties at the edge of their grid."""

from __future__ import annotations

from collections.abc import Sequence

from ..encoding.selection import GridEdge
from ..structures import ALL_VOXELS
from .inputs import ParticipantInputs
from .selection import Measured


def censoring_notes(inputs: ParticipantInputs, fd_threshold: float | None) -> list[str]:
    """How many volumes moved too far, in all and in the worst run; nothing without a threshold."""
    if fd_threshold is None:
        return []
    n_volumes = sum(len(table.values) for table in inputs.nuisance.values())
    above = f"a framewise displacement above {fd_threshold:g} mm"
    if inputs.most_censored is None:
        return [f"None of the {n_volumes} volumes has {above}: none was censored."]
    n_censored = sum(table.n_censored for table in inputs.nuisance.values())
    run, table = inputs.most_censored
    return [
        f"{n_censored} of {n_volumes} volumes ({n_censored / n_volumes:.1%}) have {above} and take no part in"
        f" any fit; most in {run}, {table.n_censored} of {len(table.values)}."
    ]


def selection_notes(measured: Measured, min_ncsnr: float | None) -> list[str]:
    """Which voxels were left out for their ncsnr, and what that does to every score after it."""
    if min_ncsnr is None:
        return []
    if not measured.left_out:
        return [f"No voxel has an ncsnr below {min_ncsnr:g} (--min-ncsnr): none was left out."]
    by_roi = ", ".join(
        f"{name} {n} of {of}" for name, (n, of) in measured.left_out.items() if name != ALL_VOXELS
    )
    where = f" ({by_roi})" if by_roi else ""
    emptied = [name for name, (n, of) in measured.left_out.items() if n == of]
    notes = [
        f"{int((~measured.kept).sum())} of {len(measured.voxels)} voxels have an ncsnr below {min_ncsnr:g}"
        f" (--min-ncsnr) and were left out of encoder, synthesis and decoding{where}; reliability is"
        " given for all voxels, as measured before they were left out.",
        "The voxels kept were chosen by the same repeats that the scores rest on: every score but reliability"
        " is conditional on the choice, which favours voxels whose repeats happen to agree. Real with real,"
        " the ceiling and what is expected from reliability are higher than fresh repeats would give.",
    ]
    if emptied:
        notes.append(f"No voxel is left in {', '.join(emptied)}, which therefore has no scores.")
    return notes


def grid_edge_notes(edges: Sequence[GridEdge], alphas: Sequence[float]) -> list[str]:
    """Which layers' penalties are the grid's first or last, and in how many voxels; nothing where none is."""
    found = [edge for edge in edges if edge.n_first or edge.n_last]
    if not found:
        return []
    by_layer = "; ".join(f"{edge.name}: {_at_ends(edge)} of {edge.n_used} voxels" for edge in found)
    return [
        f"Ridge penalties at the edge of their grid ({min(alphas):g} to {max(alphas):g}): {by_layer}. At the"
        " largest, nothing predicts the voxel, as a rule; at the smallest, a smaller one might do better."
    ]


def _at_ends(edge: GridEdge) -> str:
    ends = (("largest", edge.n_last), ("smallest", edge.n_first))
    return ", ".join(f"the {end} in {n}" for end, n in ends if n)
