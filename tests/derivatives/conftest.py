from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save

from bidsapp_synthfmri.config import RunConfig
from bidsapp_synthfmri.derivatives import names, participant
from bidsapp_synthfmri.derivatives.dataset import write_dataset_files
from bidsapp_synthfmri.derivatives.group import write_group
from bidsapp_synthfmri.derivatives.identification_columns import IDENTIFICATION_COLUMNS
from bidsapp_synthfmri.derivatives.transfer_columns import TRANSFER_COLUMNS
from bidsapp_synthfmri.derivatives.writer import Writer
from bidsapp_synthfmri.structures import Json, Responses, Space, SurfaceSpace, Synthetic, Trials, VoxelSpace

SHAPE = (7, 6, 5)


@dataclass(frozen=True)
class Written:
    """What was handed to the writer for one participant."""

    voxels: Space
    responses: Responses
    splits: np.ndarray
    synthetic: Synthetic
    extra: Synthetic
    maps: dict[str, np.ndarray]
    reliability_maps: dict[str, np.ndarray]
    layers: tuple[str, ...]
    encoding: pd.DataFrame
    accounting: pd.DataFrame
    reliability: pd.DataFrame
    summary: Json
    card: Json
    encoder: bytes


def voxel_space(rng: np.random.Generator, roi_names: tuple[str, ...]) -> VoxelSpace:
    """40 voxels; ROIs overlap, some voxels are in none, and the last ROI has none."""
    inside = np.sort(rng.choice(np.prod(SHAPE), 40, replace=False))
    membership = rng.random((len(roi_names), 40)) < 0.4
    if roi_names:
        membership[:, 0] = False
        membership[-1] = False
        membership[:2, 1] = True
    affine = np.array([[-2, 0, 0, 70.5], [0, 2, 0.125, -100.25], [0, -0.125, 2, -60], [0, 0, 0, 1]], float)
    ijk = np.stack(np.unravel_index(inside, SHAPE), axis=1)
    return VoxelSpace(ijk, affine, SHAPE, roi_names, membership, "T1w")


def surface_space(rng: np.random.Generator, roi_names: tuple[str, ...]) -> SurfaceSpace:
    """40 of 50 left and 60 right vertices."""
    kept = np.sort(rng.choice(110, 40, replace=False))
    is_right = kept >= 50
    membership = rng.random((len(roi_names), 40)) < 0.4
    return SurfaceSpace(
        np.where(is_right, kept - 50, kept), is_right, (50, 60), roi_names, membership, "fsnative"
    )


def trial_table(rng: np.random.Generator, n: int, with_sessions: bool) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "onset": 6 + 10 * np.arange(n) + rng.uniform(-0.005, 0.041, n),
            "duration": rng.uniform(0.967, 1.002, n),
            "session": [f"{1 + i // 6:02d}" if with_sessions else "" for i in range(n)],
            "run": [f"{1 + i // 3:02d}" if with_sessions else "" for i in range(n)],
            "stimulus": [f'pictures/n{i % 8:02d} "quoted" é.JPEG' for i in range(n)],
            "Trial": np.arange(n),
            "split": ["left", "right"] * (n // 2),
            "ImgType": ["rep_coco" if i % 3 else None for i in range(n)],
            "RT": np.where(np.arange(n) % 4, rng.random(n), np.nan),
            "answered": np.arange(n) % 4 > 0,
        }
    )


def synthetic(rng: np.random.Generator, voxels: Space, n: int, name: str | None) -> Synthetic:
    table = pd.DataFrame(
        {
            "stimulus": [f"{name}/img{i}.jpg" for i in range(n)],
            "split": [name or ("test" if i < 2 else "train") for i in range(n)],
            "prediction": ["encoder" if name or i < 2 else "out-of-fold" for i in range(n)],
            "label": [f"class{i % 3}" for i in range(n)],
        }
    )
    return Synthetic(rng.standard_normal((n, len(voxels))).astype(np.float32), table, voxels)


def scores(rng: np.random.Generator, keys: dict[str, list[str]]) -> pd.DataFrame:
    table = pd.DataFrame(keys)
    for number in ("value", "ci_low", "p"):
        table[number] = np.where(rng.random(len(table)) < 0.3, np.nan, rng.standard_normal(len(table)))
    return table.assign(n_voxels=rng.integers(1, 99, len(table)))


@pytest.fixture
def make() -> Callable[..., Written]:
    """Random results of one participant."""

    def build(
        seed: int = 0, rois: tuple[str, ...] = ("LHPPA", "RHPPA", "LHRSC", "empty"), **kw: bool
    ) -> Written:
        rng = np.random.default_rng(seed)
        voxels = surface_space(rng, rois) if kw.get("on_surface") else voxel_space(rng, rois)
        values = rng.standard_normal((12, len(voxels))).astype(np.float32)
        trials = Trials(trial_table(rng, 12, kw.get("with_sessions", True)))
        return Written(
            voxels=voxels,
            responses=Responses(values, trials, voxels, "lss", "z", 3),
            splits=np.array(["train", "test"] * 6),
            synthetic=synthetic(rng, voxels, 8, None),
            extra=synthetic(rng, voxels, 5, "Objects"),
            maps={key: rng.random(len(voxels)).astype(np.float32) for key in ("encoder_r",)}
            | {"best_layer": rng.integers(0, 3, len(voxels))},
            reliability_maps={
                key: rng.random(len(voxels)).astype(np.float32)
                for key in ("ncsnr", "r", "noise_ceiling", "split_half")
            },
            layers=("features.2", "features.5", "classifier.6"),
            encoding=scores(rng, {"roi": ["PPA", "all"], "layer": ["relu", "fc"], "metric": ["cv_r"] * 2}),
            accounting=scores(rng, {"roi": ["PPA"] * 6, "level": ["voxel"] * 6, "row": list("abcdef")}),
            reliability=scores(rng, {"roi": ["PPA"], "metric": ["r"]}),
            summary={
                "participant": "01",
                "task": "scenes",
                "space": voxels.space,
                "elapsed": {"fit": 1.5},
                "notes": [],
            },
            card={"backbone": {"name": "alexnet"}, "sha256": "0" * 64},
            encoder=save({"intercept": rng.standard_normal(40).astype(np.float32)}),
        )

    return build


@pytest.fixture
def write() -> Callable[[Path, Written], Writer]:
    """Writes all of it through the functions that the workflow calls."""

    def put(output_dir: Path, written: Written, label: str = "01") -> Writer:
        writer = Writer(output_dir, label, "scenes", written.voxels.space)
        participant.begin_participant(writer)
        participant.write_roi_dseg(writer, written.voxels, ["bids:spm:sub-01/sub-01_mask-LHPPA.nii.gz"])
        participant.write_responses(
            writer, written.responses, written.splits, ["bids:raw:sub-01/a_events.tsv"]
        )
        writer.bytes(names.ENCODER, written.encoder)
        writer.json(names.ENCODER_CARD, written.card)
        participant.write_synthetic(writer, written.synthetic, unit="z")
        participant.write_synthetic(writer, written.extra, "Objects", unit="z")
        participant.write_reliability_maps(writer, written.voxels, **written.reliability_maps)
        participant.write_maps(writer, written.voxels, **written.maps, layers=written.layers)
        participant.write_scores(
            writer, encoding=written.encoding, accounting=written.accounting, reliability=written.reliability
        )
        participant.write_summary(writer, {**written.summary, "participant": label})
        return writer

    return put


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    return RunConfig(
        bids_dir=tmp_path / "bids",
        output_dir=tmp_path / "out",
        images=(("Objects", tmp_path / "objects"),),
        random_seed=7,
    )


@pytest.fixture
def decoding() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "experiment": ["main", "main", "other"],
            "source": ["all"] * 3,
            "control": ["none"] * 3,
            "participant": ["01", "02", "group"],
            "roi": ["all"] * 3,
            "training": ["real", "synthetic_same", "synthetic_Objects"],
            "n_training": [10, 20, 30],
            "full": [True, False, True],
            "accuracy": [1 / 3, 0.1, np.nan],
            "p": [1e-3, 2e-17, np.nan],
        }
    )


@pytest.fixture
def identification() -> pd.DataFrame:
    """A table of identification, in the order of its columns."""
    curve = pd.DataFrame({"n_candidates": [2, 60, 60], "measure": ["top_1", "top_1", "median_rank"]})
    fixed = {
        "participant": "01",
        "candidates": "all",
        "roi": "PPA",
        "pattern": "single_trial",
        "scaling": "raw",
    }
    table = curve.assign(
        **fixed, whole=[False, True, True], value=[0.75, 0.125, 11.5], chance=[0.5, 0.25, 30.5]
    )
    table = table.assign(ci_low=[0.5, 0.0, 9.5], ci_high=[1.0, 0.5, 20.0], p=[np.nan, 0.5, 0.25])
    table = table.assign(p_fdr=table["p"], n_trials=128, n_stimuli=32)
    return table[list(IDENTIFICATION_COLUMNS.known)]


@pytest.fixture
def transfer() -> pd.DataFrame:
    """A table of transfer, a pair and the mean over participants, in the order of its columns."""
    words = {"source": ["01", "others"], "target": ["02", "group"], "roi": "PPA", "permuted_within": "source"}
    table = pd.DataFrame({**words, "measure": ["voxel_correlation", "read_by_others"]})
    table["alpha_at_edge"] = [False, True]
    for number, name in enumerate(name for name in TRANSFER_COLUMNS.known if name not in table):
        if name.startswith("n_"):
            table[name] = pd.array([number, None], dtype="Int64")
        else:
            table[name] = [number + 0.25, np.nan]
    return table[list(TRANSFER_COLUMNS.known)]


@pytest.fixture
def output_tree(
    config: RunConfig,
    make,
    write,
    decoding: pd.DataFrame,
    identification: pd.DataFrame,
    transfer: pd.DataFrame,
) -> Path:
    """OUTPUT_DIR as both levels leave it, for two participants."""
    roots = {"fmriprep": config.bids_dir / "derivatives" / "fmriprep"}
    write_dataset_files(config.output_dir, config, roots, {"Name": "Pictures", "DatasetDOI": "doi:10.1/x"})
    for seed, label in enumerate(("01", "02")):
        writer = write(config.output_dir, make(seed), label)
        writer.text(names.PAGE, "<!doctype html><title>page</title>")
        writer.text(names.figure("accounting"), "<svg/>")
    write_group(
        config.output_dir,
        decoding,
        {"participants": ["01", "02"], "main_experiment": "main"},
        contrasts=decoding,
        confusion=decoding[:0],
        decisions=decoding[["experiment", "source", "p"]],
        identification=identification,
        transfer=transfer,
    )
    group = Writer(config.output_dir)
    group.text(names.GROUP_PAGE, "<!doctype html><title>group</title>")
    group.text(names.figure("accounting", group=True), "<svg/>")
    write_dataset_files(config.output_dir, replace(config, level="group"))
    return config.output_dir
