"""The version stands in one place, and where it is repeated it is the same; the citation file is usable."""

from __future__ import annotations

import configparser
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bidsapp_synthfmri import __version__
from bidsapp_synthfmri.derivatives.citations import REFERENCES

# Of the Citation File Format 1.2.0: what a file must have, and what one of software may have.
_REQUIRED = {"authors", "cff-version", "message", "title"}
_KNOWN = _REQUIRED | {
    "abstract",
    "doi",
    "identifiers",
    "keywords",
    "license",
    "repository-code",
    "references",
}
_KNOWN |= {"type", "url", "version", "date-released", "contact", "preferred-citation"}


@pytest.fixture(scope="module")
def citation(root: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8")))


def test_the_package_s_version_is_everywhere(root: Path, citation: dict[str, Any]) -> None:
    metadata = configparser.ConfigParser()
    metadata.read(root / "setup.cfg")
    assert metadata["metadata"]["version"] == "attr: bidsapp_synthfmri.__version__"
    image = re.search(r'^ARG VERSION="([^"]+)"$', (root / "Dockerfile").read_text(), flags=re.MULTILINE)
    assert image is not None
    descriptor = json.loads((root / "boutiques" / "synthfmri.json").read_text())
    assert {image[1], citation["version"], descriptor["tool-version"]} == {__version__}


def test_the_changes_speak_of_the_version_or_of_what_comes_after_it(root: Path) -> None:
    headings = re.findall(r"^## (.+)$", (root / "CHANGES.md").read_text(), flags=re.MULTILINE)
    released = [heading for heading in headings if heading != "Unreleased"]
    assert released[0].split()[0] == __version__


def test_the_citation_file_has_what_its_format_asks_for(citation: dict[str, Any]) -> None:
    assert set(citation) >= _REQUIRED
    assert set(citation) <= _KNOWN
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    for entry in (citation, *citation["references"]):
        assert all(isinstance(entry[key], str) for key in ("title", "type"))
        for author in entry["authors"]:
            assert "name" in author or {"family-names", "given-names"} <= set(author)


def test_the_citation_file_s_references_are_those_of_the_outputs(citation: dict[str, Any]) -> None:
    known = {dict(reference.fields).get("doi"): reference for reference in REFERENCES}
    for entry in citation["references"]:
        reference = known[entry["doi"]]
        fields = dict(reference.fields)
        assert entry["title"] == re.sub(r"[{}]", "", fields["title"])
        assert (entry["year"], str(entry["volume"]), entry["start"]) == (
            reference.year,
            fields["volume"],
            fields["pages"],
        )
        authors = [f"{author['family-names']}, {author['given-names']}" for author in entry["authors"]]
        assert " and ".join(authors) == reference.authors


def test_hooks_before_a_commit_run_what_the_makefile_has(root: Path) -> None:
    configured = yaml.safe_load((root / ".pre-commit-config.yaml").read_text())
    entries = [hook["entry"] for repository in configured["repos"] for hook in repository["hooks"]]
    targets = re.findall(r"^([a-z]+):", (root / "Makefile").read_text(), flags=re.MULTILINE)
    assert entries
    for entry in entries:
        program, target = entry.split()
        assert (program, target in targets) == ("make", True)
