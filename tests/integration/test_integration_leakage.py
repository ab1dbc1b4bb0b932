"""A dataset whose training shows a test picture again: found, written, said on the page."""

from __future__ import annotations

import json

import pandas as pd
from PIL import Image

from bidsapp_synthfmri.derivatives.reader import load_participant


def test_a_planted_copy_is_found_written_and_shown(spoilt, tmp_path, participant_level):
    events = pd.concat(pd.read_csv(path, sep="\t") for path in sorted(spoilt.rglob("sub-01*_events.tsv")))
    shown = events["stim_file"].value_counts()
    tested, trained = shown.index[shown > 1][0], sorted(shown.index[shown == 1])[0]
    with Image.open(spoilt / "stimuli" / tested) as picture:
        picture.convert("RGB").resize((48, 48)).save(spoilt / "stimuli" / trained, "JPEG", quality=60)

    done = participant_level(spoilt, "--source-column", "ImgType", "--responses", "tr34")

    assert done.exit_code == 0, done.output
    found = load_participant(tmp_path / "out", "01")
    (pair,) = found.leakage.pairs.itertuples()
    assert (pair.stimulus, pair.other, pair.other_split) == (tested, trained, "train")
    assert pair.kind == "near-duplicate"
    assert {"all", "within_sources", "without_duplicates"} <= set(found.leakage.scores["subset"])
    accounted = found.accounting[found.accounting["level"] == "voxel"].set_index(["roi", "row"])["value"]
    scored = found.leakage.scores[found.leakage.scores["subset"] == "all"].set_index(["roi", "row"])["value"]
    for row in ("synthetic_real", "real_real"):
        pd.testing.assert_series_equal(
            scored.xs(row, level="row"), accounted.xs(row, level="row"), check_names=False, rtol=1e-9
        )
    page = (tmp_path / "out" / "sub-01.html").read_text(encoding="utf-8")
    assert '<section id="leakage">' in page
    assert trained in page
    assert "Training holds copies of 1 of 12 test pictures" in page
    assert "*_pairs.*" in (tmp_path / "out" / ".bidsignore").read_text().splitlines()
    summary = next((tmp_path / "out").glob("sub-01/func/*_summary.json"))
    assert json.loads(summary.read_text())["leakage"]["weights"] == "random"


def test_a_wrong_source_column_is_refused_before_any_work(small, participant_level, assert_refused):
    done = participant_level(small.bids_dir, "--source-column", "Origin")
    assert_refused(done, 2, ("no column Origin", "ImgType", "--source-column"))
