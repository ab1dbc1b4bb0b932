"""A dataset whose participants are each spoilt in one way, run at once; and what the run touched."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hostile_corpus import CASES, Case
from hostile_corpus.runs import CorpusRun, add_participant, call, label_of, refusals_of, snapshot
from hostile_corpus.watching import watching

from bidsapp_synthfmri.simulate import SimulationConfig, simulate


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """BIDS_DIR of two participants with two short runs each; never changed."""
    config = SimulationConfig(
        n_sessions=2, n_runs=1, n_repeated=8, n_presentations=2, extra_per_category=1, image_size=32
    )
    return simulate(tmp_path_factory.mktemp("hostile-plain"), config).bids_dir


@pytest.fixture(scope="session")
def crowd(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """BIDS_DIR of one participant a case, of participant 02 and, called ``plain``, of 01 as it was."""
    bids = tmp_path_factory.mktemp("hostile-crowd") / "bids"
    shutil.copytree(plain, bids, symlinks=True)
    add_participant(bids, plain, "plain")
    for case in CASES:
        case.spoil(add_participant(bids, plain, label_of(case)))
    return bids


@pytest.fixture(scope="session")
def run_corpus(
    crowd: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Sequence[Case], Sequence[str]], CorpusRun]:
    """Run the participants of some cases and, behind them, some that are whole."""

    def start(cases: Sequence[Case], whole: Sequence[str]) -> CorpusRun:
        output = tmp_path_factory.mktemp("hostile-run") / "out"
        before = snapshot(crowd.parent)
        with watching() as watched:
            done = call(crowd, output, "--participant-label", " ".join([*map(label_of, cases), *whole]))
        after = snapshot(crowd.parent)
        return CorpusRun(tuple(cases), output, done, refusals_of(output), before, after, watched)

    return start
