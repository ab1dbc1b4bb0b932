"""The configuration that the options of ``run`` make, with those of a configuration file."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from ..config import DEFAULT_CONFOUNDS, RunConfig, config_values
from ..errors import InputMissingError, UsageError
from .paths import is_table

_ARGUMENTS = ("bids_dir", "output_dir", "level")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt])(i?)b?", re.IGNORECASE)


def run_config(given: Collection[str], **options: Any) -> RunConfig:
    """The configuration that the options make.

    Parameters
    ----------
    given : options that the command line names; of the others a configuration file's values count
    options : every option's value

    Raises
    ------
    UsageError : a value that cannot be read, a key that the configuration file cannot have, or what
        ``RunConfig`` refuses
    InputMissingError : the configuration file is not there
    """
    file = options.pop("config_file")
    stored = {} if file is None else stored_values(file)
    values = _values(options)
    own = {*given, "label_set"} if "labels" in given else set(given)  # one option, two fields
    kept = {name: value for name, value in values.items() if name in own or name not in stored}
    merged = {**stored, **kept, "command": shlex.join(sys.argv)}
    for name in _ARGUMENTS:
        if merged.get(name) is None:
            raise UsageError(
                f"Missing argument {name.upper()}",
                "Give BIDS_DIR OUTPUT_DIR and participant or group, or a --config-file that has them",
            )
    return RunConfig(**merged)


def stored_values(file: Path) -> dict[str, Any]:
    """Options of a configuration file, by ``RunConfig``'s names.

    Raises
    ------
    InputMissingError : it is not there
    UsageError : it cannot be read, or what ``config_values`` refuses
    """
    return config_values(_text(file), f"--config-file {file}")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputMissingError(
            f"--config-file {path} is not there", "Give a TOML file of options, such as a run's config.toml"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--config-file {path} cannot be read ({error})", "Give a TOML file") from error


def _values(options: dict[str, Any]) -> dict[str, Any]:
    """Options in the types of ``RunConfig``."""
    values = dict(options)
    for name, option in (
        ("participant_labels", "--participant-label"),
        ("exclude_participant_labels", "--exclude-participant-label"),
    ):
        values[name] = _without_prefix("sub-", option, options[name])
    values["session_labels"] = _without_prefix("ses-", "--session-label", options["session_labels"])
    for name, prefix in (("task_label", "task-"), ("space", "space-")):
        values[name] = options[name].removeprefix(prefix) if options[name] else options[name]
    values["derivatives"] = _named_paths("--derivatives", options["derivatives"])
    values["images"] = _named_paths("--images", options["images"])
    values["label_set"], values["labels"] = _label_set_and_file(options.get("labels", ()))
    values["rois"] = _separate("--roi", options["rois"])
    values["layers"] = _separate("--layers", options["layers"])
    values["confounds"] = _separate("--confounds", options.get("confounds", ())) or DEFAULT_CONFOUNDS
    values["memory"] = None if options["memory"] is None else _bytes("--mem", options["memory"])
    return values


def _bytes(option: str, size: str) -> int:
    """Bytes of a size with its unit, powers of 1000 or, with an i, of 1024."""
    match = _SIZE.fullmatch(size.strip())
    if match is None:
        raise UsageError(f"{option} {size!r} has no unit that is known", f"Write {option} 16GB, or 512MB")
    number, prefix, binary = match.groups()
    return int(float(number) * (1024 if binary else 1000) ** ("kmgt".index(prefix.lower()) + 1))


def _separate(option: str, values: Sequence[str]) -> tuple[str, ...]:
    """Distinct values in order; a quoted list and commas count as separators too.

    An option given with nothing in it is refused: an empty shell variable must not mean all.
    """
    words = tuple(dict.fromkeys(word for value in values for word in value.replace(",", " ").split()))
    if values and not words:
        raise UsageError(f"{option} was given, but names nothing", f"Name something, or leave {option} out")
    return words


def _label_set_and_file(values: Sequence[str]) -> tuple[str | None, Path | None]:
    """The label set's name and the table's path among the words of ``--labels``.

    A word that is a file's path, or has a dot or a slash before any colon, is the table.
    """
    files = [word for word in values if is_table(word)]
    names = [word for word in values if word not in files]
    if len(names) > 1 or len(files) > 1:
        raise UsageError(
            f"--labels names {len(names)} label sets and {len(files)} files",
            "Name one label set, or give one file, or labels:COLUMN and its file",
        )
    if not all(values):
        raise UsageError("--labels was given, but names nothing", "Name a label set or a file")
    return (names[0] if names else None), (Path(files[0]) if files else None)


def _without_prefix(prefix: str, option: str, labels: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(label.removeprefix(prefix) for label in _separate(option, labels)))


def _named_paths(option: str, values: Sequence[str]) -> tuple[tuple[str, Path], ...]:
    pairs = []
    for value in values:
        name, equals, path = value.partition("=")
        if not (name and equals and path):
            raise UsageError(f"{option} {value!r} has no name", f"Write {option} NAME=PATH")
        pairs.append((name, Path(path)))
    return tuple(pairs)
