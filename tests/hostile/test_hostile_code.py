"""The program's own code and dependencies: nothing unpickles, evaluates or starts what a file says."""

from __future__ import annotations

import ast
import configparser
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import bidsapp_synthfmri

PACKAGE = Path(bidsapp_synthfmri.__file__).parent
ROOT = PACKAGE.parent
_MODULES = frozenset(
    {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
)
# The error that torch raises on what it refuses to unpickle must have a name to be caught by.
_ALLOWED_NAMES = {("pickle", "UnpicklingError")}
_NAMES = frozenset(
    {"read_pickle", "to_pickle", "loadmat", "exec", "__import__", "query", "unsafe_load", "full_load"}
)
# pybids' database of file names; a table's ``query`` evaluates.
_OF_SQL = ("session", "query")
_LOADERS = {("torch", "load"): ("weights_only", True), ("np", "load"): ("allow_pickle", False)}
_SAVERS = {("np", "save"): ("allow_pickle", False), ("np", "savez"): ("allow_pickle", False)}
# The container engine takes the wrapper's place, with words and without a shell.
_ALLOWED_CALLS = {("bidsapp_synthfmri/cli/container.py", "os", "execv")}
_FORBIDDEN = frozenset(
    {
        *(("torch", name) for name in ("save", "jit", "package")),
        *(("os", name) for name in ("system", "popen", "execv", "execvp", "spawnv")),
        *(("np", name) for name in ("fromregex",)),
        *(("", "eval"), ("pd", "eval"), ("yaml", "load"), ("hub", "load")),
    }
)


def trees() -> Iterator[tuple[str, ast.Module]]:
    paths = [*PACKAGE.rglob("*.py"), ROOT / "run.py"]
    for path in sorted(paths):
        yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """(module, name) of every import; "*" for the module as a whole."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "*") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.module, alias.name) for alias in node.names)


def calls(tree: ast.Module) -> Iterator[tuple[tuple[str, str], ast.Call]]:
    """(object, function) of every call; "" for a function without an object."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name):
            yield ("", node.func.id), node
        elif isinstance(node.func, ast.Attribute):
            holder = node.func.value
            name = holder.id if isinstance(holder, ast.Name) else getattr(holder, "attr", "?")
            yield (name, node.func.attr), node


def test_nothing_that_unpickles_is_imported():
    found = [
        (where, module, name)
        for where, tree in trees()
        for module, name in imports(tree)
        if module.split(".")[0] in _MODULES and (module, name) not in _ALLOWED_NAMES
    ]
    assert found == []


def test_nothing_is_called_that_unpickles_or_evaluates():
    found = [
        (where, *call)
        for where, tree in trees()
        for call, node in calls(tree)
        if call in _FORBIDDEN or (call[1] in _NAMES and call != _OF_SQL)
    ]
    assert [call for call in found if call not in _ALLOWED_CALLS] == []


@pytest.mark.parametrize(("function", "required"), [*_LOADERS.items(), *_SAVERS.items()])
def test_loaders_that_could_unpickle_are_told_not_to(function, required):
    key, value = required
    for where, tree in trees():
        for call, node in calls(tree):
            if call == function:
                given = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
                assert given.get(key) is value, (where, node.lineno)


def test_the_walk_sees_what_it_must():
    """Were the walk blind, the tests above could not fail."""
    tree = ast.parse(
        "import pickle\nfrom pickle import load\ntorch.load('x')\neval('1')\npickle.loads(b'')\n"
    )
    assert {("pickle", "*"), ("pickle", "load")} <= set(imports(tree))
    assert {("torch", "load"), ("", "eval"), ("pickle", "loads")} <= {call for call, _ in calls(tree)}
    seen = {call for _, tree in trees() for call, _ in calls(tree)}
    assert {("torch", "load"), ("np", "load"), ("np", "save")} <= seen


def test_no_shell_is_started():
    for where, tree in trees():
        for _, node in calls(tree):
            shells = [word for word in node.keywords if word.arg == "shell"]
            assert not any(getattr(word.value, "value", True) for word in shells), (where, node.lineno)


def test_bandit_finds_nothing_that_is_not_explained():
    pytest.importorskip("bandit", reason="bandit is not installed")
    command = [sys.executable, "-m", "bandit", "--quiet", "--recursive", "--format", "json", str(PACKAGE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    assert report["errors"] == []
    found = [(r["test_id"], r["filename"], r["line_number"], r["issue_text"]) for r in report["results"]]
    assert found == []
    # Each line that is left out says why.
    for where, line in nosec_lines():
        assert " - " in line.partition("nosec")[2], (where, line)


def nosec_lines() -> Iterator[tuple[str, str]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if "# nosec" in line:
                yield str(path), line


# First versions without a published weakness that a file given to this program could reach.
_SOUND_SINCE = {
    "jinja2": ("3.1.6", "CVE-2025-27516, CVE-2024-56201: breaking out of the sandbox of templates"),
    "pillow": ("10.3", "CVE-2024-28219: buffer overflow; 10.2: CVE-2023-50447; 10.0.1: CVE-2023-4863 (WebP)"),
    "scikit-learn": ("1.5", "CVE-2024-5206: training data kept in a fitted vectoriser"),
    "scipy": ("1.11.1", "CVE-2023-25399: memory leak on bad arguments"),
    "torch": ("2.6", "CVE-2025-32434: torch.load runs code in spite of weights_only"),
}


def requirements() -> dict[str, Requirement]:
    found = configparser.ConfigParser()
    found.read(ROOT / "setup.cfg")
    lines = found["options"]["install_requires"].split("\n")
    return {Requirement(line).name: Requirement(line) for line in lines if line.strip()}


@pytest.mark.parametrize("name", _SOUND_SINCE)
def test_no_version_that_is_known_to_be_weak_is_allowed(name):
    first, why = _SOUND_SINCE[name]
    (lower,) = (Version(part.version) for part in requirements()[name].specifier if part.operator == ">=")
    assert lower >= Version(first), why
    assert Version(metadata.version(name)) >= Version(first), why


def test_every_requirement_has_a_lower_bound():
    for name, requirement in requirements().items():
        assert any(part.operator == ">=" for part in requirement.specifier), name
