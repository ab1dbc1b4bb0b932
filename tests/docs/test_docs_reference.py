"""The reference pages hold all that the code has: no option, file, column or exit code is missing."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import click
import pytest

from bidsapp_synthfmri.cli.main import main
from bidsapp_synthfmri.derivatives.dictionaries import DICTIONARIES
from bidsapp_synthfmri.derivatives.names import Place
from bidsapp_synthfmri.derivatives.outputs import OUTPUTS


@pytest.fixture(scope="module")
def reference(tool: Callable[[str], ModuleType]) -> ModuleType:
    return tool("docs_reference")


def test_every_command_has_its_every_option(reference: ModuleType) -> None:
    chapters = re.split(r"^## ", reference.options_text(), flags=re.MULTILINE)[1:]
    assert [chapter.split("\n")[0] for chapter in chapters] == [f"synthfmri {name}" for name in main.commands]
    for chapter, command in zip(chapters, main.commands.values(), strict=True):
        terms = (
            " ".join(re.findall(r"^\| `([^`]+)` \|", chapter, flags=re.MULTILINE)).replace(",", " ").split()
        )
        options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
        spelt = {name for option in options if not option.hidden for name in option.opts}
        assert spelt <= set(terms)
        for argument in command.params:
            if isinstance(argument, click.Argument):
                assert argument.make_metavar(click.Context(command)).strip("[]") in chapter


def test_every_output_and_every_column_is_there(reference: ModuleType) -> None:
    text = reference.outputs_text()
    for output in OUTPUTS:
        assert f"`{output.file_name(Place('X', 'TASK', 'SPACE'))}`" in text
    for output, columns in DICTIONARIES.items():
        chapter = text.split(f"### {reference._table_title(output)}\n")[1].split("\n##")[0]
        assert set(columns.known) <= set(re.findall(r"^\| `([^`]+)` \|", chapter, flags=re.MULTILINE))


def test_every_table_among_the_outputs_has_its_columns_documented() -> None:
    tables = {output for output in OUTPUTS if output.extension == ".tsv"}
    assert tables == set(DICTIONARIES), "derivatives/dictionaries.py has one entry a table of OUTPUTS"


def test_every_exit_code_is_there(reference: ModuleType) -> None:
    rows = re.findall(
        r"^\| (\d+) \| ([^|]+) \| .* \| (.*) \|$", reference.exit_codes_text(), flags=re.MULTILINE
    )
    raised = {name: int(code) for code, _, classes in rows for name in re.findall(r"`(\w+)`", classes)}
    assert raised == {kind.__name__: kind.exit_code for kind in reference.error_classes()}
    meanings = {int(code): meaning for code, meaning, _ in rows}
    assert meanings == {0: "done"} | {kind.exit_code: kind.meaning for kind in reference.error_classes()}


def test_a_page_gets_its_text_and_an_unknown_one_is_refused(reference: ModuleType) -> None:
    page = reference.on_page_markdown("# Codes\n\n<!-- reference: exit-codes -->\n\nAnd so on.")
    assert "| 2 | usage |" in page
    assert page.endswith("\n\nAnd so on.")
    with pytest.raises(KeyError, match="colours"):
        reference.on_page_markdown("<!-- reference: colours -->")


def test_text_with_markup_in_it_is_shown_as_it_is(reference: ModuleType) -> None:
    markdown = pytest.importorskip("markdown", reason="the extra docs is not installed")
    hostile = "a|b <c> *d* _e_ `f` [g](h) {i} \\ & docs/x"
    table = "\n".join(reference._table(("one", "two"), [("x", reference._escaped(hostile))]))
    cells = re.findall(r"<td>(.*?)</td>", markdown.markdown(table, extensions=["tables"]))
    assert cells[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == hostile


def test_the_site_is_built_without_a_warning_and_needs_no_network(root: Path, tmp_path: Path) -> None:
    pytest.importorskip("material", reason="the extra docs is not installed")
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    build(load_config(str(root / "mkdocs.yml"), site_dir=str(tmp_path / "site"), strict=True))
    pages = sorted((tmp_path / "site").rglob("*.html"))
    assert {page.stem for page in pages} >= {path.stem for path in (root / "docs").glob("*.md")}
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not re.findall(r"<(?:script|img|iframe|source)[^>]+src=[\"']?(?:https?:)?//", text)
        assert not re.findall(r"<link[^>]+href=[\"']?(?:https?:)?//", text)
    options = (tmp_path / "site" / "options.html").read_text(encoding="utf-8")
    assert "<code>--dry-run</code>" in options


def test_the_readme_names_every_option_of_a_run(root: Path) -> None:
    text = (root / "README.md").read_text(encoding="utf-8")
    options = [parameter for parameter in main.commands["run"].params if isinstance(parameter, click.Option)]
    words = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", text))
    spellings = [[*option.opts, *option.secondary_opts] for option in options]
    assert [spelt for spelt in spellings if not words.intersection(spelt)] == []


def test_pages_of_the_readme_are_there(root: Path) -> None:
    text = (root / "README.md").read_text(encoding="utf-8")
    targets = {target.split("#")[0] for target in re.findall(r"\]\(([^)]+)\)", text) if "://" not in target}
    assert targets
    assert {target for target in targets if not (root / target).is_file()} == set()
