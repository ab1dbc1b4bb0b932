"""Everything of one participant that is read before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ..config import RunConfig
from ..dataset.bold import read_bold
from ..dataset.confounds import read_confounds
from ..dataset.index import index_participant
from ..dataset.precomputed import read_precomputed
from ..dataset.rois import read_voxel_space
from ..dataset.stimuli import read_image_folder, resolve_stimuli
from ..dataset.structures import ParticipantEvents, ParticipantFiles, Precomputed, RunFiles
from ..dataset.trials import read_trials
from ..responses import RunData
from ..structures import StimulusSet, Trials, VoxelSpace
from .console import LOGGER


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
    precomputed : responses that need no BOLD; None where they are to be estimated
    """

    files: ParticipantEvents
    trials: Trials
    skipped_rows: int
    stimuli: StimulusSet
    extra: tuple[StimulusSet, ...]
    voxels: VoxelSpace
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

    def runs(self, confounds: dict[str, None]) -> Iterator[RunData]:
        """Runs that hold trials, read one at a time; names of confounds are added to ``confounds``."""
        table = self.trials.table
        for run in self.recorded_runs:
            rows = table[(table["session"] == run.session) & (table["run"] == run.run)]
            if rows.empty:
                LOGGER.warning("%s shows no picture and was left out", run.label)
                continue
            LOGGER.debug("reading %s", run.bold)
            bold = read_bold(run, self.voxels)
            nuisance = read_confounds(run, len(bold))
            confounds.update(dict.fromkeys(nuisance.names))
            yield RunData(
                label=run.label,
                bold=bold,
                onsets=rows["onset"].to_numpy(dtype=float),
                durations=rows["duration"].to_numpy(dtype=float),
                confounds=nuisance.values,
                repetition_time=run.repetition_time,
                start_time=run.start_time,
            )


def read_inputs(config: RunConfig, participant: str) -> ParticipantInputs:
    """Index one participant and read what is small; see the readers in dataset/ for errors."""
    if config.precomputed is not None:
        return _read_precomputed(config, config.precomputed, participant)
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


def _read_precomputed(config: RunConfig, path: Path, participant: str) -> ParticipantInputs:
    read = read_precomputed(config, path, participant)
    trials = read.responses.trials
    return ParticipantInputs(
        files=replace(read.files, space=read.responses.voxels.space),
        trials=trials,
        skipped_rows=read.events.skipped_rows,
        stimuli=resolve_stimuli(trials, config.stimuli_folder),
        extra=tuple(read_image_folder(name, folder) for name, folder in config.images),
        voxels=read.responses.voxels,
        precomputed=read.responses,
    )
