"""Whether results are still what was written, from what is still the same."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from .names import OutputFile
from .writer import Writer

_DEPENDS, _FILES = "DependsOn", "Files"


def write_manifest(writer: Writer, output: OutputFile, depends_on: str) -> None:
    """Record every file that a writer wrote, with its SHA-256.

    Parameters
    ----------
    writer : once it has written all but the summary, which follows, and the page, which can be made again
    output : the participant's manifest, or the group's
    depends_on : fingerprint of input and options
    """
    files = {path.relative_to(writer.output_dir).as_posix(): sha256_of(path) for path in writer.written}
    facts = {"Description": output.description, _DEPENDS: depends_on, _FILES: dict(sorted(files.items()))}
    writer.json(output, facts)


def is_whole(writer: Writer, output: OutputFile, depends_on: str) -> bool:
    """Whether the files of a manifest are there as they were written, from what is the same now.

    Parameters
    ----------
    writer : of the same participant, task and space, or of the group
    output, depends_on : see ``write_manifest``
    """
    try:
        facts = json.loads(writer.path(output).read_text(encoding="utf-8"))
        files = dict(facts[_FILES])
        return bool(facts[_DEPENDS] == depends_on) and all(
            sha256_of(writer.output_dir / name) == expected for name, expected in files.items()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def sha256_of(path: Path) -> str:
    """Of a file's content.

    Raises
    ------
    OSError : it cannot be read
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
