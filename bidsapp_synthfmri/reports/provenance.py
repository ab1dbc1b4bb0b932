"""Facts of a run as pages list them: what went in, what was left out, with what, how long it took."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..structures import Json
from .estimates import roi_name
from .estimation_words import ESTIMATORS
from .numbers import MISSING, count, counted, listed, seconds
from .tables import Table


@dataclass(frozen=True)
class Fact:
    """A name and what is to be said of it."""

    name: str
    text: str


@dataclass(frozen=True)
class Incidents:
    """What went wrong, or nearly.

    Attributes
    ----------
    warnings : what the run warned of; None where it was not kept
    crashes : paths of the crash files of runs that failed, relative to OUTPUT_DIR
    """

    warnings: tuple[str, ...] | None
    crashes: tuple[str, ...]


def incidents_of(summary: Json, crashes: Iterable[str] = ()) -> Incidents:
    """Warnings of the run that made the results, and crash files of runs that did not."""
    said = summary.get("warnings")
    return Incidents(None if said is None else tuple(str(warning) for warning in said), tuple(crashes))


def headline_facts(summary: Json) -> tuple[Fact, ...]:
    """The sizes of a participant's data, for the strip on top."""
    sessions = summary.get("sessions", [])
    keys = (
        ("runs", "n_runs"),
        ("trials", "n_trials"),
        ("images", "n_stimuli"),
        ("shown repeatedly", "n_repeated_stimuli"),
        ("training images", "n_train_stimuli"),
        ("test images", "n_test_stimuli"),
        ("voxels", "n_voxels"),
    )
    facts = [Fact("sessions", count(len(sessions)))] if sessions else []
    return (*facts, *(Fact(name, count(summary[key])) for name, key in keys if key in summary))


def data_facts(summary: Json) -> tuple[Fact, ...]:
    """What went in, and what was left out, counted."""
    rois = {roi_name(str(name)): n for name, n in summary.get("rois", {}).items()}
    extra = summary.get("extra_sets", {})
    confounds = [str(name) for name in summary.get("confounds", [])]
    facts = [
        Fact("Regions (voxels)", ", ".join(f"{name} ({count(n)})" for name, n in rois.items()) or MISSING),
        Fact("Voxels left out, constant or not finite", count(summary.get("dropped_voxels"))),
        *_left_out_facts(summary),
        Fact("Event rows without a picture, not trials", count(summary.get("skipped_event_rows"))),
        Fact("Test set", _text(summary.get("test_rule"))),
        Fact("Cross-validation folds", _text(summary.get("folds"))),
        Fact("Confounds projected out", listed(confounds)),
        Fact("Response estimator", _estimator(summary)),
        Fact("Unit of responses", _unit(summary.get("unit"))),
    ]
    if extra:
        sets = ", ".join(f"{name} ({counted(n, 'image')})" for name, n in extra.items())
        facts.append(Fact("Extra image sets", sets))
    return tuple(facts)


def provenance_facts(summary: Json) -> tuple[Fact, ...]:
    """Network, weights, device, seed."""
    layers = [str(layer) for layer in summary.get("layers", [])]
    known = (
        ("Network", summary.get("backbone")),
        ("Layers", listed(layers) if layers else None),
        ("Layers chosen", summary.get("layers_chosen")),
        ("Weights", summary.get("weights")),
        ("SHA-256 of the weights", summary.get("weights_sha256")),
        ("Image preprocessing", summary.get("preprocessing")),
        ("Labels", summary.get("label_source")),
        ("Bootstrap draws", _count(summary.get("n_bootstrap"))),
        ("Permutations", _count(summary.get("n_permutations"))),
        ("Device", summary.get("device")),
        ("Container", _container(summary.get("container"))),
        ("Random seed", summary.get("seed")),
        ("Configuration hash", summary.get("configuration_hash")),
    )
    return tuple(Fact(name, str(value)) for name, value in known if value is not None)


def software_table(summary: Json) -> Table | None:
    """Packages and their versions."""
    rows = tuple((str(name), str(version)) for name, version in summary.get("software", {}).items())
    return Table("Software", ("Package", "Version"), rows) if rows else None


def elapsed_table(summary: Json) -> Table | None:
    """Time of each step, and their sum."""
    steps = {str(step): float(value) for step, value in summary.get("elapsed", {}).items()}
    if not steps:
        return None
    rows = [(step, seconds(value)) for step, value in steps.items()]
    return Table("Elapsed time", ("Step", "Time"), (*rows, ("sum", seconds(sum(steps.values())))))


def notes_of(summary: Json, more: Iterable[str] = ()) -> tuple[str, ...]:
    """What a reader must see first: the run's own notes, and what follows from its facts."""
    notes = [str(note) for note in summary.get("notes", [])]
    said = " ".join(notes).lower()
    if summary.get("weights") == "random" and "random" not in said:
        notes.append(
            "The network's weights are random, not trained: the layers hold no learnt knowledge of images,"
            " and results say little about how well trained features would do."
        )
    edge = int(summary.get("alphas_at_edge") or 0)
    if edge and "edge" not in said:
        notes.append(
            f"In {counted(edge, 'voxel')} of {count(summary.get('n_voxels'))} the ridge penalty chosen lies"
            " at the edge of its grid; a wider grid might predict better there."
        )
    return (*notes, *more)


def _left_out_facts(summary: Json) -> list[Fact]:
    """What the thresholds left out; nothing where none was given."""
    facts = []
    if "min_ncsnr" in summary:
        below = summary.get("below_min_ncsnr", {})
        by_roi = ", ".join(f"{roi_name(str(name))} {count(n)}" for name, n in below.items()) or "none"
        facts.append(Fact(f"Voxels left out, ncsnr below {summary['min_ncsnr']:g}", by_roi))
    if "fd_threshold" in summary:
        text = (
            f"{count(summary.get('n_censored'))} of {count(summary.get('n_volumes'))}, at most"
            f" {count(summary.get('most_censored_in_a_run'))} in one run"
        )
        facts.append(Fact(f"Volumes censored, moved more than {summary['fd_threshold']:g} mm", text))
    return facts


def _text(value: object) -> str:
    return MISSING if value is None or value == "" else str(value)


def _estimator(summary: Json) -> str:
    name = summary.get("responses")
    if "precomputed" in summary:
        return f"precomputed: {summary['precomputed']}"
    return ESTIMATORS.get(str(name), _text(name))


def _unit(unit: object) -> str:
    return {"z": "z-scored within session", "percent": "percent signal change"}.get(str(unit), _text(unit))


def _container(container: Json | None) -> str | None:
    """Kind and tag; None where nothing is known of it."""
    if container is None:
        return None
    return f"{container.get('Type')}, {container.get('Tag')}" if container else "none"


def _count(value: object) -> str | None:
    return None if value is None else count(value)
