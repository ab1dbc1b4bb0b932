"""A synthetic scan: from a stored encoder and images to BOLD series on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from ..dataset.image_sets import read_image_set
from ..derivatives.bold_dataset import BoldDataset, require_bold_dataset
from ..derivatives.occupied import sole_writer
from ..encoding import Encoder
from ..errors import UsageError
from ..responses import PRECOMPUTED
from ..structures import FloatArray, Json, StimulusSet, VoxelSpace
from ..synthesis.bold import RunTiming, evoked_peaks, run_series, trial_noise_share
from ..synthesis.bold_design import PACES, PlannedRun, plan_runs, require_within
from ..synthesis.noise_model import NONE
from ..synthesis.series_model import SeriesModel
from ..synthesis.trials import require_samplable
from ..synthesis_config import DEFAULT_SET
from .bold_events import given_runs
from .bold_images import ScanImage, scan_images
from .bold_options import BoldConfig, BoldOptions
from .console import LOGGER, Stopwatch, logging_to
from .levels import guarded, open_log
from .runtime import choose_device, pinned_threads

# What a generator is for, so that no draw of one moves another's.
_DESIGN, _TRIALS, _SERIES = range(3)


@dataclass(frozen=True)
class _Scan:
    """What all runs of a scan have in common; the images by their names."""

    encoder: Encoder
    series: SeriesModel
    options: BoldOptions
    images: dict[str, ScanImage]
    repetition_time: float


def synthesise_bold(config: BoldConfig) -> int:
    """Write a synthetic scan of images by a stored encoder.

    Returns
    -------
    0

    Raises
    ------
    SynthfmriError : what the readers, the encoder and the writer refuse
    """
    require_bold_dataset(config.output_dir)
    images = read_image_set(DEFAULT_SET, config.source, config.dataset, require_labels=config.require_labels)
    log = open_log(config)
    with logging_to(log.path, 0), pinned_threads(config.n_cpus):
        LOGGER.info("%s", config.command)
        guarded(partial(_from_files, config, images), log, config.output_dir, None)
    return 0


def _from_files(config: BoldConfig, images: StimulusSet) -> None:
    encoder = Encoder.load(config.encoder, config.weights_file, str(choose_device(config.device)))
    uri = config.encoder.resolve().as_uri()
    with sole_writer(config.output_dir, str(encoder.card["participant"])):
        write_synthetic_bold(encoder, images, config.output_dir, config.bold, uri)
    LOGGER.info("synthesize: done, see %s", config.output_dir)


def write_synthetic_bold(
    encoder: Encoder, images: StimulusSet, out: Path, options: BoldOptions, encoder_uri: str | None = None
) -> None:
    """Write BOLD series, events, masks and pictures of a synthetic scan; see docs/synthesis-bold.md.

    Parameters
    ----------
    encoder : with its network and, stored with it, the model of the participant's series
    images : files; those that the design shows are copied
    out : folder of synthetic scans, or one that is not there yet
    options : design and noise
    encoder_uri : of its file, for the record

    Raises
    ------
    UsageError : the encoder has no model of series, or of noise where there is to be some; it is on
        surfaces; ``out`` holds something else or another scan; a design that cannot be
    InputMissingError, InputMalformedError : events or pictures that cannot be used
    """
    series = require_series(encoder)
    if not isinstance(encoder.voxels, VoxelSpace):
        raise UsageError(
            "The encoder's responses lie on surfaces, and synthetic BOLD is written in volumes only",
            "Give an encoder that was fitted on volumes",
        )
    require_samplable(encoder.noise, options.noise, options.repeats, options.snr_scale)
    repetition_time = options.repetition_time or series.repetition_time
    scan = _Scan(encoder, series, options, scan_images(images), repetition_time=repetition_time)
    runs = _plan(scan, images)
    described = _described(scan, encoder_uri)
    identity = _identity(runs, described)
    participant, task = str(encoder.card["participant"]), str(encoder.card["task"])
    require_bold_dataset(out)
    dataset = BoldDataset(out, participant, task, encoder.voxels, (runs[0].session, runs[0].run))
    dataset.begin(identity, described)
    empty = dataset.write_rois()
    if empty:
        LOGGER.warning("%d regions have no voxel in the encoder, and no mask", empty)
    watch = Stopwatch(f"sub-{participant}")
    for number, run in enumerate(runs):
        with watch.step(f"synthesising run {number + 1} of {len(runs)}, {len(run.trials)} trials"):
            _write_run(dataset, scan, number, run, described)
    dataset.finish(identity, described)


def require_series(encoder: Encoder) -> SeriesModel:
    """The encoder's model of its participant's series.

    Raises
    ------
    UsageError : there is none, and why
    """
    if encoder.series is not None:
        return encoder.series
    why = (
        "its responses were precomputed, so that no BOLD was read"
        if encoder.card.get("responses") == PRECOMPUTED
        else "its runs left too few volumes to tell noise from responses, or an older version fitted it"
    )
    raise UsageError(
        f"The encoder has no model of BOLD series: {why}",
        "Fit an encoder with --responses and an estimator's name, from preprocessed BOLD",
    )


def _plan(scan: _Scan, images: StimulusSet) -> tuple[PlannedRun, ...]:
    options = scan.options
    if options.events:
        runs = given_runs(
            options.events,
            images.stimuli,
            stimulus_column=options.stimulus_column,
            repetition_time=scan.repetition_time,
            n_volumes=options.n_volumes,
        )
    else:
        runs = plan_runs(
            images.stimuli,
            PACES[options.design],
            repetition_time=scan.repetition_time,
            n_runs=options.n_runs,
            repeats=options.repeats,
            n_volumes=options.n_volumes,
            rng=_generator(options, _DESIGN),
        )
    for run in runs:
        require_within(run, scan.repetition_time)
    return runs


def _write_run(dataset: BoldDataset, scan: _Scan, number: int, run: PlannedRun, described: Json) -> None:
    labels, stimuli = (run.session, run.run), list(run.trials["stimulus"])
    timing = RunTiming(
        onsets=run.trials["onset"].to_numpy(dtype=float),
        durations=run.trials["duration"].to_numpy(dtype=float),
        n_volumes=run.n_volumes,
        repetition_time=scan.repetition_time,
    )
    responses = _responses(scan, number, stimuli)
    series = run_series(
        responses,
        timing,
        scan.series,
        _generator(scan.options, _SERIES, number),
        kind=scan.options.series_noise,
        noise=scan.encoder.noise,
    )
    for stimulus in dict.fromkeys(stimuli):
        dataset.add_picture(scan.images[stimulus].file, scan.images[stimulus].content)
    dataset.write_responses(labels, stimuli, evoked_peaks(responses, scan.series), described)
    dataset.write_run(labels, _events(scan, run), series, scan.repetition_time, described)


def _responses(scan: _Scan, number: int, stimuli: Sequence[str]) -> FloatArray:
    """(n_trials, n_voxels) a run's responses in the encoder's unit, with the noise of trials asked for."""
    options, noise = scan.options, scan.encoder.noise
    distinct = list(dict.fromkeys(stimuli))
    predicted = scan.encoder.predict([scan.images[name].picture for name in distinct], options.batch_size)
    row = {name: position for position, name in enumerate(distinct)}
    rows = [row[name] for name in stimuli]
    if noise is None or options.noise == NONE:
        return predicted[rows]
    signal: FloatArray = noise.signal(predicted, options.snr_scale)[rows]
    share = 1.0 if options.series_noise == NONE else trial_noise_share(scan.series, noise)
    for trial, response in enumerate(signal):
        drawn = noise.noise(options.noise, 1, _generator(options, _TRIALS, number, trial))
        response += share * drawn[0]
    return signal


def _events(scan: _Scan, run: PlannedRun) -> pd.DataFrame:
    stimuli = run.trials["stimulus"]
    own = pd.DataFrame(
        {
            "onset": run.trials["onset"],
            "duration": run.trials["duration"],
            "trial_type": [scan.images[stimulus].label for stimulus in stimuli],
            "stim_file": [scan.images[stimulus].file for stimulus in stimuli],
        }
    )
    others = run.trials.drop(columns=["onset", "duration", "stimulus"])
    others = others.rename(columns={name: f"events_{name}" for name in others if name in own})
    return pd.concat([own, others], axis="columns")


def _described(scan: _Scan, encoder_uri: str | None) -> Json:
    """What sidecars say of where a scan comes from."""
    options, card = scan.options, scan.encoder.card
    correlated = scan.encoder.noise is not None and options.series_noise == "calibrated"
    return {
        "Encoder": encoder_uri or "in memory",
        **({"EncoderSHA256": card["sha256"]} if "sha256" in card else {}),
        **({"Sources": [encoder_uri]} if encoder_uri else {}),
        "Design": "given events" if options.events else options.design,
        "TrialNoise": options.noise,
        "SignalScale": options.snr_scale,
        "SeriesNoise": options.series_noise,
        "SeriesNoiseOverVoxels": "correlated as noise of trials" if correlated else "independent",
        "TimesToPeak": sorted({round(hrf.time_to_peak, 2) for hrf in scan.series.hrfs}),
        "Seed": options.seed,
    }


def _identity(runs: Sequence[PlannedRun], described: Json) -> str:
    """Hash of all that decides what is written."""
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    for run in runs:
        digest.update(f"{run.session}\0{run.run}\0{run.n_volumes}\0{run.trials.to_csv()}\0".encode())
    return digest.hexdigest()


def _generator(options: BoldOptions, *purpose: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(options.seed, spawn_key=purpose))
