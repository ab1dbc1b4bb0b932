"""Small BIDS datasets, made on the fly by one seeded function."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bidsapp_synthfmri.config import RunConfig
from bidsapp_synthfmri.dataset.precomputed import open_precomputed
from bidsapp_synthfmri.dataset.structures import (
    Asked,
    ParticipantEvents,
    ParticipantFiles,
    Precomputed,
    RoiFile,
    RunFiles,
)
from bidsapp_synthfmri.dataset.trials import read_trials

SHAPE = (6, 7, 5)
N_VOLUMES = 12
AFFINE = np.array([[2.0, 0, 0, -6], [0, 2.0, 0, -8], [0, 0, 2.0, -4], [0, 0, 0, 1]])
SESSIONS = ("01", "02")
RUNS = ("01", "02")
ANNEX = ".git/annex/objects/Xq/9z/MD5E-s1--0/MD5E-s1--0"
REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "ds001499"


@dataclass
class FakeDataset:
    """A dataset on disk and what is in it."""

    root: Path
    legacy: bool
    bold: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    rois: dict[str, np.ndarray] = field(default_factory=dict)

    def config(self, **options: Any) -> RunConfig:
        return RunConfig(bids_dir=self.root, output_dir=self.root.parent / "out", **options)

    def raw(self, name: str, session: str = "01", run: str = "01", task: str = "scenes") -> Path:
        folder = self.root / "sub-A1" / f"ses-{session}" / "func"
        return folder / f"sub-A1_ses-{session}_task-{task}_run-{run}_{name}"

    def derived(self, kind: str, session: str = "01", run: str = "01") -> Path:
        names = {
            "bold": ("bold_space-T1w_preproc.nii.gz", "space-T1w_desc-preproc_bold.nii.gz"),
            "sidecar": ("", "space-T1w_desc-preproc_bold.json"),
            "mask": ("bold_space-T1w_brainmask.nii.gz", "space-T1w_desc-brain_mask.nii.gz"),
            "confounds": ("bold_confounds.tsv", "desc-confounds_timeseries.tsv"),
        }
        folder = self.root / "derivatives" / "fmriprep" / "sub-A1" / f"ses-{session}" / "func"
        name = names[kind][0 if self.legacy else 1]
        return folder / f"sub-A1_ses-{session}_task-scenes_run-{run}_{name}"

    def roi(self, name: str) -> Path:
        if self.legacy:
            return self.root / "derivatives" / "spm" / "sub-A1" / f"sub-A1_mask-{name}.nii.gz"
        folder = self.root / "derivatives" / "rois" / "sub-A1" / "anat"
        return folder / f"sub-A1_hemi-{name[0]}_space-T1w_label-{name[2:]}_mask.nii.gz"

    def files(self) -> ParticipantFiles:
        """What the index finds; a test of the index compares the two."""
        runs = tuple(
            RunFiles(
                participant="A1",
                session=session,
                task="scenes",
                run=run,
                events=self.raw("events.tsv", session, run),
                bold=self.derived("bold", session, run),
                brain_mask=self.derived("mask", session, run),
                confounds=self.derived("confounds", session, run),
                repetition_time=2.0,
                start_time=0.0 if self.legacy else 0.95,
            )
            for session, run in self.bold
        )
        names = (("LHLOC", "LHLO"), ("LHPPA", "LHPPA"), ("RHPPA", "RHPPA"))
        rois = tuple(RoiFile(name, self.roi(spelt)) for name, spelt in names)
        return ParticipantFiles("A1", "scenes", "T1w", runs, rois)

    @staticmethod
    def volume(path: Path, values: np.ndarray, affine: np.ndarray = AFFINE, tr: float | None = 2.0) -> None:
        image = nib.Nifti1Image(values, affine)
        if values.ndim == 4:
            image.header.set_xyzt_units("mm", "sec" if tr else "unknown")
            image.header["pixdim"][4] = tr or 0
        path.parent.mkdir(parents=True, exist_ok=True)
        nib.save(image, path)

    @staticmethod
    def text(path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, newline="")

    @staticmethod
    def annex_link(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to("../" * 3 + ANNEX)


def _events(n_first: int) -> str:
    header = "onset\tduration\ttrial_type\tstim_file\tResponse"
    rows = [
        f"{6 + 10 * k}.0{k}\t0.9{k}\tpicture\tpicture{(n_first + k) % 5}.jpg\t{k}" for k in (1, 0)
    ]  # out of order: rows need not be sorted
    return "\r\n".join([header, *rows, "3.0\t1\tfixation\tn/a\tn/a"]) + "\r\n"


def _confounds(rng: np.random.Generator, legacy: bool) -> str:
    motion = "X Y Z RotX RotY RotZ" if legacy else "trans_x trans_y trans_z rot_x rot_y rot_z"
    acompcor = "aCompCor{:02d}" if legacy else "a_comp_cor_{:02d}"
    outlier = "NonSteadyStateOutlier00" if legacy else "non_steady_state_outlier00"
    displacement = "FramewiseDisplacement" if legacy else "framewise_displacement"
    names = [displacement, *(acompcor.format(k) for k in range(6)), outlier, *motion.split()]
    values = rng.normal(size=(N_VOLUMES, len(names)))
    values[:, names.index(outlier)] = np.arange(N_VOLUMES) == 0
    rows = [[f"{value:.6f}" for value in row] for row in values]
    rows[0][0] = "n/a"
    return "\n".join("\t".join(row) for row in [names, *rows]) + "\n"


def _make(root: Path, legacy: bool) -> FakeDataset:
    rng = np.random.default_rng(11)
    dataset = FakeDataset(root, legacy)
    dataset.text(root / "dataset_description.json", json.dumps({"Name": "fake", "BIDSVersion": "1.8.0"}))
    dataset.text(root / "task-scenes_bold.json", json.dumps({"TaskName": "scenes", "RepetitionTime": 2}))
    (root / "sub-B2" / "ses-01" / "anat").mkdir(parents=True)
    brain = np.zeros(SHAPE, dtype=np.uint8)
    brain[1:-1, 1:-1, 1:-1] = 1
    for n_run, (session, run) in enumerate((s, r) for s in SESSIONS for r in RUNS):
        series = rng.integers(500, 1500, (*SHAPE, N_VOLUMES)).astype(np.int16)
        dataset.bold[session, run] = series
        dataset.volume(dataset.derived("bold", session, run), series)
        dataset.volume(dataset.derived("mask", session, run), np.roll(brain, n_run // 3, axis=0))
        dataset.text(dataset.derived("confounds", session, run), _confounds(rng, legacy))
        dataset.text(dataset.raw("events.tsv", session, run), _events(n_run))
        dataset.annex_link(dataset.raw("bold.nii.gz", session, run))
        if not legacy:
            dataset.text(
                dataset.derived("sidecar", session, run),
                json.dumps({"RepetitionTime": 2.0, "StartTime": 0.95}),
            )
    dataset.text(
        dataset.raw("events.tsv", task="localizer"), "onset\tduration\ttrial_type\n0.0\t16.0\tfaces\n"
    )
    for name in ("LHPPA", "RHPPA", "LHLO"):
        mask = (rng.random(SHAPE) < 0.1) * rng.random(SHAPE)
        dataset.rois[name] = mask > 0
        dataset.volume(dataset.roi(name), mask.astype(np.float32))
    if not legacy:
        dataset.text(root / "derivatives" / "fmriprep" / "dataset_description.json", "{}")
    for k in range(5):
        path = root / "stimuli" / f"picture{k}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (8, 8, 3)).astype(np.uint8)).save(path)
    return dataset


@pytest.fixture(params=["names of before 2018", "names of today"])
def dataset(request: pytest.FixtureRequest, tmp_path: Path) -> FakeDataset:
    """A dataset of one participant with data, in either naming."""
    return _make(tmp_path / "bids", legacy=request.param == "names of before 2018")


@pytest.fixture
def legacy(tmp_path: Path) -> FakeDataset:
    """The same in the names of before 2018 alone, where the naming does not matter."""
    return _make(tmp_path / "bids", legacy=True)


@pytest.fixture
def modern(tmp_path: Path) -> FakeDataset:
    """The same in the names of today alone."""
    return _make(tmp_path / "bids", legacy=False)


@pytest.fixture
def bare(legacy: FakeDataset) -> FakeDataset:
    """A dataset without BOLD, brain masks and confounds: events, pictures and ROI masks alone."""
    shutil.rmtree(legacy.root / "derivatives" / "fmriprep")
    for path in legacy.root.rglob("*_bold.nii.gz"):
        path.unlink()
    return legacy


@pytest.fixture
def precomputed(bare: FakeDataset) -> Callable[..., Precomputed]:
    """Responses of a path, matched with the bare dataset's events."""
    files = bare.files()

    def match(
        path: Path, rois: tuple[str, ...] = (), sessions: tuple[str, ...] = (), space: str | None = None
    ) -> Precomputed:
        every = read_trials(files, "stim_file").trials
        chosen = np.asarray(every.table["session"].isin(sessions or SESSIONS), dtype=bool)
        there = tuple(roi for roi in files.rois if roi.path.is_file())
        own = ParticipantEvents(files.participant, files.task, "T1w", files.runs, there)
        return open_precomputed(path, Asked(own, every.take(chosen), every, bool(sessions), space, rois))

    return match


@pytest.fixture
def real() -> Path:
    """The part of ds001499 that lies beside the repository."""
    if not REAL.is_dir():
        pytest.skip("ds001499's files are not beside the repository")
    return REAL


@pytest.fixture
def truncate() -> Callable[[Path, int], None]:
    """Cut a gzipped file short by some bytes."""

    def cut(path: Path, n_bytes: int) -> None:
        path.write_bytes(path.read_bytes()[:-n_bytes])

    return cut


@pytest.fixture
def damage() -> Callable[[Path], None]:
    """Change one value of a gzipped file but not its checksum."""

    def change(path: Path) -> None:
        raw = gzip.decompress(path.read_bytes())
        sound, changed = (gzip.compress(text, mtime=0) for text in (raw, raw[:-1] + bytes([raw[-1] ^ 1])))
        path.write_bytes(changed[:-8] + sound[-8:])

    return change


@pytest.fixture
def run(dataset):
    """A run with confounds."""
    return dataset.files().runs[0]


@pytest.fixture
def rewrite(run):
    """Change the run's table as text."""

    def change(edit):
        table = pd.read_csv(run.confounds, sep="\t", dtype=str, keep_default_na=False)
        edit(table).to_csv(run.confounds, sep="\t", index=False)

    return change
