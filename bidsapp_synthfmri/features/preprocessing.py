"""From a picture to a network's input, as its weights ask for it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as transforms

from ..errors import WeightsError
from ..structures import Json


@dataclass(frozen=True)
class Preprocessing:
    """Resize the shorter side, crop the centre, scale to 0-1, standardise each channel.

    Attributes
    ----------
    resize : pixels of the shorter side after resizing; the aspect ratio is kept
    crop : pixels of the square cut from the centre
    interpolation : Pillow's filter, by torchvision's name
    antialias : as in torchvision; Pillow images are always antialiased
    mean, std : per channel, in units of 0-1
    """

    resize: int
    crop: int
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
            (resize,), (crop,) = preset.resize_size, preset.crop_size
            return cls(
                resize=int(resize),
                crop=int(crop),
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

    @classmethod
    def from_dict(cls, values: Json) -> Preprocessing:
        """Read what ``to_dict`` gave, also after a way through JSON."""
        return cls(**(values | {"mean": tuple(values["mean"]), "std": tuple(values["std"])}))

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
        return (
            f"EXIF orientation applied, transparency on white, 8-bit RGB; shorter side to {self.resize} px "
            f"({self.interpolation}), centre crop {self.crop} px, scaled to 0-1, "
            f"standardised per channel (mean {mean}; sd {std})"
        )

    def crop_pixels(self, image: Image.Image) -> Tensor:
        """(3, crop, crop) uint8 of an RGB picture: the part that Pillow does."""
        resized = transforms.resize(
            image,
            [self.resize],
            interpolation=InterpolationMode(self.interpolation),
            antialias=self.antialias,
        )
        pixels: Tensor = transforms.pil_to_tensor(transforms.center_crop(resized, [self.crop]))
        return pixels

    def standardise(self, pixels: Tensor) -> Tensor:
        """(n, 3, crop, crop) float32 network input of (n, 3, crop, crop) uint8 pixels."""
        standardised: Tensor = transforms.normalize(
            transforms.convert_image_dtype(pixels), mean=list(self.mean), std=list(self.std)
        )
        return standardised
