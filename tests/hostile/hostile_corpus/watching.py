"""What this process changes, starts and opens, by the interpreter's own audit events."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

_CHANGES = frozenset(
    {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate", "os.chmod"}
)
_PROGRAMS = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "pty.spawn"})
_CONNECTIONS = frozenset({"socket.connect", "socket.bind", "socket.sendto"})
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass
class Watched:
    """What this process did, by the interpreter's audit events, while it was watched.

    Attributes
    ----------
    changed : paths that were opened for writing, made, renamed or removed
    unpickled : names that a pickle asked for
    programs, connections : started, opened
    """

    changed: set[Path] = field(default_factory=set)
    unpickled: set[str] = field(default_factory=set)
    programs: set[str] = field(default_factory=set)
    connections: set[str] = field(default_factory=set)

    def outside(self, *folders: Path) -> list[Path]:
        """Changed paths that lie in none of some folders; the null device apart."""
        allowed = (*(folder.resolve() for folder in folders), Path("/dev/null"))
        return sorted(path for path in self.changed if not any(path.is_relative_to(root) for root in allowed))

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, (str, bytes)) and (flags or 0) & _WRITING:
                self.changed.add(_absolute(path))
        elif event in _CHANGES:
            self.changed |= {_absolute(path) for path in arguments[:2] if isinstance(path, (str, bytes))}
        elif event == "pickle.find_class":
            self.unpickled.add(".".join(map(str, arguments)))
        elif event in _PROGRAMS:
            self.programs.add(f"{event} {arguments}")
        elif event in _CONNECTIONS:
            self.connections.add(f"{event} {arguments}")


def _absolute(path: str | bytes) -> Path:
    folder, name = os.path.split(os.fsdecode(path))
    return Path(os.path.realpath(folder or ".")) / name


_listeners: list[Watched] = []


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    for watched in _listeners:
        watched.hear(event, arguments)


@cache
def _listen() -> None:
    sys.addaudithook(_audit)


@contextmanager
def watching() -> Iterator[Watched]:
    """A block in which this process is watched."""
    import matplotlib.font_manager  # noqa: F401 - lists fonts once, into its own cache

    _listen()
    watched, before = Watched(), sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    _listeners.append(watched)
    try:
        yield watched
    finally:
        _listeners.remove(watched)
        sys.dont_write_bytecode = before
