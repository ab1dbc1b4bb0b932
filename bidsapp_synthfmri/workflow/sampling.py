"""From pictures to synthetic trials, batch by batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..encoding import Encoder
from ..structures import FloatArray, Json
from ..synthesis.noise_model import NONE
from ..synthesis.trials import image_generators, require_samplable, sample_trials
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

    def require(self) -> None:
        """Refuse what this encoder cannot give, before hours go into it.

        Raises
        ------
        UsageError : noise or uncertainty that it has no model of
        """
        config = self.config
        require_samplable(self.encoder.noise, config.noise, config.repeats, config.snr_scale)
        if config.uncertainty:
            next(self.encoder.predict_with_variance_batches([]), None)

    def batches(self, pictures: Readable) -> Iterator[tuple[FloatArray, FloatArray | None]]:
        """Synthetic trials, all of an image one after the other; noise is drawn by an image's position.

        Yields
        ------
        (n_images of the batch * repeats, n_voxels), and the predictions' posterior standard deviation
        (n_images of the batch, n_voxels), None unless asked for
        """
        done = 0
        for prediction, variance in self._predictions(pictures):
            kept = pictures.kept[done : done + len(prediction)]
            done += len(prediction)
            sd = None if variance is None else np.sqrt(variance)
            yield self._trials(prediction, variance, [image.position for image in kept]), sd

    def _predictions(self, pictures: Readable) -> Iterator[tuple[FloatArray, FloatArray | None]]:
        if self.config.uncertainty:
            yield from self.encoder.predict_with_variance_batches(pictures, self.config.batch_size)
        else:
            for prediction in self.encoder.predict_batches(pictures, self.config.batch_size):
                yield prediction, None

    def _trials(
        self, prediction: FloatArray, variance: FloatArray | None, positions: Sequence[int]
    ) -> FloatArray:
        if self.config.noise == NONE:
            return prediction
        trials = sample_trials(
            prediction,
            self.encoder.noise,
            self.config.repeats,
            image_generators(self.config.random_seed, positions),
            kind=self.config.noise,
            snr_scale=self.config.snr_scale,
            variance=variance,
        )  # (repeats, n_images, n_voxels)
        return trials.transpose(1, 0, 2).reshape(-1, prediction.shape[1])

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
