"""Write the container's locks: versions of all that synthfmri, extras ``fast`` and ``scale``, needs.

    python containers/lock.py

asks pip, with the index that it is configured for, what it would install on this machine, and installs
nothing. Run it with the Python and on the platform that the image has: CPython 3.11 on Linux x86-64.
``requirements-cpu.lock`` has what every build needs, ``requirements-cuda.lock`` adds what torch's wheel with
CUDA asks for. The locks hold no hashes: under the same versions the CPU variant takes other wheels of torch
and torchvision, from another index, than the CUDA variant, and each platform has wheels of its own.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CPU = ROOT / "containers" / "requirements-cpu.lock"
CUDA = ROOT / "containers" / "requirements-cuda.lock"
_OWN = "bidsapp-synthfmri"
# Distributions that torch's wheel for CUDA needs beyond its wheel for CPUs.
_OF_CUDA = re.compile(r"nvidia-|cuda-|triton$")
_MADE = "# Made by containers/lock.py on CPython {python}, {platform}. Do not edit."


def normal(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def resolved(report: Mapping[str, Any]) -> dict[str, str]:
    """Version of every distribution in pip's report but this one, local labels (``+cpu``) cut off."""
    found = {
        normal(entry["metadata"]["name"]): str(entry["metadata"]["version"]).partition("+")[0]
        for entry in report["install"]
    }
    return {name: version for name, version in sorted(found.items()) if name != _OWN}


def is_of_cuda(name: str) -> bool:
    """Whether only the build with CUDA needs it."""
    return _OF_CUDA.match(name) is not None


def lock_text(pins: Mapping[str, str], head: Iterable[str]) -> str:
    """One ``name==version`` a line below the head."""
    return "\n".join([*head, *(f"{name}=={version}" for name, version in pins.items())]) + "\n"


def _report() -> dict[str, Any]:
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
    done = subprocess.run(
        [*command, "--report", "-", f"{ROOT}[fast,scale]"], stdout=subprocess.PIPE, text=True, check=True
    )
    content: dict[str, Any] = json.loads(done.stdout)
    return content


def main() -> None:
    """Ask pip and write both locks."""
    report = _report()
    environment = report["environment"]
    made = _MADE.format(
        python=environment["python_version"],
        platform=f"{environment['platform_system']} {environment['platform_machine']}",
    )
    pins = resolved(report)
    if "setuptools" not in pins:
        raise SystemExit(
            "pip's report lacks setuptools, which builds the package in the image: use CPython 3.11"
        )
    cuda = {name: version for name, version in pins.items() if is_of_cuda(name)}
    if not cuda:
        raise SystemExit("pip chose a torch without CUDA: run with an index that has torch's wheel for CUDA")
    rest = {name: version for name, version in pins.items() if name not in cuda}
    CPU.write_text(lock_text(rest, [made]), encoding="utf-8")
    CUDA.write_text(lock_text(cuda, [made, f"-r {CPU.name}"]), encoding="utf-8")


if __name__ == "__main__":
    main()
