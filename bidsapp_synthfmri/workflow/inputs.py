"""Everything of one participant that is read before anything is computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from ..config import RunConfig
from ..dataset.bold import n_volumes, read_bold_and_pool
from ..dataset.confounds import ConfoundTable, read_all_confounds
from ..dataset.image_sets import read_image_set
from ..dataset.index import index_participant
from ..dataset.precomputed import read_precomputed
from ..dataset.rois import read_pool, read_voxel_space
from ..dataset.stimuli import resolve_stimuli
from ..dataset.structures import ParticipantEvents, ParticipantFiles, Precomputed, RunEvents, RunFiles
from ..dataset.trials import read_trials
from ..errors import InputMalformedError
from ..responses import RunData
from ..responses.design import frame_times, nuisance_basis
from ..structures import FloatArray, IntArray, Space, StimulusSet, Trials
from .console import LOGGER
from .streaming import RunStream

RunReader = Callable[[RunFiles], tuple[FloatArray, FloatArray | None]]


@dataclass(frozen=True)
class ParticipantInputs:
    """What was found.

    Attributes
    ----------
    files : paths
    trials : presentations, in order of session, run and onset
    skipped_rows : event rows without a picture
    stimuli : one image a distinct stimulus
    extra : the extra image sets
    voxels : of the masks, or of the precomputed responses
    nuisance : confounds and censored volumes of each run that holds trials, by the run's label
    precomputed : responses that need no BOLD; None where they are to be estimated
    """

    files: ParticipantEvents
    trials: Trials
    skipped_rows: int
    stimuli: StimulusSet
    extra: tuple[StimulusSet, ...]
    voxels: Space
    nuisance: dict[str, ConfoundTable] = field(default_factory=dict)
    precomputed: Precomputed | None = None

    @property
    def recorded_runs(self) -> tuple[RunFiles, ...]:
        """Runs whose BOLD is read; none where the responses are precomputed."""
        return self.files.runs if isinstance(self.files, ParticipantFiles) else ()

    @property
    def masks(self) -> tuple[Path, ...]:
        """Files of the ROIs."""
        if self.precomputed is not None:
            return self.precomputed.masks
        return tuple(roi.path for roi in self.files.rois)

    @property
    def runs_without_trials(self) -> tuple[str, ...]:
        """Names of the runs that show no picture."""
        tables = [self.trials.table, *([self.precomputed.missing] if self.precomputed else [])]
        shown = {pair for table in tables for pair in zip(table["session"], table["run"], strict=True)}
        return tuple(run.label for run in self.files.runs if (run.session, run.run) not in shown)

    @property
    def confounds(self) -> tuple[str, ...]:
        """Names of the confounds projected out of any run."""
        return tuple(dict.fromkeys(name for table in self.nuisance.values() for name in table.names))

    @property
    def most_censored(self) -> tuple[str, ConfoundTable] | None:
        """The run that lost most volumes, and its confounds; None where none lost any."""
        run = max(self.nuisance, key=lambda label: self.nuisance[label].n_censored, default=None)
        return (run, self.nuisance[run]) if run is not None and self.nuisance[run].n_censored else None

    @property
    def shown_runs(self) -> tuple[RunFiles, ...]:
        """Recorded runs that hold trials."""
        return tuple(run for run in self.recorded_runs if run.label in self.nuisance)

    def runs(
        self, *, with_pool: bool = False, scratch: Path | None = None, reader: RunReader | None = None
    ) -> RunStream:
        """Runs that hold trials, to be gone through once or, in a ``with`` block, several times.

        Parameters
        ----------
        with_pool : also read the voxels from which noise components may be taken
        scratch : folder for the runs' masked series, for those who go through them again
        reader : gives a run's series in the masks and in the pool; None reads the dataset
        """
        for label in self.runs_without_trials:
            LOGGER.warning("%s shows no picture and was left out", label)
        if reader is not None:
            return RunStream([partial(self._read_run, run, reader) for run in self.shown_runs])
        pool = self._pool(with_pool)
        given = partial(_read_series, self.voxels, pool)
        reads = [partial(self._read_run, run, given) for run in self.shown_runs]
        return RunStream(reads) if scratch is None else RunStream(reads, scratch, self._series_bytes(pool))

    def series_bytes(self, *, with_pool: bool) -> int:
        """Size of all runs' masked series, in float32."""
        return self._series_bytes(self._pool(with_pool))

    def _series_bytes(self, pool: IntArray | None) -> int:
        n_columns = len(self.voxels) + (0 if pool is None else len(pool))
        n_values = n_columns * sum(n_volumes(run) for run in self.shown_runs)
        return n_values * np.dtype(np.float32).itemsize

    def _pool(self, with_pool: bool) -> IntArray | None:
        if with_pool and isinstance(self.files, ParticipantFiles):
            return read_pool(self.files, self.voxels)
        return None

    def _read_run(self, run: RunFiles, reader: RunReader) -> RunData:
        bold, pool_bold = reader(run)
        rows = _rows_of(run, self.trials)
        nuisance = self.nuisance[run.label]
        return RunData(
            label=run.label,
            bold=bold,
            onsets=rows["onset"].to_numpy(dtype=float),
            durations=rows["duration"].to_numpy(dtype=float),
            confounds=nuisance.values,
            repetition_time=run.repetition_time,
            start_time=run.start_time,
            censored=nuisance.censored,
            pool=pool_bold,
        )


def _read_series(voxels: Space, pool: IntArray | None, run: RunFiles) -> tuple[FloatArray, FloatArray | None]:
    LOGGER.debug("reading %s", run.bold)
    return read_bold_and_pool(run, voxels, pool)


def read_inputs(config: RunConfig, participant: str) -> ParticipantInputs:
    """Index one participant and read what is small; see the readers in dataset/ for errors."""
    if config.precomputed is not None:
        return _read_precomputed(config, config.precomputed, participant)
    files = index_participant(config, participant)
    read = read_trials(files, config.stimulus_column)
    shown = [run for run in files.runs if len(_rows_of(run, read.trials))]
    return ParticipantInputs(
        files=files,
        trials=read.trials,
        skipped_rows=read.skipped_rows,
        stimuli=resolve_stimuli(read.trials, config.stimuli_folder),
        extra=tuple(read_image_set(name, path) for name, path in config.images),
        voxels=read_voxel_space(files, config.rois),
        nuisance=_read_nuisance(config, shown, read.trials),
    )


def _read_precomputed(config: RunConfig, path: Path, participant: str) -> ParticipantInputs:
    read = read_precomputed(config, path, participant)
    trials = read.responses.trials
    return ParticipantInputs(
        files=replace(read.files, space=read.responses.voxels.space),
        trials=trials,
        skipped_rows=read.events.skipped_rows,
        stimuli=resolve_stimuli(trials, config.stimuli_folder),
        extra=tuple(read_image_set(name, path) for name, path in config.images),
        voxels=read.responses.voxels,
        precomputed=read.responses,
    )


def _rows_of(run: RunEvents, trials: Trials) -> pd.DataFrame:
    table = trials.table
    return table[(table["session"] == run.session) & (table["run"] == run.run)]


def _read_nuisance(config: RunConfig, runs: Sequence[RunFiles], trials: Trials) -> dict[str, ConfoundTable]:
    tables = read_all_confounds(runs, config.confounds, config.fd_threshold)
    for run in runs:
        if config.fd_threshold is not None and tables[run.label].n_censored:
            _require_volumes(config.fd_threshold, run, tables[run.label], len(_rows_of(run, trials)))
    return tables


def _require_volumes(threshold: float, run: RunFiles, table: ConfoundTable, n_trials: int) -> None:
    """Refuse a run that censoring leaves with no more volumes than its trials and nuisance need.

    Raises
    ------
    InputMalformedError : naming run, counts and threshold
    """
    n_volumes = len(table.values)
    times = frame_times(n_volumes, run.repetition_time, run.start_time)
    used = None if table.censored is None else ~table.censored
    rank = nuisance_basis(times, table.values, used).shape[1]
    if n_trials + rank >= n_volumes - table.n_censored and n_trials + rank < n_volumes:
        raise InputMalformedError(
            f"{run.label}: --fd-threshold {threshold:g} mm leaves"
            f" {n_volumes - table.n_censored} of {n_volumes} volumes for {n_trials} trials and {rank} drifts"
            " and confounds, which is too few",
            "Raise --fd-threshold, choose fewer --confounds, or leave the session out with --session-label",
        )
