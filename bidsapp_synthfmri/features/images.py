"""Pictures as users have them, brought to 8-bit RGB."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from ..errors import OF_THE_MACHINE, InputMalformedError, InputMissingError
from ..structures import StimulusSet
from .stored import StoredPicture

ImageSource = Path | str | StoredPicture | Image.Image | NDArray[np.uint8]

# What Pillow's decoders raise on damaged files, beside OSError.
_DECODING_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    TypeError,
    LookupError,
    ArithmeticError,
    NotImplementedError,
    struct.error,
    zlib.error,
)
# Pillow knows more, and starts other programs for some (EPS), whatever a file's name says.
_FORMATS = ("JPEG", "PNG", "BMP", "DIB", "TIFF", "GIF", "WEBP")
MOST_PIXELS = Image.MAX_IMAGE_PIXELS or 89_478_485
_REMEDY = "Replace it by a readable JPEG, PNG, BMP, TIFF, GIF or WebP picture"


def open_rgb(source: ImageSource) -> Image.Image:
    """The picture as mode RGB, upright, first frame, transparency on white.

    CMYK is converted without a colour profile, inverted where a JPEG says that Adobe wrote it.

    Parameters
    ----------
    source : a file, a picture inside another file, a Pillow image, or a (height, width, 3) uint8 array

    Raises
    ------
    InputMissingError : there is no such file
    InputMalformedError : the file cannot be decoded or is too large to be, or the array is no picture

    Notes
    -----
    A picture of more pixels than Pillow's ``MAX_IMAGE_PIXELS`` is refused unread, where Pillow itself would
    only warn up to twice as many: a small file that unpacks to so much is an attack as likely as a picture.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Image.Image):
        return _decode(source, "a picture passed in memory")
    if isinstance(source, StoredPicture):
        return _from_stored(source, _decode)
    path = Path(source)
    return _opened(path, str(path), _decode)


def verify(source: Path | StoredPicture) -> None:
    """Check that a file is a picture of a size that is decoded, by its header and checksums alone.

    Raises
    ------
    InputMissingError, InputMalformedError : as ``open_rgb``, but for damage that only decoding finds
    """

    def checked(image: Image.Image, _name: str) -> Image.Image:
        image.verify()
        return image

    if isinstance(source, StoredPicture):
        _from_stored(source, checked)
    else:
        _opened(source, str(source), checked)


def sources_of(images: StimulusSet) -> list[Path | StoredPicture]:
    """The pictures of a set, in its order."""
    return [Path(path) if isinstance(path, str) else path for path in images.table["path"]]


def name_of(source: ImageSource) -> str:
    """What messages call a picture."""
    if isinstance(source, (np.ndarray, Image.Image)):
        return "a picture passed in memory"
    return source.name if isinstance(source, StoredPicture) else str(source)


def _opened(file: Path | BinaryIO, name: str, use: Callable[[Image.Image, str], Image.Image]) -> Image.Image:
    try:
        with Image.open(file, formats=_FORMATS) as image:
            _require_decodable_size(image)
            return use(image, name)
    except FileNotFoundError as error:
        raise InputMissingError(f"The picture {name} is not there", "Check the folder of pictures") from error
    except Image.DecompressionBombError as error:
        raise InputMalformedError(
            f"{name} has more than {Image.MAX_IMAGE_PIXELS:,} pixels", "Scale it down"
        ) from error
    except _DECODING_ERRORS as error:
        if isinstance(error, OSError) and error.errno in OF_THE_MACHINE:
            raise
        raise InputMalformedError(f"{name} cannot be opened as a picture ({error})", _REMEDY) from error


def _require_decodable_size(image: Image.Image) -> None:
    """Refuse what Pillow only warns of."""
    if Image.MAX_IMAGE_PIXELS is not None and image.width * image.height > Image.MAX_IMAGE_PIXELS:
        raise Image.DecompressionBombError


def _from_stored(source: StoredPicture, use: Callable[[Image.Image, str], Image.Image]) -> Image.Image:
    try:
        content = source.content()
    except FileNotFoundError as error:
        raise InputMissingError(f"The picture {source.name} is not there", "Check the images") from error
    except OSError as error:
        raise InputMalformedError(f"{source.name} cannot be read ({error})", "Make its file again") from error
    if isinstance(content, bytes):
        return _opened(BytesIO(content), source.name, use)
    return _from_array(content)


def _from_array(pixels: NDArray[np.uint8]) -> Image.Image:
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise InputMalformedError(
            f"An array of shape {pixels.shape} and type {pixels.dtype} is not a picture",
            "Give (height, width, 3) uint8",
        )
    return Image.fromarray(pixels)


def _decode(image: Image.Image, name: str) -> Image.Image:
    try:
        image.load()
        return _to_rgb(_upright(image))
    except _DECODING_ERRORS as error:
        raise InputMalformedError(f"{name} cannot be decoded as a picture ({error})", _REMEDY) from error


def _upright(image: Image.Image) -> Image.Image:
    """As the camera's orientation says; the same object where it says nothing, as copies take time."""
    turned = image.getexif().get(ExifTags.Base.Orientation) in range(2, 9)
    return ImageOps.exif_transpose(image) if turned else image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_grey_levels(image)).convert("RGB")
    if image.has_transparency_data:
        picture = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _grey_levels(image: Image.Image) -> NDArray[np.uint8]:
    """(height, width) grey levels 0-255 of a picture with more than 8 bits.

    ``I;16`` spans 0-65535. Modes ``I`` and ``F`` do not say what white is: the smallest of 1 (``F``
    only), 255 and 65535 that no pixel exceeds is taken for it.
    """
    values = np.asarray(image, dtype=np.float64)
    highest = float(values.max())
    if not (np.isfinite(values).all() and values.min() >= 0 and highest <= 65535):
        raise ValueError("its grey levels are outside 0 to 65535")
    if image.mode.startswith("I;16"):
        white = 65535.0
    elif image.mode == "F" and highest <= 1:
        white = 1.0
    else:
        white = 255.0 if highest <= 255 else 65535.0
    return np.rint(values * (255.0 / white)).astype(np.uint8)
