"""Every refusal in the package says what is wrong and, in a sentence of its own, what to do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import bidsapp_synthfmri
from bidsapp_synthfmri import errors
from bidsapp_synthfmri.errors import SynthfmriError

PACKAGE = Path(bidsapp_synthfmri.__file__).parent
CLASSES = {
    name: made
    for name, made in vars(errors).items()
    if isinstance(made, type) and issubclass(made, SynthfmriError)
}


def refusals() -> Iterator[tuple[str, ast.Call]]:
    """Calls of the errors' classes, by where they stand."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CLASSES:
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", node


def words(node: ast.expr) -> str | None:
    """The text of a literal, with X for what is filled in; None where it is made elsewhere."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)
    return None


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_says_problem_and_remedy_in_one_line(name):
    error = CLASSES[name]("a.tsv has no column b", "Add it, or name another with --c")
    assert str(error) == "a.tsv has no column b. Add it, or name another with --c."
    assert error.exit_code > 0
    assert error.meaning


def test_every_refusal_has_a_problem_and_a_remedy():
    found = list(refusals())
    assert len(found) > 200
    incomplete = [
        where
        for where, call in found
        if len(call.args) != 2 and not any(isinstance(part, ast.Starred) for part in call.args)
    ]
    assert incomplete == []


def test_problems_name_something_and_remedies_are_orders():
    wrong = []
    for where, call in refusals():
        if len(call.args) != 2:
            continue
        problem, remedy = map(words, call.args)
        names_something = problem is None or "X" in problem or len(problem) > 25
        if not names_something or (problem or "").endswith("."):
            wrong.append((where, problem))
        if remedy is not None and not re.match(r"[A-Z-][\w-]+:? ", remedy) and not remedy.startswith("X"):
            wrong.append((where, remedy))
    assert wrong == []
