"""The labels that a run asks for: of a participant's stimuli, of extra images."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ..config import RunConfig
from ..decoding import LabelInputs, LabelSet, label_set
from ..derivatives.results import ParticipantResults
from ..errors import InputMalformedError, InputMissingError
from ..structures import Synthetic


def labels_of(results: ParticipantResults, name: str | None, config: RunConfig) -> LabelSet:
    """Labels of a participant's stimuli under a label set; None is the one that the options ask for."""
    trials = results.responses.trials
    chosen = f"column:{config.label_column}" if config.label_column else "names"
    default = "labels" if config.labels is not None else chosen
    inputs = _inputs(config, f"participant {results.participant}", trials.table)
    return label_set(name or default, trials.stimuli, inputs)


def labels_of_images(synthetic: Synthetic, own: LabelSet, config: RunConfig) -> LabelSet:
    """Labels of an extra image set, to train decoders of ``own`` with."""
    stimuli = tuple(str(stimulus) for stimulus in synthetic.table["stimulus"])
    inputs = _inputs(config, f"image set, decoding {own.name}", synthetic.table)
    if "label" in synthetic.table and synthetic.table["label"].notna().any():
        return label_set("column:label", stimuli, inputs)
    return label_set("names", stimuli, inputs)


def label_source(labels: LabelSet) -> str:
    """Where labels come from, in a sentence."""
    return labels.origin


def _inputs(config: RunConfig, of: str, trials: pd.DataFrame) -> LabelInputs:
    table = None if config.labels is None else _read_table(config.labels)
    return LabelInputs(trials=trials, table=table, where=f"--labels {config.labels}", of=of)


def _read_table(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise InputMissingError(f"--labels {path} is not there", "Give a TSV with columns stimulus and label")
    try:
        return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputMalformedError(
            f"--labels {path} is not a table ({error})", "Give a TSV with columns stimulus and label"
        ) from error
