"""The files that describe OUTPUT_DIR as a BIDS derivative dataset."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

import pandas as pd

from .. import __version__
from ..atomic import write_bytes
from ..config import RunConfig
from ..errors import InputMalformedError, UsageError
from ..structures import Json
from ..synthesis_config import ImageConfig, RankConfig
from . import names
from .citations import citation_bibtex, citation_markdown
from .columns import DESCRIPTION_COLUMNS
from .descriptions import DESCRIPTIONS
from .occupied import shared_files
from .outputs import BIDSIGNORE, OUTPUTS
from .tables import kinds_of, parse_table, table_text
from .writer import json_text

DISTRIBUTION = "bidsapp_synthfmri"
RAW = "raw"
BIDS_VERSION = "1.11.1"
CONTAINER_TAG = "SYNTHFMRI_CONTAINER_TAG"
_APPTAINER = ("APPTAINER_CONTAINER", "SINGULARITY_CONTAINER")
_CONFIGURATION = "Configuration"
_GENERATOR_KEYS = ("Name", "Version", "Description", "CodeURL", "Container")
_VERSION_CONTROL = frozenset({".git", ".gitattributes", ".gitmodules", ".gitignore", ".datalad"})
SYNTHESIZE = "synthesize"
# Levels that read no dataset: a description that is there already says more of the sources than they can.
_WITHOUT_SOURCES = ("group", SYNTHESIZE, "rank")
_REMEDY = "Move it away, or give an OUTPUT_DIR of its own"


def write_dataset_files(
    output_dir: Path,
    config: RunConfig | ImageConfig,
    derivatives: Mapping[str, Path] | None = None,
    source: Json | None = None,
    environment: Mapping[str, str] = os.environ,
    level: str | None = None,
    pipelines: Sequence[Json] = (),
) -> None:
    """Write the dataset's description, README, citations, descriptions and .bidsignore.

    May be called by every participant and level, also at the same time: one waits for the other, each file
    is replaced whole, and what another participant, level or image set has put into it is kept.

    Parameters
    ----------
    output_dir : the dataset
    config : seed and hash are recorded for the level
    derivatives : name and root of each preprocessing derivative that was read
    source : dataset_description.json of BIDS_DIR, for its name, DOI and licence
    environment : where the container is looked for
    level : None means the configuration's, or that of a synthesis; ``synthesize``, which reads no dataset,
        names no source and leaves those alone that the participant level has named
    pipelines : what made the preprocessed data, as ``generators_of`` reads it; they follow this program in
        the description's ``GeneratedBy``

    Raises
    ------
    UsageError : OUTPUT_DIR holds the description of another dataset
    """
    with shared_files(output_dir):
        _write_dataset_files(output_dir, config, derivatives, source, environment, level, pipelines)


def _write_dataset_files(
    output_dir: Path,
    config: RunConfig | ImageConfig,
    derivatives: Mapping[str, Path] | None,
    source: Json | None,
    environment: Mapping[str, str],
    level: str | None,
    pipelines: Sequence[Json],
) -> None:
    before = _existing(output_dir)
    level = config.level if level is None else level
    description = _description(before, config, level, derivatives or {}, source or {}, environment, pipelines)
    # The description first: were a run stopped half way, the folder would still be known as ours.
    for name, text in (
        (names.DATASET_DESCRIPTION, json_text(description)),
        (names.IGNORED, "\n".join(BIDSIGNORE) + "\n"),
        (names.README, _readme()),
        (names.CITATION_MARKDOWN, citation_markdown()),
        (names.CITATION_BIBTEX, citation_bibtex()),
    ):
        write_bytes(output_dir / name, text.encode())
    _write_descriptions(output_dir, config)


def require_own(output_dir: Path, besides: Sequence[Path] = ()) -> None:
    """Refuse a folder with files of others, before anything is written into it.

    It may be absent, empty, a dataset that this program wrote, or hold what its runs that failed left:
    ``logs``, pages of failed participants and partial files.

    Parameters
    ----------
    output_dir : the BIDS App's OUTPUT_DIR
    besides : files and folders that may be in it too (the work directory)

    Raises
    ------
    UsageError : a file that is not ours is there, or there is no folder but a file
    """
    remedy = "Give an OUTPUT_DIR of its own"
    try:
        entries = sorted(output_dir.iterdir())
    except FileNotFoundError as error:
        if output_dir.is_symlink():
            raise UsageError(f"OUTPUT_DIR {output_dir} is a link that leads nowhere", remedy) from error
        return
    except NotADirectoryError as error:
        raise UsageError(f"OUTPUT_DIR {output_dir} is a file, or lies below one", remedy) from error
    except PermissionError as error:
        raise UsageError(f"OUTPUT_DIR {output_dir} cannot be read ({error.strerror})", remedy) from error
    if _existing(output_dir):
        return
    allowed = [path.resolve() for path in besides]
    foreign = [
        path
        for path in entries
        if not _left_by_us(path) and not any(other.is_relative_to(path.resolve()) for other in allowed)
    ]
    if foreign:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise UsageError(
            f"OUTPUT_DIR {output_dir} holds what this program did not write: {foreign[0].name}{more}",
            f"{remedy}, empty or not there yet",
        )


def _left_by_us(path: Path) -> bool:
    """Whether a run that never came to describe its dataset, or DataLad, can have left this in OUTPUT_DIR."""
    if names.is_partial(path.name) or path.name in _VERSION_CONTROL:
        return True
    logs = path.parent / names.LOGS
    if path == logs or names.is_participant_page(path.name):
        return logs.is_dir() and all(
            names.is_run_folder(item.name) or names.is_lock(item.name) for item in logs.iterdir()
        )
    return False


def dataset_links(config: RunConfig, derivatives: Mapping[str, Path]) -> dict[str, Path]:
    """Roots by the name that BIDS URIs use for them; BIDS_DIR is ``raw``."""
    return {RAW: config.bids_dir, **derivatives}


def bids_uri(path: Path, links: Mapping[str, Path]) -> str:
    """BIDS URI of a file below one of the linked roots, the deepest one; a file URI elsewhere."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - annexed files are links that must not be followed
    roots = {name: Path(os.path.abspath(root)) for name, root in links.items()}  # noqa: PTH100
    above = [name for name, root in roots.items() if absolute.is_relative_to(root)]
    if not above:
        return absolute.as_uri()
    name = max(above, key=lambda candidate: len(roots[candidate].parts))
    return f"bids:{name}:{absolute.relative_to(roots[name]).as_posix()}"


def _existing(output_dir: Path) -> Json:
    path = output_dir / names.DATASET_DESCRIPTION
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"{path} is not JSON: {error}", _REMEDY) from error
    generators = content.get("GeneratedBy") if isinstance(content, dict) else None
    first = generators[0] if isinstance(generators, list) and generators else None
    if not isinstance(first, dict) or first.get("Name") != DISTRIBUTION:
        raise UsageError(f"{path} describes a dataset that this program did not write", _REMEDY)
    return dict(content)


def _description(
    before: Json,
    config: RunConfig | ImageConfig,
    level: str,
    derivatives: Mapping[str, Path],
    source: Json,
    environment: Mapping[str, str],
    pipelines: Sequence[Json],
) -> Json:
    recorded = {"Seed": config.random_seed, "Hash": config.content_hash()}
    configurations = {**before.get(_CONFIGURATION, {}), level: recorded}
    if level in _WITHOUT_SOURCES and before:
        return {**before, _CONFIGURATION: configurations}
    reads = config if isinstance(config, RunConfig) and level != SYNTHESIZE else None
    links = {} if reads is None else dataset_links(reads, derivatives)
    return {
        "Name": f"synthfmri: {source.get('Name', 'responses, encoders and synthetic responses')}",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        **({"License": source["License"]} if isinstance(source.get("License"), str) else {}),
        "GeneratedBy": _chain(_generator(recorded, environment), pipelines),
        **({} if reads is None else {"SourceDatasets": [_source_dataset(reads, source)]}),
        # Other participants, and the participant level before the group, may have read from more roots.
        "DatasetLinks": {**_links(before), **{name: root.resolve().as_uri() for name, root in links.items()}},
        _CONFIGURATION: configurations,
    }


def _links(description: Json) -> dict[str, str]:
    links = description.get("DatasetLinks")
    return {str(name): str(root) for name, root in links.items()} if isinstance(links, dict) else {}


def generators_of(root: Path) -> tuple[Json, ...]:
    """What made a derivative: the ``GeneratedBy`` of its description, none where it does not say.

    Raises
    ------
    InputMalformedError : the description is not JSON
    """
    path = root / names.DATASET_DESCRIPTION
    if not path.is_file():
        return ()
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise InputMalformedError(f"{path} is not JSON: {error}", "Mend it or fetch it again") from error
    stated = content.get("GeneratedBy") if isinstance(content, dict) else None
    stated = stated if isinstance(stated, list) else []
    named = [entry for entry in stated if isinstance(entry, dict) and isinstance(entry.get("Name"), str)]
    return tuple({key: entry[key] for key in _GENERATOR_KEYS if key in entry} for entry in named)


def _chain(own: Json, pipelines: Sequence[Json]) -> list[Json]:
    """This program, then what made its input, each once."""
    return list({json.dumps(entry, sort_keys=True): entry for entry in (own, *pipelines)}.values())


def _generator(recorded: Json, environment: Mapping[str, str]) -> Json:
    generator: Json = {
        "Name": DISTRIBUTION,
        "Version": __version__,
        "Description": f"Seed {recorded['Seed']}, configuration {recorded['Hash']}",
    }
    about = metadata.metadata(DISTRIBUTION)
    if "Home-page" in about:
        generator["CodeURL"] = about["Home-page"]
    container = container_of(environment)
    return {**generator, "Container": container} if container else generator


def container_of(environment: Mapping[str, str] = os.environ) -> Json:
    """Type and tag of the container that this runs in, as ``GeneratedBy`` has them; empty outside of one."""
    image = next((environment[key] for key in _APPTAINER if environment.get(key)), None)
    tag = environment.get(CONTAINER_TAG)
    if image is None and tag is None:
        return {}
    kind = "docker" if image is None else "singularity"
    return {"Type": kind, "Tag": tag or Path(str(image)).name}


def _source_dataset(config: RunConfig, source: Json) -> Json:
    entry: Json = {"URL": config.bids_dir.resolve().as_uri()}
    if isinstance(source.get("DatasetDOI"), str):
        entry["DOI"] = source["DatasetDOI"]
    return entry


def _write_descriptions(output_dir: Path, config: RunConfig | ImageConfig) -> None:
    rows = {**_recorded_descriptions(output_dir), **DESCRIPTIONS}
    for name, _ in config.images:
        desc = names.of_extra_set(names.SYNTHETIC, name).desc
        rows[str(desc)] = f"Responses predicted for the image set {name}; no human was scanned for them"
    if isinstance(config, RankConfig):
        desc = names.of_region(names.RANKED_STIMULI, config.label).desc
        rows[str(desc)] = f"Images in order of the response predicted for {config.label}"
    ordered = [*DESCRIPTIONS, *sorted(set(rows) - set(DESCRIPTIONS))]
    table = pd.DataFrame(
        {"desc_id": [f"desc-{desc}" for desc in ordered], "description": [rows[desc] for desc in ordered]}
    )
    entries = DESCRIPTION_COLUMNS.dictionary(table, kinds_of(table))
    dictionary = {"Description": "What the desc- labels of file names mean", **entries}
    write_bytes(output_dir / names.DESCRIPTION_DICTIONARY, json_text(dictionary).encode())
    write_bytes(output_dir / names.DESCRIPTION_TABLE, table_text(table).encode())


def _recorded_descriptions(output_dir: Path) -> dict[str, str]:
    path = output_dir / names.DESCRIPTION_TABLE
    if not path.is_file():
        return {}
    text = {"Format": "string"}
    table = parse_table(path.read_text(encoding="utf-8"), {"desc_id": text, "description": text}, str(path))
    labels = (str(desc_id).removeprefix("desc-") for desc_id in table["desc_id"])
    return dict(zip(labels, table["description"].astype(str), strict=True))


def _readme() -> str:
    files = "\n".join(f"- `{_pattern(output)}`: {output.description}." for output in OUTPUTS)
    return _README.format(version=__version__, files=files)


def _pattern(output: names.OutputFile) -> str:
    return output.relative(names.Place("X", "T", "S"))


_README = """\
# Responses, encoders and synthetic responses

Written by bidsapp_synthfmri {version} from a BIDS dataset whose stimuli are images. Start with `sub-X.html`,
one page a participant, and `group.html`.

Files whose name has `desc-synthetic` hold responses that an encoding model predicted. No human was scanned
for them.

## Files

X is a participant, T a task, S a space. A table or image has a JSON sidecar of the same name.

{files}

Synthetic responses to an extra image set NAME have `desc-syntheticNAME`, and `split-` where they take several
files; `synthfmri synthesize` leaves a manifest of each set, and `synthfmri rank` `desc-rankREGION`.
`logs/` has one folder a run: its configuration, its log and, if something failed, the traceback.

## Reading the matrices

`.dscalar.nii` files are CIFTI-2: one named map a trial or image, one column a voxel. The n-th map is the n-th
row of the `_trials.tsv` or `_stimuli.tsv` beside it. nibabel maps them into memory:

    image = nibabel.load("sub-X/func/....dscalar.nii")
    values = image.dataobj[:]                   # maps x voxels
    ijk = image.header.get_axis(1).voxel        # voxels x 3

The value of each voxel in `desc-roi_dseg.nii.gz` stands for one combination of regions, named in the
`_dseg.tsv` with `+` between them, `n/a` for none.

## Configuration

`dataset_description.json` records the seed and the hash of the options that change results, for each level.
`CITATION.md` says what to cite.
"""
