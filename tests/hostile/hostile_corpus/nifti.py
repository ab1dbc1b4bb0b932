"""Images: truncated, changed, lying about their size, type, place and scaling."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np

from .case import Case, Place, device, fifo, folder, loop

# Offsets in a NIfTI-1 header.
DIM, DATATYPE, PIXDIM, VOX_OFFSET, SLOPE, SFORM = 40, 70, 76, 108, 112, 280
NAN, INF = float("nan"), float("inf")


def packed(content: bytes) -> bytes:
    return gzip.compress(content, 1, mtime=0)


def changed(path: Path, *patches: tuple[int, str, tuple[float | bytes, ...]]) -> None:
    """Put values at places of a packed image, its checksum being right again."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    for offset, form, values in patches:
        struct.pack_into(form, content, offset, *values)
    path.write_bytes(packed(bytes(content)))


def header(kind: str, offset: int, form: str, *values: float | bytes) -> Callable[[Place], None]:
    return lambda place: changed(getattr(place, kind), (offset, form, values))


def truncated(kind: str, share: float) -> Callable[[Place], None]:
    def cut(place: Place) -> None:
        path: Path = getattr(place, kind)
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])

    return cut


def flipped(kind: str, share: float, bit: int = 4) -> Callable[[Place], None]:
    """One bit changed, at a share of the packed file's length."""

    def flip(place: Place) -> None:
        path: Path = getattr(place, kind)
        content = bytearray(path.read_bytes())
        content[int(share * (len(content) - 1))] ^= 1 << bit
        path.write_bytes(bytes(content))

    return flip


def written(kind: str, content: bytes) -> Callable[[Place], None]:
    return lambda place: getattr(place, kind).write_bytes(content) and None


def put(kind: str, make: Callable[[Path], None]) -> Callable[[Place], None]:
    return lambda place: make(getattr(place, kind))


def reshaped(kind: str, reshape: Callable[[np.ndarray], np.ndarray]) -> Callable[[Place], None]:
    def save(place: Place) -> None:
        path: Path = getattr(place, kind)
        image = nib.load(path)
        values = reshape(np.asarray(image.dataobj))
        nib.save(nib.Nifti1Image(values, image.affine), path)

    return save


def _followed(n_bytes: int, place: Place) -> None:
    """Nothing but zeros behind the last volume: little on the disk, and much to read."""
    place.bold.write_bytes(place.bold.read_bytes() + packed(bytes(n_bytes)))


def saved(change: Callable[[nib.Nifti1Image], nib.Nifti1Image]) -> Callable[[Place], None]:
    """The BOLD written in another way, its numbers being the same."""

    def save(place: Place) -> None:
        nib.save(change(nib.load(place.bold)), place.bold)

    return save


def _as_type(dtype: str, image: nib.Nifti1Image) -> nib.Nifti1Image:
    values = np.asarray(image.dataobj)
    made = nib.Nifti1Image(values.astype(dtype), image.affine, image.header)
    made.header.set_data_dtype(dtype)
    made.header.set_slope_inter(1, 0)
    return made


def _big_endian(image: nib.Nifti1Image) -> nib.Nifti1Image:
    values = np.asarray(image.dataobj)
    made = image.header.as_byteswapped(">")
    made.set_data_dtype(np.dtype(">f4"))
    made.set_slope_inter(1, 0)
    return nib.Nifti1Image(values.astype(">f4"), image.affine, made)


def _nifti2(image: nib.Nifti1Image) -> nib.Nifti1Image:
    made = nib.Nifti2Image(np.asarray(image.dataobj), image.affine)
    made.header["pixdim"][4] = image.header["pixdim"][4]
    made.header.set_xyzt_units("mm", "sec")
    made.header.set_data_dtype(np.float32)
    return made


def _members(place: Place) -> None:
    """Several gzip members in a row, as parallel compressors write them."""
    content = gzip.decompress(place.bold.read_bytes())
    third = len(content) // 3
    parts = (content[:200], content[200:third], content[third:], b"")
    place.bold.write_bytes(b"".join(map(packed, parts)))


def _far_data(place: Place) -> None:
    """The volumes further back than they need be."""
    content = bytearray(gzip.decompress(place.bold.read_bytes()))
    offset = int(struct.unpack_from("<f", content, VOX_OFFSET)[0])
    struct.pack_into("<f", content, VOX_OFFSET, offset + 4096.0)
    place.bold.write_bytes(packed(bytes(content[:offset]) + bytes(4096) + bytes(content[offset:])))


def _unscaled(slope: float, place: Place) -> None:
    """A slope that the standard, or nibabel's use, takes for none."""
    image = nib.load(place.bold)
    values = np.asarray(image.dataobj)
    nib.save(_as_type("float32", nib.Nifti1Image(values, image.affine, image.header)), place.bold)
    changed(place.bold, (SLOPE, "<2f", (slope, 0.0)))


DAMAGED = "truncated or damaged"
BOLD, ROI = "preproc_bold.nii.gz", "mask-LHPPA.nii.gz"

CASES = (
    Case("bold cut in half", truncated("bold", 0.5), 4, (BOLD, DAMAGED)),
    Case("bold cut in its checksum", truncated("bold", 0.99999), 4, (BOLD, DAMAGED)),
    Case("bold cut in its header", truncated("bold", 0.0005), 4, (BOLD, DAMAGED)),
    Case("bold of no byte", written("bold", b""), 4, (BOLD,)),
    Case("bold of text", written("bold", b"not an image\n" * 99), 4, (BOLD,)),
    Case("bold of packed text", written("bold", packed(b"not an image\n" * 99)), 4, (BOLD,)),
    Case("bold with a bit changed", flipped("bold", 0.6), 4, (BOLD, DAMAGED)),
    Case("bold with a bit of its checksum changed", flipped("bold", 0.99999), 4, (BOLD, DAMAGED)),
    Case("bold with zeros behind it", partial(_followed, 50_000_000), 4, (BOLD, "behind its last volume")),
    Case(
        "bold of absurd dimensions",
        header("bold", DIM, "<5h", 4, 32767, 32767, 32767, 32767),
        4,
        (BOLD, "shape of (32767"),
    ),
    Case(
        "bold of more volumes than the file can hold",
        header("bold", DIM + 8, "<h", 32767),
        4,
        (BOLD, "32767 volumes"),
    ),
    Case("bold of a dimension of 0", header("bold", DIM + 4, "<h", 0), 4, (BOLD,)),
    Case("bold of a dimension below 0", header("bold", DIM + 4, "<h", -5), 4, (BOLD,)),
    Case("bold of nine dimensions", header("bold", DIM, "<h", 9), 4, (BOLD,)),
    Case("bold far behind its header", header("bold", VOX_OFFSET, "<f", 1e30), 4, (BOLD, DAMAGED)),
    Case("bold at no number's offset", header("bold", VOX_OFFSET, "<f", NAN), 4, (BOLD, DAMAGED)),
    Case("bold before its header", header("bold", VOX_OFFSET, "<f", -352.0), 4, (BOLD, DAMAGED)),
    Case("bold of an unknown type", header("bold", DATATYPE, "<h", 777), 4, (BOLD,)),
    Case("bold of complex numbers", header("bold", DATATYPE, "<2h", 32, 64), 4, (BOLD,)),
    Case("bold of colours", header("bold", DATATYPE, "<2h", 128, 24), 4, (BOLD,)),
    Case("bold with an intercept of NaN", header("bold", SLOPE, "<2f", 2.0, NAN), 4, (BOLD, "intercept")),
    Case("bold with an affine of NaN", header("bold", SFORM, "<4f", *[NAN] * 4), 4, (BOLD, "affine")),
    Case("bold with an infinite affine", header("bold", SFORM, "<f", INF), 4, (BOLD, "affine")),
    Case("bold with an affine of 0", header("bold", SFORM, "<12f", *[0.0] * 12), 4, (BOLD, "affine")),
    Case("bold metres away", header("bold", SFORM + 12, "<f", 1e30), 4, (BOLD, "affine")),
    Case("bold of one volume", reshaped("bold", lambda values: values[..., 0]), 4, (BOLD, "no series")),
    Case("bold of five dimensions", reshaped("bold", lambda v: v[..., None]), 4, (BOLD, "no series")),
    Case("bold is a pipe", put("bold", fifo), 3, (BOLD,)),
    Case("bold links to itself", put("bold", loop), 3, (BOLD,)),
    Case("bold is a device", put("bold", device), 3, (BOLD,)),
    Case("bold is a folder", put("bold", folder), 3, ("BOLD", "bold.nii.gz")),
    Case("roi with a bit changed", flipped("roi", 0.7), 4, (ROI, DAMAGED)),
    Case("roi cut short", truncated("roi", 0.9), 4, (ROI, DAMAGED)),
    Case("roi of colours", header("roi", DATATYPE, "<2h", 128, 24), 4, (ROI,)),
    Case("roi of several volumes", reshaped("roi", lambda v: np.stack([v, v], -1)), 4, (ROI, "volume")),
    Case("roi of two dimensions", reshaped("roi", lambda values: values[..., 0]), 4, (ROI, "dimensions")),
    Case("roi with an affine of NaN", header("roi", SFORM, "<4f", *[NAN] * 4), 4, (ROI, "affine")),
    Case("roi of another size", reshaped("roi", lambda v: v[1:]), 4, (ROI, "grid")),
    Case("roi is a pipe", put("roi", fifo), 3, (ROI,)),
    Case("bold in float64", saved(partial(_as_type, "float64")), 0),
    Case("bold in float32", saved(partial(_as_type, "float32")), 0),
    Case("bold in the other byte order", saved(_big_endian), 0),
    Case("bold as NIfTI-2", saved(_nifti2), 0),
    Case("bold in several gzip members", _members, 0),
    Case("bold further behind its header", _far_data, 0),
    Case("bold with a slope of 0", partial(_unscaled, 0.0), 0),
    Case("bold with a slope of NaN", partial(_unscaled, NAN), 0),
    Case("bold with a little padding", partial(_followed, 4096), 0),
)
