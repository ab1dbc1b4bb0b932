"""The options of a synthetic scan: ``synthfmri synthesize ... --bold``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..errors import InputMissingError, UsageError
from .lists import ListOption

if TYPE_CHECKING:
    from ..workflow.bold_options import BoldOptions

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_GENERATED = ("slow", "rapid")
_NOISE = ("none", "independent", "calibrated")
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


def bold_options(function: Decorated) -> Decorated:
    """A scan in place of responses: its design, timing and noise."""
    options = (
        click.option("--bold", is_flag=True, help="Write BOLD series and events in place of responses."),
        click.option(
            "--design",
            cls=ListOption,
            multiple=True,
            metavar="{slow,rapid,EVENTS.tsv...}",
            help="With --bold: a trial every 10 s, or every 4 s with jitter and blanks; or events files, or a"
            " folder of them, one a run.  [default: slow]",
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
            type=click.Choice(_NOISE),
            help="Drifts and noise of the series.  [default: calibrated]",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def take_bold_options(options: dict[str, Any]) -> BoldOptions | None:
    """Take this group's options out of a command's; what they make with those shared, or None without --bold.

    Raises
    ------
    UsageError : one of them without --bold, or a design both generated and given
    InputMissingError : a folder without events files
    """
    is_bold = options.pop(_SWITCH)
    given = {name: value for name in _OWN if (value := options.pop(name)) not in (None, ())}
    if not is_bold:
        if given:
            name = next(iter(given)).removeprefix("n_").replace("_", "-")
            raise UsageError(f"--{name} is of a synthetic scan", "Give --bold too, or leave it out")
        return None
    from ..workflow.bold_options import BoldOptions

    shared = {field: options[name] for name, field in _SHARED.items() if options.get(name) is not None}
    if "bold_noise" in given:
        given["series_noise"] = given.pop("bold_noise")
    design = _design(given.pop("design", ("slow",)))
    return BoldOptions(**{**shared, **given, **design})


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
