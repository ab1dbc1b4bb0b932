"""Which columns a strategy, a name or a pattern means, in either generation of names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bidsapp_synthfmri.dataset.confounds import read_all_confounds, read_confounds
from bidsapp_synthfmri.dataset.index import index_participant
from bidsapp_synthfmri.dataset.strategies import STRATEGIES, choose_columns, in_short
from bidsapp_synthfmri.dataset.structures import RunFiles
from bidsapp_synthfmri.errors import InputMalformedError, InputMissingError, UsageError

BEFORE_2018 = ("X", "Y", "Z", "RotX", "RotY", "RotZ")
TODAY = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
DERIVED = ("", "_derivative1", "_power2", "_derivative1_power2")
N = 12


def motion_of(dataset):
    return BEFORE_2018 if dataset.legacy else TODAY


def spelt(dataset, today, before):
    return before if dataset.legacy else today


def truth(run):
    return pd.read_csv(run.confounds, sep="\t", na_values="n/a")


def test_minimal_is_motion_and_outliers(dataset, run):
    outlier = spelt(dataset, "non_steady_state_outlier00", "NonSteadyStateOutlier00")
    assert read_confounds(run, N, ("minimal",)).names == (*motion_of(dataset), outlier)


def test_none_reads_no_table(run):
    table = read_confounds(replace(run, confounds=None), N, ("none",))
    assert table.names == ()
    assert table.values.shape == (N, 0)
    assert table.censored is None


def test_none_needs_no_table_in_the_index_but_a_threshold_does(dataset):
    dataset.derived("confounds", "02", "01").unlink()
    files = index_participant(dataset.config(confounds=("none",)), "A1")
    assert all(run.confounds is None for run in files.runs)
    for options in ({"confounds": ("none", "csf")}, {"confounds": ("none",), "fd_threshold": 0.5}):
        with pytest.raises(InputMissingError, match=r"run-01 has no confounds.*--confounds none"):
            index_participant(dataset.config(**options), "A1")


def test_none_needs_no_content_of_the_tables(dataset):
    dataset.annex_link(dataset.derived("confounds"))
    assert index_participant(dataset.config(confounds=("none",)), "A1").runs


def test_motion24_is_computed_where_the_file_lacks_it(dataset, run):
    table = read_confounds(run, N, ("motion24",))
    motion = motion_of(dataset)
    assert table.names[:24] == tuple(name + suffix for suffix in DERIVED for name in motion)
    assert len(table.names) == 25
    six = truth(run)[list(motion)].to_numpy()
    change = np.diff(six, axis=0)
    change = np.vstack([change[:1], change])
    # Subtraction and squaring of the same float64 numbers in the same order.
    np.testing.assert_array_equal(table.values[:, :24], np.hstack([six, change, six**2, change**2]))


def test_motion24_is_read_where_the_file_has_it(dataset, run, rewrite):
    first = motion_of(dataset)[0]

    def edit(table):
        numbers = [f"{k / 7:.3f}" for k in range(N)]
        table[f"{first}_derivative1"] = ["n/a", *numbers[1:]]
        table[f"{first}_power2"] = numbers
        table[f"{first}_derivative1_power2"] = ["n/a", *numbers[::-1][1:]]
        return table

    rewrite(edit)
    table = read_confounds(run, N, ("motion24",))
    columns = truth(run).bfill()
    for suffix in DERIVED:
        position = table.names.index(first + suffix)
        np.testing.assert_array_equal(table.values[:, position], columns[first + suffix])


@pytest.mark.parametrize("words", ["framewise_displacement rot_x", "FramewiseDisplacement RotX"])
def test_both_spellings_of_a_column_are_understood(dataset, run, words):
    names = read_confounds(run, N, words.split()).names
    assert names == spelt(dataset, ("framewise_displacement", "rot_x"), ("FramewiseDisplacement", "RotX"))


@pytest.mark.parametrize("pattern", ["a_comp_cor_*", "aCompCor*", "a_comp_cor_0[0-5]", "aCompCor0?"])
def test_patterns_match_either_spelling(dataset, run, pattern):
    stem = spelt(dataset, "a_comp_cor_0", "aCompCor0")
    assert read_confounds(run, N, (pattern,)).names == tuple(f"{stem}{k}" for k in range(6))


def test_a_list_of_strategy_and_columns_is_their_union_in_order(dataset, run):
    names = read_confounds(run, N, ("framewise_displacement", "minimal", "rot_z", "a_comp_cor_02")).names
    outlier = spelt(dataset, "non_steady_state_outlier00", "NonSteadyStateOutlier00")
    displacement = spelt(dataset, "framewise_displacement", "FramewiseDisplacement")
    component = spelt(dataset, "a_comp_cor_02", "aCompCor02")
    assert names == (displacement, *motion_of(dataset), outlier, component)


def test_the_expansion_of_any_column_can_be_asked_for(dataset, run):
    table = read_confounds(run, N, ("rot_y_derivative1", "a_comp_cor_01_power2"))
    columns = truth(run)
    component = spelt(dataset, "a_comp_cor_01", "aCompCor01")
    assert table.names == (f"{motion_of(dataset)[4]}_derivative1", f"{component}_power2")
    np.testing.assert_array_equal(table.values[:, 1], columns[component] ** 2)


def test_a_name_that_no_column_has_is_refused_with_those_there_are(dataset, run):
    with pytest.raises(UsageError, match=r"--confounds csf: .*no such column; there are: ") as caught:
        read_confounds(run, N, ("csf",))
    assert str(run.confounds) in caught.value.problem
    assert spelt(dataset, "a_comp_cor_*", "aCompCor*") in caught.value.problem
    assert "motion24" in caught.value.remedy


def test_a_pattern_may_miss_a_run_but_not_all(dataset, rewrite):
    runs = dataset.files().runs
    rewrite(lambda table: table.assign(motion_outlier00="0"))
    tables = read_all_confounds(runs, ("motion_outlier*",), None)
    assert [len(table.names) for table in tables.values()] == [1, 0, 0, 0]
    with pytest.raises(UsageError, match=r"--confounds tissue\* matches no column of any run"):
        read_all_confounds(runs, ("minimal", "tissue*"), None)


def test_acompcor_without_components_is_refused_with_the_strategies_that_need_none(run, rewrite):
    rewrite(lambda table: table.drop(columns=[name for name in table if "omp" in name]))
    with pytest.raises(InputMalformedError, match="has no aCompCor components") as caught:
        read_confounds(run, N)
    assert "--confounds minimal" in caught.value.remedy
    assert len(read_confounds(run, N, ("minimal",)).names) == 7


def test_a_column_without_any_number_is_refused(dataset, run, rewrite):
    name = spelt(dataset, "framewise_displacement", "FramewiseDisplacement")
    rewrite(lambda table: table.assign(**{name: "n/a"}))
    with pytest.raises(InputMalformedError, match=f"{name} has no number in any volume"):
        read_confounds(run, N, ("framewise_displacement",))
    with pytest.raises(InputMalformedError, match=f"{name} has no number"):
        read_confounds(run, N, ("none",), 0.5)


def test_volumes_above_the_threshold_are_censored_and_the_first_is_not(dataset, run, rewrite):
    name = spelt(dataset, "framewise_displacement", "FramewiseDisplacement")
    moved = ["n/a", "0.5", "0.51", *["0.1"] * 8, "3"]
    rewrite(lambda table: table.assign(**{name: moved}))
    table = read_confounds(run, N, ("none",), 0.5)
    assert np.flatnonzero(table.censored).tolist() == [2, 11]
    assert table.n_censored == 2
    assert table.values.shape == (N, 0)


def test_a_run_that_loses_over_half_is_refused_with_count_and_threshold(dataset, run, rewrite):
    name = spelt(dataset, "framewise_displacement", "FramewiseDisplacement")
    rewrite(lambda table: table.assign(**{name: ["n/a", *["0.31"] * 6, *["0.2"] * 5]}))
    assert read_confounds(run, N, ("minimal",), 0.3).n_censored == 6
    rewrite(lambda table: table.assign(**{name: ["n/a", *["0.31"] * 7, *["0.2"] * 4]}))
    with pytest.raises(InputMalformedError, match=r"run-01: 7 of 12 volumes.*above 0.3 mm") as caught:
        read_confounds(run, N, ("minimal",), 0.3)
    assert "--fd-threshold" in caught.value.remedy


def test_a_table_without_displacement_is_refused_only_with_a_threshold(dataset, run, rewrite):
    name = spelt(dataset, "framewise_displacement", "FramewiseDisplacement")
    rewrite(lambda table: table.drop(columns=name))
    assert read_confounds(run, N).censored is None
    with pytest.raises(InputMalformedError, match="which --fd-threshold needs"):
        read_confounds(run, N, ("acompcor",), 0.5)


def test_long_series_are_named_in_short():
    columns = ["csf", "trans_x", "trans_x_derivative1", *(f"a_comp_cor_{k:02d}" for k in range(300))]
    assert in_short(columns) == "csf, trans_x, trans_x_derivative1, a_comp_cor_*"


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_bold5000_s_tables_have_every_strategy(real, strategy):
    paths = sorted(real.glob("derivatives/fmriprep/sub-CSI1/ses-*/func/*_bold_confounds.tsv"))
    assert paths
    sizes = {"none": 0, "minimal": 6, "motion24": 24, "acompcor": 11}
    for path in paths:
        run = RunFiles("CSI1", "01", "5000scenes", "01", path, path, None, path, 2.0, 0.0)
        table = read_confounds(run, 194, (strategy,), 0.5)
        assert np.isfinite(table.values).all()
        own = [name for name in table.names if "Outlier" not in name]
        assert len(own) == sizes[strategy]
        displacement = truth(run)["FramewiseDisplacement"].fillna(0)
        assert table.n_censored == (displacement > 0.5).sum()
        assert not table.censored[0]


def test_bold5000_s_tables_have_its_columns_under_today_s_names(real):
    path = next(real.glob("derivatives/fmriprep/sub-CSI1/ses-*/func/*_bold_confounds.tsv"))
    columns = tuple(truth(RunFiles("", "", "", "", path, path, None, path, 2.0, 0.0)).columns)
    words = ("csf", "white_matter", "global_signal", "dvars", "std_dvars", "cosine*", "t_comp_cor_05")
    chosen = choose_columns(columns, words, path)
    cosines = [name for name in columns if name.startswith("Cosine")]
    assert chosen == (
        "CSF",
        "WhiteMatter",
        "GlobalSignal",
        "non-stdDVARS",
        "stdDVARS",
        *cosines,
        "tCompCor05",
    )
