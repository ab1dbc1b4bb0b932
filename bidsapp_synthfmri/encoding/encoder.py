"""The encoder: images in, responses or sampled trials out; a file of its own, and a model card."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ..errors import InputMalformedError, UsageError
from ..features.backbones import Backbone
from ..features.extraction import ImageSource, extract
from ..features.squares import Square
from ..structures import Features, FloatArray, Json, Space
from ..synthesis.noise_model import CALIBRATED, NoiseModel
from ..synthesis.series_model import SeriesModel
from ..synthesis.trials import require_samplable, sample_trials
from .choices import VoxelChoices
from .parts import PARTS, Part
from .posterior import Posterior
from .readout import Readout
from .weights import LayerWeights, layer_weights

if TYPE_CHECKING:
    from .fit import EncoderFit

__all__ = ["Encoder", "LayerWeights", "VoxelChoices", "layer_weights"]


@dataclass(frozen=True, eq=False, repr=False)
class Encoder:
    """Predicts responses to any image.

    Attributes
    ----------
    weights : one entry a layer in use
    intercept : (n_voxels,) float32
    voxels : where the predictions lie
    card : the model card: data, folds, backbone, preprocessing, software, seed
    backbone : the network, or None until it is first needed
    choices : per voxel penalty, layer and cross-validated score; None for an encoder put together by hand
    noise : how real single trials vary; None where no stimulus was repeated, or the file is older
    posterior : how sure the weights are; None unless it was asked for
    series : how real BOLD series vary; None where the responses were not estimated from BOLD
    """

    weights: tuple[LayerWeights, ...]
    intercept: FloatArray
    voxels: Space
    card: Json
    backbone: Backbone | None = None
    choices: VoxelChoices | None = field(default=None)
    noise: NoiseModel | None = None
    posterior: Posterior | None = None
    series: SeriesModel | None = None

    @classmethod
    def of_fit(cls, fit: EncoderFit, voxels: Space, card: Json, backbone: Backbone | None = None) -> Encoder:
        """The encoder of a fit; ``card`` as ``model_card`` makes it."""
        choices = VoxelChoices.of_fit(fit)
        return cls(fit.weights, fit.intercept, voxels, card, backbone, choices, posterior=fit.posterior)

    @classmethod
    def load(cls, path: Path | str, weights_file: Path | str | None = None, device: str = "cpu") -> Encoder:
        """Read an encoder and rebuild its network.

        Parameters
        ----------
        path : the ``.safetensors`` file; its model card lies beside it
        weights_file : the network's weights, for an encoder fitted on weights from a file
        device : ``cpu`` or ``cuda``, whichever it was fitted on

        Raises
        ------
        InputMissingError, InputMalformedError : no such file, no card, a hash that differs, another version
        WeightsError : the network's weights cannot be had, or are others
        UsageError : a GPU is asked for and there is none
        """
        from .storage import read_encoder

        where = _device(device)
        encoder = read_encoder(Path(path))
        source = Path(weights_file) if weights_file is not None else None
        return encoder.on(Backbone.from_identity(encoder.card["backbone"], source, where))

    def save(self, path: Path | str) -> None:
        """Write the arrays to ``path`` and the model card beside it, each whole or not at all.

        Files of the same names are replaced, as ``numpy.save`` and nilearn do. The arrays come first: were
        this stopped between the two, loading would find that they do not match, and say so.

        Parameters
        ----------
        path : a ``.safetensors`` file; the card gets the same name with ``.json``

        Raises
        ------
        UsageError : another suffix, or a card that lacks what loading needs
        OSError : the folder cannot be written
        """
        from .storage import write_encoder

        write_encoder(self, Path(path))

    def on(self, backbone: Backbone) -> Encoder:
        """The same encoder with its network at hand, computing where the network does."""
        return replace(self, backbone=backbone)

    def predict(self, images: Sequence[ImageSource], batch_size: int = 64) -> FloatArray:
        """Noiseless responses, in the images' order.

        Parameters
        ----------
        images : paths, Pillow images or (height, width, 3) uint8 arrays
        batch_size : images a forward pass

        Returns
        -------
        (n_images, n_voxels) float32, in the unit of the responses it was fitted on (``card["unit"]``)

        Raises
        ------
        UsageError : no network at hand, one image instead of a list, or a batch size below 1
        InputMissingError, InputMalformedError : a picture that is not there or cannot be decoded
        """
        batches = list(self.predict_batches(images, batch_size))
        return np.concatenate(batches) if batches else np.empty((0, len(self.voxels)), dtype=np.float32)

    def predict_batches(
        self, images: Iterable[ImageSource | Square], batch_size: int = 64
    ) -> Iterator[FloatArray]:
        """``predict`` of any number of images, a batch at a time: (<= batch_size, n_voxels)."""
        backbone = self._checked(images, batch_size)
        for units in extract(backbone, images, batch_size):
            yield self._predict(dict(zip(backbone.layers, units, strict=True)), len(units[0]))

    def predict_with_variance_batches(
        self, images: Iterable[ImageSource | Square], batch_size: int = 64
    ) -> Iterator[tuple[FloatArray, FloatArray]]:
        """``predict_batches``, with the posterior variance of each prediction.

        Yields
        ------
        predictions and variances, (<= batch_size, n_voxels) each

        Raises
        ------
        UsageError : as for ``predict``, and where the encoder was fitted without its uncertainty
        """
        backbone, posterior = self._checked(images, batch_size), self.require_posterior()
        for units in extract(backbone, images, batch_size):
            layers = dict(zip(backbone.layers, units, strict=True))
            yield self._predict(layers, len(units[0])), posterior.variance(layers, backbone.device)

    def uncertain_batches(
        self, images: Sequence[ImageSource], batch_size: int, uncertainty: bool
    ) -> Iterator[tuple[FloatArray, FloatArray | None]]:
        """``predict_with_variance_batches``; without ``uncertainty`` None in place of the variance."""
        if uncertainty:
            yield from self.predict_with_variance_batches(images, batch_size)
            return
        for prediction in self.predict_batches(images, batch_size):
            yield prediction, None

    def sample(
        self,
        images: Sequence[ImageSource],
        repeats: int,
        rng: np.random.Generator,
        *,
        noise: str = CALIBRATED,
        snr_scale: float = 1.0,
        uncertainty: bool = False,
        batch_size: int = 64,
    ) -> FloatArray:
        """Responses to presentations of images, each with noise of its own, as real single trials have.

        Parameters
        ----------
        images, batch_size : as for ``predict``
        repeats : presentations of every image
        rng : a generator is spawned of it for each image, so that batches change nothing
        noise, snr_scale : see ``synthesis.trials.sample_trials``
        uncertainty : also draw what the encoder does not know of each image, once for its repeats

        Returns
        -------
        (repeats, n_images, n_voxels) float32, in the unit of the responses it was fitted on

        Raises
        ------
        UsageError : what cannot be sampled; noise or uncertainty that the encoder has no model of
        InputMissingError, InputMalformedError : a picture that is not there or cannot be decoded
        """
        require_samplable(self.noise, noise, repeats, snr_scale)
        samples = np.empty((repeats, len(images), len(self.voxels)), dtype=np.float32)
        rngs, done = rng.spawn(len(images)), 0
        for prediction, variance in self.uncertain_batches(images, batch_size, uncertainty):
            rows = slice(done, done + len(prediction))
            samples[:, rows] = sample_trials(
                prediction,
                self.noise,
                repeats,
                rngs[rows],
                kind=noise,
                snr_scale=snr_scale,
                variance=variance,
            )
            done = rows.stop
        return samples

    def predict_features(self, features: Features) -> FloatArray:
        """(n_images, n_voxels) from features at hand; extra layers are ignored.

        Raises
        ------
        UsageError : the features lack layers that the encoder uses
        InputMalformedError : a layer has another number of units than the encoder's
        """
        units = {layer.name: layer.values for layer in features.layers}
        return self._predict(units, len(features.stimuli))

    def variance_of_features(self, features: Features) -> FloatArray:
        """(n_images, n_voxels) posterior variance of ``predict_features``.

        Raises
        ------
        UsageError : the features lack a layer, or the encoder was fitted without its uncertainty
        """
        units = {layer.name: layer.values for layer in features.layers}
        self._require_units(units)
        return self.require_posterior().variance(units, self._device)

    @property
    def alpha(self) -> NDArray[np.float64]:
        """(n_voxels,) ridge penalty of each voxel, in its layer."""
        return self._chosen.alpha

    @property
    def layer(self) -> NDArray[np.str_]:
        """(n_voxels,) name of each voxel's layer, the one with the largest weight."""
        return np.array(self._chosen.layers)[self._chosen.layer]

    @property
    def cv_r(self) -> FloatArray:
        """(n_voxels,) cross-validated correlation of each voxel, inside the training set."""
        return self._chosen.cv_r

    @property
    def cv_r2(self) -> FloatArray:
        """(n_voxels,) cross-validated R2 of each voxel, inside the training set."""
        return self._chosen.cv_r2

    @property
    def parts(self) -> dict[str, Part]:
        """The models that it carries beside its weights, by name."""
        held: dict[str, Part | None] = {name: getattr(self, name) for name in PARTS}
        return {name: part for name, part in held.items() if part is not None}

    def __repr__(self) -> str:
        network = self.card.get("backbone", {})
        parts = [f"{len(self.voxels)} voxels in {self.voxels.space}"]
        if "participant" in self.card:
            parts.insert(0, f"sub-{self.card['participant']}")
        if network:
            parts.append(f"{network['name']} ({network['weights']})")
        parts.append(f"layers {', '.join(layer.name for layer in self.weights)}")
        if self.choices is not None and np.isfinite(self.cv_r).any():
            parts.append(f"median cross-validated r {np.nanmedian(self.cv_r):.3f}")
        return f"<Encoder: {'; '.join(parts)}>"

    @property
    def _chosen(self) -> VoxelChoices:
        if self.choices is None:
            raise UsageError(
                "This encoder was put together without the choices of a fit",
                "Make it with Encoder.of_fit, or load one that was",
            )
        return self.choices

    def require_posterior(self) -> Posterior:
        """How sure the weights are.

        Raises
        ------
        UsageError : the encoder was fitted without it
        """
        if self.posterior is None:
            raise UsageError(
                "The encoder was fitted without its uncertainty",
                "Fit it again with --uncertainty, or do without",
            )
        return self.posterior

    @property
    def _device(self) -> torch.device:
        return torch.device("cpu") if self.backbone is None else self.backbone.device

    @cached_property
    def _readout(self) -> Readout:
        return Readout.on(self._device, self.weights, self.intercept)

    def _predict(self, units: Mapping[str, FloatArray], n_images: int) -> FloatArray:
        self._require_units(units)
        return self._readout.predict(units, n_images)

    def _require_units(self, units: Mapping[str, FloatArray]) -> None:
        lacking = [layer.name for layer in self.weights if layer.name not in units]
        if lacking:
            raise UsageError(
                f"The features, {', '.join(units)}, lack {', '.join(lacking)}, which the encoder uses",
                f"Give all of {', '.join(layer.name for layer in self.weights)}",
            )
        for layer in self.weights:
            found = units[layer.name].shape[1]
            if found != layer.n_units:
                raise InputMalformedError(
                    f"Layer {layer.name} has {found} units, the encoder's has {layer.n_units}",
                    "Extract features with the network and preprocessing that the encoder's card names",
                )

    def _checked(self, images: Iterable[ImageSource | Square], batch_size: int) -> Backbone:
        """The network, once the request makes sense."""
        if self.backbone is None:
            raise UsageError("This encoder has no network at hand", "Use Encoder.load, or Encoder.on")
        if isinstance(images, (str, Path, Image.Image)) or getattr(images, "ndim", 4) == 3:
            raise UsageError("One image was given where a list is due", "Write predict([image])")
        if batch_size < 1:
            raise UsageError(f"batch_size is {batch_size}", "Give 1 or more")
        return self.backbone


def _device(name: str) -> torch.device:
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"device {name!r}: torch finds no CUDA GPU", 'Use device="cpu"')
    return device
