"""Carry this machine's settings of pip into the build of an image.

    python containers/pip_settings.py FILE

writes them to FILE, a configuration of pip for the build, and prints what must be mounted there for it, a
line ``SOURCE:TARGET`` each: indexes, folders of wheels and files that the settings name on this machine.
The settings stay outside the image: FILE is given to the build as the secret ``pip``.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

_INSIDE = "/run/pip"
_LINE = re.compile(r"[^.]+\.([\w-]+)=(.*)")
_TOKEN = re.compile(r"\S+")


def settings(lines: Iterable[str]) -> dict[str, str]:
    """Settings as ``pip config list`` prints them; of several of one name the last counts, as pip has it."""
    found = (_LINE.fullmatch(line.strip()) for line in lines)
    return {match[1]: str(ast.literal_eval(match[2])) for match in found if match}


def relocated(values: dict[str, str]) -> tuple[dict[str, str], dict[Path, str]]:
    """The settings with paths of the build, and the folder or file of this machine behind each of them.

    A ``file:`` index is mounted with the folder above it, where its files lie.
    """
    mounts: dict[Path, str] = {}

    def inside(match: re.Match[str]) -> str:
        word = match[0]
        is_index = word.startswith("file:")
        path = Path(unquote(urlsplit(word).path) if is_index else word)
        if not path.is_absolute() or not path.exists():
            return word
        folder = path.parent if is_index else path
        target = mounts.setdefault(folder, f"{_INSIDE}/{len(mounts)}")
        return f"file://{target}/{path.name}" if is_index else target

    return {name: _TOKEN.sub(inside, value) for name, value in values.items()}, mounts


def main() -> None:
    """Ask pip, write the file, print the mounts."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], stdout=subprocess.PIPE, text=True, check=True
    )
    values, mounts = relocated(settings(done.stdout.splitlines()))
    text = "".join(f"{name} = {value}\n" for name, value in values.items())
    Path(sys.argv[1]).write_text(f"[global]\n{text}", encoding="utf-8")
    for source, target in mounts.items():
        print(f"{source}:{target}")


if __name__ == "__main__":
    main()
