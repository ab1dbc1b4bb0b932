"""How docker, podman and apptainer are called: one command line a container."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError
from .mounts import Mount

# Where the image keeps torchvision's cache of weights.
TORCH_HOME = Path("/opt/torch")
_PROGRAM = "synthfmri"


@dataclass(frozen=True)
class Call:
    """One run of the program in a container.

    Attributes
    ----------
    image : as the engine names it; of apptainer the path of a file, or another of its addresses
    words : the program's command and its arguments, of paths that the container has
    mounts : folders of this machine that the container sees
    network, gpu : whether the container reaches the network, and has the GPUs
    """

    image: str
    words: tuple[str, ...]
    mounts: tuple[Mount, ...]
    network: bool = False
    gpu: bool = False


def docker(call: Call) -> list[str]:
    """docker's arguments."""
    gpu = ["--gpus", "all"] if call.gpu else []
    return ["run", "--rm", "--init", *_confined(call), *gpu, *_program(call)]


def podman(call: Call) -> list[str]:
    """podman's arguments; without root, the container's user is mapped to the one who calls."""
    gpu = ["--device", "nvidia.com/gpu=all"] if call.gpu else []
    own = ["--userns", "keep-id"] if os.getuid() else []
    # Where SELinux confines containers, they may read no folder that is not labelled for them.
    unlabelled = ["--security-opt", "label=disable"]
    return ["run", "--rm", *own, *unlabelled, *_confined(call), *gpu, *_program(call)]


def apptainer(call: Call) -> list[str]:
    """apptainer's arguments; it runs as the one who calls, with a read-only root, as it is."""
    confined = ["--cleanenv", "--no-home", "--no-mount", "cwd", "--pwd", "/tmp"]  # nosec B108 - of the container
    offline = [] if call.network else ["--net", "--network", "none"]
    gpu = ["--nv"] if call.gpu else []
    return ["exec", *confined, *offline, *gpu, *_mount_words(call.mounts), call.image, _PROGRAM, *call.words]


ENGINES: dict[str, Callable[[Call], list[str]]] = {
    "docker": docker,
    "podman": podman,
    "apptainer": apptainer,
}
IMAGES = {"docker": "synthfmri", "podman": "synthfmri", "apptainer": "synthfmri.sif"}


def _confined(call: Call) -> list[str]:
    offline = [] if call.network else ["--network", "none"]
    user = ["--user", f"{os.getuid()}:{os.getgid()}"]
    # What is compiled at run time is written to /tmp and executed there.
    root = ["--read-only", "--tmpfs", "/tmp:rw,exec,mode=1777"]  # nosec B108 - of the container
    return [*user, *root, *offline, *_mount_words(call.mounts)]


def _program(call: Call) -> list[str]:
    return ["--entrypoint", _PROGRAM, call.image, *call.words]


def _mount_words(mounts: Sequence[Mount]) -> list[str]:
    words = []
    for mount in mounts:
        fields = ["type=bind", f"source={mount.source}", f"destination={mount.target}"]
        words += ["--mount", ",".join(map(_quoted, fields if mount.writable else [*fields, "ro"]))]
    return words


def _quoted(part: str) -> str:
    """A field as the engines read it, which is a line of CSV."""
    return '"' + part.replace('"', '""') + '"' if set(part) & set(',"\n') else part


def engine_program(name: str | None) -> tuple[str, str]:
    """The engine's name and its program's path.

    Parameters
    ----------
    name : one of ``ENGINES``; None takes the first of them that is there

    Raises
    ------
    UsageError : it is not installed
    """
    for candidate in ENGINES if name is None else (name,):
        program = shutil.which(candidate)
        if program is not None:
            return candidate, program
    raise UsageError(
        f"{name} is not on PATH" if name else f"None of {', '.join(ENGINES)} is on PATH",
        "Install one of them, or name one that is there with --engine",
    )
