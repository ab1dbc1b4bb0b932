"""Decoding: labels, classifiers, experiments that compare training sets, identification of the image."""

from .classifiers import RidgeClassifier, fit
from .decisions import decide
from .experiment_list import DEFAULT_EXPERIMENTS, Experiment, control_of, parse_experiments
from .experiments import Decoded, decode
from .identification_group import StimulusScores, pool_identified
from .identification_tables import Candidates, Identified, ShownTrials, identify, of_source
from .label_sets import Gap, LabelSet
from .label_sets_coco import CocoAnnotations, coco_annotations, without_outlines
from .label_sets_registry import SCHEMES, LabelInputs, label_set
from .label_sets_usable import UsableClasses, usable_classes
from .labels import Labels, label_stimuli
from .scores import Scores, join, pool, score
from .training_sets import LabelledResponses, ParticipantData, of_stimuli
from .transfer import Transfer, fit_transfer

__all__ = [
    "DEFAULT_EXPERIMENTS",
    "SCHEMES",
    "Candidates",
    "CocoAnnotations",
    "Decoded",
    "Experiment",
    "Gap",
    "Identified",
    "LabelInputs",
    "LabelSet",
    "LabelledResponses",
    "Labels",
    "ParticipantData",
    "RidgeClassifier",
    "Scores",
    "ShownTrials",
    "StimulusScores",
    "Transfer",
    "UsableClasses",
    "coco_annotations",
    "control_of",
    "decide",
    "decode",
    "fit",
    "fit_transfer",
    "identify",
    "join",
    "label_set",
    "label_stimuli",
    "of_source",
    "of_stimuli",
    "parse_experiments",
    "pool",
    "pool_identified",
    "score",
    "usable_classes",
    "without_outlines",
]
