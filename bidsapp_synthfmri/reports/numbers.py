"""How the pages write numbers: correlations without a leading zero, real minus signs, n/a for missing."""

from __future__ import annotations

import math
from typing import Any

MISSING = "n/a"
MINUS = "\N{MINUS SIGN}"


def correlation(value: float, signed: bool = False, digits: int = 2) -> str:
    """``.43``, ``−.05``; with ``signed`` a plus sign before positive values."""
    if not math.isfinite(value):
        return MISSING
    text = f"{abs(value):.{digits}f}"
    return _sign(value, text, signed) + text.removeprefix("0")


def percent(value: float, signed: bool = False) -> str:
    """A proportion as ``41.3%``."""
    return MISSING if not math.isfinite(value) else f"{_points(value, signed)}%"


def share(value: float) -> str:
    """A proportion that may be small: ``41.3%``, below one percent two digits of it, ``0.020%``."""
    if not math.isfinite(value) or value == 0 or abs(value) >= 0.01:
        return percent(value)
    return f"{100 * value:#.2g}%"


def share_with_interval(value: float, low: float, high: float) -> str:
    """``0.020% [0, 0.061]``."""
    return share(value) + _brackets(value, low, high, share(low)[:-1], share(high)[:-1])


def points(value: float, signed: bool = False) -> str:
    """A proportion as percentage points without a unit, ``41.3``."""
    return MISSING if not math.isfinite(value) else _points(value, signed)


def correlation_with_interval(value: float, low: float, high: float, signed: bool = False) -> str:
    """``.43 [.36, .50]``; the brackets are left out where the interval is missing."""
    return correlation(value, signed) + _brackets(
        value, low, high, correlation(low, signed), correlation(high, signed)
    )


def percent_with_interval(value: float, low: float, high: float, signed: bool = False) -> str:
    """``41.3% [36.0, 46.5]``."""
    return percent(value, signed) + _brackets(value, low, high, points(low, signed), points(high, signed))


def points_with_interval(value: float, low: float, high: float) -> str:
    """A difference of proportions in percentage points, ``+4.1 [+0.3, +8.0]``."""
    return points(value, signed=True) + _brackets(
        value, low, high, points(low, signed=True), points(high, signed=True)
    )


def probability(name: str, value: float) -> str:
    """``q = .012``, ``q < .001``."""
    if not math.isfinite(value):
        return f"{name} {MISSING}"
    return f"{name} {probability_cell(value, '= ')}"


def probability_cell(value: float, equals: str = "") -> str:
    """``.012``, ``< .001``, ``> .99`` for a table; what is below .05 never reads ``.050``."""
    if not math.isfinite(value):
        return MISSING
    if value < 0.001:
        return "< .001"
    if value > 0.99:
        return "> .99"
    text = f"{value:.3f}"[1:]
    return "< .05" if text == ".050" and value < 0.05 else equals + text


def count(value: Any) -> str:
    """A whole number with thousands separated, ``5,254``."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return MISSING
    return f"{int(value):,}"


def counted(value: Any, noun: str, plural: str | None = None) -> str:
    """``1 voxel``, ``5,254 voxels``."""
    one = value is not None and math.isfinite(float(value)) and int(value) == 1
    return f"{count(value)} {noun if one else plural or noun + 's'}"


def seconds(value: float) -> str:
    """A duration as ``0.4 s``, ``12 s``, ``2 min 05 s`` or ``3 h 04 min``."""
    if value < 10:
        return f"{value:.1f} s"
    if round(value) < 60:
        return f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def listed(names: list[str]) -> str:
    """``A``, ``A and B``, ``A, B and C``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else "none"


def _brackets(value: float, low: float, high: float, low_text: str, high_text: str) -> str:
    known = math.isfinite(value) and math.isfinite(low) and math.isfinite(high)
    return f" [{low_text}, {high_text}]" if known else ""


def _points(value: float, signed: bool) -> str:
    text = f"{abs(100 * value):.1f}"
    return _sign(value, text, signed) + text


def _sign(value: float, text: str, signed: bool) -> str:
    if float(text) == 0:
        return ""
    return MINUS if value < 0 else "+" if signed else ""
