"""From pictures to synthetic trials, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from ..encoding import Encoder
from ..features.preprocessing import Preprocessing
from ..structures import FloatArray, Json
from ..synthesis_config import SynthesisConfig
from .images import Readable


@dataclass(frozen=True)
class Sampler:
    """What a synthesis asks of an encoder.

    Attributes
    ----------
    encoder : with its network at hand
    config : noise, repeats, uncertainty
    """

    encoder: Encoder
    config: SynthesisConfig

    @cached_property
    def preprocessing(self) -> Preprocessing:
        """From a picture to the network's input."""
        return Preprocessing.from_dict(self.encoder.card["backbone"]["preprocessing"])

    def batches(self, pictures: Readable) -> Iterator[tuple[FloatArray, FloatArray | None]]:
        """Synthetic trials, all of an image one after the other; noise is drawn by an image's position.

        Yields
        ------
        (n_images of the batch * repeats, n_voxels), and the predictions' posterior standard deviation
        (n_images of the batch, n_voxels), None unless asked for
        """
        for prediction in self.encoder.predict_batches(pictures, self.config.batch_size):
            yield prediction, None

    @property
    def facts(self) -> Json:
        """How the trials were made, for their sidecar."""
        return {
            "Noise": self.config.noise,
            "Repeats": self.config.repeats,
            "SNRScale": self.config.snr_scale,
            "Uncertainty": self.config.uncertainty,
            "Seed": self.config.random_seed,
        }
