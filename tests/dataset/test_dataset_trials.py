"""events.tsv -> trials."""

from __future__ import annotations

import numpy as np
import pytest

from bidsapp_synthfmri.dataset.stimuli import resolve_stimuli
from bidsapp_synthfmri.dataset.structures import ParticipantFiles, RunFiles
from bidsapp_synthfmri.dataset.trials import read_trials
from bidsapp_synthfmri.errors import InputMalformedError


@pytest.fixture
def of_events(tmp_path):
    """Trials of one run whose events.tsv has the given bytes."""

    def read(content, column="stim_file"):
        path = tmp_path / "sub-A1_task-scenes_events.tsv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        run = RunFiles("A1", "", "scenes", "", path, tmp_path / "bold.nii.gz", None, None, 2.0, 0.0)
        return read_trials(ParticipantFiles("A1", "scenes", "T1w", (run,), ()), column)

    return read


def test_trials_of_all_runs_in_order_with_rows_without_a_picture_counted(legacy):
    read = read_trials(legacy.files(), "stim_file")
    table = read.trials.table
    assert read.skipped_rows == 4
    assert list(zip(table["session"], table["run"], table["onset"], strict=True)) == [
        (session, run, onset) for session, run in legacy.bold for onset in (6.0, 16.01)
    ]
    assert read.trials.stimuli == tuple(f"picture{k}.jpg" for k in range(5))
    # run n shows pictures n and n + 1, so pictures 1 to 3 are repeated
    assert list(np.bincount(read.trials.stimulus_index)) == [1, 2, 2, 2, 1]


def test_other_columns_stay_as_they_were_written(of_events):
    table = of_events("onset\tduration\tstim_file\tResponse\tRT\n6\t1\ta.jpg\t0\tn/a\n").trials.table
    assert list(table.columns) == ["session", "run", "onset", "duration", "stimulus", "Response", "RT"]
    assert (table["Response"][0], table["RT"][0]) == ("0", "n/a")
    assert table["onset"].dtype == table["duration"].dtype == np.float64


def test_columns_named_like_the_trials_own_are_kept_under_another_name(of_events):
    table = of_events("onset\tduration\trun\tstimulus\tstim_file\n6\t1\t7\tsquare\ta.jpg\n").trials.table
    assert (table["run"][0], table["stimulus"][0]) == ("", "a.jpg")
    assert (table["events_run"][0], table["events_stimulus"][0]) == ("7", "square")


def test_every_column_that_later_tables_add_is_kept_under_another_name(of_events):
    header = "onset\tduration\tstim_file\tprediction\timage\tsplit\ttrial\tlabel"
    table = of_events(f"{header}\n6\t1\ta.jpg\tgo\t1\tx\t9\tcat\n").trials.table
    assert list(table.columns[5:]) == [
        "events_prediction",
        "events_image",
        "events_split",
        "events_trial",
        "label",
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_blanks_line_ends_and_backslashes_make_no_other_stimulus(of_events, end):
    rows = ["onset\tduration\tstim_file ", "6\t1\tx/a.jpg  ", " 16\t1\tx\\a.jpg", "26\t1\t x/a.jpg"]
    assert of_events(end.join([*rows, ""])).trials.stimuli == ("x/a.jpg",)


def test_spellings_of_one_path_are_one_stimulus(of_events):
    spellings = ["x/a.jpg", "./x/a.jpg", "x//a.jpg", "x/./a.jpg", ".\\x\\a.jpg", "x/y/../a.jpg"]
    rows = [f"{6 + 10 * k}\t1\t{spelling}" for k, spelling in enumerate(spellings)]
    assert of_events("\n".join(["onset\tduration\tstim_file", *rows])).trials.stimuli == ("x/a.jpg",)


@pytest.mark.parametrize("name", ["../a.jpg", "x/../../a.jpg", "/a.jpg", "//a.jpg", "..\\a.jpg", "C:\\a.jpg"])
def test_what_leads_outside_the_folder_is_still_refused(of_events, tmp_path, name):
    (tmp_path / "stimuli").mkdir()
    trials = of_events(f"onset\tduration\tstim_file\n6\t1\t{name}\n").trials
    with pytest.raises(InputMalformedError, match="1 stimuli lie outside"):
        resolve_stimuli(trials, tmp_path / "stimuli")


def test_one_picture_at_two_onsets_and_two_pictures_at_one_onset_are_no_duplicates(of_events):
    rows = "6\t1\ta.jpg\n16\t1\ta.jpg\n16\t1\tb.jpg\n6\t1\tn/a\n6\t1\tn/a\n"
    read = of_events("onset\tduration\tstim_file\n" + rows)
    assert (len(read.trials), read.skipped_rows) == (3, 2)


def test_the_same_onset_and_picture_in_two_runs_is_no_duplicate(tmp_path):
    runs = []
    for number in ("01", "02"):
        path = tmp_path / f"sub-A1_task-scenes_run-{number}_events.tsv"
        path.write_text("onset\tduration\tstim_file\n6\t1\ta.jpg\n")
        runs.append(RunFiles("A1", "", "scenes", number, path, path, None, None, 2.0, 0.0))
    read = read_trials(ParticipantFiles("A1", "scenes", "T1w", tuple(runs), ()), "stim_file")
    assert len(read.trials) == 2


def test_a_byte_order_mark_is_no_part_of_a_column(of_events):
    assert len(of_events("\ufeffonset\tduration\tstim_file\n6\t1\ta.jpg\n").trials) == 1


def test_another_column_may_name_the_picture(of_events):
    read = of_events("onset\tduration\timage\tstim_file\n6\t1\ta.jpg\tn/a\n", "image")
    assert read.trials.stimuli == ("a.jpg",)
    assert read.trials.table["stim_file"][0] == "n/a"


def test_an_onset_is_needed_only_where_a_picture_was_shown(of_events):
    assert of_events("onset\tduration\tstim_file\n6\t1\ta.jpg\nn/a\tn/a\t\n").skipped_rows == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("onset\tduration\ttrial_type\n1\t1\ta\n", r"no column stim_file; its columns are onset, duration"),
        ("onset\tduration\tstim_file\nn/a\t1\ta.jpg\n", r"onset of the picture in row 1 is 'n/a'"),
        ("onset\tduration\tstim_file\n0\t1\ta.jpg\nsoon\t1\tb.jpg\n", r"onset .* row 2 is 'soon'"),
        ("onset\tduration\tstim_file\ninf\t1\ta.jpg\n", r"onset .* is 'inf'"),
        ("onset\tduration\tstim_file\n1\tn/a\ta.jpg\n", r"duration .* is 'n/a'"),
        ("onset\tduration\tstim_file\n1\t-1\ta.jpg\n", r"duration .* is '-1'"),
        ("duration\tstim_file\n1\ta.jpg\n", r"no column onset"),
        (
            "onset\tduration\tstim_file\n6.50\t1\ta.jpg\n9\t1\ta.jpg\n6.5\t2\t./a.jpg\n",
            r"a.jpg at onset 6.5 more than once .*Remove the duplicated row",
        ),
        ("onset\tduration\tstim_file\n1\t1\ta.jpg\n9\t1\t./\n", r"row 2 is './', which names no file"),
        ("onset\tduration\tstim_file\n1\t1\tn/a\n", r"No row .* names a picture"),
        ("onset\tduration\tstim_file\n1\t1\n", r"line 2, has 2 cells under 3 columns"),
        ("onset\tonset\tstim_file\n1\t1\ta.jpg\n", r"several columns named onset"),
        ("", r"is empty"),
        (b"onset\tduration\tstim_file\n1\t1\t\xff\xfe.jpg\n", r"no TSV table"),
    ],
)
def test_events_that_cannot_be_used_are_named_with_what_is_wrong(of_events, content, words):
    with pytest.raises(InputMalformedError, match=words) as caught:
        of_events(content)
    assert "events.tsv" in caught.value.problem
    assert caught.value.exit_code == 4


def test_missing_column_says_how_to_name_another(of_events):
    with pytest.raises(InputMalformedError, match="--stimulus-column"):
        of_events("onset\tduration\timage\n1\t1\ta.jpg\n")


def test_bold5000_has_its_published_numbers_of_trials_and_images(real):
    paths = sorted(real.glob("sub-CSI1/ses-*/func/*_task-5000scenes_*_events.tsv"))
    runs = tuple(
        RunFiles("CSI1", path.name[13:15], "5000scenes", path.name[36:38], path, path, None, None, 2.0, 0.0)
        for path in paths
    )
    read = read_trials(ParticipantFiles("CSI1", "5000scenes", "T1w", runs, ()), "stim_file")
    assert len(read.trials) == 37 * len(paths)
    assert read.skipped_rows == 0
    assert (np.diff(read.trials.table.groupby(["session", "run"])["onset"].first()) < 1).all()
    if len(paths) == 142:
        presentations = np.bincount(np.bincount(read.trials.stimulus_index))
        assert len(read.trials) == 5254
        assert list(presentations) == [0, 4803, 0, 1, 112]
