"""Where results say that they come from: every BIDS URI leads to a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest


def _uris(content: object) -> Iterator[str]:
    """All BIDS URIs in a JSON document."""
    if isinstance(content, str):
        if content.startswith("bids:"):
            yield content
    elif isinstance(content, dict):
        for value in content.values():
            yield from _uris(value)
    elif isinstance(content, list):
        for value in content:
            yield from _uris(value)


def _place(uri: str, root: Path) -> Path:
    """The file of a BIDS URI in a dataset, by the dataset's own links."""
    _, name, relative = uri.split(":", 2)
    if name:
        links = json.loads((root / "dataset_description.json").read_text())["DatasetLinks"]
        root = Path(unquote(urlparse(links[name]).path))
    return root / relative


def test_every_uri_of_the_demo_leads_to_a_file(demo) -> None:
    named = {
        (path, uri)
        for path in demo.output.rglob("*.json")
        for uri in _uris(json.loads(path.read_text(encoding="utf-8")))
    }
    lost = [(path.name, uri) for path, uri in named if not _place(uri, demo.output).is_file()]
    assert lost == []
    roots = {uri.split(":")[1] for _, uri in named}
    # What the program wrote itself, and the preprocessed data below BIDS_DIR, by the pipeline's name.
    assert {"", "fmriprep"} <= roots


@pytest.mark.parametrize("participant", ["01", "02"])
def test_responses_name_the_runs_that_they_are_of(demo, participant: str) -> None:
    (sidecar,) = (demo.output / f"sub-{participant}").rglob("*desc-singletrial_stat-effect_statmap*.json")
    sources = json.loads(sidecar.read_text())["Sources"]
    assert sources
    assert all(f"sub-{participant}" in uri and "_bold." in uri for uri in sources)
