"""Names of pictures that lead elsewhere, and pictures that are none, or far too many pixels."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path

from PIL import Image

from .case import Case, Place

OUTSIDE = "lie outside"


def named(name: str) -> Callable[[Place], None]:
    """Events that name a picture that is not to be opened."""
    return lambda place: place.show(name)


def made(make: Callable[[Path], None], suffix: str = ".png") -> Callable[[Place], None]:
    """A picture of the participant's own, shown in its first trial."""

    def show(place: Place) -> None:
        make(place.picture(suffix))
        place.show(place.picture(suffix).name)

    return show


def of_bytes(content: bytes, suffix: str = ".png") -> Callable[[Place], None]:
    return made(lambda path: path.write_bytes(content) and None, suffix)


def link(target: str) -> Callable[[Place], None]:
    return made(lambda path: path.symlink_to(target))


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def png(width: int, height: int, before: bytes = b"") -> bytes:
    """A grey picture of any size; its pixels are packed as far as they go."""
    rows = zlib.compress(bytes(min(width + 1, 10_000) * min(height, 1_000)), 9)
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = _chunk(b"IHDR", head) + before + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _text_bomb() -> bytes:
    return png(8, 8, _chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(200_000_000), 9)))


def _jpeg(size: tuple[int, int] = (32, 32)) -> bytes:
    stream = BytesIO()
    Image.new("RGB", size, (90, 120, 40)).save(stream, "JPEG")
    return stream.getvalue()


def _oversized_gif() -> bytes:
    return (
        b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0x80, 0, 0) + bytes(6) + b"\x2c" + bytes(9) + b"\x02"
    )


def _tiff_of_itself() -> bytes:
    """A directory whose next directory is itself, of more pixels than there are."""
    entries = [(256, 4, 1, 2**31 - 1), (257, 4, 1, 2**31 - 1), (273, 4, 1, 8), (279, 4, 1, 2**31 - 1)]
    body = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<I", 8) + body + struct.pack("<I", 8)


def _secret(place: Place) -> None:
    """A link to a picture beside the folder of pictures."""
    secret = place.bids / f"secret{place.participant}.jpg"
    secret.write_bytes(_jpeg())
    place.picture(".jpg").symlink_to(f"../{secret.name}")
    place.show(place.picture(".jpg").name)


def _of_any_name(name: str, place: Place) -> None:
    """The first trial's own picture under another name."""
    lines = place.events.read_text(encoding="utf-8").splitlines()
    first = lines[1].split("\t")[lines[0].split("\t").index("stim_file")]
    copy = place.stimuli / name
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_bytes((place.stimuli / first).read_bytes())
    place.show(name)


NOT_IMAGES = "not images that can be read"
POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/tmp/x) (w) file closefile\nshowpage\n"

CASES = (
    Case("a picture two folders up", named("../../secret.jpg"), 4, (OUTSIDE, "../../secret.jpg")),
    Case("a picture up by way of down", named("a/../../secret.jpg"), 4, (OUTSIDE,)),
    Case("a picture up by backslashes", named("..\\secret.jpg"), 4, (OUTSIDE,)),
    Case("a picture of the root", named("/etc/passwd"), 4, (OUTSIDE, "/etc/passwd")),
    Case("a picture of a drive", named("C:\\secret.jpg"), 4, (OUTSIDE,)),
    Case("a picture that is the folder", named("."), 4, ("names no file",)),
    Case("a picture of far too long a name", named("a" * 5000 + ".jpg"), 3, ("not in",)),
    Case("a picture that is a folder", made(lambda path: path.mkdir()), 3, ("not in",)),
    Case("a picture that links to itself", made(lambda path: path.symlink_to(path.name)), 3, ("not in",)),
    Case("a picture that is a pipe", made(lambda path: os.mkfifo(path)), 3, ("not in",)),
    Case("a picture that links to a device", link("/dev/zero"), 3, ("not in",)),
    Case("a picture that links to a password", link("/etc/passwd"), 4, (OUTSIDE,)),
    Case("a picture that links to one outside", _secret, 4, (OUTSIDE,)),
    Case("a picture that is the run's record", link("/proc/self/environ"), 4, (OUTSIDE,)),
    Case("a picture of no byte", of_bytes(b""), 4, (NOT_IMAGES,)),
    Case("a picture of text", of_bytes(b"GIF8 no picture"), 4, (NOT_IMAGES,)),
    Case("a picture of HTML", of_bytes(b"<html><script>alert(1)</script>", ".jpg"), 4, (NOT_IMAGES,)),
    Case("a picture that is a program", of_bytes(POSTSCRIPT, ".jpg"), 4, (NOT_IMAGES,)),
    Case("a picture cut short", of_bytes(_jpeg()[:100], ".jpg"), 4, ("picture",)),
    Case("a picture of 2,500,000,000 pixels", of_bytes(png(50_000, 50_000)), 4, (NOT_IMAGES,)),
    Case("a picture of a billion rows", of_bytes(png(8, 2**31 - 1)), 4, (NOT_IMAGES,)),
    Case("a picture of no pixel", of_bytes(png(0, 0)), 4, (NOT_IMAGES,)),
    Case("a picture that bombs by its text", of_bytes(_text_bomb()), 4, (NOT_IMAGES,)),
    Case("a GIF of 65,535 times 65,535", of_bytes(_oversized_gif(), ".gif"), 4, (NOT_IMAGES,)),
    Case("a TIFF that leads to itself", of_bytes(_tiff_of_itself(), ".tif"), 4, (NOT_IMAGES,)),
    Case("a picture named in Unicode", partial(_of_any_name, "Bäume 树/Lärche – früh.jpg"), 0),
    Case("a picture named as HTML", partial(_of_any_name, "<script>alert(1)<!--.jpg"), 0),
    Case("a picture named as a formula", partial(_of_any_name, "=1+1.jpg"), 0),
)
