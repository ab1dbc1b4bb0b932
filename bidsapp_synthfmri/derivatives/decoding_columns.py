"""What each column of the tables of decoding holds."""

from __future__ import annotations

from types import MappingProxyType

from .columns import FDR, PARTICIPANT, REGION, Column, Columns

_ROI = Column(f"{REGION}, and of image features no region")
_TRAINING = Column(
    "What the decoder was trained on: real responses, synthetic responses to the same images"
    " (synthetic_same) or to an extra image set (synthetic_ and its name), or real responses with those to"
    " every extra set, or to the same images where there is none (mixed); the features of the real"
    " training images (image_features); of decisions also real responses of the other participants (others)"
)
_EXPERIMENT = Column("The experiment's name in the list; the summary holds the list")
_SOURCE = Column("Source of the pictures that take part; 'all' where the experiment is not within one")
_CONTROL = Column(
    "Which control the row is",
    levels=MappingProxyType(
        {
            "none": "none: categories are decoded",
            "source": "the source of the pictures is decoded in place of their category",
            "shuffled_encoder": "synthetic responses are shuffled over images before training",
            "untrained_network": "the encoder reads the same network with random weights",
            "image_features": "the ceiling: the pictures' features are decoded, no response",
        }
    ),
)
_CI_LOW = Column("Lower end of the 95% bootstrap interval over test images within category")
_CI_HIGH = Column("Upper end of the 95% bootstrap interval over test images within category")
_PEOPLE_LOW = Column("Lower end of the 95% interval with participants drawn too; n/a for one participant")
_PEOPLE_HIGH = Column("Upper end of the 95% interval with participants drawn too; n/a for one participant")
_D = Column("Cohen's d over participants with Hedges' correction; n/a for fewer than three")
_N_PARTICIPANTS = Column("Number of participants that the row is the mean of")
_N_TEST_STIMULI = Column("Number of stimuli that the real test trials show, each counted once")

DECODING_COLUMNS = Columns(
    {
        "experiment": _EXPERIMENT,
        "labels": Column("Label set that the categories are of"),
        "source": _SOURCE,
        "categories": Column(
            "Whether the encoder behind the synthetic responses saw responses to the categories told apart",
            levels=MappingProxyType(
                {
                    "seen": "it saw responses to other pictures of them",
                    "unseen": "it saw none; each trial is told apart among the categories of its fold alone",
                }
            ),
        ),
        "classifier": Column("ridge, lda (linear discriminant analysis, shrunk covariance) or logistic"),
        "noise": Column("Noise of synthetic training trials: none, independent over voxels or calibrated"),
        "repeats": Column("Synthetic trials of each image"),
        "test": Column("Tested on single trials, or on means of a stimulus' repeats"),
        "participant": PARTICIPANT,
        "roi": _ROI,
        "training": _TRAINING,
        "control": _CONTROL,
        "step": Column("Size asked for, relative to the real training set; 'all' is the whole set"),
        "n_training": Column("Number of training stimuli; of 'group' the mean over participants, rounded"),
        "full": Column("Whether the row's training set is the whole of its kind, not a part of it"),
        "n_participants": _N_PARTICIPANTS,
        "n_test_trials": Column("Number of real trials, or means of trials, decoded"),
        "n_test_stimuli": _N_TEST_STIMULI,
        "n_classes": Column("Number of categories"),
        "penalty": Column("Hyperparameter chosen inside the training set: ridge penalty or shrinkage"),
        "penalty_at_edge": Column("Whether it lies at an end of its grid, in any participant"),
        "accuracy": Column("Balanced accuracy on real trials of unseen stimuli"),
        "ci_low": _CI_LOW,
        "ci_high": _CI_HIGH,
        "people_low": _PEOPLE_LOW,
        "people_high": _PEOPLE_HIGH,
        "chance": Column("Mean balanced accuracy with permuted labels"),
        "above_chance": Column("Way from chance (0) to perfect (1): (accuracy - chance) / (1 - chance)"),
        "d": _D,
        "p": Column("p value from permuted labels, one-sided, not corrected"),
        "p_fdr": Column(
            f"{FDR}; family: regions and training sets of the participant in this experiment and source,"
            " whole training sets only, each control being a family of its own"
        ),
        "p_max": Column(
            "p value that holds for all regions and training sets of the participant in this experiment and"
            " source together, whole sets without controls, from the largest accuracy of each permutation"
            " (Westfall & Young 1993)"
        ),
        "permuted_within": Column(
            "What labels were permuted within to get chance and p: the pictures' source, the session that"
            " test trials are of (those of several sessions apart), both, or nothing where neither is known,"
            " differs, or leaves labels to permute"
        ),
        "p_refit": Column(
            "p value from decoders fitted again to permuted labels of the whole training set, within source"
            " and session, one-sided, not corrected; n/a where the experiment asks for none, and for the mean"
            " over participants"
        ),
        "auc": Column("Area under the ROC curve of each category against the others, mean over categories"),
        "top5": Column(
            "Balanced share of trials whose category is among the five of the highest decision values; n/a"
            " for five categories or fewer"
        ),
    }
)
CONTRAST_COLUMNS = Columns(
    {
        "experiment": _EXPERIMENT,
        "source": _SOURCE,
        "participant": PARTICIPANT,
        "roi": _ROI,
        "training": _TRAINING,
        "control": _CONTROL,
        "contrast": Column(
            "Which training set less which; 'at equal size': the first cut to as many stimuli as the second;"
            " 'shuffled': the same set, responses shuffled over images; 'untrained': the same set from the"
            " untrained network"
        ),
        "n_participants": _N_PARTICIPANTS,
        "n_same_sign": Column("Number of participants whose own difference has the sign of the mean"),
        "n_test_stimuli": _N_TEST_STIMULI,
        "difference": Column("Difference of balanced accuracies"),
        "ci_low": _CI_LOW,
        "ci_high": _CI_HIGH,
        "people_low": _PEOPLE_LOW,
        "people_high": _PEOPLE_HIGH,
        "d": _D,
        "p": Column("p value from swapping the two decoders' predictions, two-sided, not corrected"),
        "p_fdr": Column(
            f"{FDR} over regions and training sets of the participant in this experiment and source;"
            " contrasts of whole training sets, those at equal size and those less each control are a family"
            " each"
        ),
    }
)
CONFUSION_COLUMNS = Columns(
    {
        "experiment": _EXPERIMENT,
        "source": _SOURCE,
        "participant": Column("Participant label without 'sub-', or 'group' for the sum over participants"),
        "training": _TRAINING,
        "control": _CONTROL,
        "label": Column("Category of the stimulus"),
        "predicted": Column("Category that the decoder gave; it was trained on the whole set, all voxels"),
        "count": Column("Number of real trials, or means of trials"),
    }
)
DECISION_COLUMNS = Columns(
    {
        "claim": Column(
            "What the row decides",
            levels=MappingProxyType(
                {
                    "reads": "a decoder trained on this set reads real responses to unseen images",
                    "reads_unseen": "the same, where neither encoder nor decoder saw a real response to the"
                    " categories",
                    "beats_real": "it reads them better than one trained on real responses",
                    "beats_real_at_equal_size": "the same, trained on as many images as the real one",
                    "needs_encoder": "it reads them better than one trained on the set shuffled over images",
                    "needs_training": "it reads them better than one trained on the untrained network's set",
                    "transfers": "a decoder trained on the other participants' real responses, mapped through"
                    " synthetic ones, reads this participant's to unseen images",
                    "source_shows": "control: real responses tell which source a picture is from",
                }
            ),
        ),
        "experiment": _EXPERIMENT,
        "source": _SOURCE,
        "training": _TRAINING,
        "roi": _ROI,
        "participant": PARTICIPANT,
        "evidence": Column("What the effect is measured in"),
        "effect": Column("Size of the effect, as a share of trials"),
        "ci_low": _CI_LOW,
        "ci_high": _CI_HIGH,
        "people_low": _PEOPLE_LOW,
        "people_high": _PEOPLE_HIGH,
        "d": _D,
        "p": Column("p value, not corrected: two-sided of differences, else one-sided"),
        "p_fdr": Column(f"{FDR} over all rows of this table"),
        "n_participants": _N_PARTICIPANTS,
        "n_test_stimuli": _N_TEST_STIMULI,
        "verdict": Column(
            "The verdict, by one rule",
            levels=MappingProxyType(
                {
                    "supported": "p_fdr below .05 and the effect above 0",
                    "not supported": "p_fdr below .05 and the effect below 0, or ci_high below 0.05",
                    "cannot say": "neither: these participants and images do not decide it",
                }
            ),
        ),
    }
)
