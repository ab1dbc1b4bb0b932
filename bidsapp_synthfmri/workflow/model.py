"""From responses and pictures to an encoder and its synthetic responses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
import torch

from ..config import RunConfig
from ..dataset.structures import ParticipantEvents
from ..encoding import (
    Encoder,
    EncoderFit,
    Folds,
    LeftOut,
    Provenance,
    Search,
    TrainingData,
    VoxelChoices,
    fit_encoder,
    make_folds,
    model_card,
)
from ..encoding.split import HeldOut
from ..encoding.training import Progress, untold
from ..evaluation.reliability import Reliability
from ..features.backbones import Backbone
from ..features.images import sources_of
from ..features.preprocessing import Preprocessing
from ..features.squares import readable, squares_ahead
from ..structures import Features, FloatArray, Json, Responses, StimulusSet, Synthetic, Trials
from ..synthesis.noise_fit import Spread, fit_noise_model
from ..synthesis.series_model import SeriesModel
from .console import LOGGER
from .images import BATCHES_AHEAD
from .memory import array_budget
from .progress import told_images
from .runtime import dataset_description, generator, software
from .streaming import allocate

_BATCH = 32
_SCRATCH = "encoder"


@dataclass(frozen=True)
class FittedModel:
    """An encoder, how it was fitted, and what it says of the dataset's own stimuli.

    Attributes
    ----------
    encoder : with its network at hand
    fit : scores, choices and out-of-fold predictions
    folds : of the training trials
    synthetic : one row a stimulus, in order of first presentation
    unseen : responses by encoders without the categories of the pictures; None where they were not made
    test_variance : (n_test_stimuli, n_voxels) posterior variance of the predictions of test stimuli, in the
        order of ``synthetic``; None without ``uncertainty``
    """

    encoder: Encoder
    fit: EncoderFit
    folds: Folds
    synthetic: Synthetic
    unseen: Synthetic | None = None
    test_variance: FloatArray | None = None


def fit_model(
    config: RunConfig,
    files: ParticipantEvents,
    responses: Responses,
    held_out: HeldOut,
    features: Features,
    backbone: Backbone,
    left_out: LeftOut | None = None,
    n_components: int = 0,
    progress: Progress = untold,
) -> FittedModel:
    """Fit on the training trials; predict test stimuli, and training stimuli out of fold.

    Parameters
    ----------
    left_out : groups of stimuli to fit without, too (``EncoderFit.without``)
    n_components : of the pictures' features to keep, at most; 0 for none
    progress : told of every part of the fit that is done
    """
    training = responses.trials.take(~held_out.is_test)
    folds = make_folds(training, generator(config, files.participant, "folds"))
    fit = fit_encoder(
        features,
        responses.values[~held_out.is_test],
        features.rows_of(responses.trials.stimuli)[responses.trials.stimulus_index[~held_out.is_test]],
        folds,
        backbone.device,
        progress=progress,
        selection=selection_of(config),
        rois=responses.voxels.roi_sets(),
        search=config.penalty_search,
        allocate=partial(allocate, config.work_folder / _SCRATCH, array_budget(config)),
        rng=generator(config, files.participant, "candidates"),
        uncertainty=config.uncertainty,
        left_out=left_out,
        n_components=n_components,
    )
    card = _card(config, files, responses, training, fit, folds, backbone)
    encoder = replace(
        Encoder.of_fit(fit, responses.voxels, card, backbone),
        series=SeriesModel.of_estimation(responses.estimation),
    )
    stored = partial(allocate, config.work_folder / _SCRATCH, array_budget(config))
    synthetic = _own_stimuli(encoder, fit, responses, features, stored)
    variance = _test_variance(encoder, responses, features, synthetic) if config.uncertainty else None
    return FittedModel(encoder, fit, folds, synthetic, test_variance=variance)


def with_noise(model: FittedModel, responses: Responses, known: Reliability | None) -> FittedModel:
    """The model, its encoder knowing how real trials vary; as it is where nothing repeats.

    Parameters
    ----------
    responses : all trials, of the encoder's voxels
    known : their reliability; None where nothing repeats
    """
    if known is None:
        return model
    noise = fit_noise_model(
        responses.values,
        responses.trials.stimulus_index,
        known.signal_sd,
        known.noise_sd,
        Spread(
            model.fit.out_of_fold.mean(axis=0, dtype=np.float64),
            model.fit.unseen_sd,
            None if model.fit.posterior is None else model.fit.posterior.typical_variance,
        ),
    )
    LOGGER.info("%s", noise.summary)
    return replace(model, encoder=replace(model.encoder, noise=noise))


def selection_of(config: RunConfig) -> str:
    """How layers are chosen, as ``encoding.selection`` names it."""
    return config.joint_model if config.layer_selection == "joint" else config.layer_selection


def synthesise_set(encoder: Encoder, images: StimulusSet) -> Synthetic:
    """Responses to an extra image set, decoded ahead of the network.

    Raises
    ------
    InputMissingError, InputMalformedError : a picture that is not there or cannot be decoded
    """
    return of_set(predict_images(encoder, images), encoder, images)


def of_set(values: FloatArray, encoder: Encoder, images: StimulusSet) -> Synthetic:
    """An encoder's responses (n_images, n_voxels) to an extra image set, with what is known of the images."""
    table = images.table.drop(columns="path").assign(split=images.name, prediction="encoder")
    return Synthetic(values, table, encoder.voxels)


def predict_images(encoder: Encoder, images: StimulusSet) -> FloatArray:
    """(n_images, n_voxels) responses, images decoded ahead of the network; errors as ``synthesise_set``."""
    squares = squares_ahead(
        Preprocessing.from_dict(encoder.card["backbone"]["preprocessing"]),
        sources_of(images),
        torch.get_num_threads(),
        BATCHES_AHEAD * _BATCH,
    )
    batches = []
    with told_images(images.name, len(images)) as told:
        for batch in encoder.predict_batches(readable(squares), _BATCH):
            batches.append(batch)
            told(len(batch))
    return np.concatenate(batches)


def _own_stimuli(
    encoder: Encoder,
    fit: EncoderFit,
    responses: Responses,
    features: Features,
    stored: Callable[[tuple[int, ...]], FloatArray],
) -> Synthetic:
    """One row a stimulus, in order of first presentation; ``stored`` makes the array of them."""
    stimuli = responses.trials.stimuli
    order = features.rows_of(stimuli)
    is_training = np.isin(order, fit.training_rows)
    values = stored((len(stimuli), len(responses.voxels)))
    # The fit's rows ascend, the stimuli stand in order of presentation.
    values[is_training] = fit.out_of_fold[np.searchsorted(fit.training_rows, order[is_training])]
    values[~is_training] = encoder.predict_features(features.take(order[~is_training]))
    table = pd.DataFrame(
        {
            "stimulus": list(stimuli),
            "split": np.where(is_training, "train", "test"),
            "prediction": np.where(is_training, "out-of-fold", "encoder"),
        }
    )
    return Synthetic(values, table.join(_constant_columns(responses)), responses.voxels)


def _test_variance(
    encoder: Encoder, responses: Responses, features: Features, synthetic: Synthetic
) -> FloatArray:
    """(n_test_stimuli, n_voxels), some stimuli at a time: they are made in float64."""
    rows = features.rows_of(responses.trials.stimuli)[synthetic.table["split"].to_numpy() == "test"]
    parts = [rows[first : first + _BATCH] for first in range(0, len(rows), _BATCH)]
    return np.concatenate([encoder.variance_of_features(features.take(part)) for part in parts])


def _constant_columns(responses: Responses) -> pd.DataFrame:
    """Events columns that have one value for all presentations of each stimulus; a row a stimulus."""
    table = responses.trials.table
    others = table.drop(columns=["session", "run", "onset", "duration"])
    by_stimulus = others.groupby("stimulus", sort=False)
    varies = by_stimulus.nunique(dropna=False).max() > 1
    constant = list(varies.index[~varies])
    repeated = len(table) > len(by_stimulus)
    return (
        by_stimulus[constant].first().reset_index(drop=True)
        if repeated
        else pd.DataFrame(index=range(len(table)))
    )


def _card(
    config: RunConfig,
    files: ParticipantEvents,
    responses: Responses,
    training: Trials,
    fit: EncoderFit,
    folds: Folds,
    backbone: Backbone,
) -> Json:
    described = dataset_description(config.bids_dir)
    choices = VoxelChoices.of_fit(fit)
    joint = config.layer_selection == "joint"
    return model_card(
        data=TrainingData(
            participant=files.participant,
            task=files.task,
            stimuli=training.stimuli,
            n_trials=len(training),
            responses=responses.estimator,
            unit=responses.unit,
            dataset=_text(described.get("Name")),
            doi=_text(described.get("DatasetDOI")),
        ),
        folds=folds,
        search=Search(
            penalty_search=config.penalty_search,
            alphas=fit.alphas,
            layer_selection=config.layer_selection,
            sentence=fit.selection,
            joint_model=config.joint_model if joint else None,
            grid_edges=fit.grid_edges,
        ),
        choices=choices,
        voxels=responses.voxels,
        backbone=backbone.identity(),
        provenance=Provenance(software(), config.random_seed, config.content_hash()),
    )


def _text(value: object) -> str | None:
    """What a dataset says of itself, unless it is no text."""
    return value if isinstance(value, str) and value else None
