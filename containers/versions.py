"""Check that this Python has the versions of a lock: results are compared between like and like.

python containers/versions.py containers/requirements-cuda.lock
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PIN = re.compile(r"([\w.-]+)==(\S+)")
_INCLUDED = re.compile(r"-r (\S+)")


def pins(lock: Path) -> dict[str, str]:
    """Version of each distribution in a lock, and in those that it includes."""
    found: dict[str, str] = {}
    for line in lock.read_text(encoding="utf-8").splitlines():
        if included := _INCLUDED.fullmatch(line):
            found |= pins(lock.with_name(included[1]))
        elif pin := _PIN.fullmatch(line):
            found[pin[1]] = pin[2]
    return found


def departures(wanted: Mapping[str, str]) -> list[str]:
    """Distributions in another version than wanted, or not installed; a local label (``+cpu``) is none."""
    found = []
    for name, pinned in wanted.items():
        try:
            installed = version(name).partition("+")[0]
        except PackageNotFoundError:
            installed = "none"
        if installed != pinned:
            found.append(f"{name}: {installed} is installed, the lock has {pinned}")
    return found


def main() -> None:
    """Check this Python; exit with 1 where it departs from the lock."""
    lock = Path(sys.argv[1])
    if found := departures(pins(lock)):
        print("\n".join(found), file=sys.stderr)
        raise SystemExit(
            f"{sys.executable} departs from {lock.name}. Install it (pip install --no-deps -r {lock}), or "
            "make the lock anew with containers/lock.py."
        )


if __name__ == "__main__":
    main()
