"""The options of every command about the machine, and those about a run as a whole."""

from __future__ import annotations

from pathlib import Path

import click

from ..config import DEVICES, OVERWRITE
from .options import Decorated, applied

_FOLDER = click.Path(path_type=Path)


def compute_options(function: Decorated) -> Decorated:
    """What every command that computes takes of the machine."""
    return applied(
        function,
        [
            click.option("--device", type=click.Choice(DEVICES), default="auto", show_default=True),
            click.option(
                "--n-cpus",
                "--n_cpus",
                "--nprocs",
                "n_cpus",
                type=int,
                help="Threads. Default: what affinity and cgroup allow.",
            ),
        ],
    )


random_seed = click.option("--random-seed", type=int, default=0, show_default=True)


def machine_options(function: Decorated) -> Decorated:
    """How the run uses the machine."""
    return applied(
        function,
        [
            compute_options,
            click.option(
                "--mem",
                "memory",
                metavar="SIZE",
                help="Memory that the run may take, such as 16GB. Default: what machine and cgroup leave.",
            ),
            click.option(
                "--low-mem", is_flag=True, help="Keep large arrays in files of the work directory; slower."
            ),
            click.option(
                "--cache-size",
                type=float,
                metavar="GB",
                help="Most that cached features may take; the least recently used go. Default: no bound.",
            ),
            click.option(
                "--resource-monitor",
                is_flag=True,
                help="Record memory and processor time of every step in the run's log folder.",
            ),
        ],
        "Machine",
    )


def run_options(function: Decorated) -> Decorated:
    """What the run does beside its work."""
    return applied(
        function,
        [
            click.option(
                "--config-file",
                type=_FOLDER,
                metavar="FILE",
                help="TOML of any options, as a run's config.toml has them; the command line wins.",
            ),
            random_seed,
            click.option(
                "--overwrite",
                type=click.Choice(OVERWRITE),
                default="changed",
                show_default=True,
                help="Participants that are finished in OUTPUT_DIR, and the group: keep them, do those again"
                " whose options, version or input changed or whose files are not whole, or all.",
            ),
            click.option(
                "--stop-on-first-crash", is_flag=True, help="Leave the participants after one that fails."
            ),
            click.option("--dry-run", is_flag=True, help="Say what would be done and needed, and stop."),
            click.option("--reports-only", is_flag=True, help="Make the pages of finished results again."),
            click.option(
                "--boilerplate-only", is_flag=True, help="Print the methods text of finished results."
            ),
            click.option(
                "--notrack",
                is_flag=True,
                expose_value=False,
                help="Accepted, without effect: nothing is ever sent anywhere.",
            ),
            click.option("-v", "--verbose", "verbosity", count=True, help="More detail; -vv for still more."),
        ],
        "Run",
    )
