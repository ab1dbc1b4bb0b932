"""Category decoding: labels, classifiers, and experiments that compare training sets."""

from .cells import Cell, make_cell
from .classifiers import CLASSIFIERS, Classifier, RidgeClassifier, fit, fit_many
from .experiments import Decoded, decode
from .labels import Labels, label_stimuli
from .lda import LDA
from .linear import LinearDecoders
from .logistic import Logistic
from .null import permuted_labels, refitted_accuracy
from .ridge import Ridge
from .scores import Scores, join, pool, score
from .training_sets import LabelledResponses, ParticipantData
from .unseen import UnseenDecoded, category_folds, decode_unseen

__all__ = [
    "CLASSIFIERS",
    "LDA",
    "Cell",
    "Classifier",
    "Decoded",
    "LabelledResponses",
    "Labels",
    "LinearDecoders",
    "Logistic",
    "ParticipantData",
    "Ridge",
    "RidgeClassifier",
    "Scores",
    "UnseenDecoded",
    "category_folds",
    "decode",
    "decode_unseen",
    "fit",
    "fit_many",
    "join",
    "label_stimuli",
    "make_cell",
    "permuted_labels",
    "pool",
    "refitted_accuracy",
    "score",
]
