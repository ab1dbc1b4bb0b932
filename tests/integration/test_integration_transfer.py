"""Transfer between the demo's participants: known shared tuning is found, and written where it is read."""

from __future__ import annotations

import shutil

import pandas as pd
from click.testing import CliRunner

from bidsapp_synthfmri.cli.main import run
from bidsapp_synthfmri.decoding.transfer_scores import TRANSFER_COLUMNS as COMPUTED
from bidsapp_synthfmri.derivatives.reader import load_group
from bidsapp_synthfmri.derivatives.transfer_columns import TRANSFER_COLUMNS


def test_the_demo_s_participants_read_each_other(demo):
    results = load_group(demo.output)
    table = results.transfer.set_index(["source", "target", "measure", "roi"])
    for pair in (("01", "02"), ("02", "01")):
        for measure in ("voxel_correlation", "read_by_target"):
            assert table.loc[(*pair, measure, "all"), "p_fdr"] < 0.01
    mean = table.loc[("others", "group", "read_by_others", "all")]
    assert mean["value"] > 0.5  # chance is 1/8
    assert mean["n_participants"] == 2
    assert table.loc[("01", "02", "voxel_correlation", "all"), "n_common_images"] > 100
    decided = results.decisions.set_index("claim").loc["transfers"]
    assert decided["verdict"] == "supported"
    assert decided["participant"] == "group"
    page = (demo.output / "group.html").read_text(encoding="utf-8")
    assert 'id="figure-transfer"' in page
    assert "mapped through synthetic ones, teach a decoder to read" in page
    assert (demo.output / "group" / "figures" / "transfer.svg").is_file()
    assert tuple(TRANSFER_COLUMNS.known) == COMPUTED


def test_one_participant_has_no_table_and_a_sentence(demo, tmp_path):
    output = tmp_path / "out"
    shutil.copytree(demo.output, output)
    experiments = tmp_path / "list.toml"
    experiments.write_text("[[experiment]]\nname = 'a'\nrois = ['PPA']\nsizes = []\ntraining = ['real']\n")
    words = [tmp_path / "no", output, "group", "--participant-label", "01", "--experiments", experiments]
    done = CliRunner().invoke(run, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    assert not list(output.glob("group/transfer_scores.*"))
    results = load_group(output)
    assert results.transfer is None
    assert any("nothing was transferred" in sentence for sentence in results.summary["skipped"])
    assert "transfers" not in set(pd.Series(results.decisions["claim"]))
    assert "Nothing was transferred" in (output / "group.html").read_text(encoding="utf-8")
