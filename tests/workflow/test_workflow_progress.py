"""What a long pass says of itself, on a terminal and in a log; and how it is cut into files."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

import pytest

from bidsapp_synthfmri.dataset.image_listing import ListedImage
from bidsapp_synthfmri.workflow import progress as progress_module
from bidsapp_synthfmri.workflow.console import LOGGER
from bidsapp_synthfmri.workflow.progress import duration, told_images, told_phases
from bidsapp_synthfmri.workflow.shards import Shard, cut, default_size, images_of


@pytest.fixture
def said() -> Iterator[list[str]]:
    """Messages of the log."""
    messages: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    handler, level = Keep(), LOGGER.level
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    yield messages
    LOGGER.removeHandler(handler)
    LOGGER.setLevel(level)


def test_a_log_gets_a_line_now_and_then_and_one_at_the_end(said, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress_module.time, "perf_counter", lambda: now[0])
    with told_images("synthesize", 1000, done=400) as told:
        for _ in range(6):
            now[0] += 20
            told(100)
    # Every 30 s at most; what an earlier run did counts for the place, not for the rate.
    assert said == [
        "synthesize: 600 of 1000 images, 5.0 images/s, 80 s left",
        "synthesize: 800 of 1000 images, 5.0 images/s, 40 s left",
        "synthesize: 1000 of 1000 images, 5.0 images/s",
    ]


def test_a_short_step_says_nothing_in_a_log(said):
    with told_images("features", 10) as told:
        told(10)
    assert said == []


def test_phases_follow_one_another_with_their_own_time_left(said, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress_module.time, "perf_counter", lambda: now[0])
    with told_phases("encoder") as told:
        for phase, total in (("kernels", 2), ("ridge from every layer", 4)):
            for done in range(total + 1):
                told(phase, done, total)
                now[0] += 60
    assert said == [
        "encoder: kernels: 1 of 2 parts, 60 s each, 60 s left",
        "encoder: kernels: 2 of 2 parts, 60 s each",
        "encoder: ridge from every layer: 1 of 4 parts, 60 s each, 3 min left",
        "encoder: ridge from every layer: 2 of 4 parts, 60 s each, 2 min left",
        "encoder: ridge from every layer: 3 of 4 parts, 60 s each, 60 s left",
        "encoder: ridge from every layer: 4 of 4 parts, 60 s each",
    ]


def test_a_terminal_gets_a_bar_with_rate_and_time_left(said, monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with told_images("synthesize", 50) as told:
        told(20)
        told(30)
    shown = capsys.readouterr().err
    assert "50/50" in shown
    assert re.search(r"\d images/s", shown)
    assert said == []


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (119, "119 s"), (130, "2 min"), (7300, "2 h"), (180000, "2 days")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_shards_are_all_images_once_in_order():
    shards = cut(10, 4)
    assert shards == (Shard(1, 0, 4), Shard(2, 4, 4), Shard(3, 8, 2))
    listing = [ListedImage(str(number), number, None, "") for number in range(10)]
    wanted = [image.position for image in images_of(listing, [shards[0], shards[2]])]
    assert wanted == [0, 1, 2, 3, 8, 9]


@pytest.mark.parametrize(
    ("n_voxels", "repeats", "size"),
    [(1700, 1, 2048), (160_000, 1, 128), (1700, 1000, 14), (10**9, 1, 1)],
)
def test_shards_are_whole_batches_of_at_most_100_mb(n_voxels, repeats, size):
    assert default_size(n_voxels, repeats, 64) == size
    assert size == 1 or size * n_voxels * repeats * 4 <= 100e6
