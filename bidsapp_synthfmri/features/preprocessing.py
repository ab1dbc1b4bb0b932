"""From a picture to a network's input: as its weights ask for it, or by another policy."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as transforms

from ..errors import InputMalformedError, UsageError, WeightsError
from ..structures import Json

CROPS = ("center", "squash", "pad")
# Beyond, resizing the shorter side would make a picture too large to hold; the rest is cut off anyway.
_LONGEST = 32
# A square of more fits into no network, nor several of them into memory.
_MOST_PIXELS = 8192


@dataclass(frozen=True)
class Preprocessing:
    """Make the picture a square, scale to 0-1, standardise each channel.

    Attributes
    ----------
    crop : ``center`` resizes the shorter side to ``resize`` and cuts the square from the centre;
        ``squash`` stretches the whole picture to the square; ``pad`` keeps the whole picture in
        proportion and fills the borders with the mean colour, about 0 once standardised
    size : pixels of the square
    resize : pixels of the shorter side before a ``center`` crop; ``size`` for the other policies
    interpolation : Pillow's filter, by torchvision's name
    antialias : as in torchvision; Pillow images are always antialiased
    mean, std : per channel, in units of 0-1
    """

    crop: str
    size: int
    resize: int
    interpolation: str
    antialias: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of_weights(cls, weights: Any) -> Preprocessing:
        """The transforms that torchvision keeps with a set of weights.

        Raises
        ------
        WeightsError : the transforms are of another kind than image classification's
        """
        preset = weights.transforms()
        try:
            (resize,), (size,) = preset.resize_size, preset.crop_size
            return cls(
                crop="center",
                size=int(size),
                resize=int(resize),
                interpolation=str(preset.interpolation.value),
                antialias=bool(preset.antialias),
                mean=tuple(float(value) for value in preset.mean),
                std=tuple(float(value) for value in preset.std),
            )
        except (AttributeError, ValueError) as error:
            raise WeightsError(
                f"The transforms of {weights} are not a resize, a centre crop and a standardisation",
                "Choose another backbone",
            ) from error

    def changed(self, crop: str = "center", size: int | None = None) -> Preprocessing:
        """Another policy with the same filter and standardisation.

        Parameters
        ----------
        crop : one of ``CROPS``
        size : pixels of the square; None keeps the weights' own. ``center`` resizes in proportion.

        Raises
        ------
        UsageError : no such policy, or no such size
        """
        if crop not in CROPS:
            raise UsageError(f"--crop cannot be {crop!r}", f"Choose one of {', '.join(CROPS)}")
        if size is not None and not 1 <= size <= _MOST_PIXELS:
            raise UsageError(f"--image-size is {size}", f"Give pixels, 1 to {_MOST_PIXELS}")
        new = self.size if size is None else size
        resize = max(new, round(self.resize * new / self.size)) if crop == "center" else new
        return replace(self, crop=crop, size=new, resize=resize)

    @classmethod
    def from_dict(cls, values: Json) -> Preprocessing:
        """Read what ``to_dict`` gave, also after a way through JSON.

        Records of before there were policies have pixels under ``crop``: they are centre crops.

        Raises
        ------
        InputMalformedError : another record
        """
        if isinstance(values.get("crop"), int):
            values = values | {"crop": "center", "size": values["crop"]}
        try:
            read = cls(**(values | {"mean": tuple(values["mean"]), "std": tuple(values["std"])}))
        except (TypeError, KeyError) as error:
            raise InputMalformedError(
                f"A record of preprocessing with {', '.join(sorted(values))} is not of a kind known here",
                "Use the version of synthfmri that wrote it",
            ) from error
        if not read._is_sound():
            raise InputMalformedError(
                f"A record of preprocessing says {str(values)[:200]!r}",
                "Use the version of synthfmri that wrote it",
            )
        if read.crop not in CROPS:
            raise InputMalformedError(
                f"A record of preprocessing names a crop {read.crop!r} that is not known here",
                "Use the version of synthfmri that wrote it",
            )
        return read

    def _is_sound(self) -> bool:
        """Whether sizes are pixels of a picture that fits into memory, and the rest is of its type."""
        sizes = all(type(pixels) is int and 0 < pixels <= _MOST_PIXELS for pixels in (self.size, self.resize))
        numbers = [*self.mean, *self.std]
        known = self.interpolation in [mode.value for mode in InterpolationMode]
        return sizes and known and len(numbers) == 6 and all(type(n) in (int, float) for n in numbers)

    def to_dict(self) -> Json:
        """Plain values for a record."""
        return asdict(self) | {"mean": list(self.mean), "std": list(self.std)}

    @property
    def key(self) -> str:
        """SHA-256 of the policy: equal keys give equal inputs for the same picture."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    @property
    def sentence(self) -> str:
        """The policy in words, for the record."""
        mean, std = (", ".join(f"{value:g}" for value in values) for values in (self.mean, self.std))
        square = {
            "center": f"shorter side to {self.resize} px ({self.interpolation}), centre crop {self.size} px",
            "squash": f"stretched to {self.size} x {self.size} px ({self.interpolation})",
            "pad": f"longer side to {self.size} px ({self.interpolation}), "
            f"borders of the mean colour to {self.size} x {self.size} px",
        }[self.crop]
        return (
            f"EXIF orientation applied, transparency on white, 8-bit RGB; {square}, scaled to 0-1, "
            f"standardised per channel (mean {mean}; sd {std})"
        )

    def square(self, image: Image.Image) -> Tensor:
        """(3, size, size) uint8 of an RGB picture: the part that Pillow does."""
        if self.crop == "squash":
            made = self._resized(image, [self.size, self.size])
        elif self.crop == "pad":
            made = self._padded(image)
        else:
            resized = self._resized(_central(image), [self.resize])
            made = transforms.center_crop(resized, [self.size])
        pixels: Tensor = transforms.pil_to_tensor(made)
        return pixels

    def _resized(self, image: Image.Image, size: list[int]) -> Image.Image:
        """Resized to (height, width), or by its shorter side."""
        resized: Image.Image = transforms.resize(
            image, size, interpolation=InterpolationMode(self.interpolation), antialias=self.antialias
        )
        return resized

    def _padded(self, image: Image.Image) -> Image.Image:
        scale = self.size / max(image.size)
        width, height = (max(1, round(side * scale)) for side in image.size)
        colour = tuple(round(255 * value) for value in self.mean)
        padded = Image.new("RGB", (self.size, self.size), colour)
        place = (self.size - width) // 2, (self.size - height) // 2
        padded.paste(self._resized(image, [height, width]), place)
        return padded

    def standardise(self, pixels: Tensor) -> Tensor:
        """(n, 3, size, size) float32 network input of (n, 3, size, size) uint8 pixels."""
        mean, std = (
            torch.tensor(values, device=pixels.device)[:, None, None] for values in (self.mean, self.std)
        )
        if pixels.device.type != "cpu":
            return pixels.float().div_(255).sub_(mean).div_(std)
        standardised = torch.empty(pixels.shape, dtype=torch.float32)
        for image, values in zip(pixels, standardised, strict=True):  # one at a time stays in the cache
            values.copy_(image).div_(255).sub_(mean).div_(std)
        return standardised


def _central(image: Image.Image) -> Image.Image:
    """The central part of a picture far longer than wide; any other as it is."""
    width, height = image.size
    most = _LONGEST * min(width, height)
    if max(width, height) <= most:
        return image
    kept_width, kept_height = min(width, most), min(height, most)
    left, top = (width - kept_width) // 2, (height - kept_height) // 2
    return image.crop((left, top, left + kept_width, top + kept_height))
