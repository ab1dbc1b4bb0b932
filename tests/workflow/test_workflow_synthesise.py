"""Any source of images to shards of responses: the same values, the same bytes, whatever was in the way."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from bidsapp_synthfmri import Encoder
from bidsapp_synthfmri.cli.main import main

VALIDATOR = Path(sys.executable).with_name("bids-validator-deno")
COMMAND = Path(sys.executable).with_name("synthfmri")


def synthesize(encoder: Path, images: Path, out: Path, *options: object) -> Result:
    words = ["synthesize", encoder, images, out, "--n-cpus", 1, *options]
    return CliRunner().invoke(main, [str(word) for word in words])


def tables(out: Path) -> list[pd.DataFrame]:
    found = sorted(out.glob("sub-01/func/*_stimuli.tsv"))
    return [pd.read_csv(path, sep="\t", keep_default_na=False) for path in found]


def responses(out: Path, stat: str = "effect") -> np.ndarray:
    found = sorted(out.glob(f"sub-01/func/*_desc-synthetic*_stat-{stat}_statmap.dscalar.nii"))
    return np.concatenate([np.asarray(nib.load(path).dataobj) for path in found])


def digests(out: Path) -> dict[str, str]:
    """Of everything but the logs, and what a kill left of files that are not of the image set."""
    files = [path for path in sorted(out.rglob("*")) if path.is_file() and "logs" not in path.parts]
    files = [path for path in files if not path.name.endswith(".partial")]
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_shards_hold_what_the_encoder_predicts(stored_encoder, pictures, tmp_path):
    made = pictures(11)
    done = synthesize(stored_encoder, made.folder, tmp_path / "out", "--shard-size", 4, "--batch-size", 3)
    assert done.exit_code == 0, done.output
    parts = tables(tmp_path / "out")
    assert [len(part) for part in parts] == [4, 4, 3]
    table = pd.concat(parts)
    assert tuple(table["stimulus"]) == made.names
    assert list(table["listed"]) == list(range(1, 12))
    assert set(table["label"]) == {"scenes", "faces"}
    expected = Encoder.load(stored_encoder).predict([made.folder / name for name in made.names])
    # Other batches: float32 sums in another order.
    np.testing.assert_allclose(responses(tmp_path / "out"), expected, rtol=0, atol=1e-5)


def test_what_fits_one_file_has_no_shards(stored_encoder, pictures, tmp_path):
    done = synthesize(stored_encoder, pictures(3).folder, tmp_path / "out")
    assert done.exit_code == 0, done.output
    folder = tmp_path / "out" / "sub-01" / "func"
    stem = "sub-01_task-images_space-T1w_desc-syntheticImages_stat-effect_statmap"
    assert (folder / f"{stem}.dscalar.nii").is_file()
    sidecar = json.loads((folder / f"{stem}.json").read_text())
    assert "No human was scanned" in sidecar["Description"]
    assert sidecar["SkippedImages"] == 0


@pytest.mark.skipif(not VALIDATOR.exists(), reason="bids-validator-deno is not installed")
def test_a_sharded_set_is_valid_bids(stored_encoder, pictures, tmp_path):
    made = pictures(5)
    (made.folder / "scenes" / "bad.png").write_bytes(b"no picture")
    done = synthesize(stored_encoder, made.folder, tmp_path / "out", "--shard-size", 2)
    assert done.exit_code == 10
    run = subprocess.run([VALIDATOR, tmp_path / "out", "--json"], capture_output=True, text=True, check=False)
    found = json.loads(run.stdout)["issues"]["issues"]
    assert [issue for issue in found if issue["severity"] == "error"] == []


def as_table(made, _):
    lines = [f"{name}\t{name.partition('/')[0]}\n" for name in made.names]
    (made.folder / "images.tsv").write_text("path\tlabel\n" + "".join(lines))
    return made.folder / "images.tsv"


def as_tar(made, tmp_path):
    with tarfile.open(tmp_path / "images.tar", "w") as tar:
        for name in made.names:
            tar.add(made.folder / name, name)
            label = name.partition("/")[0].encode()
            member = tarfile.TarInfo(name.removesuffix(".png") + ".cls")
            member.size = len(label)
            tar.addfile(member, io.BytesIO(label))
    return tmp_path / "images.tar"


def pixels_of(made):
    return np.stack([np.asarray(Image.open(made.folder / name)) for name in made.names])


def as_npy(made, tmp_path):
    np.save(tmp_path / "images.npy", pixels_of(made))
    return tmp_path / "images.npy"


def as_hdf(made, tmp_path):
    with h5py.File(tmp_path / "images.h5", "w") as file:
        file.create_dataset("pictures", data=pixels_of(made), chunks=(2, 70, 80, 3), compression="gzip")
        file["numbers"] = np.arange(3)
    return tmp_path / "images.h5"


@pytest.mark.parametrize("form", [as_table, as_tar, as_npy, as_hdf])
def test_every_form_of_the_same_images_gives_the_same_responses(stored_encoder, pictures, tmp_path, form):
    made = pictures(5)
    source = form(made, tmp_path)
    assert synthesize(stored_encoder, made.folder, tmp_path / "folder").exit_code == 0
    done = synthesize(stored_encoder, source, tmp_path / "other")
    assert done.exit_code == 0, done.output
    assert np.array_equal(responses(tmp_path / "other"), responses(tmp_path / "folder"))
    (table,) = tables(tmp_path / "other")
    if form in (as_table, as_tar):
        assert list(table["label"]) == [name.partition("/")[0] for name in made.names]
    else:
        assert "label" not in table


@pytest.fixture
def killed(stored_encoder) -> Callable[..., int]:
    """Run the command in a process of its own, and kill it some seconds after it wrote ``n_shards`` more."""

    def n_written(out: Path) -> int:
        return len(list(out.glob("sub-01/func/*_statmap.dscalar.nii")))

    def run(images: Path, out: Path, n_shards: int | None = None, seconds: float = 0) -> int:
        words = ["synthesize", stored_encoder, images, out, "--n-cpus", "1"]
        options = ["--shard-size", "3", "--batch-size", "2"]
        n_before = n_written(out)
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        process = subprocess.Popen(
            [str(word) for word in [COMMAND, *words, *options]],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        if n_shards is not None:
            while process.poll() is None and n_written(out) < n_before + n_shards:
                time.sleep(0.001)
            time.sleep(seconds)
            process.send_signal(signal.SIGKILL)
        return process.wait()

    return run


def test_a_kill_at_any_moment_and_a_second_call_give_the_same_bytes(killed, pictures, tmp_path):
    made = pictures(40)
    (made.folder / "faces" / "001.png").write_bytes(b"no picture")
    assert killed(made.folder, tmp_path / "whole") == 10
    whole = digests(tmp_path / "whole")
    rng = random.Random(0)
    torn = 0
    for attempt in range(2):
        out = tmp_path / f"killed{attempt}"
        for _ in range(2):
            torn += killed(made.folder, out, rng.randint(1, 4), rng.uniform(0, 0.02)) == -signal.SIGKILL
        assert killed(made.folder, out) == 10
        assert digests(out) == whole
        assert not list(out.rglob("*_desc-synthetic*.partial"))
    assert torn == 4


def test_a_second_call_makes_only_what_is_missing_or_damaged(stored_encoder, pictures, tmp_path):
    made, out = pictures(8), tmp_path / "out"
    assert synthesize(stored_encoder, made.folder, out, "--shard-size", 2).exit_code == 0
    before = digests(out)
    matrices = sorted(out.glob("sub-01/func/*_statmap.dscalar.nii"))
    changed = {path: path.stat().st_mtime_ns for path in matrices}
    matrices[1].write_bytes(matrices[1].read_bytes()[:-4] + b"\0\0\0\0")
    matrices[2].unlink()
    done = synthesize(stored_encoder, made.folder, out, "--shard-size", 2)
    assert done.exit_code == 0, done.output
    assert digests(out) == before
    again = {path for path in matrices if path.stat().st_mtime_ns != changed[path]}
    assert again == set(matrices[1:3])


@pytest.mark.parametrize("options", [["--batch-size", "7"], ["--shard-size", "3"]])
def test_another_configuration_into_the_same_folder_is_refused(stored_encoder, pictures, tmp_path, options):
    made, out = pictures(4), tmp_path / "out"
    assert synthesize(stored_encoder, made.folder, out).exit_code == 0
    before = digests(out)
    done = synthesize(stored_encoder, made.folder, out, *options)
    assert done.exit_code == 2
    assert options[0].strip("-").replace("-", "_") in done.output
    assert digests(out) == before


def test_other_images_into_the_same_folder_are_refused_but_under_another_name_go_beside(
    stored_encoder, pictures, tmp_path
):
    made, out = pictures(4), tmp_path / "out"
    assert synthesize(stored_encoder, made.folder, out).exit_code == 0
    more = pictures(5, "more")
    assert synthesize(stored_encoder, more.folder, out).exit_code == 2
    done = synthesize(stored_encoder, more.folder, out, "--name", "more")
    assert done.exit_code == 0, done.output
    assert sorted(map(len, tables(out))) == [4, 5]


def test_unreadable_pictures_are_skipped_named_counted_and_in_the_exit_code(
    stored_encoder, pictures, tmp_path
):
    made, out = pictures(9), tmp_path / "out"
    for number in (0, 4, 8):
        (made.folder / made.names[number]).write_bytes(b"no picture")
    done = synthesize(stored_encoder, made.folder, out, "--shard-size", 4)
    assert done.exit_code == 10
    assert "3 of 9 images" in done.output.splitlines()[-1]
    table = pd.concat(tables(out))
    assert list(table["listed"]) == [2, 3, 4, 6, 7, 8]
    assert [len(part) for part in tables(out)] == [3, 3]
    manifest = json.loads(next(out.glob("sub-01/func/*_manifest.json")).read_text())
    skipped = [image["Stimulus"] for shard in manifest["Shards"] for image in shard["Skipped"]]
    assert skipped == [made.names[number] for number in (0, 4, 8)]
    sidecars = [json.loads(path.read_text()) for path in sorted(out.glob("sub-01/func/*_statmap.json"))]
    assert [sidecar["SkippedImages"] for sidecar in sidecars] == [1, 1]
    log = next(out.glob("logs/*/run.log")).read_text()
    assert all(made.names[number] in log for number in (0, 4, 8))
    expected = Encoder.load(stored_encoder).predict([made.folder / name for name in table["stimulus"]])
    np.testing.assert_allclose(responses(out), expected, rtol=0, atol=1e-5)


def test_strict_refuses_the_first_unreadable_picture(stored_encoder, pictures, tmp_path):
    made = pictures(5)
    (made.folder / made.names[3]).write_bytes(b"no picture")
    done = synthesize(stored_encoder, made.folder, tmp_path / "out", "--strict")
    assert done.exit_code == 4
    assert made.names[3] in done.output.splitlines()[-1]


def test_a_decompression_bomb_is_skipped_unread(stored_encoder, pictures, tmp_path, monkeypatch):
    made = pictures(3)
    Image.new("RGB", (200, 100)).save(made.folder / "scenes" / "vast.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 15_000)  # Pillow itself warns only, up to twice that
    with pytest.warns(Image.DecompressionBombWarning):
        done = synthesize(stored_encoder, made.folder, tmp_path / "out")
    assert done.exit_code == 10
    assert "more than 15,000 pixels" in next((tmp_path / "out").glob("logs/*/run.log")).read_text()


def test_nothing_but_unreadable_pictures_is_refused(stored_encoder, tmp_path):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(b"no picture")
    done = synthesize(stored_encoder, tmp_path / "pictures", tmp_path / "out")
    assert done.exit_code == 4
    assert "None of the 1 images" in done.output.splitlines()[-1]


def empty_folder(tmp_path, _):
    (tmp_path / "nothing").mkdir()
    return tmp_path / "nothing", []


def no_such_folder(tmp_path, _):
    return tmp_path / "nowhere", []


def no_labels(_, made):
    shutil.copy(made.folder / made.names[0], made.folder / "beside.png")
    return made.folder, ["--require-labels"]


def an_empty_label(_, made):
    (made.folder / "images.tsv").write_text(f"path\tlabel\n{made.names[0]}\t\n")
    return made.folder / "images.tsv", []


def no_path_column(_, made):
    (made.folder / "images.tsv").write_text(f"picture\n{made.names[0]}\n")
    return made.folder / "images.tsv", []


def a_path_that_leads_out(_, made):
    table = made.folder / "scenes" / "images.tsv"
    table.write_text(f"path\n../{made.names[0]}\n")
    return table, []


def an_absolute_path_elsewhere(tmp_path, _):
    (tmp_path / "images.tsv").write_text("path\n/etc/hostname\n")
    return tmp_path / "images.tsv", []


def a_truncated_archive(tmp_path, made):
    archive = as_tar(made, tmp_path)
    archive.write_bytes(archive.read_bytes()[:-15_000])
    return archive, []


def a_compressed_archive(tmp_path, made):
    with tarfile.open(tmp_path / "images.tar", "w:gz") as tar:
        tar.add(made.folder / made.names[0], "a.png")
    return tmp_path / "images.tar", []


def floats(tmp_path, _):
    np.save(tmp_path / "images.npy", np.zeros((2, 4, 4, 3)))
    return tmp_path / "images.npy", []


def a_truncated_array(tmp_path, made):
    path = as_npy(made, tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    return path, []


def two_datasets(tmp_path, made):
    with h5py.File(tmp_path / "images.h5", "w") as file:
        for name in ("first", "second"):
            file[name] = pixels_of(made)
    return tmp_path / "images.h5", []


def another_kind(tmp_path, _):
    (tmp_path / "images.zip").write_bytes(b"PK")
    return tmp_path / "images.zip", []


@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        (empty_folder, 3, "holds no image"),
        (no_such_folder, 3, "nowhere"),
        (no_labels, 4, "1 of 4 images of"),
        (an_empty_label, 4, "line 2, has an empty label"),
        (no_path_column, 4, "no column path"),
        (a_path_that_leads_out, 4, "lies outside"),
        (an_absolute_path_elsewhere, 4, "lies outside"),
        (a_truncated_archive, 4, "not a whole, uncompressed tar"),
        (a_compressed_archive, 4, "not a whole, uncompressed tar"),
        (floats, 4, "float64"),
        (a_truncated_array, 4, "not a whole .npy"),
        (two_datasets, 4, "first, second"),
        (another_kind, 2, "images.zip is no folder"),
    ],
)
def test_sources_that_cannot_be_used_are_refused_with_the_reason(
    stored_encoder, pictures, tmp_path, spoil, code, words
):
    source, options = spoil(tmp_path, pictures(3))
    done = synthesize(stored_encoder, source, tmp_path / "out", *options)
    assert done.exit_code == code, done.output
    message = done.output.splitlines()[-1]
    assert message.startswith("Error: ")
    assert words in message
    assert not list((tmp_path / "out").glob("sub-*"))


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def altered(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4] + b"\1\2\3\4")


def another_version(path: Path) -> None:
    card = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps({**card, "format_version": 99}))


def without_card(path: Path) -> None:
    path.with_suffix(".json").unlink()


@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        (truncated, 4, "does not match the hash"),
        (altered, 4, "does not match the hash"),
        (another_version, 4, "encoder format 99"),
        (without_card, 3, "is not there"),
    ],
)
def test_encoders_that_cannot_be_used_are_refused_with_the_reason(
    stored_encoder, pictures, tmp_path, spoil, code, words
):
    for path in (stored_encoder, stored_encoder.with_suffix(".json")):
        shutil.copy(path, tmp_path / path.name)
    spoil(tmp_path / stored_encoder.name)
    done = synthesize(tmp_path / stored_encoder.name, pictures(2).folder, tmp_path / "out")
    assert done.exit_code == code, done.output
    assert words in done.output.splitlines()[-1]
    assert not list((tmp_path / "out").glob("sub-*"))


def test_repeats_are_rows_with_noise_of_their_own(noisy_encoder, pictures, tmp_path):
    made, out = pictures(6), tmp_path / "out"
    options = ["--noise", "calibrated", "--repeats", 50, "--shard-size", 4, "--random-seed", 3]
    done = synthesize(noisy_encoder, made.folder, out, *options)
    assert done.exit_code == 0, done.output
    table = pd.concat(tables(out))
    assert list(table["stimulus"]) == [name for name in made.names for _ in range(50)]
    assert list(table["repeat"]) == list(range(1, 51)) * 6
    values = responses(out).reshape(6, 50, -1)
    prediction = Encoder.load(noisy_encoder).predict([made.folder / name for name in made.names])
    # The model's gain is 2 and its noise has SD 3: the mean of 50 trials varies by .42.
    assert np.abs(values.mean(axis=1) - 2 * prediction).max() < 5 * 3 / np.sqrt(50)
    noise = (values - 2 * prediction[:, None]).reshape(300, -1)
    assert abs(noise.std() / 3 - 1) < 0.05
    shared = np.corrcoef(noise.T)[np.triu_indices(noise.shape[1], 1)].mean()
    assert abs(shared - 0.8**2) < 0.1


def test_noise_depends_neither_on_batches_nor_on_shards_nor_on_pictures_skipped(
    noisy_encoder, pictures, tmp_path
):
    made = pictures(7)
    options = ["--noise", "independent", "--repeats", 2]
    forms = (["--batch-size", 2, "--shard-size", 3], ["--batch-size", 5])
    for number, form in enumerate(forms):
        assert synthesize(noisy_encoder, made.folder, tmp_path / str(number), *options, *form).exit_code == 0
    one, other = (responses(tmp_path / str(number)) for number in range(2))
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)
    (made.folder / made.names[2]).write_bytes(b"no picture")
    assert synthesize(noisy_encoder, made.folder, tmp_path / "skipped", *options).exit_code == 10
    np.testing.assert_allclose(responses(tmp_path / "skipped"), np.delete(one, [4, 5], axis=0), atol=1e-5)


def test_uncertainty_is_a_series_of_its_own(noisy_encoder, pictures, tmp_path):
    made, out = pictures(5), tmp_path / "out"
    options = ["--noise", "calibrated", "--repeats", 3, "--uncertainty", "--shard-size", 3]
    done = synthesize(noisy_encoder, made.folder, out, *options)
    assert done.exit_code == 0, done.output
    paths = [made.folder / name for name in made.names]
    ((_, variance),) = Encoder.load(noisy_encoder).predict_with_variance_batches(paths)
    sd = responses(out, "sd")
    np.testing.assert_allclose(sd, np.sqrt(variance), rtol=1e-4)
    assert (sd > 0).all()
    assert len(responses(out)) == 15
    names = [nib.load(path).header.get_axis(0).name for path in sorted(out.glob("sub-01/func/*stat-sd*.nii"))]
    assert tuple(np.concatenate(names)) == made.names


def test_noiseless_predictions_stay_so_beside_their_uncertainty(noisy_encoder, pictures, tmp_path):
    made, out = pictures(3), tmp_path / "out"
    assert synthesize(noisy_encoder, made.folder, out, "--uncertainty").exit_code == 0
    expected = Encoder.load(noisy_encoder).predict([made.folder / name for name in made.names])
    np.testing.assert_allclose(responses(out), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--noise", "calibrated"], "no noise model"),
        (["--uncertainty"], "without its uncertainty"),
        (["--repeats", 2], "--noise calibrated"),
        (["--noise", "independent", "--snr-scale", -1], "--snr-scale is -1"),
        (["--name", "a-b"], "not a BIDS label"),
        (["--batch-size", 0], "1 or more"),
    ],
)
def test_what_the_encoder_or_the_options_do_not_allow_is_refused(
    stored_encoder, pictures, tmp_path, options, words
):
    done = synthesize(stored_encoder, pictures(2).folder, tmp_path / "out", *options)
    assert done.exit_code == 2
    assert words in done.output.splitlines()[-1]
    assert not list((tmp_path / "out").glob("sub-*"))


@pytest.mark.parametrize("option", [["--name", "more"], ["--shard-size", 3], ["--uncertainty"]])
def test_a_scan_refuses_options_of_responses(stored_encoder, pictures, tmp_path, option):
    done = synthesize(stored_encoder, pictures(2).folder, tmp_path / "out", "--bold", *option)
    assert done.exit_code == 2
    assert f"{option[0]} says nothing of a synthetic scan" in done.output.splitlines()[-1]


def test_images_that_go_while_they_are_read_are_noticed(stored_encoder, pictures, tmp_path, monkeypatch):
    made = pictures(6)
    load = Encoder.load

    def load_and_lose(*arguments: object) -> Encoder:
        (made.folder / made.names[1]).unlink()
        return load(*arguments)

    monkeypatch.setattr(Encoder, "load", load_and_lose)
    done = synthesize(stored_encoder, made.folder, tmp_path / "out")
    assert done.exit_code == 4
    assert "changed while they were read: 1" in done.output.splitlines()[-1]
    assert not list((tmp_path / "out").glob("sub-01/func/*_stimuli.tsv"))


def test_the_documented_python_runs(noisy_encoder, pictures, tmp_path, monkeypatch):
    made = pictures(2)
    for name, picture in zip(("beach.png", "kitchen.png"), made.names, strict=True):
        shutil.copy(made.folder / picture, tmp_path / name)
    for path in (noisy_encoder, noisy_encoder.with_suffix(".json")):
        shutil.copy(path, tmp_path / path.name)
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[2] / "docs" / "synthesis.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(block, names)
    assert names["noiseless"].shape == (2, 12)
    assert names["trials"].shape == (10, 2, 12)
    assert names["responses"].shape == (8, 12)


def test_every_documented_option_is_the_commands():
    page = (Path(__file__).parents[2] / "docs" / "synthesis.md").read_text(encoding="utf-8")
    told = {
        name
        for row in re.findall(r"^\| `--.*", page, re.MULTILINE)
        for name in re.findall(r"`(--[a-z-]+)", row)
    }
    known = {option for parameter in main.commands["synthesize"].params for option in parameter.opts}
    assert told <= known
    of_scans = {
        "--bold",
        "--design",
        "--stimulus-column",
        "--repetition-time",
        "--runs",
        "--volumes",
        "--bold-noise",
    }
    assert {option for option in known - told if option.startswith("--")} <= of_scans | {
        "--dataset",
        "--n_cpus",
        "--nprocs",
    }
