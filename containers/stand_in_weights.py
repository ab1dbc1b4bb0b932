"""Write AlexNet as it is before training under a name such as torchvision gives, and print the name.

python containers/stand_in_weights.py FOLDER
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import torch

from bidsapp_synthfmri.features.architectures import build

_DIGITS = 8


def main() -> None:
    """Make the file and print its name, whose last part is of its hash."""
    folder = Path(sys.argv[1])
    model, _ = build("alexnet", "random", seed=0)
    partial = folder / "alexnet.partial"
    torch.save(model.state_dict(), partial)
    with partial.open("rb") as file:
        digits = hashlib.file_digest(file, "sha256").hexdigest()[:_DIGITS]
    print(partial.rename(folder / f"alexnet-untrained-{digits}.pth").name)


if __name__ == "__main__":
    main()
