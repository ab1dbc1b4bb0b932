"""Pictures of every kind become upright 8-bit RGB; what is no picture is refused by name."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bidsapp_synthfmri.errors import InputMalformedError, InputMissingError
from bidsapp_synthfmri.features.images import open_rgb

RAMP = np.linspace(0, 255, 12).astype(np.uint8).reshape(3, 4)
COLOURS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def pixels(path: Path) -> np.ndarray:
    image = open_rgb(path)
    assert image.mode == "RGB"
    return np.asarray(image)


def png(width: int, height: int, depth: int, rows: bytes) -> bytes:
    """A colour PNG by hand, of kinds that Pillow reads but does not make."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_array_image_and_file_give_the_same_pixels(tmp_path: Path) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    for source in (COLOURS, Image.fromarray(COLOURS), tmp_path / "a.png", str(tmp_path / "a.png")):
        assert np.array_equal(np.asarray(open_rgb(source)), COLOURS)


def test_transparent_pixels_show_white(tmp_path: Path) -> None:
    alpha = np.full((5, 7), 255, dtype=np.uint8)
    alpha[:2] = 0
    Image.fromarray(np.dstack([COLOURS, alpha])).save(tmp_path / "alpha.png")
    shown = pixels(tmp_path / "alpha.png")
    assert (shown[:2] == 255).all()
    assert np.array_equal(shown[2:], COLOURS[2:])


def test_grey_with_alpha(tmp_path: Path) -> None:
    Image.merge("LA", [Image.fromarray(RAMP), Image.fromarray(np.zeros_like(RAMP))]).save(tmp_path / "la.png")
    assert (pixels(tmp_path / "la.png") == 255).all()


def test_palette_with_a_transparent_entry(tmp_path: Path) -> None:
    image = Image.new("P", (4, 3), 1)
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((0, 0), 0)
    image.save(tmp_path / "palette.png", transparency=0)
    shown = pixels(tmp_path / "palette.png")
    assert shown[0, 0].tolist() == [255, 255, 255]
    assert shown[1, 1].tolist() == [200, 100, 50]


def test_grey_and_one_bit(tmp_path: Path) -> None:
    Image.fromarray(RAMP).save(tmp_path / "grey.png")
    assert np.array_equal(pixels(tmp_path / "grey.png"), np.dstack([RAMP] * 3))
    Image.fromarray(RAMP > 100).save(tmp_path / "bits.png")
    assert np.array_equal(pixels(tmp_path / "bits.png")[..., 0], np.where(RAMP > 100, 255, 0))


@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path, name: str) -> None:
    Image.fromarray(RAMP.astype(np.uint16) * 257).save(tmp_path / name)
    assert np.array_equal(pixels(tmp_path / name)[..., 1], RAMP)


@pytest.mark.parametrize(("values", "expected"), [(RAMP / 255, RAMP), (RAMP, RAMP), (RAMP * 257.0, RAMP)])
def test_float_grey_levels_of_either_range(tmp_path: Path, values: np.ndarray, expected: np.ndarray) -> None:
    Image.fromarray(values.astype(np.float32)).save(tmp_path / "float.tif")
    assert np.array_equal(pixels(tmp_path / "float.tif")[..., 0], expected)


def test_cmyk(tmp_path: Path) -> None:
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "cmyk.tif")
    assert pixels(tmp_path / "cmyk.tif")[4, 4].tolist() == [255, 0, 0]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".gif", ".tif", ".bmp", ".webp"])
def test_truncated_files_are_refused_by_name(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole, cut = tmp_path / f"whole{suffix}", tmp_path / f"cut{suffix}"
    Image.fromarray(noise).save(whole)
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(InputMalformedError, match=f"cut{suffix}"):
        open_rgb(cut)


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "fake.png"
    path.write_bytes(content)
    with pytest.raises(InputMalformedError, match=r"fake\.png"):
        open_rgb(path)


def test_absent_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(InputMissingError, match=r"gone\.jpg"):
        open_rgb(tmp_path / "gone.jpg")
    with pytest.raises(InputMalformedError, match="cannot be opened"):
        open_rgb(tmp_path)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 3)),
        np.zeros((3, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_other_arrays_are_refused(array: np.ndarray) -> None:
    with pytest.raises(InputMalformedError, match="not a picture"):
        open_rgb(array)


# Where EXIF's orientations show the stored picture's first row and first column.
@pytest.mark.parametrize(
    ("orientation", "shown"),
    [
        (1, lambda a: a),
        (2, np.fliplr),
        (3, lambda a: np.rot90(a, 2)),
        (4, np.flipud),
        (5, lambda a: a.transpose(1, 0, 2)),
        (6, lambda a: np.rot90(a, -1)),
        (7, lambda a: np.rot90(a.transpose(1, 0, 2), 2)),
        (8, np.rot90),
        (99, lambda a: a),
    ],
)
def test_every_orientation_is_turned_upright(
    tmp_path: Path, orientation: int, shown: Callable[[np.ndarray], np.ndarray]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(COLOURS).save(tmp_path / "turned.png", exif=exif)
    assert np.array_equal(pixels(tmp_path / "turned.png"), shown(COLOURS))


def test_a_picture_in_memory_is_left_as_it_is() -> None:
    picture = Image.fromarray(COLOURS)
    picture.getexif()[0x0112] = 6
    assert open_rgb(picture).size == (5, 7)
    assert picture.size == (7, 5)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_a_damaged_exif_block_hides_no_picture(tmp_path: Path) -> None:
    whole = Image.new("RGB", (9, 6), "green")
    for number, block in enumerate([b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\xff\xff", b"Exif\0\0"]):
        whole.save(tmp_path / f"{number}.jpg", exif=block)
        assert pixels(tmp_path / f"{number}.jpg").shape == (6, 9, 3)


def test_cmyk_jpegs_are_inverted_where_adobe_wrote_them(tmp_path: Path) -> None:
    path = tmp_path / "print.jpg"
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(path, quality=100)
    assert b"Adobe" in path.read_bytes()
    assert pixels(path)[8, 8].tolist() == [255, 0, 0]


def test_a_palette_with_an_opacity_for_each_entry(tmp_path: Path) -> None:
    image = Image.new("P", (4, 3), 1)
    image.putpalette([0, 0, 0, 200, 100, 50])
    image.putpixel((0, 0), 0)
    image.save(tmp_path / "palette.png", transparency=bytes([128, 255]))
    shown = pixels(tmp_path / "palette.png")
    assert shown[0, 0].tolist() == [127, 127, 127]  # half of black on white
    assert shown[1, 1].tolist() == [200, 100, 50]


def test_a_colour_that_stands_for_transparent(tmp_path: Path) -> None:
    image = Image.new("RGB", (4, 3), (9, 8, 7))
    image.putpixel((1, 1), (50, 60, 70))
    image.save(tmp_path / "key.png", transparency=(9, 8, 7))
    shown = pixels(tmp_path / "key.png")
    assert shown[0, 0].tolist() == [255, 255, 255]
    assert shown[1, 1].tolist() == [50, 60, 70]


def test_sixteen_bits_of_colour_keep_their_high_bytes(tmp_path: Path) -> None:
    samples = (COLOURS.astype(">u2") * 257).tobytes()
    rows = b"".join(b"\0" + samples[row * 42 : (row + 1) * 42] for row in range(5))
    (tmp_path / "deep.png").write_bytes(png(7, 5, 16, rows))
    assert np.array_equal(pixels(tmp_path / "deep.png"), COLOURS)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".gif"])
def test_first_frame_of_an_animation(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (6, 6), colour) for colour in ("red", "blue")]
    path = tmp_path / f"moving{suffix}"
    options = {"lossless": True} if suffix == ".webp" else {}
    frames[0].save(path, save_all=True, append_images=frames[1:], **options)
    assert pixels(path)[3, 3].tolist() == [255, 0, 0]


def test_a_picture_of_one_pixel(tmp_path: Path) -> None:
    Image.new("L", (1, 1), 77).save(tmp_path / "dot.png")
    assert pixels(tmp_path / "dot.png").tolist() == [[[77, 77, 77]]]


def test_what_is_too_large_to_decode_is_refused_unread(tmp_path: Path) -> None:
    (tmp_path / "vast.png").write_bytes(png(100_000, 100_000, 8, bytes(10)))
    with pytest.raises(InputMalformedError, match=r"vast\.png has more than 89,478,485 pixels") as caught:
        open_rgb(tmp_path / "vast.png")
    assert caught.value.remedy == "Scale it down"


def test_a_large_picture_is_read(tmp_path: Path) -> None:
    Image.new("L", (9000, 3), 40).save(tmp_path / "wide.png")
    assert pixels(tmp_path / "wide.png").shape == (3, 9000, 3)
