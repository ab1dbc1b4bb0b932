"""A command line, caught before anything runs."""

import pytest
from click.testing import CliRunner

from bidsapp_synthfmri.cli.main import run
from bidsapp_synthfmri.config import RunConfig


@pytest.fixture
def parsed(monkeypatch):
    """The configuration that a command line makes, caught before anything runs."""
    caught: list[RunConfig] = []

    def keep(config: RunConfig) -> int:
        caught.append(config)
        return 0

    monkeypatch.setattr("bidsapp_synthfmri.workflow.run_level", keep)

    def parse(*arguments: str) -> RunConfig:
        done = CliRunner().invoke(run, list(arguments))
        assert done.exit_code == 0, done.output
        return caught[-1]

    return parse
