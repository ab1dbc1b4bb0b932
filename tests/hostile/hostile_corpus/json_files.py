"""Sidecars: keys twice, nested without end, numbers that are none, other encodings and sizes."""

from __future__ import annotations

from collections.abc import Callable

from .case import Case, Place, fifo
from .nifti import put, written

SIDECAR = "_bold.json"


def stating(value: str) -> Callable[[Place], None]:
    return written("sidecar", f'{{"TaskName": "images", "RepetitionTime": {value}}}'.encode())


def stating_of_its_own(value: str) -> Callable[[Place], None]:
    """What the preprocessed series' sidecar says, which is the more specific one."""
    return written("own_sidecar", f'{{"RepetitionTime": {value}}}'.encode())


def _sparse(place: Place) -> None:
    """Hundreds of megabytes that take no room on the disk."""
    with place.sidecar.open("r+b") as file:
        file.truncate(500 * 2**20)


def _marked(place: Place) -> None:
    place.sidecar.write_bytes(b"\xef\xbb\xbf" + place.sidecar.read_bytes())


def _with_nan(place: Place) -> None:
    """Python and dcm2niix have written NaN where JSON has no word for it."""
    content = place.sidecar.read_text().rstrip().removesuffix("}")
    place.sidecar.write_text(content + ', "EchoTime": NaN}')


def _link(place: Place) -> None:
    place.sidecar.unlink()
    place.sidecar.symlink_to("/dev/zero")


CASES = (
    Case(
        "a key twice",
        written("sidecar", b'{"RepetitionTime": 2.0, "RepetitionTime": 1.0}'),
        4,
        (SIDECAR, "'RepetitionTime' twice"),
    ),
    Case(
        "a key twice inside",
        written("sidecar", b'{"RepetitionTime": 2.0, "a": [{"b": 1, "b": 2}]}'),
        4,
        (SIDECAR, "'b' twice"),
    ),
    Case("lists without end", written("sidecar", b"[" * 200_000), 4, (SIDECAR, "nested")),
    Case("objects without end", written("sidecar", b'{"a":' * 200_000), 4, (SIDECAR, "nested")),
    Case("a number of 5000 digits", stating("9" * 5000), 4, (SIDECAR,)),
    Case("a number of 400 digits", stating("9" * 400), 4, (SIDECAR, "RepetitionTime")),
    Case("a time of NaN", stating("NaN"), 4, (SIDECAR, "RepetitionTime")),
    Case("a time without end", stating("Infinity"), 4, (SIDECAR, "RepetitionTime")),
    Case("a time of 1e999", stating("1e999"), 4, (SIDECAR, "RepetitionTime")),
    Case("a time of text", stating('"2"'), 4, (SIDECAR, "RepetitionTime")),
    Case("a time that is true", stating("true"), 4, (SIDECAR, "RepetitionTime")),
    Case("a time below 0", stating_of_its_own("-2"), 4, ("RepetitionTime of -2",)),
    Case("another time than the header's", stating_of_its_own("1.5"), 4, ("repetition time",)),
    Case("a list", written("sidecar", b"[2.0]"), 4, (SIDECAR, "no JSON object")),
    Case("half an object", written("sidecar", b'{"RepetitionTime": 2'), 4, (SIDECAR, "not JSON")),
    Case("no byte", written("sidecar", b""), 4, (SIDECAR, "not JSON")),
    Case("UTF-16", written("sidecar", '{"RepetitionTime": 2}'.encode("utf-16")), 4, (SIDECAR, "not JSON")),
    Case("half a gigabyte of nothing", _sparse, 4, (SIDECAR, "larger than 64 MiB")),
    Case("a sidecar that is a pipe", put("sidecar", fifo), 3, (SIDECAR,)),
    Case("a sidecar that is a device", _link, 3, (SIDECAR,)),
    Case("a sidecar with a byte order mark", _marked, 0),
    Case("a sidecar with NaN elsewhere", _with_nan, 0),
)
