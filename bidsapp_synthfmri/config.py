"""What one run was asked to do: frozen, validated, TOML in and out, with a content hash."""

from __future__ import annotations

import hashlib
import json
import math
import tomllib
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

import tomli_w

from .errors import UsageError
from .response_files import content_identity

LEVELS = ("participant", "group")
# Those that choose by all runs together.
UPPER_RUNGS = ("hrf", "hrf-denoise", "hrf-denoise-ridge")
ESTIMATORS = ("tr34", "lsa", "lss", *UPPER_RUNGS)
DEVICES = ("auto", "cpu", "cuda")
WEIGHTS_BY_NAME = ("imagenet", "random")
CROPS = ("center", "squash", "pad")
LAYER_SELECTIONS = ("voxel", "roi", "joint")
JOINT_MODELS = ("stacking", "banded")
PENALTY_SEARCHES = ("window", "exact", "gcv")
DEFAULT_CONFOUNDS = ("acompcor",)
# What tables call the dataset's own pictures, and decoding the responses to them.
_RESERVED = frozenset({"train", "test", "same"})

# Options that change where or how fast a result is computed, never what it is.
_NOT_SCIENCE = frozenset(
    {
        "bids_dir",
        "output_dir",
        "level",
        "participant_labels",
        "derivatives",
        "stimuli_dir",
        "work_dir",
        "n_cpus",
        "cache_size",
        "device",
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
    n_cpus : threads; None means what affinity and cgroup allow
    random_seed : seed of every generator
    dry_run : say what would be done, and stop
    verbosity : 0 (steps), 1 (details), 2 (debug)
    command : the command line as given, for the record
    """

    bids_dir: Path
    output_dir: Path
    level: str = "participant"
    participant_labels: tuple[str, ...] = ()
    session_labels: tuple[str, ...] = ()
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
    random_seed: int = 0
    dry_run: bool = False
    verbosity: int = 0
    command: str = ""

    def __post_init__(self) -> None:
        for problem, remedy in self._problems():
            raise UsageError(problem, remedy)

    def _problems(self) -> list[tuple[str, str]]:
        problems: list[tuple[str, str]] = []
        for name, value, allowed in (
            ("analysis level", self.level, LEVELS),
            ("--device", self.device, DEVICES),
            ("--crop", self.crop, CROPS),
            ("--layer-selection", self.layer_selection, LAYER_SELECTIONS),
            ("--joint-model", self.joint_model, JOINT_MODELS),
            ("--penalty-search", self.penalty_search, PENALTY_SEARCHES),
        ):
            if value not in allowed:
                problems.append((f"{name} cannot be {value!r}", f"Choose one of {', '.join(allowed)}"))
        if not 0 < self.test_fraction < 1:
            problems.append((f"--test-fraction is {self.test_fraction}", "Give a number between 0 and 1"))
        if self.n_cpus is not None and self.n_cpus < 1:
            problems.append((f"--n-cpus is {self.n_cpus}", "Give 1 or more"))
        if self.image_size is not None and self.image_size < 1:
            problems.append((f"--image-size is {self.image_size}", "Give pixels, 1 or more"))
        if self.cache_size is not None and not 0 < self.cache_size < math.inf:
            problems.append((f"--cache-size is {self.cache_size}", "Give GB, more than 0"))
        if self.random_seed < 0:
            problems.append((f"--random-seed is {self.random_seed}", "Give 0 or more"))
        if self.label_column is not None and (self.labels is not None or self.label_set is not None):
            problems.append(("--labels and --label-column were both given", "Give one of them"))
        problems += self._model_problems()
        problems += self._threshold_problems()
        problems += self._responses_problems()
        problems += self._name_problems()
        problems += self._folder_problems()
        return problems

    def _model_problems(self) -> list[tuple[str, str]]:
        problems: list[tuple[str, str]] = []
        if self.untrained_control and self.weights == "random":
            problems.append(
                (
                    "--untrained-control has nothing to be compared with",
                    "Give trained --weights, or leave it out",
                )
            )
        if self.uncertainty and self.layer_selection == "joint":
            problems.append(
                (
                    "--uncertainty is known for one layer a voxel, and --layer-selection is joint",
                    "Choose --layer-selection voxel or roi, or leave out --uncertainty",
                )
            )
        return problems

    def _threshold_problems(self) -> list[tuple[str, str]]:
        problems: list[tuple[str, str]] = []
        if not self.confounds:
            problems.append(
                ("--confounds names nothing", "Name a strategy or columns; none projects none out")
            )
        if self.fd_threshold is not None and not 0 < self.fd_threshold < math.inf:
            problems.append((f"--fd-threshold is {self.fd_threshold}", "Give millimetres, more than 0"))
        if self.min_ncsnr is not None and not 0 <= self.min_ncsnr < math.inf:
            problems.append((f"--min-ncsnr is {self.min_ncsnr}", "Give 0 or more"))
        return problems

    def _responses_problems(self) -> list[tuple[str, str]]:
        path = self.precomputed
        if path is None:
            return []
        if not self.responses or not (path.exists() or path.is_symlink()):
            estimators = ", ".join(ESTIMATORS)
            problem = f"--responses {self.responses!r} is no estimator ({estimators}) and no path that exists"
            return [(problem, "Name an estimator, or give the path of precomputed responses")]
        given, output = path.resolve(), self.output_dir.resolve()
        if given.is_relative_to(output) or output.is_relative_to(given):
            problem = f"--responses {path} and OUTPUT_DIR {self.output_dir} lie one in the other"
            return [(problem, "Give an OUTPUT_DIR of its own: a run must not read what it writes")]
        if self.fd_threshold is not None or self.confounds != DEFAULT_CONFOUNDS:
            problem = f"--responses {path} are estimated already: no confounds or volumes can be left out"
            return [(problem, "Leave out --confounds and --fd-threshold, or name an estimator")]
        return []

    def _name_problems(self) -> list[tuple[str, str]]:
        problems: list[tuple[str, str]] = []
        for option, pairs in (("--images", self.images), ("--derivatives", self.derivatives)):
            names = [name for name, _ in pairs]
            if len(set(names)) < len(names):
                problems.append((f"{option} uses a name twice: {', '.join(names)}", "Give each its own name"))
        for name, _ in self.images:
            if not (name.isascii() and name.isalnum()):
                problems.append(
                    (f"--images name {name!r} is not a BIDS label", "Use letters and digits only")
                )
            if name in _RESERVED:
                problem = f"--images name {name!r} stands for pictures of the dataset itself in the outputs"
                problems.append((problem, "Give the set another name"))
        return problems

    def _folder_problems(self) -> list[tuple[str, str]]:
        problems: list[tuple[str, str]] = []
        bids, output = self.bids_dir.resolve(), self.output_dir.resolve()
        if output == bids:
            problems.append((f"OUTPUT_DIR {output} is BIDS_DIR itself", "Give another folder"))
        elif output.is_relative_to(bids) and not output.is_relative_to(bids / "derivatives"):
            problems.append(
                (
                    f"OUTPUT_DIR {output} lies inside BIDS_DIR {bids}",
                    f"Choose a folder outside it, or one under {bids / 'derivatives'}",
                )
            )
        work = self.work_folder.resolve()
        if self.work_dir is not None and work.is_relative_to(bids):
            problems.append((f"--work-dir {work} lies inside BIDS_DIR {bids}", "Choose a folder outside it"))
        return problems

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
    def stimuli_folder(self) -> Path:
        """The folder of the pictures in force."""
        return self.stimuli_dir if self.stimuli_dir is not None else self.bids_dir / "stimuli"

    def science(self) -> dict[str, Any]:
        """The options that change results, as plain values.

        Image sets go by name, precomputed responses and files of labels by ``content_identity``: it does not
        matter where they lie.
        """
        left_out = _NOT_SCIENCE
        if self.level == "participant":
            left_out |= _OF_THE_GROUP | (frozenset() if self.unseen_categories else _OF_LABELS)
        values = {key: value for key, value in self.to_dict().items() if key not in left_out}
        if self.precomputed is not None:
            values["responses"] = content_identity(self.precomputed)
        for key in {"labels", "coco_annotations"} & set(values):
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
        try:
            values = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"The configuration is not TOML: {error}", "Mend the line it names") from error
        known = {field.name: field for field in fields(cls)}
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise UsageError(f"The configuration has unknown keys: {', '.join(unknown)}", "Remove them")
        missing = [f.name for f in known.values() if f.default is MISSING and f.name not in values]
        if missing:
            raise UsageError(f"The configuration lacks {', '.join(missing)}", "Add them")
        return cls(**{key: _typed(key, value) for key, value in values.items()})


_PATHS = frozenset(
    {"bids_dir", "output_dir", "stimuli_dir", "labels", "experiments", "coco_annotations", "work_dir"}
)
_PATH_PAIRS = frozenset({"derivatives", "images"})


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _typed(key: str, value: Any) -> Any:
    if key in _PATHS:
        return Path(value)
    if key in _PATH_PAIRS:
        return tuple((str(name), Path(path)) for name, path in value)
    return tuple(value) if isinstance(value, list) else value
