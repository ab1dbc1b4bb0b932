"""What single responses are made of and what the encoder misses: by region, in words and in a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import pandas as pd

from .estimates import number, regions_of, roi_name, rois_of
from .numbers import MISSING, count, listed, percent
from .tables import Table

_NOTE = (
    "Variances of a single response, means over the region's voxels; signal and noise add up to 100%. Signal"
    " repeats with the image. Predicted is signal less what the encoder misses of it on test images, which is"
    " an unbiased estimate: by chance it can lie below 0%."
)
_POSTERIOR_NOTE = (
    " Expected is what the encoder itself expects to miss. Coverage is the share of test images and voxels"
    " whose mean response lies in the interval of the encoder's uncertainty and the noise; it should be the"
    " nominal chance."
)


@dataclass(frozen=True)
class RoiVariance:
    """One region's single responses and predictions of them.

    Attributes
    ----------
    roi : its name
    n_voxels, n_stimuli : voxels, and test stimuli
    signal, noise, missed : variances in the responses' unit squared
    expected : what the encoder expects to miss; not-a-number where it does not know
    coverage : observed, by nominal chance; empty where it does not know
    """

    roi: str
    n_voxels: float
    n_stimuli: float
    signal: float
    noise: float
    missed: float
    expected: float
    coverage: Mapping[float, float]

    def share(self, variance: float) -> float:
        """Of the whole variance of a single response."""
        return variance / (self.signal + self.noise)

    @property
    def predicted(self) -> float:
        """Variance of the signal that the encoder predicts."""
        return self.signal - self.missed


def variances_of(table: pd.DataFrame) -> tuple[RoiVariance, ...]:
    """Every region with its variances, all voxels last; regions in which no response varies are left out."""
    found = (_of_roi(roi, table[table["roi"].astype(str) == roi]) for roi in rois_of(table))
    return tuple(one for one in found if one.signal + one.noise > 0)


def _of_roi(roi: str, rows: pd.DataFrame) -> RoiVariance:
    values = {str(row["metric"]): number(row["value"]) for _, row in rows.iterrows()}
    covered = rows[rows["metric"] == "coverage"]
    first = rows.iloc[0]
    signal, noise, missed, expected = (
        values.get(f"{name}_variance", float("nan")) for name in ("signal", "noise", "missed", "posterior")
    )
    coverage = {number(row["nominal"]): number(row["value"]) for _, row in covered.iterrows()}
    sizes = number(first["n_voxels"]), number(first["n_stimuli"])
    return RoiVariance(roi, *sizes, signal, noise, missed, expected, MappingProxyType(coverage))


def uncertainty_words(variances: Sequence[RoiVariance]) -> tuple[str, ...]:
    """What a single response holds, and whether the encoder knows what it misses; at least one region."""
    regions = regions_of(variances)
    signal, predicted = (
        [one.share(value) for one, value in zip(regions, values, strict=True)]
        for values in ([one.signal for one in regions], [one.predicted for one in regions])
    )
    words = [
        f"Of the variance of a single response, {_between(signal)} is signal that repeats with the image; the"
        f" encoder predicts {_between(predicted)} of the whole. What remains is noise, which no model of the"
        " images can predict."
    ]
    if all(one.coverage for one in regions):
        words.append(_calibration(regions))
    else:
        words.append(
            "The encoder was fitted without its own uncertainty (--uncertainty), so it is not said here how"
            " well it knows what it misses."
        )
    return tuple(words)


def chance_text(chance: float) -> str:
    """A nominal chance, such as 95%."""
    return f"{100 * chance:g}%"


def _between(shares: Sequence[float]) -> str:
    low, high = percent(min(shares)), percent(max(shares))
    return low if low == high else f"{low} to {high}"


def _calibration(regions: Sequence[RoiVariance]) -> str:
    nominal = max(regions[0].coverage)
    observed = {roi_name(one.roi): one.coverage[nominal] for one in regions}
    short = [name for name, value in observed.items() if value < nominal - 0.05]
    text = (
        f"The encoder's {chance_text(nominal)} intervals hold the mean response in"
        f" {_between(list(observed.values()))} of test images and voxels."
    )
    if short:
        return f"{text} It is too sure of itself in {listed(short)}."
    return text


def uncertainty_table(variances: Sequence[RoiVariance]) -> Table | None:
    """All numbers, a line a region; None where there is none."""
    if not variances:
        return None
    chances = sorted({chance for one in variances for chance in one.coverage})
    heads = ["Region", "Voxels", "Test images", "Signal", "Noise", "Predicted", "Missed"]
    heads += ["Expected to miss"] if chances else []
    heads += [f"Coverage of {chance_text(chance)}" for chance in chances]
    return Table(
        "What a single response is made of",
        tuple(heads),
        tuple(_line(one, chances) for one in variances),
        note=_NOTE + (_POSTERIOR_NOTE if chances else ""),
    )


def _line(one: RoiVariance, chances: Sequence[float]) -> tuple[str, ...]:
    shares = [one.signal, one.noise, one.predicted, one.missed, *([one.expected] if chances else [])]
    return (
        roi_name(one.roi),
        count(one.n_voxels),
        count(one.n_stimuli),
        *(percent(one.share(value)) for value in shares),
        *(percent(one.coverage[chance]) if chance in one.coverage else MISSING for chance in chances),
    )
