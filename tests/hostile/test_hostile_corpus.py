"""Every hostile file: its message and exit code, no other participant harmed, nothing else touched."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hostile_corpus import CASES, LEGAL, REFUSED, Case
from hostile_corpus.runs import CorpusRun, add_participant, call, label_of
from hostile_corpus.watching import Watched, watching

from bidsapp_synthfmri.config import RunConfig
from bidsapp_synthfmri.dataset.volumes import grid_of, open_volume, read_mask
from bidsapp_synthfmri.derivatives.reader import participants_written
from bidsapp_synthfmri.errors import InputMalformedError, SynthfmriError
from bidsapp_synthfmri.workflow.inputs import ParticipantInputs, read_inputs

# Of a summary: what tells when, where and how long.
_OF_THE_RUN = ("command", "seconds", "started", "finished", "elapsed", "timing", "memory", "warnings")
_COMPARED = ("onset", "duration", "stimulus", "session", "run")
# The whole app runs over some of all kinds; over all where there is time.
_SAMPLE = REFUSED[::14]


@pytest.fixture(
    scope="module", params=[_SAMPLE, pytest.param(REFUSED, marks=pytest.mark.long)], ids=["sample", "all"]
)
def corpus(request: pytest.FixtureRequest, run_corpus: Callable[..., CorpusRun]) -> CorpusRun:
    return run_corpus(request.param, ["02"])


@pytest.fixture(scope="module")
def untouched(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """OUTPUT_DIR of participant 02 alone, of the dataset as it was made."""
    output = tmp_path_factory.mktemp("hostile-untouched") / "out"
    done = call(plain, output, "--participant-label", "02")
    assert done.exit_code == 0, done.output
    return output


def test_names_of_cases_make_distinct_labels():
    assert len({label_of(case) for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_each_is_refused_with_its_own_sentence_and_code(crowd, case):
    with watching() as watched, pytest.raises(SynthfmriError) as refused:
        for _ in inputs_of(crowd, label_of(case)).runs():
            pass
    assert refused.value.exit_code == case.code, refused.value
    sentence = str(refused.value)
    assert "\n" not in sentence
    assert len(sentence) < 2000
    for word in case.words:
        assert word in sentence
    assert watched == Watched()


def test_every_participant_ends_with_its_own_code_and_page(corpus):
    for case in corpus.cases:
        refusal = corpus.refusals[label_of(case)]
        assert refusal.code == case.code, (case, refusal)
        for word in case.words:
            assert word in refusal.message, (case, refusal)
        page = (corpus.output / f"sub-{label_of(case)}.html").read_text(encoding="utf-8")
        assert "Traceback" not in page
        assert "failed" in page


def test_the_run_says_how_many_failed_and_shows_no_traceback(corpus):
    assert corpus.done.exit_code == 8, corpus.done.output[-2000:]
    n_cases = len(corpus.cases)
    assert f"{n_cases} of {n_cases + 1} participants failed" in corpus.done.output
    for word in ("Traceback", "Internal error", 'File "'):
        assert word not in corpus.done.output


def test_the_participant_that_is_whole_has_what_it_has_alone(corpus, untouched):
    assert participants_written(corpus.output) == ("02",)
    assert results_of(corpus.output, "02") == results_of(untouched, "02")


def test_nothing_is_touched_but_output_and_work_directory(corpus):
    assert corpus.after == corpus.before
    work = corpus.output.with_name(f"{corpus.output.name}-work")
    assert corpus.watched.changed
    assert corpus.watched.outside(corpus.output, work) == []


def test_nothing_is_unpickled_started_or_connected_to(corpus):
    assert corpus.watched.unpickled == set()
    assert corpus.watched.programs == set()
    assert corpus.watched.connections == set()


@pytest.mark.parametrize("case", LEGAL, ids=str)
def test_what_is_legal_means_what_the_plain_file_means(crowd, case):
    expected, found = (inputs_of(crowd, label) for label in ("plain", label_of(case)))
    for column in _COMPARED:
        if column != "stimulus" or "named" not in case.name:
            pd.testing.assert_series_equal(found.trials.table[column], expected.trials.table[column])
    assert found.voxels.roi_names == expected.voxels.roi_names
    np.testing.assert_array_equal(found.voxels.ijk, expected.voxels.ijk)
    for theirs, ours in zip(expected.runs(), found.runs(), strict=True):
        np.testing.assert_array_equal(ours.bold, theirs.bold)
        np.testing.assert_array_equal(ours.confounds, theirs.confounds)
        assert ours.repetition_time == theirs.repetition_time


# Their tables say what the events say.
_OTHER_TEXT = ("named", "formulas", "HTML", "Unicode", "blanks")


@pytest.fixture(scope="module")
def results_of_case(
    plain: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Case | None], tuple[dict[str, bytes], str]]:
    """Files and page of a participant with a case's files, always of one name: draws follow the name."""

    def run(case: Case | None) -> tuple[dict[str, bytes], str]:
        folder = tmp_path_factory.mktemp("hostile-legal")
        shutil.copytree(plain, folder / "bids", symlinks=True)
        place = add_participant(folder / "bids", plain, "case")
        if case is not None:
            case.spoil(place)
        with watching() as watched:
            done = call(folder / "bids", folder / "out", "--participant-label", "case")
        assert done.exit_code == 0, done.output[-2000:]
        assert watched.outside(folder / "out", folder / "out-work") == []
        page = (folder / "out" / "sub-case.html").read_text(encoding="utf-8")
        return results_of(folder / "out", "case"), page

    return run


@pytest.fixture(scope="module")
def expected(results_of_case: Callable[..., tuple[dict[str, bytes], str]]) -> dict[str, bytes]:
    return results_of_case(None)[0]


@pytest.mark.long
@pytest.mark.parametrize("case", LEGAL, ids=str)
def test_what_is_legal_has_the_results_of_the_plain_file(results_of_case, expected, case):
    found, page = results_of_case(case)
    assert found.keys() == expected.keys()
    if not any(word in case.name for word in _OTHER_TEXT):
        assert [name for name in found if found[name] != expected[name]] == []
    for word in ("<script", "<img src=x"):
        assert word not in page


@pytest.mark.parametrize("at", range(20, 100, 8))
def test_a_bit_changed_in_a_mask_is_never_another_mask(plain, tmp_path, at):
    """Anywhere behind the gzip header: refused, or the very mask."""
    place = add_participant(tmp_path, plain, "case")
    for path in (place.roi, place.brain_mask):
        grid = grid_of(path, open_volume(path))
        expected = read_mask(path, grid, "itself")
        content = bytearray(path.read_bytes())
        content[len(content) * at // 100] ^= 1 << at % 8
        path.write_bytes(bytes(content))
        try:
            found = read_mask(path, grid, "itself")
        except InputMalformedError:
            continue
        np.testing.assert_array_equal(found, expected)


def inputs_of(bids: Path, participant: str) -> ParticipantInputs:
    config = RunConfig(bids_dir=bids, output_dir=bids.with_name("nothing"), confounds=("minimal",))
    return read_inputs(config, participant)


def results_of(output: Path, participant: str) -> dict[str, bytes]:
    """Bytes of a participant's files; of summary and manifest without what tells of the run and its input."""
    found = {}
    for path in sorted((output / f"sub-{participant}").rglob("*")):
        if not path.is_file():
            continue
        content = path.read_bytes()
        if path.name.endswith("_summary.json"):
            facts = json.loads(content)
            content = json.dumps({k: v for k, v in facts.items() if k not in _OF_THE_RUN}).encode()
        if path.name.endswith("_manifest.json"):
            # The same files, made of input that has another size and time.
            content = json.dumps(json.loads(content)["Files"]).encode()
        found[path.relative_to(output).as_posix()] = content
    assert found
    return found
