"""The options of a synthetic scan: ``synthfmri synthesize ... --bold``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputMissingError, UsageError
from ..synthesis_config import DEFAULT_SET, NOISE_KINDS
from .options import Decorated, applied
from .paths import NameOrPath

if TYPE_CHECKING:
    from ..workflow.bold_options import BoldConfig

_GENERATED = ("slow", "rapid")
_EVENTS = "*_events.tsv"
# Options of this group, and the one that turns them on.
_OWN = ("design", "stimulus_column", "repetition_time", "n_runs", "n_volumes", "bold_noise")
_SWITCH = "bold"
# Options of synthesize that a scan takes too, by the field that they are.
_SHARED = {
    "repeats": "repeats",
    "noise": "noise",
    "snr_scale": "snr_scale",
    "random_seed": "seed",
    "batch_size": "batch_size",
}
# And those that it does not, with what they are when not given.
_OTHERS = {"name": DEFAULT_SET, "uncertainty": False, "shard_size": None}
_FIELDS_KEPT = ("random_seed", "batch_size")


def bold_options(function: Decorated) -> Decorated:
    """A scan in place of responses: its design, timing and noise."""
    options = [
        click.option("--bold", is_flag=True, help="Write BOLD series and events in place of responses."),
        click.option(
            "--design",
            multiple=True,
            type=NameOrPath(_GENERATED),
            metavar="{slow,rapid,EVENTS.tsv}",
            help="With --bold: a trial every 10 s, or every 4 s with jitter and blanks; or an events file a"
            " run, the option repeated, or a folder of them.  [default: slow]",
        ),
        click.option(
            "--stimulus-column", metavar="COLUMN", help="Column of events files that names the image."
        ),
        click.option(
            "--repetition-time", type=float, metavar="S", help="Seconds a volume. Default: the participant's."
        ),
        click.option("--runs", "n_runs", type=int, help="Runs. Default: of 37 trials if slow, 60 if rapid."),
        click.option(
            "--volumes",
            "n_volumes",
            type=int,
            help="Volumes a run. Default: until 22 s after the last trial's onset.",
        ),
        click.option(
            "--bold-noise",
            type=click.Choice(NOISE_KINDS),
            help="Drifts and noise of the series.  [default: calibrated]",
        ),
    ]
    return applied(function, options)


def take_bold_config(options: dict[str, Any]) -> BoldConfig | None:
    """Take this group's options out of a command's; the scan that they ask for, or None without --bold.

    Raises
    ------
    UsageError : one of them without --bold, an option of synthesize that is none of a scan, or a design both
        generated and given
    InputMissingError : a folder without events files
    """
    is_bold = options.pop(_SWITCH)
    given = {name: value for name in _OWN if (value := options.pop(name)) not in (None, ())}
    if not is_bold:
        if given:
            name = next(iter(given)).removeprefix("n_")
            raise UsageError(f"{_spelt(name)} is of a synthetic scan", "Give --bold too, or leave it out")
        return None
    from ..workflow.bold_options import BoldConfig, BoldOptions

    _refuse_others(options)
    shared = {field: options[name] for name, field in _SHARED.items()}
    design = _design(given.pop("design", ("slow",)))
    if "bold_noise" in given:
        given["series_noise"] = given.pop("bold_noise")
    others = {
        name: value
        for name, value in options.items()
        if name not in _OTHERS and (name not in _SHARED or name in _FIELDS_KEPT)
    }
    scan = BoldOptions(**{**shared, **given, **design})
    return BoldConfig(**others, bold=scan, command=shlex.join(sys.argv))


def _refuse_others(options: dict[str, Any]) -> None:
    """Refuse options of responses that a scan has no use for."""
    wrong = [name for name, default in _OTHERS.items() if options[name] != default]
    if wrong:
        raise UsageError(
            f"{_spelt(wrong[0])} says nothing of a synthetic scan",
            "Leave it out, or leave out --bold",
        )


def _spelt(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _design(words: Sequence[str]) -> dict[str, Any]:
    generated = [word for word in words if word in _GENERATED]
    if not generated:
        return {"events": tuple(path for word in words for path in _events_files(Path(word)))}
    if len(words) > 1:
        raise UsageError(
            f"--design names {', '.join(words)}",
            f"Give one of {', '.join(_GENERATED)}, or events files alone",
        )
    return {"design": generated[0]}


def _events_files(path: Path) -> tuple[Path, ...]:
    if not path.is_dir():
        return (path,)
    found = tuple(sorted(path.rglob(_EVENTS)))
    if not found:
        raise InputMissingError(f"{path} holds no {_EVENTS}", "Give events files with --design")
    return found
