"""Decoding: labels, classifiers, experiments that compare training sets, identification of the image."""

from .category_folds import FEWEST_CATEGORIES, N_CATEGORY_FOLDS, CategoryFolds, category_folds
from .cells import Cell, make_cell
from .classifiers import CLASSIFIERS, Classifier, RidgeClassifier, fit, fit_many
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
from .lda import LDA
from .linear import LinearDecoders
from .logistic import Logistic
from .null import permuted_labels, refitted_accuracy
from .ridge import Ridge
from .scores import Scores, join, pool, score
from .strata import session_of_stimuli
from .training_sets import LabelledResponses, ParticipantData, of_stimuli
from .transfer import DecomposedSource, Transfer, decompose_source, fit_transfer
from .unseen import UnseenData, decode_unseen

__all__ = [
    "CLASSIFIERS",
    "DEFAULT_EXPERIMENTS",
    "FEWEST_CATEGORIES",
    "LDA",
    "N_CATEGORY_FOLDS",
    "SCHEMES",
    "Candidates",
    "CategoryFolds",
    "Cell",
    "Classifier",
    "CocoAnnotations",
    "Decoded",
    "DecomposedSource",
    "Experiment",
    "Gap",
    "Identified",
    "LabelInputs",
    "LabelSet",
    "LabelledResponses",
    "Labels",
    "LinearDecoders",
    "Logistic",
    "ParticipantData",
    "Ridge",
    "RidgeClassifier",
    "Scores",
    "ShownTrials",
    "StimulusScores",
    "Transfer",
    "UnseenData",
    "UsableClasses",
    "category_folds",
    "coco_annotations",
    "control_of",
    "decide",
    "decode",
    "decode_unseen",
    "decompose_source",
    "fit",
    "fit_many",
    "fit_transfer",
    "identify",
    "join",
    "label_set",
    "label_stimuli",
    "make_cell",
    "of_source",
    "of_stimuli",
    "parse_experiments",
    "permuted_labels",
    "pool",
    "pool_identified",
    "refitted_accuracy",
    "score",
    "session_of_stimuli",
    "usable_classes",
    "without_outlines",
]
