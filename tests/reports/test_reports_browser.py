"""Pages in a browser: accessible, quiet, alone, as wide as the screen; well-formed; and small."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bidsapp_synthfmri.derivatives.results import (
    EncoderMaps,
    GroupResults,
    ParticipantResults,
    ReliabilityMaps,
)
from bidsapp_synthfmri.reports.failure import failure_page
from bidsapp_synthfmri.reports.group import group_page
from bidsapp_synthfmri.reports.page import Page
from bidsapp_synthfmri.reports.participant import participant_page
from bidsapp_synthfmri.reports.provenance import Fact
from bidsapp_synthfmri.reports.sheet import LabelShare, Ranked, RankedImage, picture_sheet

MOST_BYTES = 8 * 1024**2
# BOLD5000's CSI3: its ten masks have 3,104 voxels; and a brain mask's worth.
CSI3 = {"EarlyVis": 1034, "LOC": 702, "OPA": 420, "PPA": 540, "RSC": 408, "all": 3104}
BRAIN = {**CSI3, "brain": 160_000, "all": 163_104}
ELAPSED = {"synthesising responses to 640 images of extra": 46.5, "reading the dataset": 2.1}
NAMES = ["participant", "without repeats", "group", "skipped", "failure", "sheet"]


@pytest.fixture(scope="module")
def pages(
    participant_with_control: ParticipantResults,
    participant_without_repeats: ParticipantResults,
    group_results: GroupResults,
    group_skipped: GroupResults,
    maps_of: Callable[..., ReliabilityMaps],
) -> dict[str, Page]:
    summary = participant_with_control.summary | {"elapsed": ELAPSED}
    results = replace(participant_with_control, summary=summary)
    maps = maps_of({"PPA": 331, "LOC": 342})
    layers = np.arange(len(maps.r)) % 2
    return {
        "participant": participant_page(results, maps, EncoderMaps(maps.voxels, maps.r, layers, ("a", "b"))),
        "without repeats": participant_page(participant_without_repeats),
        "group": group_page(group_results),
        "skipped": group_page(group_skipped),
        "failure": failure_page("01", "bold.nii.gz is truncated", "Fetch it again", "logs/crash-01.txt"),
        "sheet": picture_sheet(ranked()),
    }


def ranked() -> Ranked:
    """Two pictures of either end, one with a category."""
    images = [
        RankedImage(rank, 2.0 - rank, f"folder/picture-{rank}.png", label, Image.new("RGB", (64, 48), "teal"))
        for rank, label in ((1, "building"), (2, None))
    ]
    return Ranked(
        participant="CSI1",
        region="PPA less FFA",
        contrast=True,
        n_images=2000,
        n_skipped=1,
        highest=images,
        lowest=images,
        labels=[LabelShare("building", 0.5, 0.1)],
        notes=["One picture could not be read."],
        facts=[Fact("Encoder", "sub-CSI1_task-5000scenes_desc-encoder_model.safetensors")],
    )


@pytest.mark.parametrize("name", [name for name in NAMES if name != "without repeats"])
def test_pages_are_accessible_quiet_and_alone(
    pages: dict[str, Page], name: str, tmp_path: Path, faults_of: Callable[[Path], list[str]]
) -> None:
    path = tmp_path / "page.html"
    path.write_text(pages[name].html, encoding="utf-8")
    assert faults_of(path) == []


def test_the_look_finds_what_is_wrong(tmp_path: Path, faults_of: Callable[[Path], list[str]]) -> None:
    path = tmp_path / "page.html"
    path.write_text(
        "<!DOCTYPE html><html><head><title>Bad</title></head><body style='width:2000px'>"
        "<p style='color:#ccc;background:#fff'>Pale</p><img src='gone.png'></body></html>"
    )
    found = "\n".join(faults_of(path))
    for word in ("color-contrast", "image-alt", "html-has-lang", "gone.png", "wider than the screen", "dark"):
        assert word in found


@pytest.mark.parametrize("name", NAMES)
def test_pages_are_well_formed(pages: dict[str, Page], name: str) -> None:
    html5lib = pytest.importorskip("html5lib", reason="html5lib is not installed")
    html5lib.HTMLParser(strict=True).parse(pages[name].html)


def test_pages_of_bold5000_s_size_stay_small(
    participants_of: Callable[[dict[str, int]], ParticipantResults],
    group_of: Callable[..., GroupResults],
    maps_of: Callable[..., ReliabilityMaps],
) -> None:
    results = participants_of(BRAIN)
    wide = replace(results, summary=results.summary | {"n_voxels": BRAIN["all"]})
    group = group_of(["CSI1", "CSI2", "CSI3", "CSI4"], [f"area{number}" for number in range(11)])
    regions = {name: min(n, 60_000) for name, n in BRAIN.items()}
    for page in (participant_page(wide, maps_of(regions)), group_page(group)):
        assert len(page.html.encode()) < MOST_BYTES
