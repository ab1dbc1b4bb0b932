"""Experiments as a list: what decoders are trained on, how they are tested, and with which controls."""

from __future__ import annotations

import re
import tomllib
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any

from ..errors import InputMalformedError, SynthfmriError, UsageError
from ..synthesis.noise_model import NOISE_KINDS, NONE
from .classifiers import CLASSIFIERS
from .training_sets import MIXED, REAL, STEPS, SYNTHETIC

TRIALS, MEANS = "trials", "means"
SEEN, UNSEEN = "seen", "unseen"
NO_CONTROL = "none"
SOURCE, SHUFFLED, UNTRAINED = "source", "shuffled_encoder", "untrained_network"
IMAGE_FEATURES = "image_features"
CONTROLS = (SOURCE, SHUFFLED, UNTRAINED, IMAGE_FEATURES)
UNSEEN_CONTROLS = (SHUFFLED, IMAGE_FEATURES)
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_KEY = "experiment"


@dataclass(frozen=True)
class Experiment:
    """One comparison of training sets on the same real test trials.

    Attributes
    ----------
    name : letters, digits, ``_`` and ``-``
    labels : label set; None for the labels that the run decodes
    training : ``real``; ``synthetic_same``; ``synthetic_NAME`` of an extra image set, or ``synthetic``
        for every one; ``mixed``, real responses with those to every extra set, or to the same images
        where there is none. Empty for all but ``mixed``
    noise : of synthetic trials: ``none``, ``independent`` over voxels or ``calibrated``
    repeats : synthetic trials of each image
    sizes : sizes of the learning curve beside the whole sets, relative to the real training images
    rois : regions without hemisphere; empty for all, and all voxels
    classifier : ``ridge``, ``lda`` or ``logistic``
    test : single ``trials``, or ``means`` of a stimulus' repeats
    within_source : compare pictures of one source only, source by source
    controls : ``source`` decodes the pictures' source instead; ``shuffled_encoder`` trains on synthetic
        responses shuffled over images; ``untrained_network`` on those of an encoder on the network with
        random weights; ``image_features`` decodes the label from the pictures' features
    refits : labellings of the training set, permuted within source and session, that whole sets are fitted
        to again; 0 for none
    unseen_categories : tell apart categories that the encoder behind the synthetic responses saw no real
        response to, fold by fold of categories; the labels must be those that the participant level left out

    Raises
    ------
    UsageError : a value that is none of these, or values that exclude one another
    """

    name: str
    labels: str | None = None
    training: tuple[str, ...] = ()
    noise: str = NONE
    repeats: int = 1
    sizes: tuple[float, ...] = STEPS
    rois: tuple[str, ...] = ()
    classifier: str = "ridge"
    test: str = TRIALS
    within_source: bool = False
    controls: tuple[str, ...] = ()
    refits: int = 0
    unseen_categories: bool = False

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UsageError(f"An experiment is called {self.name!r}", "Use letters, digits, _ and -")
        chosen = (
            ("noise", (self.noise,), NOISE_KINDS),
            ("classifier", (self.classifier,), tuple(CLASSIFIERS)),
            ("test", (self.test,), (TRIALS, MEANS)),
            ("controls", self.controls, CONTROLS),
        )
        for key, values, allowed in chosen:
            for value in values:
                if value not in allowed:
                    raise self._refusal(key, f"cannot be {value!r}", f"Choose among {', '.join(allowed)}")
        for part in self.training:
            if part not in (REAL, MIXED, SYNTHETIC) and not part.startswith(f"{SYNTHETIC}_"):
                known = f"{REAL}, {SYNTHETIC}_same, {SYNTHETIC}_NAME, {SYNTHETIC} or {MIXED}"
                raise self._refusal("training", f"cannot be {part!r}", f"Choose among {known}")
        if self.repeats < 1 or (self.repeats > 1 and self.noise == NONE):
            remedy = "Give 1 or more; more than 1 only with noise, without which repeats are equal"
            raise self._refusal("repeats", f"is {self.repeats}", remedy)
        if self.refits < 0:
            raise self._refusal("refits", f"is {self.refits}", "Give 0 or more")
        if any(not 0 < size < float("inf") for size in self.sizes):
            raise self._refusal("sizes", "holds one that is not above 0", "Give multiples such as 0.5 or 2")
        self._require_unseen()

    def _require_unseen(self) -> None:
        """Refuse, for unseen categories, what did see them."""
        if not self.unseen_categories:
            return
        strange = sorted(set(self.controls) - set(UNSEEN_CONTROLS))
        rules = (
            (
                bool(strange),
                f"the control {''.join(strange[:1])!r}",
                f"Choose among {', '.join(UNSEEN_CONTROLS)}, or give the control to another experiment",
            ),
            (
                self.noise != NONE,
                f"{self.noise!r} noise, which is modelled on trials of all categories",
                "Leave out noise and repeats",
            ),
            (
                self.refits > 0,
                "refits, as every fold has decoders of its own",
                "Leave out refits; p is from labels permuted within folds",
            ),
        )
        for fails, what, remedy in rules:
            if fails:
                raise self._refusal("unseen_categories", f"goes without {what}", remedy)

    def _refusal(self, key: str, problem: str, remedy: str) -> UsageError:
        return UsageError(f"Experiment {self.name!r}: {key} {problem}", remedy)

    def takes(self, training: str) -> bool:
        """Whether a training set of this name takes part."""
        if not self.training:
            return training != MIXED
        is_extra = training.startswith(f"{SYNTHETIC}_") and training != f"{SYNTHETIC}_same"
        return training in self.training or (is_extra and SYNTHETIC in self.training)


MAIN = Experiment("main", controls=CONTROLS)
DEFAULT_EXPERIMENTS = (
    MAIN,
    Experiment("means", sizes=(), test=MEANS),
    Experiment("lda", sizes=(), classifier="lda"),
    Experiment("mixed", training=(REAL, MIXED), sizes=()),
    Experiment("unseen", sizes=(), controls=(SHUFFLED, IMAGE_FEATURES), unseen_categories=True),
)


def control_of(experiment: Experiment) -> Experiment:
    """The same comparison with the pictures' source to be told, whole training sets only."""
    return replace(experiment, labels=None, sizes=(), controls=(), within_source=False, refits=0)


def parse_experiments(text: str, where: str) -> tuple[Experiment, ...]:
    """Experiments from a TOML list of tables ``[[experiment]]``; the first is the one the page speaks of.

    Parameters
    ----------
    text : the file's
    where : what messages call the file

    Raises
    ------
    InputMalformedError : not TOML, no experiment, an unknown key, a value that does not fit, or a name twice
    """
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # the latter of lists without end
        raise InputMalformedError(f"{where} is not TOML: {error}", "Mend the line it names") from error
    unknown = sorted(set(content) - {_KEY})
    if unknown:
        raise InputMalformedError(
            f"{where} has the unknown key {unknown[0]!r}", f"Write each experiment under [[{_KEY}]]"
        )
    entries = content.get(_KEY, [])
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise InputMalformedError(f"{where} has no experiment", f"Write each experiment under [[{_KEY}]]")
    experiments = tuple(_experiment(entry, where) for entry in entries)
    names = [experiment.name for experiment in experiments]
    if len(set(names)) < len(names):
        raise InputMalformedError(f"{where} uses a name twice: {', '.join(names)}", "Give each its own name")
    return experiments


def _experiment(entry: dict[str, Any], where: str) -> Experiment:
    known = {field.name: field for field in fields(Experiment)}
    if not isinstance(entry.get("name"), str):
        raise InputMalformedError(f"{where} has an experiment without a name", "Give each a name")
    of = f"{where}, experiment {entry['name']!r}"
    unknown = sorted(set(entry) - set(known))
    if unknown:
        remedy = f"Choose among {', '.join(known)}"
        raise InputMalformedError(f"{of} has the unknown key {unknown[0]!r}", remedy)
    values = {key: _value(key, value, known[key].default, of) for key, value in entry.items()}
    try:
        return Experiment(**values)
    except SynthfmriError as error:
        raise InputMalformedError(f"{where}: {error.problem}", error.remedy) from error


def _value(key: str, value: Any, default: Any, of: str) -> Any:
    """The value in the type of the key's default."""
    if isinstance(default, tuple):
        kinds: tuple[type, ...] = (int, float) if key == "sizes" else (str,)
        if isinstance(value, list) and all(type(item) in kinds for item in value):
            return tuple(map(float, value)) if key == "sizes" else tuple(value)
        what = "a list of numbers" if key == "sizes" else "a list of names"
    else:
        kind = str if default is None or default is MISSING else type(default)
        if type(value) is kind:
            return value
        what = {str: "text", bool: "true or false", int: "a whole number"}[kind]
    raise InputMalformedError(f"{of}: {key} is {value!r}", f"Give {what}")
