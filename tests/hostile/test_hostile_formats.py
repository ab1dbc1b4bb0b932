"""Tables, JSON, matrices and files that lead into others; text that others would run."""

from __future__ import annotations

import json
import re
import shutil
import struct
import time
import tracemalloc
import zlib
from dataclasses import replace
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import scipy.io
from hostile_corpus import Place
from hostile_corpus.runs import call
from hostile_corpus.seeds import AFFINE
from hostile_corpus.watching import watching
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bidsapp_synthfmri.config import RunConfig
from bidsapp_synthfmri.dataset.cifti import read_dscalar
from bidsapp_synthfmri.dataset.image_sets import read_image_set
from bidsapp_synthfmri.dataset.matlab import MatlabFile
from bidsapp_synthfmri.dataset.surfaces import _read_series, surface_shape
from bidsapp_synthfmri.dataset.tables import MOST_ROWS, read_tsv
from bidsapp_synthfmri.derivatives.reader import load_participant
from bidsapp_synthfmri.derivatives.tables import kinds_of, parse_table, table_text
from bidsapp_synthfmri.errors import InputMalformedError
from bidsapp_synthfmri.formulas import is_formula, marked, unmarked
from bidsapp_synthfmri.json_objects import parse_object
from bidsapp_synthfmri.workflow.inputs import read_inputs

TEXT = st.text(alphabet=st.sampled_from("=+-@'\"09.eE aä＝"), max_size=8) | st.text(max_size=6)


class TestFormulas:
    @given(TEXT)
    @example("-0.3")
    @example("'-0.3")
    @example("'=1")
    @example("''=1")
    def test_marking_is_undone_and_leaves_no_formula(self, text):
        assert unmarked(marked(text)) == text
        assert not marked(text).startswith(("=", "+", "-", "@", "\uff1d")) or is_number(marked(text))

    @pytest.mark.parametrize("text", ["-0.3", "+1", "-1e-5", ".5", "1", "a=b", "n/a", "", "Ähre", "'quoted'"])
    def test_numbers_and_other_words_stay(self, text):
        assert marked(text) == text

    @pytest.mark.parametrize(
        "text", ["=1+1", "@SUM(A1)", "+cmd", "-2+3", "--1", "-", "＝1", "=cmd|' /C calc'!A0"]
    )
    def test_what_a_spreadsheet_would_run_is_marked(self, text):
        assert is_formula(text)
        assert marked(text) == f"'{text}"

    @given(st.lists(TEXT.filter(lambda text: text not in ("", "n/a") and text.isprintable()), min_size=1))
    def test_a_table_gives_back_its_text(self, texts):
        table = pd.DataFrame({"label": texts, "r": [-0.3] * len(texts)})
        dictionary = {name: {"Format": kind} for name, kind in kinds_of(table).items()}
        read = parse_table(table_text(table), dictionary, "x.tsv")
        assert read["label"].tolist() == texts
        assert "\t-0.3\n" in table_text(table)


def is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text) is not None


class TestTables:
    @pytest.mark.long
    @pytest.mark.parametrize("n_rows", [MOST_ROWS + 1, 10_000_000])
    def test_ten_million_rows_are_refused_in_seconds_and_bounded_memory(self, tmp_path, n_rows):
        path = tmp_path / "events.tsv"
        path.write_bytes(b"onset\tduration\tstim_file\n" + b"1\t1\ta.jpg\n" * n_rows)
        started = time.monotonic()
        tracemalloc.start()
        with pytest.raises(InputMalformedError, match="more than 2,000,000 rows"):
            read_tsv(path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 1.5e9
        assert time.monotonic() - started < 300  # of a machine that does much else

    def test_a_table_too_large_to_hold_is_refused_unread(self, tmp_path):
        path = tmp_path / "events.tsv"
        with path.open("wb") as file:
            file.truncate(2**33)
        with pytest.raises(InputMalformedError, match="larger than 256 MiB"):
            read_tsv(path)

    @given(st.lists(st.lists(st.text(max_size=5), min_size=2, max_size=2), max_size=4))
    def test_what_is_written_as_tsv_is_read_back(self, tmp_path_factory, rows):
        path = tmp_path_factory.mktemp("table") / "x.tsv"
        pd.DataFrame(rows, columns=["a", "b"]).to_csv(path, sep="\t", index=False)
        printable = all(cell.isprintable() for row in rows for cell in row)
        kept = [row for row in rows if any(cell.strip() for cell in row)]
        if printable:
            assert read_tsv(path).to_numpy().tolist() == kept


class TestJson:
    VALUES = st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(10**9), 10**9)
        | st.floats(allow_nan=False)
        | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    )

    @given(st.dictionaries(st.text(max_size=4), VALUES, max_size=4))
    def test_an_object_is_what_it_says(self, content):
        assert parse_object(json.dumps(content), "x.json", "Mend it") == content

    @given(st.dictionaries(st.text(max_size=4), st.integers(), min_size=1, max_size=4), st.data())
    def test_a_key_twice_is_refused_at_any_depth(self, content, data):
        key = data.draw(st.sampled_from(sorted(content)))
        text = f"{json.dumps(content)[:-1]}, {json.dumps(key)}: 0}}"
        for _ in range(data.draw(st.integers(0, 3))):
            text = f'{{"deeper": [{text}]}}'
        with pytest.raises(InputMalformedError, match="twice in one object"):
            parse_object(text, "x.json", "Mend it")


class TestMatlab:
    TYPES = ("f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")

    @settings(deadline=None, max_examples=60)
    @given(
        st.sampled_from(TYPES), st.integers(0, 6), st.integers(0, 6), st.booleans(), st.booleans(), st.data()
    )
    def test_matrices_are_what_scipy_says_they_are(
        self, tmp_path_factory, dtype, rows, columns, packed, f, data
    ):
        path = tmp_path_factory.mktemp("mat") / "x.mat"
        numbers = st.integers(0, 100)
        values = data.draw(st.lists(numbers, min_size=rows * columns, max_size=rows * columns))
        matrix = np.array(values, dtype=dtype).reshape(rows, columns, order="F" if f else "C")
        content = {
            "LHPPA": matrix,
            "note": "text",
            "cell": np.array([[1, "a"]], dtype=object),
            "z": matrix > 3,
        }
        scipy.io.savemat(path, content, do_compression=packed)
        file = MatlabFile(path)
        shapes = {name: shape for name, shape, _ in scipy.io.whosmat(path)}
        assert file.shapes() == {"LHPPA": shapes["LHPPA"], "note": None, "cell": None, "z": None}
        expected = scipy.io.loadmat(path)["LHPPA"]
        np.testing.assert_array_equal(file.read("LHPPA"), expected)

    def test_a_matrix_that_unpacks_without_end_takes_what_it_promises(self, tmp_path):
        head = struct.pack("<IIII", 6, 8, 6, 0) + struct.pack("<IIii", 5, 8, 1, 2)
        name = struct.pack("<II", 1, 5) + b"LHPPA\0\0\0"
        content = head + name + struct.pack("<II", 9, 16)
        bomb = zlib.compress(struct.pack("<II", 14, 2**31) + content + bytes(500_000_000), 9)
        path = tmp_path / "x.mat"
        path.write_bytes(b"MATLAB 5.0".ljust(124) + b"\0\1IM" + struct.pack("<II", 15, len(bomb)) + bomb)
        tracemalloc.start()
        assert MatlabFile(path).read("LHPPA").shape == (1, 2)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 10_000_000


class TestOtherFiles:
    """Nothing is read through a data file of another one."""

    def test_a_surface_whose_values_lie_elsewhere(self, tmp_path):
        path, secret = tmp_path / "x.func.gii", tmp_path / "secret.bin"
        secret.write_bytes(np.arange(10, dtype="<f4").tobytes())
        nib.save(nib.GiftiImage(darrays=[nib.gifti.GiftiDataArray(np.arange(10, dtype="f4"))] * 3), path)
        text = path.read_text()
        text = re.sub('Encoding="[^"]*"', 'Encoding="ExternalFileBinary"', text)
        text = re.sub('ExternalFileName="[^"]*"', 'ExternalFileName="secret.bin"', text)
        path.write_text(re.sub("<Data>.*?</Data>", "<Data/>", text, flags=re.DOTALL))
        assert surface_shape(path) == (3, 10)
        with pytest.raises(InputMalformedError, match="another file"):
            _read_series(path, 10)

    @pytest.mark.parametrize("kind", ["laughs", "entity"])
    def test_a_surface_with_entities(self, tmp_path, kind):
        path = tmp_path / "x.func.gii"
        nib.save(nib.GiftiImage(darrays=[nib.gifti.GiftiDataArray(np.arange(10, dtype="f4"))] * 3), path)
        body = path.read_text().partition("<GIFTI")[2]
        laughs = '<!ENTITY a0 "ha">' + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
        entities = {"laughs": laughs, "entity": '<!ENTITY a9 SYSTEM "file:///etc/passwd">'}[kind]
        value = "<MetaData><MD><Name>x</Name><Value>&a9;</Value></MD></MetaData>"
        body = re.sub("<MetaData ?/>", value, body, count=1)
        path.write_text(f'<?xml version="1.0"?><!DOCTYPE GIFTI [{entities}]><GIFTI{body}')
        with watching() as watched:
            if kind == "laughs":
                with pytest.raises(InputMalformedError, match="amplification"):
                    _read_series(path, 10)
            else:
                assert len(_read_series(path, 10)) == 3
        assert watched.connections == set()

    @pytest.mark.parametrize("kind", ["external", "virtual", "never written"])
    def test_pictures_that_lie_elsewhere(self, tmp_path, kind):
        path, shape = tmp_path / "x.h5", (1, 10, 10, 3)
        (tmp_path / "secret.bin").write_bytes(bytes(300))
        with h5py.File(path, "w") as file:
            if kind == "external":
                file.create_dataset("a", shape, "u1", external=[(str(tmp_path / "secret.bin"), 0, 300)])
            elif kind == "virtual":
                layout = h5py.VirtualLayout(shape, "u1")
                layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "a", shape)
                file.create_virtual_dataset("a", layout)
            else:
                file.create_dataset("a", (10**6, 1000, 1000, 3), "u1", chunks=(1, 1000, 1000, 3))
        words = "stored" if kind == "never written" else "other files"
        with pytest.raises(InputMalformedError, match=words):
            read_image_set("x", path)

    def test_a_link_into_another_file_gives_no_picture(self, tmp_path):
        with h5py.File(tmp_path / "other.h5", "w") as file:
            file["a"] = np.zeros((1, 4, 4, 3), dtype=np.uint8)
        with h5py.File(tmp_path / "x.h5", "w") as file:
            file["a"] = h5py.ExternalLink("other.h5", "/a")
        with pytest.raises(InputMalformedError, match="four dimensions"):
            read_image_set("x", tmp_path / "x.h5")

    def test_voxels_outside_the_volume_are_refused(self, tmp_path):
        columns = nib.cifti2.BrainModelAxis.from_mask(np.ones((2, 2, 2)), affine=AFFINE, name="other")
        columns.voxel[0] = (7, 0, 0)
        path = tmp_path / "x.dscalar.nii"
        axes = (nib.cifti2.ScalarAxis(["a"]), columns)
        nib.save(nib.Cifti2Image(np.ones((1, 8), dtype=np.float32), axes), path)
        with pytest.raises(InputMalformedError, match="1 voxels outside"):
            read_dscalar(path)


@pytest.fixture
def oddly_placed(plain: Path, tmp_path: Path) -> Path:
    """The dataset below a folder of an unusual name."""
    folder = tmp_path / "Ein Ordner – 数据 #1 'x' %20 & <b>"
    folder.mkdir()
    shutil.copytree(plain, folder / "bids", symlinks=True)
    return folder / "bids"


def test_names_with_spaces_and_signs_change_nothing_that_is_read(plain, oddly_placed):
    config = RunConfig(bids_dir=plain, output_dir=plain / "derivatives" / "out")
    odd = replace(config, bids_dir=oddly_placed, output_dir=oddly_placed.with_name("my results"))
    ours, theirs = (read_inputs(each, "01") for each in (config, odd))
    pd.testing.assert_frame_equal(ours.trials.table, theirs.trials.table)
    for our_run, their_run in zip(ours.runs(), theirs.runs(), strict=True):
        np.testing.assert_array_equal(our_run.bold, their_run.bold)


@pytest.mark.long
def test_names_with_spaces_and_signs_change_no_result(plain, oddly_placed, tmp_path):
    results = []
    for bids, output in ((plain, tmp_path / "plain"), (oddly_placed, oddly_placed.with_name("my results"))):
        done = call(bids, output, "--participant-label", "01")
        assert done.exit_code == 0, done.output[-2000:]
        files = (output / "sub-01").rglob("*_statmap*.nii*")
        results.append({path.name: path.read_bytes() for path in files})
    assert results[0] == results[1]
    assert len(results[0]) > 3


def test_labels_from_data_reach_tables_marked_and_pages_escaped(plain, tmp_path):
    """Through the whole app: a folder of pictures, and a column, named as what others would run."""
    bids = tmp_path / "bids"
    shutil.copytree(plain, bids, symlinks=True)
    place = Place(bids, "01")
    first = place.events.read_text().splitlines()
    column = first[0].split("\t").index("stim_file")
    name = "=cmd|' <img src=x onerror=alert(1)>/picture.jpg"
    picture = bids / "stimuli" / name
    picture.parent.mkdir(parents=True)
    shutil.copyfile(bids / "stimuli" / first[1].split("\t")[column], picture)
    place.show(name)
    done = call(bids, tmp_path / "out", "--participant-label", "01")
    assert done.exit_code == 0, done.output[-2000:]
    tables = list((tmp_path / "out").rglob("*.tsv"))
    assert len(tables) > 5
    cells = [cell for path in tables for line in path.read_text().splitlines() for cell in line.split("\t")]
    assert f"'{name}" in cells
    assert [cell for cell in cells if cell.startswith(("=", "+", "@")) and not is_number(cell)] == []
    for page in (tmp_path / "out").rglob("*.html"):
        assert "<img src=x" not in page.read_text(encoding="utf-8")
    trials = load_participant(tmp_path / "out", "01").responses.trials.table
    assert name in set(trials["stimulus"])
