"""What an image must do before it is shipped; run inside it while it is built.

python3 smoke.py --version VERSION --variant {cpu,cuda}
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

_RUN = ("python3", "/opt/synthfmri/run.py")
# A user that no image knows.
_UID = 54321
_PROBE = 64


def require(holds: bool, what: str) -> None:
    """End the build where something does not hold."""
    if not holds:
        raise SystemExit(f"Smoke test: {what}")


def check_program(version: str) -> None:
    """The entry point says the image's version, also to a user without a name."""
    for user in (os.getuid(), _UID):
        done = subprocess.run(
            [*_RUN, "--version"], user=user, group=user, capture_output=True, text=True, check=False
        )
        require(done.returncode == 0, f"run.py --version failed for user {user}: {done.stderr}")
        require(version in done.stdout, f"VERSION is {version}, the program is {done.stdout.strip()}")


def check_modules() -> None:
    """Every module of the package can be imported, and those that unpack faster are there."""
    package = importlib.import_module("bidsapp_synthfmri")
    for found in pkgutil.walk_packages(package.__path__, "bidsapp_synthfmri."):
        importlib.import_module(found.name)
    for name in ("isal", "zlib_ng"):
        importlib.import_module(name)


def check_network(variant: str) -> None:
    """torch is the variant's, and AlexNet gives features with the image's weights, or with random ones."""
    import torch

    from bidsapp_synthfmri.features.architectures import default_weights
    from bidsapp_synthfmri.features.backbones import load_backbone

    require(
        (torch.version.cuda is not None) == (variant == "cuda"),
        f"VARIANT is {variant}, but this torch is {torch.__version__}. Give CPU_INDEX, or PIP_ARGS, an index "
        "that has the variant's wheels",
    )
    name = Path(default_weights("alexnet").url).name
    cached = Path(torch.hub.get_dir()) / "checkpoints" / name
    weights = "imagenet" if cached.exists() else "random"
    backbone = load_backbone("alexnet", weights, (), 0, torch.device("cpu"), image_size=_PROBE)
    pixels = torch.zeros(1, 3, _PROBE, _PROBE, dtype=torch.uint8)
    require(
        all(bool(layer.isfinite().all()) for layer in backbone.activations(pixels)),
        f"AlexNet with {weights} weights gives features that are no numbers",
    )
    print(f"AlexNet works with {weights} weights")


def main() -> None:
    """Check all, and say so."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--version", required=True)
    parser.add_argument("--variant", required=True, choices=("cpu", "cuda"))
    wanted = parser.parse_args()
    check_program(wanted.version)
    check_modules()
    check_network(wanted.variant)
    print(f"synthfmri {wanted.version} works on Python {sys.version.split()[0]}")


if __name__ == "__main__":
    main()
