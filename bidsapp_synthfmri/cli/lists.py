"""Options that take a list the way BIDS Apps do: ``--participant-label 01 02`` as well as repeated."""

from __future__ import annotations

from collections.abc import Sequence

import click

_OTHERS = "Other options"
_LEVELS = ("participant", "group")
_N_POSITIONAL = 3


class ListOption(click.Option):
    """A repeatable option whose values may also follow it separated by spaces."""


class ListCommand(click.Command):
    """A command whose ``ListOption``s take all words up to the next option.

    Where a list swallows ``BIDS_DIR OUTPUT_DIR LEVEL``, the three
    are given back.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Rewrite lists as repeated options, then parse as click does."""
        names = {
            name for parameter in self.params if isinstance(parameter, ListOption) for name in parameter.opts
        }
        return super().parse_args(ctx, repeat_options(args, names))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Options under the title of their group, in the order of the groups."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                groups.setdefault(getattr(parameter, "title", _OTHERS), []).append(record)
        last = groups.pop(_OTHERS, [])
        for title, records in [*groups.items(), (_OTHERS, last)]:
            with formatter.section(title):
                formatter.write_dl(records)


def repeat_options(args: Sequence[str], list_options: set[str]) -> list[str]:
    """``--roi A B`` and ``--roi=A`` as ``--roi A --roi B``; everything else as it was.

    Parameters
    ----------
    args : command-line words
    list_options : the options that take lists
    """
    rewritten: list[str] = []
    position = 0
    while position < len(args):
        word = args[position]
        position += 1
        word, equals, first = word.partition("=")
        if word not in list_options:
            rewritten.append(word + equals + first)
            continue
        values = [first] if equals else []
        while position < len(args) and not _is_option(args[position]):
            values.append(args[position])
            position += 1
        rest: list[str] = []
        if len(values) > _N_POSITIONAL and values[-1] in _LEVELS:
            values, rest = values[:-_N_POSITIONAL], values[-_N_POSITIONAL:]
        rewritten += [part for value in values for part in (word, value)] if values else [word]
        rewritten += rest
    return rewritten


def _is_option(word: str) -> bool:
    return len(word) > 1 and word.startswith("-")
