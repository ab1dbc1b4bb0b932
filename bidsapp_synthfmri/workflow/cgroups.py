"""Limits that control groups set to this process: a container's, a SLURM job's, a systemd unit's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ControlGroups:
    """The control groups of this process.

    Attributes
    ----------
    root : where the kernel shows all groups
    membership : the file that says which of them are this process's

    Notes
    -----
    A group's limit holds for all below it, so every group above counts. In a container the own group may be
    shown as the root, and what the membership names is not there.
    """

    root: Path = Path("/sys/fs/cgroup")
    membership: Path = Path("/proc/self/cgroup")

    def memory_left(self) -> int | None:
        """Bytes that the tightest group leaves; None where none sets a limit."""
        left = [
            limit - used
            for folder, maximum, current in (
                *((folder, "memory.max", "memory.current") for folder in self._folders("")),
                *(
                    (folder, "memory.limit_in_bytes", "memory.usage_in_bytes")
                    for folder in self._folders("memory")
                ),
            )
            if (limit := _number(folder / maximum)) is not None
            and (used := _number(folder / current)) is not None
        ]
        return max(0, min(left)) if left else None

    def cpus(self) -> float | None:
        """Processors' worth of time that the tightest group allows; None where none sets a limit."""
        allowed = []
        for folder in self._folders(""):
            quota, *period = _text(folder / "cpu.max").split()[:2] or ["max"]
            if quota.isdigit() and period:
                allowed.append(int(quota) / int(period[0]))
        for folder in self._folders("cpu"):
            share, period_us = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
            if share is not None and period_us:
                allowed.append(share / period_us)
        return min(allowed, default=None)

    def _folders(self, controller: str) -> Iterator[Path]:
        """This process's group and all above, of version 1's controller, or of version 2 for none."""
        top = self.root / controller
        for line in _text(self.membership).splitlines():
            _, controllers, path = line.split(":", 2)
            if controller in controllers.split(","):
                below = top / path.lstrip("/")
                yield from (group for group in (below, *below.parents) if group.is_relative_to(top))
                return
        yield top


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""


def _number(path: Path) -> int | None:
    """A file's number; None where it has none, or one that means no limit."""
    text = _text(path).strip()
    return int(text) if text.isdigit() and int(text) < _NO_LIMIT else None


# Version 1 says the largest number of pages for no limit.
_NO_LIMIT = 2**60
