"""The tables of the reference pages, made from the code whenever the site is built.

mkdocs calls ``on_page_markdown`` for every page (``hooks`` in mkdocs.yml). Where a page has a line

    <!-- reference: NAME -->

the text of that name stands in the site: ``options`` from the click commands, ``outputs``, ``descriptions``
and ``ignored`` from derivatives/, ``exit-codes`` from errors.py, ``version`` from the package.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

from bidsapp_synthfmri import __version__, errors
from bidsapp_synthfmri.cli.main import main as command_line
from bidsapp_synthfmri.derivatives.columns import Column, Columns
from bidsapp_synthfmri.derivatives.descriptions import DESCRIPTIONS
from bidsapp_synthfmri.derivatives.dictionaries import columns_of
from bidsapp_synthfmri.derivatives.names import OutputFile, Place
from bidsapp_synthfmri.derivatives.outputs import BIDSIGNORE, OUTPUTS
from bidsapp_synthfmri.errors import SynthfmriError

_MARKER = re.compile(r"^<!-- reference: ([a-z-]+) -->$", flags=re.MULTILINE)
_EXAMPLE = Place("X", "TASK", "SPACE")
_CHOICES = re.compile(r"\[([^\[\]|]+(?:\|[^\[\]|]+)+)\]")
_PAGE = re.compile(r"docs/([a-z0-9-]+)\.md")
_CODE_ROW = re.compile(r"^(\d+) {2,}(.+)$", flags=re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """A page with its reference texts in place.

    Raises
    ------
    KeyError : the page asks for a text that is not made here
    """
    return _MARKER.sub(lambda found: TEXTS[found[1]](), markdown)


class _Recorder(click.HelpFormatter):
    """Takes down the sections that a command's help has, and their rows, in place of formatting them."""

    def __init__(self) -> None:
        super().__init__()
        self.sections: list[tuple[str, list[tuple[str, str]]]] = []

    def write_heading(self, heading: str) -> None:
        self.sections.append((heading, []))

    def write_dl(
        self,
        rows: Iterable[tuple[str, str]],
        col_max: int = 30,  # noqa: ARG002 - click's signature
        col_spacing: int = 2,  # noqa: ARG002
    ) -> None:
        self.sections[-1][1].extend(rows)


def commands() -> dict[str, click.Command]:
    """Every command by its name, in the order of the help."""
    return dict(command_line.commands)


def options_text() -> str:
    """What each command is for, its arguments and its options, as the command line itself has them."""
    return "\n".join(_command_text(name, command) for name, command in commands().items())


def _command_text(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=f"synthfmri {name}")
    usage = _usage(" ".join([context.command_path, *command.collect_usage_pieces(context)]))
    lines = [
        f"## synthfmri {name}",
        "",
        f"    {usage}",
        "",
        _shown(_paragraphs(command.help or "")),
    ]
    recorder = _Recorder()
    command.format_options(context, recorder)
    for heading, rows in recorder.sections:
        lines += ["", f"### {heading} of {name}" if heading == "Options" else f"### {name}: {heading}", ""]
        lines += _table(("option", "meaning"), ((_code(term), _shown(text)) for term, text in rows))
    return "\n".join([*lines, ""])


def outputs_text() -> str:
    """Every kind of file that the app writes, by folder; for tables, each column."""
    folders = dict.fromkeys(output.folder for output in OUTPUTS)
    lines = []
    for folder in folders:
        files = [output for output in OUTPUTS if output.folder == folder]
        lines += ["", f"## {_folder_title(folder)}", ""]
        rows = ((_code(output.file_name(_EXAMPLE)), _escaped(output.description)) for output in files)
        lines += _table(("file", "holds"), rows)
        for output in files:
            if output.extension == ".tsv" and (known := columns_of(output)) is not None:
                lines += ["", f"### {_table_title(output)}", "", _escaped(f"{output.description}."), ""]
                lines += _columns_table(known)
    return "\n".join([*lines, ""])


def descriptions_text() -> str:
    """What the values of ``desc-`` mean."""
    rows = ((_code(f"desc-{name}"), _escaped(text)) for name, text in DESCRIPTIONS.items())
    return "\n".join([*_table(("entity", "such files hold"), rows), ""])


def ignored_text() -> str:
    """The patterns that the outputs' ``.bidsignore`` has."""
    return ", ".join(_code(pattern) for pattern in BIDSIGNORE)


def exit_codes_text() -> str:
    """Exit codes, what they mean, and the exceptions that end with each."""
    classes: dict[int, list[str]] = {}
    for kind in error_classes():
        classes.setdefault(kind.exit_code, []).append(kind.__name__)
    rows = []
    for code, words in _CODE_ROW.findall(errors.__doc__ or ""):
        meaning, _, details = words.partition(": ")
        raised = ", ".join(_code(name) for name in classes.get(int(code), []))
        rows.append((code, _escaped(meaning), _escaped(details), raised))
    return "\n".join([*_table(("code", "meaning", "in other words", "exception"), rows), ""])


def error_classes() -> tuple[type[SynthfmriError], ...]:
    """The exceptions of errors.py, in its order."""
    found = [value for value in vars(errors).values() if isinstance(value, type)]
    return tuple(kind for kind in found if issubclass(kind, SynthfmriError))


TEXTS: dict[str, Callable[[], str]] = {
    "options": options_text,
    "outputs": outputs_text,
    "descriptions": descriptions_text,
    "ignored": ignored_text,
    "exit-codes": exit_codes_text,
    "version": lambda: f"This is the documentation of version {__version__}.",
}


def _folder_title(folder: str) -> str:
    return f"{folder.format(sub='X', ses='')}/" if folder else "OUTPUT_DIR itself"


def _table_title(output: OutputFile) -> str:
    parts = (f"desc-{output.desc}" if output.desc else "", output.suffix)
    return f"Columns of {'_'.join(part for part in parts if part)}{output.extension}"


def _columns_table(columns: Columns) -> list[str]:
    rows = [(_code(name), _column_words(column)) for name, column in columns.known.items()]
    return _table(("column", "says"), [*rows, ("others", _escaped(columns.other))])


def _column_words(column: Column) -> str:
    units = f" ({column.units})" if column.units else ""
    words = _escaped(f"{column.description}{units}")
    if column.levels:
        words += "".join(
            f"<br>{_code(value)}: {_escaped(meaning)}" for value, meaning in column.levels.items()
        )
    return words


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [heads, ["---"] * len(heads), *rows]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def _usage(text: str) -> str:
    return _CHOICES.sub(lambda found: "{" + found[1].replace("|", ",") + "}", text)


def _code(text: str) -> str:
    return f"`{_usage(text)}`"


def _escaped(text: str) -> str:
    """Text as Markdown shows it unchanged, in a table's cell too."""
    return re.sub(r"([\\`*_|\[\]{}#])", r"\\\1", html.escape(_usage(text), quote=False))


def _shown(help_text: str) -> str:
    """A help text, the pages of the documentation that it names being links."""
    return _PAGE.sub(r"[\1](\1.md)", _escaped(help_text))


def _paragraphs(help_text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in help_text.replace("\b", "").split("\n\n"))
