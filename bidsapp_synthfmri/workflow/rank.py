"""Images in order of how much a stored encoder expects them to drive a region."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pandas as pd

from ..dataset.image_listing import MISSING_LABEL, ListedImage
from ..derivatives.dataset import write_dataset_files
from ..derivatives.occupied import writer_of_set
from ..derivatives.ranking import write_ranking
from ..features.images import open_rgb
from ..reports import LabelShare, Ranked, RankedImage, picture_sheet
from ..reports.numbers import correlation, count
from ..reports.provenance import Fact
from ..structures import BoolArray, IntArray
from ..synthesis.ranking import Float64, Ranking, rank_images, region, region_means
from ..synthesis_config import RankConfig
from .console import LOGGER
from .images import BATCHES_AHEAD, Readable, decoded, require_listed
from .passes import Pass, over_images, require_some
from .progress import told_images
from .shards import cut, images_of

# Images whose positions are held until they are predicted.
_AT_A_TIME = 2048


def rank(config: RankConfig) -> int:
    """Write a table and a sheet of the images that drive a region most and least.

    Returns
    -------
    0

    Raises
    ------
    ImagesSkippedError : some pictures could not be read; the others were ranked
    NothingMatchedError : the encoder has no such region
    SynthfmriError : what the readers, the encoder and the writer refuse
    """
    return over_images(config, _rank)


def _rank(config: RankConfig, given: Pass) -> tuple[int, str]:
    names = [name for name in (config.roi, config.contrast) if name is not None]
    regions = tuple(region(given.encoder.voxels, name) for name in names)
    with given.watch.step(f"predicting responses to {given.found.n_images} images"):
        means, n_skipped = _means(config, given, regions)
    require_some(n_skipped, given.found.n_images, config)
    ranking = rank_images(means, config.top)
    with given.watch.step("writing the table and the sheet"):
        shown = _Shown.of(given, ranking)
        page = picture_sheet(_ranked(config, given, ranking, shown, regions, n_skipped))
        writer = given.writer(config)
        with writer_of_set(config.output_dir, str(writer.place.participant), f"rank{config.label}"):
            write_dataset_files(config.output_dir, config)
            sheet = write_ranking(writer, config.label, _table(ranking, shown, means, given), page.html)
    LOGGER.info("rank: the sheet is %s", sheet)
    return n_skipped, "the log beside the sheet"


def _means(config: RankConfig, given: Pass, regions: tuple[BoolArray, ...]) -> tuple[Float64, int]:
    """(n_images, n_regions) mean predicted responses, not-a-number where skipped; how many those are."""
    n_images = given.found.n_images
    parts = cut(n_images, _AT_A_TIME)
    images = decoded(
        images_of(given.listing, parts),
        given.preprocessing,
        given.threads,
        BATCHES_AHEAD * config.batch_size,
    )
    means = np.full((n_images, len(regions)), np.nan)
    n_skipped = 0
    with told_images("rank", n_images) as told:
        for part in parts:
            pictures = Readable(islice(images, part.n_images), config.strict, told)
            _fill(means, config, given, regions, pictures, told)
            require_listed(pictures, part.n_images)
            n_skipped += len(pictures.skipped)
    return means, n_skipped


def _fill(
    means: Float64,
    config: RankConfig,
    given: Pass,
    regions: tuple[BoolArray, ...],
    pictures: Readable,
    told: Callable[[int], None],
) -> None:
    """Put the responses to some images into their rows."""
    done = 0
    for prediction in given.encoder.predict_batches(pictures, config.batch_size):
        rows = [kept.position for kept in pictures.kept[done : done + len(prediction)]]
        means[rows] = region_means(prediction, regions)
        done += len(prediction)
        told(len(prediction))


@dataclass(frozen=True)
class _Shown:
    """The images of either end by position, and how often each label stands among all that were ranked."""

    images: dict[int, ListedImage]
    labels: Counter[str]

    @classmethod
    def of(cls, given: Pass, ranking: Ranking) -> _Shown:
        """By another pass over the names, which were not held."""
        wanted = {int(position) for position in (*ranking.highest, *ranking.lowest)}
        images: dict[int, ListedImage] = {}
        labels: Counter[str] = Counter()
        for position, image in enumerate(given.listing):
            if position in wanted:
                images[position] = image
            if image.label is not None and np.isfinite(ranking.score[position]):
                labels[image.label] += 1
        return cls(images, labels)


def _table(ranking: Ranking, shown: _Shown, means: Float64, given: Pass) -> pd.DataFrame:
    """One row an image shown, the highest score first."""
    positions = [*map(int, ranking.highest), *map(int, ranking.lowest)]
    first_of_lowest = ranking.n_ranked - len(ranking.lowest)
    table = pd.DataFrame(
        {
            "rank": [
                *range(1, len(ranking.highest) + 1),
                *range(first_of_lowest + 1, ranking.n_ranked + 1),
            ],
            "end": ["highest"] * len(ranking.highest) + ["lowest"] * len(ranking.lowest),
            "stimulus": [shown.images[position].stimulus for position in positions],
            "score": ranking.score[positions],
            "response": means[positions, 0],
        }
    )
    if means.shape[1] > 1:
        table["contrast_response"] = means[positions, 1]
    if given.found.n_labelled:
        labels = [shown.images[position].label or MISSING_LABEL for position in positions]
        table.insert(3, "label", labels)
    return table.assign(listed=np.array(positions) + 1)


def _ranked(
    config: RankConfig,
    given: Pass,
    ranking: Ranking,
    shown: _Shown,
    regions: tuple[BoolArray, ...],
    n_skipped: int,
) -> Ranked:
    first_of_lowest = ranking.n_ranked - len(ranking.lowest)
    return Ranked(
        participant=str(given.encoder.card["participant"]),
        region=config.roi if config.contrast is None else f"{config.roi} less {config.contrast}",
        contrast=config.contrast is not None,
        n_images=ranking.n_ranked,
        n_skipped=n_skipped,
        highest=_pictures(ranking.highest, 1, ranking, shown),
        lowest=_pictures(ranking.lowest, first_of_lowest + 1, ranking, shown),
        labels=_label_shares(ranking, shown),
        notes=_notes(given, n_skipped),
        facts=_facts(config, given, regions),
    )


def _pictures(positions: IntArray, first_rank: int, ranking: Ranking, shown: _Shown) -> list[RankedImage]:
    return [
        RankedImage(
            rank=place,
            score=float(ranking.score[position]),
            stimulus=shown.images[int(position)].stimulus,
            label=shown.images[int(position)].label,
            picture=open_rgb(shown.images[int(position)].picture),
        )
        for place, position in enumerate(positions, start=first_rank)
    ]


def _label_shares(ranking: Ranking, shown: _Shown) -> list[LabelShare]:
    """The most frequent among the highest first; those that the highest lack follow by their name."""
    highest = Counter(shown.images[int(position)].label for position in ranking.highest)
    names = sorted(shown.labels, key=lambda name: (-highest[name], name))
    n_highest = len(ranking.highest)
    return [
        LabelShare(name, highest[name] / n_highest, shown.labels[name] / ranking.n_ranked) for name in names
    ]


def _notes(given: Pass, n_skipped: int) -> list[str]:
    notes = []
    if given.encoder.card["backbone"]["weights"] == "random":
        notes.append("The encoder's network is untrained (random weights): expect little of its order.")
    if n_skipped:
        notes.append(f"{n_skipped} of {given.found.n_images} images cannot be read and were skipped.")
    return notes


def _facts(config: RankConfig, given: Pass, regions: tuple[BoolArray, ...]) -> list[Fact]:
    card, names = given.encoder.card, (config.roi, config.contrast)
    facts = []
    for name, voxels in zip(names, regions, strict=False):
        facts.append(Fact(f"Voxels of {name}", count(int(voxels.sum()))))
        if given.encoder.choices is not None:
            scores = given.encoder.cv_r[voxels]
            median = float(np.median(scores[np.isfinite(scores)])) if np.isfinite(scores).any() else np.nan
            facts.append(Fact(f"Median cross-validated r in {name}", correlation(median)))
    return [
        *facts,
        Fact("Images", str(config.source)),
        Fact("Encoder", str(config.encoder)),
        Fact("Hash of the encoder", str(card["sha256"])),
        Fact("Network", f"{card['backbone']['name']}, weights: {card['backbone']['weights_source']}"),
    ]
