"""File names of one participant, through pybids: which are read, and what their entities say."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bids.layout import BIDSLayout, BIDSLayoutIndexer, Tag

from ..errors import InputMissingError

_KEYS = {
    "subject": "sub",
    "session": "ses",
    "task": "task",
    "acquisition": "acq",
    "ceagent": "ce",
    "reconstruction": "rec",
    "direction": "dir",
    "run": "run",
    "echo": "echo",
    "part": "part",
    "space": "space",
    "res": "res",
    "density": "den",
    "hemi": "hemi",
    "label": "label",
    "desc": "desc",
    "mask": "mask",
}
_LABEL = "[a-zA-Z0-9+]+"
_IN_FILE_NAME = r"(?=[^/\\]*$)"

# pybids' own configuration reads runs as integers, looks for entities in parent folders too, and
# knows neither `mask-` nor the names of before 2018, in which `bold` stands in the middle.
_CONFIG: dict[str, Any] = {
    "name": "synthfmri",
    "entities": [
        *(
            {"name": name, "pattern": rf"[_/\\]{key}-({_LABEL}){_IN_FILE_NAME}"}
            for name, key in _KEYS.items()
        ),
        {"name": "series", "pattern": rf"_(bold)_{_IN_FILE_NAME}"},
        {"name": "suffix", "pattern": rf"[_/\\]({_LABEL})\.[^/\\]+$"},
        {"name": "extension", "pattern": r"[^./\\](\.[^/\\]+)$"},
    ],
}

_VOLUME = r"\.nii(?:\.gz)?"
_SURFACE = r"\.func\.gii"
_RAW_FILES = rf"[^/]*(?:bold(?:{_VOLUME}|\.json)|events\.tsv)"
_RAW_FOLDERS = "func"
_DERIVATIVE_FILES = (
    rf"[^/]*(?:_bold(?:{_VOLUME}|{_SURFACE}|\.json)|_bold(?:_space-{_LABEL})?_preproc{_VOLUME}"
    rf"|_(?:brain)?mask{_VOLUME}|_mask-{_LABEL}{_VOLUME}"
    r"|_bold_confounds\.tsv|_desc-confounds_(?:timeseries|regressors)\.tsv)"
)
_DERIVATIVE_FOLDERS = (
    "(?!(?:figures|logs?|dwi|fmap|perf|meg|eeg|xfm|reports|derivatives"
    "|surf|touch|label|mri|scripts|stats|tmp)(?:/|$))[^/]+"
)

# A synthetic series is none that was preprocessed, but is read as one.
_SERIES = ("preproc", "synthetic")
NATIVE = "native"
HEMISPHERES = ("L", "R")


@dataclass(frozen=True)
class NamedFile:
    """A file and what its name says.

    Attributes
    ----------
    path : the file
    root : the dataset it was found in
    entities : pybids' entity names to labels exactly as spelt, with ``suffix`` and ``extension``
    """

    path: Path
    root: Path
    entities: Mapping[str, str]

    def get(self, entity: str) -> str:
        """The entity's label, "" where the name has none."""
        return self.entities.get(entity, "")


def known_entities() -> tuple[str, ...]:
    """The entities that are read from names."""
    return tuple(_KEYS)


def entity_key(entity: str) -> str:
    """The key that stands for an entity in file names, such as ``ses`` for ``session``."""
    return _KEYS[entity]


def raw_files(root: Path, participant: str) -> tuple[NamedFile, ...]:
    """BOLD, its sidecars and events of one participant, with those above that they inherit from."""
    return _files(root, participant, _RAW_FOLDERS, _RAW_FILES)


def derivative_files(root: Path, participant: str) -> tuple[NamedFile, ...]:
    """Preprocessed BOLD, masks, confounds and sidecars of one participant in one derivative.

    The derivative needs no dataset_description.json; names of today and of before 2018 are read.
    """
    return _files(root, participant, _DERIVATIVE_FOLDERS, _DERIVATIVE_FILES)


def _files(root: Path, participant: str, folders: str, files: str) -> tuple[NamedFile, ...]:
    for _ in os.walk(root / f"sub-{participant}", onerror=_refuse_unreadable):
        pass  # pybids leaves out, and does not tell, what may not be read
    folder = rf"sub-{re.escape(participant)}(?:/ses-{_LABEL})?(?:/{folders})?"
    everything_else = re.compile(rf"^/(?!(?:{folder}|(?:{folder}/)?{files})$)")
    indexer = BIDSLayoutIndexer(index_metadata=False, ignore=[everything_else])
    layout = BIDSLayout(root, validate=False, config=_CONFIG, indexer=indexer)
    entities: dict[str, dict[str, str]] = defaultdict(dict)
    for tag in layout.session.query(Tag):  # one query; BIDSFile.get_entities asks once a file
        entities[tag.file_path][tag.entity_name] = tag.value
    return tuple(NamedFile(Path(path), root, entities[path]) for path in sorted(entities))


def _refuse_unreadable(error: OSError) -> None:
    if isinstance(error, PermissionError):
        raise InputMissingError(f"{error.filename} may not be read", "Grant permission to read it") from error


def is_preprocessed_bold(file: NamedFile) -> bool:
    """Whether the file is a preprocessed series, all echoes combined, of the volume or a hemisphere."""
    if is_surface(file):
        return _is_surface_bold(file)
    if not file.get("extension").startswith(".nii") or file.get("echo") or not file.get("task"):
        return False
    if file.get("suffix") == "preproc":
        return file.get("series") == "bold"
    return file.get("suffix") == "bold" and file.get("desc") in _SERIES


def is_surface(file: NamedFile) -> bool:
    """Whether the file holds values on the vertices of a surface."""
    return file.get("extension") == ".func.gii"


def _is_surface_bold(file: NamedFile) -> bool:
    named = bool(file.get("task") and file.get("space")) and file.get("hemi") in HEMISPHERES
    return (
        named
        and not file.get("echo")
        and file.get("suffix") == "bold"
        and file.get("desc") in ("", "preproc")
    )


def is_surface_space(space: str) -> bool:
    """Whether a space is one of FreeSurfer's surfaces, by its name."""
    return space.startswith(("fsnative", "fsaverage"))


def is_brain_mask(file: NamedFile) -> bool:
    """Whether the file is the brain mask of a run."""
    if not file.get("task"):
        return False
    return file.get("suffix") == "brainmask" or (file.get("suffix") == "mask" and file.get("desc") == "brain")


def is_confounds(file: NamedFile) -> bool:
    """Whether the file is a run's confounds table."""
    return file.get("extension") == ".tsv" and file.get("suffix") in (
        "confounds",
        "timeseries",
        "regressors",
    )


def space_of(file: NamedFile) -> str:
    """The file's space, ``native`` where its name has none."""
    return file.get("space") or NATIVE


_ROI_ALIASES = {"LO": "LOC", "LHLO": "LHLOC", "RHLO": "RHLOC", "RHRRSC": "RHRSC"}


def roi_alias(name: str) -> str:
    """The one name of an ROI that BOLD5000 spells in two ways (LO, RHRRSC)."""
    return _ROI_ALIASES.get(name, name)


def roi_name(file: NamedFile) -> str | None:
    """Name of the ROI whose mask the file is, hemisphere first; None where it is no ROI mask."""
    if not file.get("extension").startswith(".nii"):
        return None
    if file.get("mask"):
        return roi_alias(file.get("mask"))
    if file.get("suffix") == "mask" and file.get("label"):
        hemisphere = f"{file.get('hemi')}H" if file.get("hemi") else ""
        return roi_alias(hemisphere + file.get("label"))
    return None


def natural_key(text: str) -> tuple[tuple[int, str], ...]:
    """Sorting key in which ``2`` comes before ``10``."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text))
