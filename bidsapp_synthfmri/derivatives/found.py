"""What an output folder has, by the names of its files."""

from __future__ import annotations

import re
from pathlib import Path

from . import names
from .names import OutputFile, Place


def participants_with(output_dir: Path, output: OutputFile) -> tuple[str, ...]:
    """Labels of the participants that have at least one such file, sorted."""
    folders = sorted(output_dir.glob(names.PARTICIPANT_FOLDER.format(sub="*")))
    labels = [folder.parent.name.removeprefix("sub-") for folder in folders]
    return tuple(
        label for label in labels if names.LABEL.fullmatch(label) and tasks_with(output_dir, label, output)
    )


def tasks_with(output_dir: Path, participant: str, output: OutputFile) -> tuple[str, ...]:
    """Tasks for which a participant has such a file, sorted."""
    pattern = output.path(output_dir, Place(participant, "TASK", "SPACE"))
    found = pattern.parent.glob(pattern.name.replace("TASK", "*").replace("SPACE", "*"))
    return tuple(sorted({match[1] for path in found if (match := re.search(r"_task-([^_]+)_", path.name))}))


def crash_records(output_dir: Path, participant: str | None = None) -> tuple[str, ...]:
    """Crash files of a participant's runs, of the group's or the whole run's for None, oldest first.

    Paths relative to OUTPUT_DIR, with slashes.
    """
    what = names.subject(participant, "run")
    found = (
        path
        for folder in sorted((output_dir / names.LOGS).glob("*/"))
        if names.is_run_folder(folder.name)
        for path in sorted(folder.glob(names.CRASH.format(what=f"{what}*")))
        if re.fullmatch(rf"{re.escape(what)}(-\d+)?", _crashed(path))
    )
    return tuple(path.relative_to(output_dir).as_posix() for path in found)


def _crashed(path: Path) -> str:
    before, after = names.CRASH.split("{what}")
    return path.name[len(before) : -len(after)]


def extra_sets(output_dir: Path, place: Place) -> tuple[str, ...]:
    """Names of the extra image sets for which a participant has synthetic responses, sorted."""
    pattern = names.of_extra_set(names.SYNTHETIC_STIMULI, "NAME").path(output_dir, place)
    before, after = pattern.name.split("NAME")
    found = pattern.parent.glob(f"{before}?*{after}")
    return tuple(sorted(path.name[len(before) : -len(after)] for path in found))
