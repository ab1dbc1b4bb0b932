"""Images of folders, tables, archives and arrays: their order, names, labels and pixels."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from bidsapp_synthfmri.dataset.image_listing import survey
from bidsapp_synthfmri.dataset.image_sets import list_images, read_image_set
from bidsapp_synthfmri.errors import (
    ContentAbsentError,
    InputMalformedError,
    InputMissingError,
    UsageError,
)
from bidsapp_synthfmri.features.images import open_rgb

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 6, 7, 3), dtype=np.uint8)


def png(number: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(PIXELS[number]).save(stream, "PNG")
    return stream.getvalue()


def write_tar(path: Path, members: list[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    for number, name in enumerate(["b.png", "a/x.png", "a-b/y.png", "a.d/z.PNG", "a/.hidden.png"]):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(number))
    (folder / "a" / "notes.txt").write_text("no picture")
    return folder


def test_a_folder_s_images_come_in_order_of_their_whole_paths(folder: Path) -> None:
    images = list(list_images(folder))
    names = [image.stimulus for image in images]
    assert names == sorted(names) == ["a-b/y.png", "a.d/z.PNG", "a/x.png", "b.png"]
    assert [image.label for image in images] == ["a-b", "a.d", "a", None]


def test_every_source_is_the_same_when_it_is_gone_through_again(folder: Path) -> None:
    listing = list_images(folder)
    assert list(listing) == list(listing)
    assert survey(listing).fingerprint == survey(list_images(folder)).fingerprint


def test_the_fingerprint_tells_changed_files_names_and_labels_apart(folder: Path) -> None:
    seen = {survey(list_images(folder)).fingerprint}
    for change in (
        lambda: (folder / "b.png").write_bytes(png(0) + b"more"),
        lambda: (folder / "b.png").rename(folder / "c.png"),
        lambda: (folder / "a").rename(folder / "e"),
    ):
        change()
        seen.add(survey(list_images(folder)).fingerprint)
    assert len(seen) == 4


def test_a_table_keeps_its_order_and_may_name_a_picture_twice(folder: Path) -> None:
    table = folder / "images.tsv"
    table.write_text(f"label\tpath\nscene\tb.png\nn/a\ta/x.png\nscene\tb.png\nface\t{folder}/a/x.png\n")
    images = list(list_images(table))
    assert [image.stimulus for image in images] == ["b.png", "a/x.png", "b.png", "a/x.png"]
    assert [image.label for image in images] == ["scene", None, "scene", "face"]
    assert np.array_equal(np.asarray(open_rgb(images[1].picture)), PIXELS[1])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no column path"),
        ("path\tpath\nb.png\tb.png\n", "twice"),
        ("path\tlabel\nb.png\n", "line 2, has 1 cells under 2 columns"),
        ("path\nb.png\nn/a\n", "line 3, has an empty path"),
        ("path\n../secret.png\n", "lies outside"),
        ("path\nlink.png\n", "lies outside"),
        ("path\nC:/x.png\n", "lies outside"),
        ("path\n\xff\n", "no TSV table"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(folder: Path, text: str, words: str) -> None:
    (folder.parent / "secret.png").write_bytes(png(0))
    (folder / "link.png").symlink_to(folder.parent / "secret.png")
    (folder / "images.tsv").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputMalformedError, match=words):
        survey(list_images(folder / "images.tsv"))


def test_an_archive_s_members_in_order_with_labels_of_any_form_beside_them(tmp_path: Path) -> None:
    archive = write_tar(
        tmp_path / "shard.tar",
        [
            ("000.cls", b"scene\n"),
            ("000.png", png(0)),
            ("./001.seg.png", png(1)),
            ("./001.jpg", png(2)),
            ("./001.json", json.dumps({"label": 7, "other": 1}).encode()),
            ("002.png", png(3)),
            ("002.txt", b"a  caption\nin two lines"),
            ("dir/002.png", png(4)),
            ("003.json", b"{}"),
        ],
    )
    images = list(list_images(archive))
    assert [image.stimulus for image in images] == [
        "000.png",
        "001.seg.png",
        "001.jpg",
        "002.png",
        "dir/002.png",
    ]
    assert [image.label for image in images] == ["scene", "7", "7", "a caption in two lines", None]
    for number, image in enumerate(images):
        assert np.array_equal(np.asarray(open_rgb(image.picture)), PIXELS[number])


@pytest.mark.parametrize("pattern", ["shard-{08..10}.tar", "shard-*.tar"])
def test_several_archives_by_pattern(tmp_path: Path, pattern: str) -> None:
    for number in (8, 9, 10):
        write_tar(tmp_path / f"shard-{number:02d}.tar", [("a.png", png(number % 5))])
    images = list(list_images(tmp_path / pattern))
    assert [image.stimulus for image in images] == [f"shard-{n}/a.png" for n in ("08", "09", "10")]


def test_a_pattern_with_an_archive_missing_is_refused(tmp_path: Path) -> None:
    write_tar(tmp_path / "shard-0.tar", [("a.png", png(0))])
    with pytest.raises(InputMissingError, match=r"shard-1\.tar"):
        list_images(tmp_path / "shard-{0..1}.tar")


def test_links_in_archives_lead_nowhere(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "links.tar", "w") as tar:
        member = tarfile.TarInfo("link.png")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(member)
    with pytest.raises(InputMissingError, match="holds no image"):
        survey(list_images(tmp_path / "links.tar"))


def test_arrays_are_read_picture_by_picture(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", PIXELS)
    with h5py.File(tmp_path / "images.hdf5", "w") as file:
        file.create_dataset("group/images", data=PIXELS, chunks=(2, 6, 7, 3), compression="gzip")
        file["other"] = PIXELS[:, :2]
    for listing in (
        list_images(tmp_path / "images.npy"),
        list_images(tmp_path / "images.hdf5", "group/images"),
    ):
        images = list(listing)
        assert len({image.stimulus for image in images}) == 5
        for number, image in enumerate(images):
            assert np.array_equal(np.asarray(open_rgb(image.picture)), PIXELS[number])


def test_a_file_cut_after_it_was_listed_is_an_unreadable_picture(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", PIXELS)
    images = list(list_images(tmp_path / "images.npy"))
    (tmp_path / "images.npy").write_bytes((tmp_path / "images.npy").read_bytes()[:-1])
    open_rgb(images[3].picture)
    with pytest.raises(InputMalformedError, match=r"images\.npy\[4\] cannot be read"):
        open_rgb(images[4].picture)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((2, 4, 4, 3)), "float64"),
        (np.zeros((2, 4, 4), np.uint8), "no set of pictures"),
        (np.zeros((0, 4, 4, 3), np.uint8), "no set of pictures|not a whole"),
        (np.asfortranarray(PIXELS), "Fortran"),
        (np.array([{}], dtype=object), "not a whole .npy"),
    ],
)
def test_arrays_that_are_no_pictures_are_refused(tmp_path: Path, array: np.ndarray, words: str) -> None:
    np.save(tmp_path / "images.npy", array)
    with pytest.raises(InputMalformedError, match=words):
        list_images(tmp_path / "images.npy")


def test_no_such_dataset(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "images.h5", "w") as file:
        file["pictures"] = PIXELS
    with pytest.raises(InputMalformedError, match="does not have a dataset other"):
        list_images(tmp_path / "images.h5", "other")
    (tmp_path / "images.h5").write_bytes(b"nothing")
    with pytest.raises(InputMalformedError, match="not a whole HDF5"):
        list_images(tmp_path / "images.h5")


@pytest.mark.parametrize("name", ["images.tar.gz", "images.zip", "picture.png"])
def test_other_files_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(png(0))
    with pytest.raises(UsageError, match="is no folder of images"):
        list_images(tmp_path / name)


def test_names_that_no_table_can_hold_are_refused(folder: Path) -> None:
    (folder / "b.png").rename(folder / "tab\there.png")
    with pytest.raises(InputMalformedError, match="characters that a table cannot hold"):
        survey(list_images(folder))


def test_pictures_not_fetched_are_named_with_the_command_that_brings_them(folder: Path) -> None:
    (folder / "b.png").unlink()
    (folder / "b.png").symlink_to("../.git/annex/objects/x/KEY")
    with pytest.raises(ContentAbsentError, match=r"b\.png.*datalad get"):
        survey(list_images(folder))


@pytest.mark.parametrize("form", ["tar", "npy"])
def test_a_small_set_of_any_form_is_a_table(tmp_path: Path, form: str) -> None:
    if form == "tar":
        members = [("0.cls", b"scene"), ("0.png", png(0)), ("1.png", png(1))]
        found = read_image_set("more", write_tar(tmp_path / "images.tar", members))
        assert list(found.table["label"]) == ["scene", "n/a"]
    else:
        np.save(tmp_path / "images.npy", PIXELS[:2])
        found = read_image_set("more", tmp_path / "images.npy")
        assert "label" not in found.table
    assert len(found) == 2
    for number, picture in enumerate(found.table["path"]):
        assert np.array_equal(np.asarray(open_rgb(picture)), PIXELS[number])


def test_a_small_set_with_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "images.tar", [("0.png", png(0)), ("1.png", b"no picture")])
    with pytest.raises(InputMalformedError, match=r"1 of 2 files are not images .*images\.tar:1\.png"):
        read_image_set("more", archive)
