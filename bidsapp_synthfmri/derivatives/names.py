"""Every output file's name, as data; no other module spells one."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import UsageError

# BIDS has no `stat-` yet; it follows `desc-`, where the statmap proposals put it.
ENTITY_ORDER = ("sub", "ses", "task", "run", "space", "split", "label", "desc", "stat")
LABEL = re.compile(r"[A-Za-z0-9]+")

PARTICIPANT_FOLDER = "sub-{sub}/func"
PARTICIPANT_FIGURES = "sub-{sub}/figures"
GROUP_FOLDER = "group"
GROUP_FIGURES = "group/figures"
ROOT = ""
LOGS = "logs"

DATASET_DESCRIPTION = "dataset_description.json"
README = "README.md"
CITATION_MARKDOWN = "CITATION.md"
CITATION_BIBTEX = "CITATION.bib"
DESCRIPTION_TABLE = "descriptions.tsv"
DESCRIPTION_DICTIONARY = "descriptions.json"
IGNORED = ".bidsignore"

RUN_CONFIGURATION = "config.toml"
RUN_LOG = "run.log"
RESOURCES = "resources.tsv"
CRASH = "crash-{what}.txt"
LOCK = ".{what}.lock"
PARTIAL_FILES = ".*.partial"
_RUN_FOLDER = re.compile(r"\d{8}-\d{6}_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PARTIAL = re.compile(r"\..+\.[0-9a-f]{32}\.partial")
_LOCK = re.compile(r"\.[A-Za-z0-9-]+\.lock")
_PARTICIPANT_PAGE = re.compile(r"sub-[A-Za-z0-9]+\.html")


@dataclass(frozen=True)
class Place:
    """What a file's name says of where its content comes from.

    Attributes
    ----------
    participant, task, space : labels without ``sub-``, ``task-`` and ``space-``; None for files of the group
    session, run : labels of the run that the file is of; None where the dataset has none
    """

    participant: str | None = None
    task: str | None = None
    space: str | None = None
    session: str | None = None
    run: str | None = None


@dataclass(frozen=True)
class OutputFile:
    """One kind of output file.

    Attributes
    ----------
    folder : below OUTPUT_DIR; ``{sub}`` is the participant, ``{ses}`` the session's folder if there is one
    entities : which of ``sub``, ``task`` and ``space`` its name carries, and of ``ses`` and ``run``, which
        are left out where there is none
    suffix, extension : ``statmap`` and ``.dscalar.nii``, say; an empty suffix leaves the entities alone
    desc, stat, split, label : values of those entities; None where the name has none
    description : what the file holds
    """

    folder: str
    entities: tuple[str, ...]
    suffix: str
    extension: str
    description: str
    desc: str | None = None
    stat: str | None = None
    split: str | None = None
    label: str | None = None

    def with_extension(self, extension: str) -> OutputFile:
        """The file's companion: same name, another extension."""
        return replace(self, extension=extension)

    def file_name(self, place: Place) -> str:
        """The name, entities in BIDS order.

        Raises
        ------
        UsageError : a label that the name needs is missing or not alphanumeric
        """
        of_run = {"ses": place.session, "run": place.run}
        known = {"sub": place.participant, "task": place.task, "space": place.space, **of_run}
        values = {key: known[key] for key in self.entities if key not in of_run or known[key] is not None}
        own = {"split": self.split, "label": self.label, "desc": self.desc, "stat": self.stat}
        values |= {key: value for key, value in own.items() if value is not None}
        parts = [f"{key}-{_label(key, values[key])}" for key in ENTITY_ORDER if key in values]
        return "_".join([*parts, self.suffix] if self.suffix else parts) + self.extension

    def path(self, output_dir: Path, place: Place) -> Path:
        """Where the file belongs."""
        folder = self.folder
        if "{sub}" in folder:
            session = "" if place.session is None else f"/ses-{_label('ses', place.session)}"
            folder = folder.format(sub=_label("sub", place.participant), ses=session)
        return output_dir / folder / self.file_name(place)

    def relative(self, place: Place) -> str:
        """The path below OUTPUT_DIR, as a BIDS URI wants it."""
        return self.path(Path(), place).as_posix()


def _label(entity: str, value: str | None) -> str:
    if value is None or not LABEL.fullmatch(value):
        raise UsageError(f"{entity}-{value} is not a BIDS label", "Use letters and digits only")
    return value


_SUBJECT = ("sub", "task")
_SPATIAL = ("sub", "task", "space")


def _participant_table(desc: str, suffix: str, description: str) -> OutputFile:
    return OutputFile(PARTICIPANT_FOLDER, _SUBJECT, suffix, ".tsv", description, desc)


def _map(desc: str, stat: str, description: str) -> OutputFile:
    return OutputFile(PARTICIPANT_FOLDER, _SPATIAL, "statmap", ".nii.gz", description, desc, stat)


def _dseg(desc: str, description: str) -> OutputFile:
    return OutputFile(PARTICIPANT_FOLDER, _SPATIAL, "dseg", ".nii.gz", description, desc)


def _matrix(desc: str, description: str) -> OutputFile:
    return OutputFile(PARTICIPANT_FOLDER, _SPATIAL, "statmap", ".dscalar.nii", description, desc, "effect")


RESPONSES = _matrix("singletrial", "Single-trial responses: one map a trial, one column a voxel")
TRIALS = _participant_table("singletrial", "trials", "The trials, one a map of the single-trial responses")
DROPPED_TRIALS = _participant_table("dropped", "trials", "Trials without a response, and why")
ROIS = _dseg("roi", "Regions of interest; each distinct combination of regions has its own index")
MEASURED_ROIS = _dseg(
    "measured",
    "Regions of interest before voxels were left out by their ncsnr, where any were; the voxels of the"
    " reliability maps",
)
ENCODER_R = _map(
    "encoder", "r", "Correlation of the encoder's predictions with real responses to test stimuli"
)
NCSNR = _map("reliability", "ncsnr", "Noise-ceiling signal-to-noise ratio from repeated stimuli")
RELIABILITY = _map("reliability", "r", "Single-trial reliability from repeated stimuli")
NOISE_CEILING = _map(
    "reliability",
    "noiseceiling",
    "Share of the variance of the mean over a stimulus's presentations that is signal; never clipped",
)
SPLIT_HALF = _map(
    "reliability", "splithalf", "Single-trial reliability from split halves (Spearman-Brown for unequal ones)"
)
TIME_TO_PEAK = _map(
    "hrf", "timetopeak", "Seconds from a brief event to the peak of the haemodynamic response chosen"
)
RIDGE_FRACTION = _map(
    "ridge",
    "fraction",
    "Length of the ridge estimate of a voxel's single-trial responses over that of least squares",
)
THUMBNAILS = OutputFile(
    PARTICIPANT_FIGURES, _SUBJECT, "thumbnails", ".png", "Pictures of the page's examples"
)
BEST_LAYER = _dseg("bestlayer", "The network layer whose features predict each voxel best")
SYNTHETIC = _matrix("synthetic", "Synthetic responses: one map an image, one column a voxel")
SYNTHETIC_STIMULI = _participant_table(
    "synthetic", "stimuli", "The images, one a map of the synthetic responses"
)
SYNTHETIC_SD = replace(
    SYNTHETIC,
    stat="sd",
    description="Standard deviation of what the encoder leaves open of the response to each image: one map an"
    " image, one column a voxel",
)
UNTRAINED = _matrix(
    "untrained", "Synthetic responses of the same network untrained, a control; rows as of the synthetic ones"
)
SYNTHETIC_MANIFEST = OutputFile(
    PARTICIPANT_FOLDER,
    _SUBJECT,
    "manifest",
    ".json",
    "What the synthetic responses to an image set were made with, and their files with hashes",
    "synthetic",
)
UNSEEN = _matrix(
    "unseen", "Synthetic responses by encoders that saw no trial of the image's category: one map an image"
)
UNSEEN_STIMULI = _participant_table("unseen", "stimuli", "The images of unseen categories, one a map")
RANKED_STIMULI = _participant_table(
    "rank", "stimuli", "The images expected to drive a region most, and those expected to drive it least"
)
RANK_PAGE = OutputFile(
    ROOT, ("sub",), "images", ".html", "Sheet of the images that drive a region most and least", "rank"
)
ENCODING_SCORES = _participant_table("encoding", "scores", "Prediction scores by region, layer and metric")
ACCOUNTING_SCORES = _participant_table(
    "accounting", "scores", "Correlations of real with real and of synthetic with real responses, by region"
)
LEAKAGE_PAIRS = _participant_table(
    "leakage", "pairs", "Test pictures and others that show the same: equal files, near-duplicates, mirrored"
)
LEAKAGE_STIMULI = _participant_table(
    "leakage", "stimuli", "The stimuli: side of the split, source, and whether the network may know them"
)
LEAKAGE_SCORES = _participant_table(
    "leakage",
    "scores",
    "Correlations on subsets of the test stimuli: by source, and without those that may have leaked",
)
RELIABILITY_SCORES = _participant_table(
    "reliability", "scores", "Reliability of the real responses, by region"
)
UNCERTAINTY_SCORES = _participant_table(
    "uncertainty", "scores", "Variance of single responses, what the encoder misses, coverage, by region"
)
ENCODER = OutputFile(
    PARTICIPANT_FOLDER, _SUBJECT, "model", ".safetensors", "The encoder's weights and its card", "encoder"
)
PICTURES = replace(
    ENCODER,
    suffix="components",
    desc="pictures",
    description="Principal components of pictures' features",
)
ENCODER_CARD = ENCODER.with_extension(".json")
SUMMARY = OutputFile(
    PARTICIPANT_FOLDER, _SUBJECT, "summary", ".json", "Facts of the participant's run", "encoding"
)
PAGE = OutputFile(ROOT, ("sub",), "", ".html", "The participant's report")
ESTIMATION_FIGURE = "estimation"
CONTROL_FIGURE = "control"
CONTROL_LAYERS_FIGURE = "controllayers"
UNCERTAINTY_FIGURE = "uncertainty"

GROUP_DECODING = OutputFile(GROUP_FOLDER, (), "decoding_scores", ".tsv", "Decoding of real responses")
GROUP_CONTRASTS = OutputFile(
    GROUP_FOLDER, (), "contrast_scores", ".tsv", "Training on synthetic less training on real responses"
)
GROUP_CONFUSION = OutputFile(
    GROUP_FOLDER, (), "confusion_scores", ".tsv", "Categories of real trials, and as what they were decoded"
)
GROUP_DECISIONS = OutputFile(
    GROUP_FOLDER, (), "decisions", ".tsv", "What the experiments decide, by one rule"
)
GROUP_IDENTIFICATION = OutputFile(
    GROUP_FOLDER, (), "identification_scores", ".tsv", "Identification of the image seen among many"
)
GROUP_TRANSFER = OutputFile(
    GROUP_FOLDER,
    (),
    "transfer_scores",
    ".tsv",
    "Responses of one participant as another's, through synthetic responses to pictures of both",
)
MANIFEST = OutputFile(
    PARTICIPANT_FOLDER,
    _SUBJECT,
    "manifest",
    ".json",
    "The participant's files, and what tells that neither they nor the input have changed",
    "results",
)
GROUP_MANIFEST = OutputFile(GROUP_FOLDER, (), "manifest", ".json", "The same of the group's files")
GROUP_SUMMARY = OutputFile(GROUP_FOLDER, (), "summary", ".json", "Facts of the group level's run")
GROUP_PAGE = OutputFile(ROOT, (), GROUP_FOLDER, ".html", "The group's report")


def of_extra_set(output: OutputFile, name: str | None) -> OutputFile:
    """A file of synthetic responses of an extra image set; of the dataset's own stimuli for None."""
    return output if name is None else replace(output, desc=f"{output.desc}{_label('desc', name)}")


def of_shard(output: OutputFile, number: int | None) -> OutputFile:
    """One shard of a set of images that takes several; the whole of one that does not for None."""
    return output if number is None else replace(output, split=f"{number:05d}")


def of_region(output: OutputFile, name: str) -> OutputFile:
    """``RANKED_STIMULI`` or ``RANK_PAGE`` of a region or contrast, spelled with letters and digits."""
    return replace(output, desc=f"{output.desc}{_label('desc', name)}")


def on_surface(output: OutputFile) -> OutputFile:
    """The file that stands on surfaces where a volume has NIfTI: CIFTI-2 of scalars, or of labels."""
    if output.extension != ".nii.gz":
        return output
    return output.with_extension(".dlabel.nii" if output.suffix == "dseg" else ".dscalar.nii")


def with_companions(output: OutputFile) -> tuple[OutputFile, ...]:
    """A file in a volume and on surfaces, and its table of labels where it has one."""
    images = dict.fromkeys((output, on_surface(output)))
    return (*images, output.with_extension(".tsv")) if output.suffix == "dseg" else tuple(images)


def figure(name: str, group: bool = False) -> OutputFile:
    """A figure (SVG) of a participant's page or of the group's."""
    if group:
        return OutputFile(GROUP_FIGURES, (), _label("figure", name), ".svg", "Figure of the group's report")
    return OutputFile(
        PARTICIPANT_FIGURES, _SUBJECT, _label("figure", name), ".svg", "Figure of the participant's report"
    )


def is_run_folder(name: str) -> bool:
    """Whether a folder below ``logs`` is one that ``RunLog`` makes."""
    return _RUN_FOLDER.fullmatch(name) is not None


def subject(participant: str | None, otherwise: str = GROUP_FOLDER) -> str:
    """A participant's folder; without a participant, what is written instead."""
    return otherwise if participant is None else f"sub-{participant}"


def is_lock(name: str) -> bool:
    """Whether a file below ``logs`` is one that runs lock."""
    return _LOCK.fullmatch(name) is not None


def is_partial(name: str) -> bool:
    """Whether a file is one that a kill in the middle of a write leaves behind."""
    return _PARTIAL.fullmatch(name) is not None


def is_page(name: str) -> bool:
    """Whether a file of OUTPUT_DIR is named as a page, a participant's or the group's."""
    return is_participant_page(name) or name == GROUP_PAGE.relative(Place())


def is_participant_page(name: str) -> bool:
    """Whether a file of OUTPUT_DIR is named as a participant's page."""
    return _PARTICIPANT_PAGE.fullmatch(name) is not None
