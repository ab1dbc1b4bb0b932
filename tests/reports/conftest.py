"""Results as the levels write them, invented but of the right shapes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bidsapp_synthfmri.derivatives.results import GroupResults, ParticipantResults, ReliabilityMaps
from bidsapp_synthfmri.structures import Responses, Synthetic, Trials, VoxelSpace

ROIS = {"EarlyVis": 495, "LOC": 342, "OPA": 288, "PPA": 331, "RSC": 229, "all": 1685}
RELIABILITY = {"EarlyVis": 0.36, "LOC": 0.28, "OPA": 0.19, "PPA": 0.24, "RSC": 0.09, "all": 0.25}
LAYERS = (
    "features.2",
    "features.5",
    "features.7",
    "features.9",
    "features.12",
    "classifier.2",
    "classifier.5",
    "classifier.6",
)
_ROWS = (
    "real_real",
    "synthetic_real",
    "mean_real_real",
    "ceiling",
    "noise_matched_real",
    "synthetic_minus_real",
)
_BY_REPEATS = ("real_real", "mean_real_real", "ceiling", "noise_matched_real", "synthetic_minus_real")


def accounting(rois: dict[str, int], repeats: bool = True) -> pd.DataFrame:
    """The accounting as METHODS expects it, with noise; rows that need repeats n/a without them."""
    rng = np.random.default_rng(1)
    records = []
    for roi, n_voxels in rois.items():
        r, rho = RELIABILITY.get(roi, 0.2), 0.95 if roi == "RSC" else 0.72
        for level, gain in (("voxel", 1.0), ("pattern", 1.5), ("pattern_centred", 1.2)):
            truth = {
                "real_real": r,
                "synthetic_real": rho * r**0.5,
                "mean_real_real": r**0.5 * (3 * r / (1 + 2 * r)) ** 0.5,
                "ceiling": r**0.5,
                "noise_matched_real": rho * r,
            }
            truth["synthetic_minus_real"] = truth["synthetic_real"] - r
            for row in _ROWS:
                value = gain * truth[row] + rng.normal(0, 0.012)
                width = 0.03 + 0.05 * rng.random()
                known = repeats or row not in _BY_REPEATS
                expected = truth[row] if level == "voxel" and row not in _ROWS[1::4] else np.nan
                tested = known and row == "synthetic_minus_real"
                p = float(rng.choice([0.0009, 0.012, 0.21])) if tested else np.nan
                cells = [value, value - width, value + width, expected] if known else [np.nan] * 4
                records.append((roi, level, row, *cells, p, p, n_voxels, 113 if known else 0))
    columns = ["roi", "level", "row", "value", "ci_low", "ci_high", "expected", "p", "p_fdr"]
    columns += ["n_voxels", "n_stimuli"]
    return pd.DataFrame(records, columns=columns)


def encoding(rois: dict[str, int]) -> pd.DataFrame:
    """Scores by layer, early layers best in EarlyVis; then the encoder's test score."""
    records: list[tuple[str, str | float, str, float, int]] = []
    for roi, n_voxels in rois.items():
        peak = 1 if roi == "EarlyVis" else 5
        curve = 0.18 + 0.14 * np.exp(-((np.arange(len(LAYERS)) - peak) ** 2) / 6)
        share = np.exp(3 * curve / curve.max()) - 3
        for layer, r, part in zip(LAYERS, curve, share / share.sum(), strict=True):
            records += [
                (roi, layer, "cv_r", r, n_voxels),
                (roi, layer, "cv_r2", r**2, n_voxels),
                (roi, layer, "share_of_voxels", part, n_voxels),
            ]
        records.append((roi, "best", "test_r", 0.33, n_voxels))
    return pd.DataFrame(records, columns=["roi", "layer", "metric", "value", "n_voxels"])


def with_control(scores: pd.DataFrame) -> pd.DataFrame:
    """Encoding scores with the untrained control's: worse everywhere, but in EarlyVis not surely."""
    by_layer = scores[scores["metric"] == "cv_r"]
    weaker = by_layer.assign(metric="untrained_cv_r", value=by_layer["value"] * 0.7)
    records = []
    for _, row in scores[scores["metric"] == "test_r"].iterrows():
        gain, q = (0.02, 0.31) if row["roi"] == "EarlyVis" else (0.11, 0.0012)
        for metric, value, p in (
            ("test_r", row["value"], np.nan),
            ("untrained_test_r", row["value"] - gain, np.nan),
            ("trained_minus_untrained", gain, q),
        ):
            interval = {"ci_low": value - 0.04, "ci_high": value + 0.05}
            records.append({**row, "metric": metric, "value": value, **interval, "p": p, "p_fdr": p})
    tested = pd.DataFrame(records).assign(n_stimuli=113)
    return pd.concat([scores[scores["metric"] != "test_r"], weaker, tested], ignore_index=True)


def reliability(rois: dict[str, int], repeats: bool = True) -> pd.DataFrame:
    """Reliability by ROI; n/a without repeats."""
    records = []
    for roi, n_voxels in rois.items():
        r = RELIABILITY.get(roi, 0.2)
        for metric, value in (
            ("ncsnr", (r / (1 - r)) ** 0.5),
            ("r", r),
            ("noise_ceiling", 4 * r / (1 + 3 * r)),
            ("split_half", r - 0.01),
        ):
            records.append(
                (roi, metric, value if repeats else np.nan, n_voxels, 113 * repeats, 451 * repeats)
            )
    return pd.DataFrame(records, columns=["roi", "metric", "value", "n_voxels", "n_stimuli", "n_trials"])


def uncertainty(rois: dict[str, int], known: bool = True) -> pd.DataFrame:
    """Variances of z-scored responses, a third of the signal missed; coverage too high at first."""
    records = []
    for roi, n_voxels in rois.items():
        r = RELIABILITY.get(roi, 0.2)
        variances = {"signal_variance": r, "noise_variance": 1 - r, "missed_variance": r / 3}
        records += [(roi, metric, np.nan, value, n_voxels, 113) for metric, value in variances.items()]
        if known:
            records.append((roi, "posterior_variance", np.nan, 0.3 * r, n_voxels, 113))
            shares = {0.5: 0.53, 0.8: 0.81, 0.95: 0.87 if roi == "RSC" else 0.94}
            records += [(roi, "coverage", chance, value, n_voxels, 113) for chance, value in shares.items()]
    return pd.DataFrame(records, columns=["roi", "metric", "nominal", "value", "n_voxels", "n_stimuli"])


def participant_summary(rois: dict[str, int]) -> dict[str, Any]:
    """Facts of a participant's run."""
    return {
        "participant": "CSI1",
        "task": "5000scenes",
        "space": "T1w",
        "sessions": [f"{number:02d}" for number in range(1, 16)],
        "n_runs": 142,
        "n_trials": 5254,
        "n_stimuli": 4916,
        "n_repeated_stimuli": 113,
        "n_train_stimuli": 4803,
        "n_test_stimuli": 113,
        "test_rule": "the 113 stimuli presented at least twice",
        "n_voxels": 1685,
        "dropped_voxels": 3,
        "rois": rois,
        "skipped_event_rows": 12,
        "responses": "lss",
        "unit": "z",
        "confounds": ["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]
        + [f"a_comp_cor_{number:02d}" for number in range(5)],
        "backbone": "alexnet",
        "layers": list(LAYERS),
        "weights": "random",
        "weights_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "preprocessing": "shorter side to 256 px (bilinear), centre crop 224 px",
        "device": "cpu",
        "seed": 7,
        "folds": "15 folds, one a session; all presentations of a stimulus in one fold",
        "alphas_at_edge": 21,
        "extra_sets": {"extra": 2000},
        "notes": ["Weights are random: the network was not trained on any image."],
        "elapsed": {"index": 3.4, "responses": 412.0, "features": 96.2, "encoder": 55.5, "report": 2.0},
        "software": {"bidsapp_synthfmri": "0.1.0", "numpy": "2.2.1", "torch": "2.6.0", "nibabel": "5.3.2"},
        "command": "run.py /data/ds001499 /out participant --participant-label CSI1 --weights random --images"
        " extra=/images/extra",
    }


def decoding(participants: list[str], rois: list[str], extra: tuple[str, ...] = ("extra",)) -> pd.DataFrame:
    """Accuracies that grow with training; RSC at chance."""
    rng = np.random.default_rng(2)
    records = []
    pooled = ["group"] if participants else []
    for participant in [*participants, *pooled]:
        for roi in rois:
            for training, sizes, ceiling in (
                ("real", (100, 200, 400), 0.36),
                ("synthetic_same", (100, 200, 400), 0.33),
                *((f"synthetic_{name}", (100, 200, 400, 800, 1600, 2000), 0.44) for name in extra),
            ):
                top = 0.135 if roi == "RSC" else ceiling
                for size in sizes:
                    grown = 0.125 + (top - 0.125) * (1 - np.exp(-size / 300))
                    value = grown + rng.normal(0, 0.01 if participant == "group" else 0.03)
                    half = 0.03 if participant == "group" else 0.06
                    full = size == sizes[-1]
                    p = 0.4 if roi == "RSC" else 0.0005
                    cells = (value, value - half, value + half, 0.1253, p, p if full else np.nan)
                    records.append((participant, roi, training, size, full, 451, 113, 8, *cells))
    columns = ["participant", "roi", "training", "n_training", "full", "n_test_trials", "n_test_stimuli"]
    columns += ["n_classes", "accuracy", "ci_low", "ci_high", "chance", "p", "p_fdr"]
    return pd.DataFrame(records, columns=columns)


def contrasts(scores: pd.DataFrame) -> pd.DataFrame:
    """Full synthetic sets against the full real set, and larger ones at equal size."""
    records = []
    full = scores[scores["full"].astype(bool)]
    for (participant, roi), part in full.groupby(["participant", "roi"], sort=False):
        real = float(part.loc[part["training"] == "real", "accuracy"].iloc[0])
        for _, row in part[part["training"] != "real"].iterrows():
            difference = row["accuracy"] - real
            for size in ("", " at equal size") if row["training"] != "synthetic_same" else ("",):
                change = difference if not size else difference - 0.08
                name = f"{row['training']} - real{size}"
                records.append((participant, roi, name, change, change - 0.05, change + 0.05, 0.031, 0.047))
    names = ["participant", "roi", "contrast", "difference", "ci_low", "ci_high", "p", "p_fdr"]
    return pd.DataFrame(records, columns=names)


def confusion(participants: list[str], classes: list[str]) -> pd.DataFrame:
    """Trials mostly decoded as what they are."""
    rng = np.random.default_rng(3)
    records = []
    for participant in [*participants, *(["group"] if participants else [])]:
        for training in ("real", "synthetic_same", "synthetic_extra"):
            for label in classes:
                counts = rng.integers(2, 9, len(classes)) + 15 * np.array([name == label for name in classes])
                records += [
                    (participant, training, label, predicted, int(count))
                    for predicted, count in zip(classes, counts, strict=True)
                ]
    return pd.DataFrame(records, columns=["participant", "training", "label", "predicted", "count"])


def make_participant(rois: dict[str, int] | None = None, repeats: bool = True) -> ParticipantResults:
    """One participant's results."""
    sizes = ROIS if rois is None else rois
    voxels = VoxelSpace(
        ijk=np.arange(12, dtype=np.int64).reshape(4, 3),
        affine=np.eye(4),
        shape=(12, 12, 12),
        roi_names=tuple(name for name in sizes if name != "all"),
        membership=np.ones((len(set(sizes) - {"all"}), 4), dtype=bool),
        space="T1w",
    )
    table = pd.DataFrame({"session": ["01"], "run": ["01"], "onset": [6.0], "duration": [1.0]})
    trials = Trials(table.assign(stimulus="a.jpg"))
    values = np.zeros((1, 4), dtype=np.float32)
    images = pd.DataFrame({"stimulus": ["a.jpg"], "split": ["test"], "prediction": ["encoder"]})
    return ParticipantResults(
        participant="CSI1",
        task="5000scenes",
        space="T1w",
        voxels=voxels,
        responses=Responses(values, trials, voxels, "lss", "z"),
        splits=np.array(["test"]),
        synthetic=Synthetic(values, images, voxels),
        extra=(),
        encoding=encoding(sizes),
        accounting=accounting(sizes, repeats),
        reliability=reliability(sizes, repeats),
        uncertainty=uncertainty(sizes) if repeats else uncertainty({}),
        summary=participant_summary(sizes),
        card={},
    )


def make_group(participants: list[str], rois: list[str] | None = None, classes: int = 8) -> GroupResults:
    """The group's results; without participants, what is left when nothing could be decoded."""
    names = ["animal", "building", "food", "indoor", "person", "plant", "sport", "vehicle"][:classes]
    scores = decoding(participants, list(ROIS) if rois is None else rois)
    return GroupResults(
        decoding=scores,
        contrasts=contrasts(scores),
        confusion=confusion(participants, names),
        summary={
            "participants": participants,
            "label_source": "Categories are the folders of the images",
            "classes": names,
            "n_permutations": 2000,
            "n_bootstrap": 2000,
            "seed": 7,
            "notes": ["Weights are random: the network was not trained on any image."],
            "skipped": ["Participant CSI4: category 'sport' has one test image and was left out."],
            "software": {"bidsapp_synthfmri": "0.1.0", "numpy": "2.2.1"},
            "command": "run.py /data/ds001499 /out group",
        },
    )


def make_maps(rois: dict[str, int], n_left: int = 0, repeats: bool = True) -> ReliabilityMaps:
    """Reliability of every voxel, a quarter of them without any; ``n_left`` voxels in one ROI more."""
    rng = np.random.default_rng(4)
    regions = {name: n for name, n in rois.items() if name != "all"} | ({"hMT": n_left} if n_left else {})
    n_voxels = sum(regions.values())
    member = np.repeat(np.arange(len(regions)), list(regions.values())) == np.arange(len(regions))[:, None]
    ijk = np.stack(np.unravel_index(np.arange(n_voxels), (40, 40, 40)), axis=1).astype(np.int64)
    voxels = VoxelSpace(ijk, np.eye(4), (40, 40, 40), tuple(regions), member, "T1w")
    r = np.where(rng.random(n_voxels) < 0.25, 0, rng.beta(2, 5, n_voxels)).astype(np.float32)
    halves = (r + rng.normal(0, 0.05, n_voxels)).astype(np.float32)
    ncsnr, ceiling = np.sqrt(r / (1 - r)), 4 * r / (1 + 3 * r)
    if not repeats:
        r, halves, ncsnr, ceiling = (np.full(n_voxels, np.nan, np.float32) for _ in range(4))
    return ReliabilityMaps(voxels, ncsnr, r, ceiling, halves)


@pytest.fixture(scope="session")
def maps_of() -> Callable[..., ReliabilityMaps]:
    """Reliability maps of ROIs of one's own."""
    return make_maps


@pytest.fixture(scope="session")
def uncertainty_of() -> Callable[..., pd.DataFrame]:
    """Variances of ROIs of one's own, with coverage or without."""
    return uncertainty


@pytest.fixture(scope="session")
def participant_results() -> ParticipantResults:
    """Six ROI sets, repeats, everything known."""
    return make_participant()


@pytest.fixture(scope="session")
def participant_without_repeats() -> ParticipantResults:
    """One ROI set and no image shown twice."""
    return make_participant({"all": 800}, repeats=False)


@pytest.fixture(scope="session")
def controlled() -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Adds the untrained control's scores to encoding scores."""
    return with_control


@pytest.fixture(scope="session")
def participant_with_control(participant_results: ParticipantResults) -> ParticipantResults:
    """The same with the untrained control."""
    facts = {"layers": list(LAYERS), "silent_layers": [], "weights": "random seed 7"}
    summary = participant_results.summary | {"weights": "imagenet", "notes": [], "untrained_control": facts}
    return replace(participant_results, encoding=with_control(participant_results.encoding), summary=summary)


@pytest.fixture(scope="session")
def participants_of() -> Callable[[dict[str, int]], ParticipantResults]:
    """Results of ROIs of one's own."""
    return make_participant


@pytest.fixture(scope="session")
def group_results() -> GroupResults:
    """Three participants."""
    return make_group(["CSI1", "CSI2", "CSI3"])


@pytest.fixture(scope="session")
def group_of() -> Callable[..., GroupResults]:
    """Results of participants, and ROIs, of one's own."""
    return make_group


@pytest.fixture(scope="session")
def group_skipped() -> GroupResults:
    """Nothing could be decoded."""
    empty = make_group([], classes=0)
    reason = "Decoding was skipped: the images have no labels."
    return replace(empty, summary={**empty.summary, "participants": ["01"], "skipped": [reason]})
