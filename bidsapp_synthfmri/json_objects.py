"""JSON objects of files that anyone may have written: one meaning or an error, whatever they hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .errors import OF_THE_MACHINE, InputMalformedError, InputMissingError

# Sidecars have kilobytes; those with every DICOM field, or the stimuli of an encoder, some megabytes.
MOST_BYTES = 64 * 2**20


def read_object(path: Path, remedy: str) -> dict[str, Any]:
    """The object in a JSON file; a byte order mark is no part of it.

    Parameters
    ----------
    path : UTF-8 text
    remedy : what messages advise

    Raises
    ------
    InputMissingError : not there, or may not be read
    InputMalformedError : no JSON object, as ``parse_object`` says, or larger than 64 MiB
    """
    try:
        if path.is_file() and path.stat().st_size > MOST_BYTES:
            raise InputMalformedError(f"{path} is larger than {MOST_BYTES / 2**20:.0f} MiB", remedy)
        text = read_text(path)
    except UnicodeDecodeError as error:
        raise InputMalformedError(f"{path} is not JSON: {error}", remedy) from error
    return parse_object(text, str(path), remedy)


def read_text(path: Path) -> str:
    """A file's text, less a byte order mark.

    Raises
    ------
    InputMissingError : no such file, or it may not be read
    UnicodeDecodeError : not UTF-8
    """
    try:
        if path.exists() and not path.is_file():
            raise InputMissingError(f"{path} is no file", "Put the file there that belongs there")
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputMissingError(f"{path} is not there", "Fetch or make the file") from error
    except OSError as error:
        if error.errno in OF_THE_MACHINE:
            raise
        raise InputMissingError(
            f"{path} may not or cannot be read ({error.strerror})", "Grant permission to read it"
        ) from error


def parse_object(text: str, where: str, remedy: str) -> dict[str, Any]:
    """The object that a JSON text is.

    Parameters
    ----------
    where, remedy : what messages call the text, and what they advise

    Raises
    ------
    InputMalformedError : not JSON, another value than an object, a key twice in one object (readers differ
        in which they take), numbers of thousands of digits, or nested deeper than Python goes
    """
    try:
        content = json.loads(text, object_pairs_hook=_without_repeats)
    except _RepeatedKeyError as error:
        raise InputMalformedError(
            f"{where} has the key {error.args[0]!r} twice in one object", remedy
        ) from error
    except RecursionError as error:
        raise InputMalformedError(f"{where} is nested too deeply to be read", remedy) from error
    except ValueError as error:
        raise InputMalformedError(f"{where} is not JSON: {error}", remedy) from error
    if not isinstance(content, dict):
        raise InputMalformedError(f"{where} holds no JSON object", remedy)
    return content


class _RepeatedKeyError(ValueError):
    """A key twice in one object."""


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise _RepeatedKeyError(key)
        content[key] = value
    return content
