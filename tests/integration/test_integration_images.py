"""Extra image sets of the participant level, from an archive as from a folder."""

from __future__ import annotations

import shutil
import tarfile

import numpy as np
import pandas as pd

from bidsapp_synthfmri.derivatives.reader import load_participant


def test_an_archive_gives_what_its_folder_gives_without_test_pictures(small, tmp_path, participant_level):
    shown = pd.concat(
        pd.read_csv(path, sep="\t") for path in small.bids_dir.glob("sub-01/ses-*/func/*_events.tsv")
    )["stim_file"].value_counts()
    folder = tmp_path / "extra"
    shutil.copytree(small.extra_dir, folder)
    shutil.copy(small.stimuli_dir / shown.index[shown > 1][0], folder / "tree" / "under_another_name.jpg")
    with tarfile.open(tmp_path / "extra.tar", "w") as tar:
        for path in sorted(folder.rglob("*.jpg")):
            tar.add(path, path.relative_to(folder).as_posix())
            label = tmp_path / "label.txt"
            label.write_text(path.parent.name)
            tar.add(label, path.relative_to(folder).with_suffix(".cls").as_posix())
    images = [f"folder={folder}", f"archive={tmp_path / 'extra.tar'}"]
    done = participant_level(small.bids_dir, "--images", *images, "--responses", "tr34")
    assert done.exit_code == 0, done.output

    archive, from_folder = load_participant(tmp_path / "out", "01").extra
    assert np.array_equal(archive.values, from_folder.values)
    for column in ("stimulus", "label"):
        assert list(archive.table[column]) == list(from_folder.table[column])
    assert not archive.table["stimulus"].str.contains("under_another_name").any()
