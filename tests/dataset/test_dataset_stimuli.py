"""Pictures of the trials, and of folders."""

from __future__ import annotations

import subprocess

import pandas as pd
import pytest
from PIL import Image

from bidsapp_synthfmri.dataset.image_sets import read_image_set
from bidsapp_synthfmri.dataset.stimuli import resolve_stimuli
from bidsapp_synthfmri.errors import ContentAbsentError, InputMalformedError, InputMissingError
from bidsapp_synthfmri.structures import Trials


def trials(*stimuli):
    return Trials(pd.DataFrame({"stimulus": stimuli}))


@pytest.fixture
def folder(tmp_path):
    """A dataset's folder of pictures, with one in a subfolder."""
    folder = tmp_path / "bids" / "stimuli"
    for name in ("a.jpg", "b.png", "indoor/c.JPEG"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(path)
    return folder


@pytest.fixture
def annexed(folder):
    """The object, outside the folder of the pictures, that a picture is to link to."""
    key = folder.parent / ".git" / "annex" / "objects" / "x" / "y" / "KEY" / "KEY"
    key.parent.mkdir(parents=True)
    (folder / "a.jpg").rename(key)
    (folder / "a.jpg").symlink_to("../.git/annex/objects/x/y/KEY/KEY")
    return key


def test_every_stimulus_once_in_order_of_first_presentation(folder):
    found = resolve_stimuli(trials("b.png", "indoor/c.JPEG", "b.png", "a.jpg"), folder)
    assert found.name == "stimuli"
    assert found.stimuli == ("b.png", "indoor/c.JPEG", "a.jpg")
    assert list(found.table["path"]) == [str(folder / name) for name in found.stimuli]


def test_all_missing_stimuli_are_counted_and_the_first_named(folder):
    with pytest.raises(
        InputMissingError,
        match=r"4 of 5 stimuli are not in .*: w.jpg, x.jpg, y.jpg and 1 more.*--stimuli-dir",
    ) as caught:
        resolve_stimuli(trials("a.jpg", "w.jpg", "x.jpg", "y.jpg", "indoor"), folder)
    assert caught.value.exit_code == 3


def test_no_such_folder(tmp_path):
    with pytest.raises(InputMissingError, match=r"no folder .*--stimuli-dir"):
        resolve_stimuli(trials("a.jpg"), tmp_path / "stimuli")


def test_what_is_no_image_is_named(folder):
    (folder / "b.png").write_text("text")
    (folder / "d.png").write_bytes(b"")
    with pytest.raises(InputMalformedError, match=r"2 of 3 files are not images .*b.png, .*d.png") as caught:
        resolve_stimuli(trials("a.jpg", "b.png", "d.png"), folder)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("name", ["../secret.jpg", "/etc/passwd", "indoor/../../secret.jpg", "C:/x.jpg"])
def test_names_that_lead_outside_are_refused_unopened(folder, name):
    Image.new("RGB", (4, 4)).save(folder.parent / "secret.jpg")
    with pytest.raises(InputMalformedError, match=r"1 stimuli lie outside .*--stimuli-dir") as caught:
        resolve_stimuli(trials("a.jpg", name), folder)
    assert name in caught.value.problem


def test_links_that_lead_outside_are_refused(folder, tmp_path):
    secret = tmp_path / "secret.jpg"
    Image.new("RGB", (4, 4)).save(secret)
    (folder / "link.jpg").symlink_to(secret)
    with pytest.raises(InputMalformedError, match=r"lie outside .*: link.jpg"):
        resolve_stimuli(trials("link.jpg"), folder)


def test_linked_folders_that_lead_outside_are_refused_even_into_another_annex(folder, tmp_path):
    other = tmp_path / "other"
    key = other / ".git" / "annex" / "objects" / "KEY"
    key.parent.mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(key, format="PNG")
    (other / "x.png").symlink_to(".git/annex/objects/KEY")
    (folder / "away").symlink_to(other)
    with pytest.raises(InputMalformedError, match="lie outside"):
        resolve_stimuli(trials("away/x.png"), folder)


def test_a_link_within_the_folder_is_followed(folder):
    (folder / "again.jpg").symlink_to("a.jpg")
    assert len(resolve_stimuli(trials("again.jpg"), folder)) == 1


def test_the_folder_itself_may_be_a_link(folder, tmp_path):
    (tmp_path / "pictures").symlink_to(folder)
    assert len(resolve_stimuli(trials("a.jpg"), tmp_path / "pictures")) == 1


def test_a_link_in_a_circle_is_missing(folder):
    (folder / "loop.jpg").symlink_to("loop.jpg")
    with pytest.raises(InputMissingError, match=r"loop.jpg"):
        resolve_stimuli(trials("loop.jpg"), folder)


@pytest.mark.usefixtures("annexed")
def test_a_link_into_the_dataset_s_annex_is_followed(folder):
    assert len(resolve_stimuli(trials("a.jpg", "b.png"), folder)) == 2


def test_annexed_stimuli_of_a_git_repository_are_followed(folder):
    key = folder / ".git" / "annex" / "objects" / "KEY"
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    key.parent.mkdir(parents=True)
    (folder / "indoor" / "c.JPEG").rename(key)
    (folder / "indoor" / "c.JPEG").symlink_to("../.git/annex/objects/KEY")
    assert len(resolve_stimuli(trials("indoor/c.JPEG"), folder)) == 1


def test_absent_content_is_named_with_the_command_that_brings_it(folder, annexed):
    annexed.unlink()
    (folder / "b.png").write_text("/annex/objects/MD5E-s9--0.png\n")
    with pytest.raises(ContentAbsentError, match=r"2 of 3 files needed") as caught:
        resolve_stimuli(trials("a.jpg", "b.png", "indoor/c.JPEG"), folder)
    assert caught.value.remedy == f"Run: datalad get -d {folder.parent} stimuli/a.jpg stimuli/b.png"
    assert caught.value.exit_code == 3


class TestImageFolder:
    """A folder of further images."""

    def test_images_sorted_with_their_category(self, folder):
        (folder / "outdoor" / "far").mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(folder / "outdoor" / "far" / "d.webp")
        (folder / "a.jpg").unlink()
        (folder / "b.png").unlink()
        (folder / "notes.txt").write_text("no image")
        found = read_image_set("more", folder)
        assert found.name == "more"
        assert found.stimuli == ("indoor/c.JPEG", "outdoor/far/d.webp")
        assert list(found.table["label"]) == ["indoor", "outdoor"]

    def test_an_image_beside_the_categories_has_none(self, folder):
        assert list(read_image_set("more", folder).table["label"]) == ["n/a", "n/a", "indoor"]

    def test_a_folder_without_subfolders_has_no_labels(self, folder):
        (folder / "indoor" / "c.JPEG").unlink()
        assert "label" not in read_image_set("more", folder).table

    def test_hidden_files_are_left_out(self, folder):
        for name in (".hidden.png", ".git/x.png"):
            (folder / name).parent.mkdir(exist_ok=True)
            Image.new("RGB", (4, 4)).save(folder / name)
        assert len(read_image_set("more", folder)) == 3

    def test_an_empty_folder(self, tmp_path):
        with pytest.raises(InputMissingError, match=r"holds no image"):
            read_image_set("more", tmp_path)

    def test_no_such_folder(self, tmp_path):
        with pytest.raises(InputMissingError, match=r"There is no .*none"):
            read_image_set("more", tmp_path / "none")

    def test_what_is_no_image_is_named(self, folder):
        (folder / "b.png").write_text("text")
        with pytest.raises(InputMalformedError, match=r"b.png"):
            read_image_set("more", folder)

    def test_absent_content(self, folder, annexed):
        annexed.unlink()
        with pytest.raises(ContentAbsentError, match=r"a.jpg"):
            read_image_set("more", folder)
