"""Confounds of either naming."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bidsapp_synthfmri.dataset.confounds import read_confounds
from bidsapp_synthfmri.dataset.structures import RunFiles
from bidsapp_synthfmri.errors import InputMalformedError, InputMissingError

BEFORE_2018 = ("X", "Y", "Z", "RotX", "RotY", "RotZ")
TODAY = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")


def motion_of(dataset):
    return BEFORE_2018 if dataset.legacy else TODAY


def test_default_set_is_motion_five_acompcor_and_outliers(dataset, run):
    table = read_confounds(run, 12)
    motion = motion_of(dataset)
    acompcor, outlier = (
        ("aCompCor0{}", "NonSteadyStateOutlier00")
        if dataset.legacy
        else ("a_comp_cor_0{}", "non_steady_state_outlier00")
    )
    assert table.names == (*motion, *(acompcor.format(k) for k in range(5)), outlier)
    truth = pd.read_csv(run.confounds, sep="\t", na_values="n/a")
    assert np.array_equal(table.values, truth[list(table.names)].to_numpy())


def test_every_outlier_is_taken_and_there_may_be_fewer_acompcor(run, rewrite):
    def edit(table):
        table = table.drop(columns=[name for name in table if "omp" in name and not name.endswith("0")])
        for k in (10, 1):
            name = next(name for name in table if "utlier" in name)
            table[f"{name[:-2]}{k:02d}"] = table[name]
        return table

    rewrite(edit)
    names = read_confounds(run, 12).names
    assert len(names) == 6 + 1 + 3
    assert [name[-2:] for name in names[-3:]] == ["00", "01", "10"]


def test_a_missing_first_value_becomes_the_first_valid_one(dataset, run, rewrite):
    name = motion_of(dataset)[0]

    def edit(table):
        table.loc[0, name] = "n/a"
        return table

    rewrite(edit)
    values = read_confounds(run, 12).values
    assert values[0, 0] == values[1, 0]


@pytest.mark.parametrize("text", ["n/a", "", "inf", "x"])
def test_a_value_missing_later_is_refused(dataset, run, rewrite, text):
    name = motion_of(dataset)[3]

    def edit(table):
        table.loc[4, name] = text
        return table

    rewrite(edit)
    with pytest.raises(InputMalformedError, match=f"{name} of volume 5 is '{text}'") as caught:
        read_confounds(run, 12)
    assert str(run.confounds) in caught.value.problem


def test_missing_motion_is_named(dataset, run, rewrite):
    first, second = motion_of(dataset)[:2]
    rewrite(lambda table: table.drop(columns=[first, second]))
    with pytest.raises(InputMalformedError, match=f"lacks the motion parameters {first}, {second}"):
        read_confounds(run, 12)


def test_other_columns_without_motion_are_not_mistaken_for_it(run, rewrite):
    rewrite(lambda table: table.iloc[:, :3])
    with pytest.raises(InputMalformedError, match=r"trans_x, .*rot_z, \(or X, Y"):
        read_confounds(run, 12)


def test_another_number_of_rows_than_volumes_is_refused(run):
    with pytest.raises(InputMalformedError, match=r"has 12 rows, but .* has 13 volumes"):
        read_confounds(run, 13)


def test_a_run_without_confounds_is_named(run):
    with pytest.raises(InputMissingError, match="ses-01 task-scenes run-01 has no confounds"):
        read_confounds(replace(run, confounds=None), 12)


def test_bold5000_s_confounds_are_read(real):
    paths = sorted(real.glob("derivatives/fmriprep/sub-CSI1/ses-*/func/*_bold_confounds.tsv"))
    assert paths
    for path in paths:
        run = RunFiles("CSI1", "01", "5000scenes", "01", path, path, None, path, 2.0, 0.0)
        table = read_confounds(run, 194)
        assert table.names[:11] == (*BEFORE_2018, *(f"aCompCor0{k}" for k in range(5)))
        assert all("Outlier" in name for name in table.names[11:])
        assert np.isfinite(table.values).all()
