"""A participant's page, from what is written; and the pictures that it shows."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, ImageOps

from ..derivatives import names
from ..derivatives.found import crash_records
from ..derivatives.reader import (
    load_encoder_maps,
    load_group,
    load_participant,
    load_reliability_maps,
    load_thumbnails,
)
from ..derivatives.writer import Writer
from ..features.images import open_rgb
from ..reports import Page, group_page, participant_page
from ..reports.examples import THUMBNAIL, examples_of
from ..structures import StimulusSet


def write_page(writer: Writer, page: Page) -> None:
    """Write a page and its figures; the participant's, or the group's where the writer has none."""
    group = writer.place.participant is None
    for figure in page.figures:
        writer.text(names.figure(figure.name, group), figure.svg)
    writer.text(names.GROUP_PAGE if group else names.PAGE, page.html)


def write_group_page(output_dir: Path) -> None:
    """Make the group's page from its files."""
    write_page(Writer(output_dir), group_page(load_group(output_dir), crash_records(output_dir)))


def write_participant_page(
    output_dir: Path, participant: str, task: str | None, stimuli: StimulusSet | None = None
) -> Path:
    """Make a finished participant's page from its files; the path.

    Parameters
    ----------
    stimuli : pictures of the examples, whose thumbnails are written too; None keeps those that are there
    """
    results = load_participant(output_dir, participant, task)
    writer = Writer(output_dir, participant, results.task, results.space)
    examples = examples_of(results)
    if stimuli is not None:
        writer.withdraw(names.THUMBNAILS)
        if examples is not None:
            writer.bytes(names.THUMBNAILS, thumbnails(examples.stimuli, stimuli))
    page = participant_page(
        results,
        load_reliability_maps(output_dir, participant, task),
        load_encoder_maps(output_dir, participant, task),
        examples,
        load_thumbnails(output_dir, participant, task),
        crash_records(output_dir, participant),
    )
    write_page(writer, page)
    return writer.path(names.PAGE)


def thumbnails(chosen: tuple[str, ...], stimuli: StimulusSet) -> bytes:
    """Small pictures of some stimuli, one below the other, as PNG.

    Raises
    ------
    InputMissingError, InputMalformedError : a picture that is not there or cannot be decoded
    """
    path_of = dict(zip(stimuli.stimuli, stimuli.table["path"], strict=True))
    sheet = Image.new("RGB", (THUMBNAIL, THUMBNAIL * len(chosen)), "white")
    for row, name in enumerate(chosen):
        picture = ImageOps.pad(open_rgb(path_of[name]), (THUMBNAIL, THUMBNAIL), color="white")
        sheet.paste(picture, (0, row * THUMBNAIL))
    stream = io.BytesIO()
    sheet.save(stream, "PNG", optimize=True)
    return stream.getvalue()
