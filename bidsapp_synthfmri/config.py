"""What one run was asked to do: frozen, validated, TOML in and out, with a content hash."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from dataclasses import MISSING, asdict, dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_type_hints

import tomli_w

from .config_rules import (
    CLUSTERS,
    CROPS,
    DEFAULT_CONFOUNDS,
    DEVICES,
    ESTIMATORS,
    EXECUTORS,
    JOINT_MODELS,
    LAYER_SELECTIONS,
    LEVELS,
    OVERWRITE,
    PENALTY_SEARCHES,
    UPPER_RUNGS,
    WEIGHTS_BY_NAME,
    problems_of,
)
from .errors import UsageError
from .response_files import content_identity

__all__ = [
    "CLUSTERS",
    "CROPS",
    "DEFAULT_CONFOUNDS",
    "DEVICES",
    "ESTIMATORS",
    "EXECUTORS",
    "JOINT_MODELS",
    "LAYER_SELECTIONS",
    "LEVELS",
    "OVERWRITE",
    "PENALTY_SEARCHES",
    "UPPER_RUNGS",
    "WEIGHTS_BY_NAME",
    "RunConfig",
    "config_values",
]

# Options that change where or how fast a result is computed, never what it is.
_NOT_SCIENCE = frozenset(
    {
        "bids_dir",
        "output_dir",
        "level",
        "participant_labels",
        "exclude_participant_labels",
        "derivatives",
        "stimuli_dir",
        "work_dir",
        "n_cpus",
        "executor",
        "scheduler_address",
        "cluster",
        "n_workers",
        "cache_size",
        "device",
        "memory",
        "low_mem",
        "overwrite",
        "skip_bids_validation",
        "strict",
        "stop_on_first_crash",
        "resource_monitor",
        "reports_only",
        "boilerplate_only",
        "dry_run",
        "verbosity",
        "command",
    }
)
_OF_THE_GROUP = frozenset({"experiments"})
# The participant level asks for them where it leaves categories out of encoders.
_OF_LABELS = frozenset({"labels", "label_set", "label_column", "coco_annotations"})


@dataclass(frozen=True)
class RunConfig:
    """Every option of a run.

    Attributes
    ----------
    bids_dir, output_dir : the BIDS App's two folders
    level : ``participant`` or ``group``
    participant_labels, session_labels : without ``sub-`` and ``ses-``; empty means all
    exclude_participant_labels : without ``sub-``
    bids_filter_file : JSON of entities that files must have, by kind of file; see dataset/filters.py
    task_label : without ``task-``; None means the one task whose events name stimuli
    derivatives : (name, path) of each preprocessing derivative; empty means BIDS_DIR/derivatives
    stimuli_dir : folder of the pictures; None means BIDS_DIR/stimuli
    images : (name, path) of each extra image set; its subfolders are categories
    rois : ROI names, with or without hemisphere; empty means all there are
    space : space of the preprocessed BOLD; None means the one that all runs share
    stimulus_column : events column that names the picture
    responses : single-trial estimator, a rung of the ladder ``tr34`` to ``hrf-denoise-ridge``; or the path of
        precomputed responses
    confounds : strategies of dataset/strategies.py, columns, or patterns of columns; their union is taken
    fd_threshold : mm of framewise displacement above which a volume takes no part in any fit; None keeps all
    min_ncsnr : voxels below this noise-ceiling signal-to-noise ratio are left out; None keeps all
    backbone : torchvision classification model
    layers : torchvision node names; empty means the family's default
    weights : ``imagenet``, ``random`` or a file
    crop : how pictures become squares: ``center`` cuts, ``squash`` stretches, ``pad`` adds borders
    image_size : pixels of the network's square input; None means its weights' own
    untrained_control : also fit on the same network with random weights, as a control
    layer_selection : a layer per ``voxel`` or per ``roi``, or all layers ``joint``
    joint_model : how layers are joined: ``stacking`` of their predictions, or ``banded`` ridge
    penalty_search : ``window`` settles each penalty by exact folds around generalised cross-validation's
        choice, ``exact`` tries the whole grid by exact folds, ``gcv`` takes that choice
    unseen_categories : also fit without each of some folds of categories, for decoders of categories that no
        encoder saw
    uncertainty : store with the encoder how sure it is of any prediction (one layer a voxel or ROI)
    test_fraction : share of the stimuli held out where too few are repeated
    source_column : events column with each picture's source; None means ImgType where there is one
    labels : TSV with columns ``stimulus`` and ``label``
    label_set : name of the label set that is decoded, and whose categories are left out of encoders, as
        decoding/label_sets_registry.py has it
    label_column : column of the stimulus table that holds the label
    experiments : TOML list of what the group level decodes; None means decoding's default list
    coco_annotations : COCO's instances_train2014.json, for the label sets of COCO's images
    device : ``auto``, ``cpu`` or ``cuda``
    work_dir : where the index and the feature cache live; None means OUTPUT_DIR/../work
    cache_size : GB that the feature cache may take; None sets no bound
    n_cpus : threads, of each worker where there are several; None means what affinity and cgroup allow
    executor : who computes: this ``process``, or the workers of a ``dask`` cluster
    scheduler_address : of a Dask cluster that is there already
    cluster : Dask cluster to make for the run: ``local`` processes, or ``slurm`` jobs
    n_workers : of the cluster to be made; None means as many as the processors allow
    memory : bytes that the run, or each worker, may take; None means what the machine and the cgroup leave
    low_mem : keep the large arrays in files of the work directory
    overwrite : of participants that are finished in OUTPUT_DIR, and the group: ``never``, where options,
        version or input ``changed`` or files are not whole, or ``always``
    skip_bids_validation, strict : do not check the files used against BIDS, or refuse what does not pass
    stop_on_first_crash : leave the participants after one that failed undone
    resource_monitor : record memory and processor time while the run goes on
    reports_only : make the pages of finished results again
    boilerplate_only : print the methods text of finished results
    random_seed : seed of every generator
    dry_run : say what would be done, and stop
    verbosity : 0 (steps), 1 (details), 2 (debug)
    command : the command line as given, for the record
    """

    bids_dir: Path
    output_dir: Path
    level: str = "participant"
    participant_labels: tuple[str, ...] = ()
    exclude_participant_labels: tuple[str, ...] = ()
    session_labels: tuple[str, ...] = ()
    bids_filter_file: Path | None = None
    task_label: str | None = None
    derivatives: tuple[tuple[str, Path], ...] = ()
    stimuli_dir: Path | None = None
    images: tuple[tuple[str, Path], ...] = ()
    rois: tuple[str, ...] = ()
    space: str | None = None
    stimulus_column: str = "stim_file"
    responses: str = "hrf-denoise-ridge"
    confounds: tuple[str, ...] = DEFAULT_CONFOUNDS
    fd_threshold: float | None = None
    min_ncsnr: float | None = None
    backbone: str = "alexnet"
    layers: tuple[str, ...] = ()
    weights: str = "imagenet"
    crop: str = "center"
    image_size: int | None = None
    untrained_control: bool = False
    layer_selection: str = "voxel"
    joint_model: str = "stacking"
    penalty_search: str = "window"
    unseen_categories: bool = True
    uncertainty: bool = False
    test_fraction: float = 0.1
    source_column: str | None = None
    labels: Path | None = None
    label_set: str | None = None
    label_column: str | None = None
    experiments: Path | None = None
    coco_annotations: Path | None = None
    device: str = "auto"
    work_dir: Path | None = None
    cache_size: float | None = None
    n_cpus: int | None = None
    executor: str = "process"
    scheduler_address: str | None = None
    cluster: str | None = None
    n_workers: int | None = None
    memory: int | None = None
    low_mem: bool = False
    overwrite: str = "changed"
    skip_bids_validation: bool = False
    strict: bool = False
    stop_on_first_crash: bool = False
    resource_monitor: bool = False
    reports_only: bool = False
    boilerplate_only: bool = False
    random_seed: int = 0
    dry_run: bool = False
    verbosity: int = 0
    command: str = ""

    def __post_init__(self) -> None:
        problems = problems_of(self)
        if len(problems) == 1:
            raise UsageError(*problems[0])
        if problems:
            told = "; ".join(f"({number}) {problem}" for number, (problem, _) in enumerate(problems, 1))
            remedies = "; ".join(f"({number}) {remedy}" for number, (_, remedy) in enumerate(problems, 1))
            raise UsageError(f"{len(problems)} things are wrong with the options: {told}", remedies)

    @property
    def precomputed(self) -> Path | None:
        """Where precomputed responses lie; None where an estimator is named."""
        return None if self.responses in ESTIMATORS else Path(self.responses)

    @property
    def work_folder(self) -> Path:
        """The work directory in force."""
        if self.work_dir is not None:
            return self.work_dir
        output = self.output_dir.resolve()
        if output.is_relative_to(self.bids_dir.resolve()):
            return Path.cwd() / "work"
        return output.parent / "work"

    @property
    def cache_bytes(self) -> int | None:
        """The feature cache's bound; None sets none."""
        return None if self.cache_size is None else int(self.cache_size * 1e9)

    @property
    def stimuli_folder(self) -> Path:
        """The folder of the pictures in force."""
        return self.stimuli_dir if self.stimuli_dir is not None else self.bids_dir / "stimuli"

    def science(self) -> dict[str, Any]:
        """The options that change results, as plain values.

        Image sets go by name, precomputed responses, filters, files of weights and of labels by
        ``content_identity``: it does not matter where they lie.
        """
        left_out = _NOT_SCIENCE
        if self.level == "participant":
            left_out |= _OF_THE_GROUP | (frozenset() if self.unseen_categories else _OF_LABELS)
        values = {key: value for key, value in self.to_dict().items() if key not in left_out}
        if self.precomputed is not None:
            values["responses"] = content_identity(self.precomputed)
        if self.weights not in WEIGHTS_BY_NAME:
            values["weights"] = content_identity(Path(self.weights))
        for key in {"labels", "coco_annotations", "bids_filter_file"} & set(values):
            values[key] = content_identity(Path(values[key]))
        return {**values, "images": [name for name, _ in self.images]}

    def content_hash(self) -> str:
        """SHA-256 of ``science()``; equal hashes may share an output directory."""
        text = json.dumps(self.science(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, options left at None omitted."""
        return {key: _plain(value) for key, value in asdict(self).items() if value is not None}

    def to_toml(self) -> str:
        """The whole configuration as TOML, to be read by ``from_toml``."""
        return tomli_w.dumps(self.to_dict())

    @classmethod
    def from_toml(cls, text: str) -> RunConfig:
        """Read what ``to_toml`` wrote.

        Raises
        ------
        UsageError : not TOML, an unknown key, a missing one, or a value that does not fit
        """
        values = config_values(text, "The configuration")
        missing = [f.name for f in fields(cls) if f.default is MISSING and f.name not in values]
        if missing:
            raise UsageError(f"The configuration lacks {', '.join(missing)}", "Add them")
        return cls(**values)


def config_values(text: str, where: str) -> dict[str, Any]:
    """Options of a TOML text in their own types, by ``RunConfig``'s names.

    Parameters
    ----------
    where : what messages call the text

    Raises
    ------
    UsageError : not TOML, an unknown key, or a value of another type
    """
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # the latter of lists without end
        raise UsageError(f"{where} is not TOML: {error}", "Mend the line it names") from error
    hints = get_type_hints(RunConfig)
    for key in values:
        if key not in hints:
            near = get_close_matches(key.replace("-", "_"), hints, 1)
            remedy = f"Write {near[0]}" if near else "Remove it; a run's config.toml shows the names"
            raise UsageError(f"{where} has the unknown key {key!r}", remedy)
    return {key: _typed(key, value, str(hints[key]), where) for key, value in values.items()}


_PAIRS = frozenset({"derivatives", "images"})


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _typed(key: str, value: Any, hint: str, where: str) -> Any:
    """The value in the type of its field, whose annotation is ``hint``."""
    if key in _PAIRS:
        if isinstance(value, list) and all(map(_is_pair, value)):
            return tuple((name, Path(path)) for name, path in value)
        raise UsageError(f"{where}: {key} is {value!r}", 'Write [["NAME", "PATH"], ...]')
    if hint.startswith("tuple"):
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise UsageError(f"{where}: {key} is {value!r}", "Give a list of texts")
    for kind, name in _KINDS:
        if re.search(rf"\b{name}\b", hint) and type(value) in kind:
            return Path(value) if name == "Path" else float(value) if name == "float" else value
    raise UsageError(f"{where}: {key} is {value!r}", f"Give a value of the type {hint.split(' | ')[0]}")


# What TOML's values may be for a field of each type.
_KINDS: tuple[tuple[tuple[type, ...], str], ...] = (
    ((str,), "Path"),
    ((float, int), "float"),
    ((int,), "int"),
    ((bool,), "bool"),
    ((str,), "str"),
)


def _is_pair(item: object) -> bool:
    return isinstance(item, list) and len(item) == 2 and all(isinstance(part, str) for part in item)
