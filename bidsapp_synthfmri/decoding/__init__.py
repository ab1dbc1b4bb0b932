"""Category decoding: labels, a ridge classifier, and experiments that compare training sets."""

from .classifiers import RidgeClassifier, fit
from .experiments import Decoded, decode
from .labels import Labels, label_stimuli
from .scores import Scores, join, pool, score
from .training_sets import LabelledResponses, ParticipantData

__all__ = [
    "Decoded",
    "LabelledResponses",
    "Labels",
    "ParticipantData",
    "RidgeClassifier",
    "Scores",
    "decode",
    "fit",
    "join",
    "label_stimuli",
    "pool",
    "score",
]
