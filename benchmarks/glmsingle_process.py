"""GLMsingle in a process of its own, over files: it is no dependency, and may need another Python."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

_SCRIPT = Path(__file__).with_name("run_glmsingle.py")


def run_glmsingle(arrays: dict[str, Any], source: Path, python: str, types: str) -> dict[str, Any]:
    """What GLMsingle makes of some runs.

    Parameters
    ----------
    arrays, types : input and types, as ``run_glmsingle.py`` says
    source : folder of GLMsingle's source
    python : the interpreter that it works in

    Returns
    -------
    the arrays that ``run_glmsingle.py`` writes
    """
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "input.npz", **arrays)
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        command = [python, str(_SCRIPT), str(source.resolve()), folder, types]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            raise SystemExit(f"GLMsingle failed:\n{done.stderr[-4000:]}")
        with np.load(Path(folder) / "output.npz") as output:
            return dict(output)
