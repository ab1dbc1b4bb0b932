"""Put a network's weights into torchvision's cache while an image is built.

    python3 weights.py {download,none,FILE} URL FOLDER

``download`` fetches URL, FILE is a file below the folder ``/context``, and ``none`` leaves the cache empty.
URL's last part, the file's name in the cache, ends in the first digits of its SHA-256, as torchvision names
weights (``alexnet-owt-7be5be79.pth``); a file with another hash is refused. The standard library is enough.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
import urllib.request
from pathlib import Path

CONTEXT = Path("/context")
_NAME = re.compile(r"[\w.]+(?:-[\w.]+)*-([0-9a-f]{8,64})\.\w+")
_SECONDS_WITHOUT_ANSWER = 60


def digits_of_hash(name: str) -> str:
    """The digits of SHA-256 that a file of weights has in its name.

    Raises
    ------
    ValueError : there are none
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise ValueError(
            f"The name {name!r} has no digits of a hash. Let WEIGHTS_URL end in one like NAME-HASH.pth."
        )
    return found[1]


def sha256(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def bake(source: str, url: str, folder: Path, context: Path = CONTEXT) -> Path | None:
    """The file in the cache, or None where none is wanted.

    Parameters
    ----------
    source : ``download``, ``none``, or a path relative to the build's context
    url : where torchvision has the weights; its last part is the name in the cache
    folder : the cache's folder of weights, made where it is not there
    context : the build's context

    Raises
    ------
    ValueError : no hash in the name, or another hash than the name has
    OSError : the file is not there or cannot be fetched
    """
    folder.mkdir(parents=True, exist_ok=True)
    if source == "none":
        return None
    name = url.rpartition("/")[2]
    digits = digits_of_hash(name)
    partial = folder / f"{name}.partial"
    if source == "download":
        with urllib.request.urlopen(url, timeout=_SECONDS_WITHOUT_ANSWER) as answer:
            partial.write_bytes(answer.read())
    else:
        shutil.copyfile(context / source, partial)
    found = sha256(partial)
    if not found.startswith(digits):
        partial.unlink()
        raise ValueError(
            f"{url if source == 'download' else source} has SHA-256 {found}, which must begin with {digits}."
            " Give the file that WEIGHTS_URL names, or name its own with WEIGHTS_URL."
        )
    partial.chmod(0o644)
    return partial.rename(folder / name)


def main() -> None:
    """Bake what the command line names; a refusal ends the build."""
    source, url, folder = sys.argv[1:]
    try:
        made = bake(source, url, Path(folder))
    except (ValueError, OSError) as error:
        raise SystemExit(
            f"Weights: {error}\nBuild with WEIGHTS=FILE (below the build's context), or with WEIGHTS=none."
        ) from error
    print("No weights are in this image." if made is None else f"{made}: {made.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
