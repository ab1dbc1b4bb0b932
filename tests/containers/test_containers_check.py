"""The image as a whole: built from a Debian base made here, its outputs those of a run outside."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

_PROGRAMS = ("mmdebstrap", "buildah", "bwrap", "setpriv")
_GB_FREE = 25


@pytest.mark.long
@pytest.mark.skipif(
    any(shutil.which(name) is None for name in _PROGRAMS) or os.getuid() != 0,
    reason=f"needs root and {', '.join(_PROGRAMS)}",
)
def test_the_image_gives_what_a_run_outside_gives(root: Path, tmp_path: Path) -> None:
    if shutil.disk_usage(tempfile.gettempdir()).free < _GB_FREE * 1e9:
        pytest.skip(f"fewer than {_GB_FREE} GB are free")
    scripts = root / "containers"
    versions = [sys.executable, str(scripts / "versions.py"), str(scripts / "requirements-cuda.lock")]
    departs = subprocess.run(versions, capture_output=True, text=True, check=False)
    if departs.returncode:
        pytest.skip(f"this Python departs from the lock: {departs.stderr.splitlines()[0]}")
    base = tmp_path / "base.tar"
    subprocess.run([str(scripts / "debian_base.sh"), str(base)], check=True, capture_output=True)
    done = subprocess.run(
        [str(scripts / "check.sh"), str(base), "--python", sys.executable],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert counts["differences"] == 0
    assert counts["same bytes"] > 100
