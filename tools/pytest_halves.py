"""Run the test suite in two halves side by side, each on its half of the processors.

Half of the time goes by in tests that run the whole app, whose fixtures are dear: they stay together in one
process. Both halves take pytest's own arguments; the exit status is the first one that is not 0.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
_WHOLE_APP = "tests/integration"
# These run the app, too, but not the demo: here the halves last about as long.
_OF_THE_OTHER = (
    "test_integration_estimation.py",
    "test_integration_kills.py",
    "test_integration_selection.py",
    "test_integration_surfaces.py",
)
_NO_TESTS_COLLECTED = 5


def halves() -> tuple[list[str], list[str]]:
    """Paths of the tests of each half; every test file is in one."""
    moved = [f"{_WHOLE_APP}/{name}" for name in _OF_THE_OTHER]
    rooms = sorted(
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").iterdir()
        if path.is_dir() and str(path.relative_to(ROOT)) != _WHOLE_APP and any(path.glob("test_*.py"))
    )
    loose = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests").glob("test_*.py"))
    return [_WHOLE_APP, *(f"--ignore={path}" for path in moved)], [*loose, *rooms, *moved]


def processors() -> tuple[list[int], list[int]]:
    """The processors that this process may use, in two parts; the same part twice where there is one."""
    allowed = sorted(os.sched_getaffinity(0))
    middle = len(allowed) // 2
    return (allowed[:middle] or allowed), allowed[middle:]


def main(arguments: Sequence[str]) -> int:
    """Run both halves, show what each said, and give the first failure's exit status."""
    running = []
    for number, (paths, cpus) in enumerate(zip(halves(), processors(), strict=True)):
        said = tempfile.TemporaryFile()  # noqa: SIM115 - read once the half has ended
        command = [sys.executable, "-m", "pytest", "-o", f"cache_dir=.pytest_cache/{number}"]
        half = subprocess.Popen(
            [*command, *arguments, *paths],
            cwd=ROOT,
            stdout=said if number == 0 else None,
            env={**os.environ, "OMP_NUM_THREADS": str(len(cpus))},
            preexec_fn=lambda cpus=cpus: os.sched_setaffinity(0, cpus),
        )
        running.append((half, said))
    codes = [half.wait() for half, _ in running]
    for _, said in running:
        said.seek(0)
        sys.stdout.write(said.read().decode(errors="replace"))
    return next((code for code in codes if code not in (0, _NO_TESTS_COLLECTED)), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
