"""Everything of one participant that is read before anything is computed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from ..config import RunConfig
from ..dataset.bold import n_volumes, read_bold_and_pool
from ..dataset.confounds import read_confounds
from ..dataset.index import index_participant
from ..dataset.rois import read_pool, read_voxel_space
from ..dataset.stimuli import read_image_folder, resolve_stimuli
from ..dataset.structures import ParticipantFiles, RunFiles
from ..dataset.trials import read_trials
from ..responses import RunData
from ..structures import IntArray, Space, StimulusSet, Trials
from .console import LOGGER
from .streaming import RunStream


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
    voxels : of the masks
    """

    files: ParticipantFiles
    trials: Trials
    skipped_rows: int
    stimuli: StimulusSet
    extra: tuple[StimulusSet, ...]
    voxels: Space

    @property
    def runs_without_trials(self) -> tuple[str, ...]:
        """Names of the runs that show no picture."""
        shown = set(zip(self.trials.table["session"], self.trials.table["run"], strict=True))
        return tuple(run.label for run in self.files.runs if (run.session, run.run) not in shown)

    def runs(
        self, confounds: dict[str, None], *, with_pool: bool = False, scratch: Path | None = None
    ) -> RunStream:
        """Runs that hold trials, to be gone through once or, in a ``with`` block, several times.

        Parameters
        ----------
        confounds : names of confounds are added to it as runs are read
        with_pool : also read the voxels from which noise components may be taken
        scratch : folder for the runs' masked series, for those who go through them again
        """
        shown = [(run, rows) for run in self.files.runs if not (rows := self._trials_of(run)).empty]
        pool = read_pool(self.files, self.voxels) if with_pool else None
        reads = [partial(self._read_run, run, rows, pool, confounds) for run, rows in shown]
        for label in self.runs_without_trials:
            LOGGER.warning("%s shows no picture and was left out", label)
        if scratch is None:
            return RunStream(reads)
        n_columns = len(self.voxels) + (0 if pool is None else len(pool))
        n_values = n_columns * sum(n_volumes(run) for run, _ in shown)
        return RunStream(reads, scratch, n_values * np.dtype(np.float32).itemsize)

    def _trials_of(self, run: RunFiles) -> pd.DataFrame:
        table = self.trials.table
        return table[(table["session"] == run.session) & (table["run"] == run.run)]

    def _read_run(
        self, run: RunFiles, rows: pd.DataFrame, pool: IntArray | None, confounds: dict[str, None]
    ) -> RunData:
        LOGGER.debug("reading %s", run.bold)
        bold, pool_bold = read_bold_and_pool(run, self.voxels, pool)
        nuisance = read_confounds(run, len(bold))
        confounds.update(dict.fromkeys(nuisance.names))
        return RunData(
            label=run.label,
            bold=bold,
            onsets=rows["onset"].to_numpy(dtype=float),
            durations=rows["duration"].to_numpy(dtype=float),
            confounds=nuisance.values,
            repetition_time=run.repetition_time,
            start_time=run.start_time,
            pool=pool_bold,
        )


def read_inputs(config: RunConfig, participant: str) -> ParticipantInputs:
    """Index one participant and read what is small; see the readers in dataset/ for errors."""
    files = index_participant(config, participant)
    read = read_trials(files, config.stimulus_column)
    return ParticipantInputs(
        files=files,
        trials=read.trials,
        skipped_rows=read.skipped_rows,
        stimuli=resolve_stimuli(read.trials, config.stimuli_folder),
        extra=tuple(read_image_folder(name, folder) for name, folder in config.images),
        voxels=read_voxel_space(files, config.rois),
    )
