"""What each column of the tables holds; the sidecars are written from this."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import pandas as pd

from ..structures import Json


@dataclass(frozen=True)
class Column:
    """A column's entry of the data dictionary.

    Attributes
    ----------
    description : what a cell says
    units : unit of its numbers, if any
    levels : meaning of each value, where the values are few
    """

    description: str
    units: str | None = None
    levels: MappingProxyType[str, str] | None = None

    def entry(self, kind: str) -> Json:
        """The entry as BIDS spells it; ``kind`` is the values' BIDS format."""
        entry: Json = {"Description": self.description, "Format": kind}
        if self.units is not None:
            entry["Units"] = self.units
        if self.levels is not None:
            entry["Levels"] = dict(self.levels)
        return entry


@dataclass(frozen=True)
class Columns:
    """The columns known for a table, and what to say of others."""

    known: dict[str, Column]
    other: str = "Column of the input, as it was there"

    def dictionary(self, table: pd.DataFrame, kinds: dict[str, str]) -> Json:
        """The data dictionary of ``table``, every column in it."""
        unknown = Column(self.other)
        return {name: self.known.get(name, unknown).entry(kinds[name]) for name in map(str, table.columns)}


def levels(**meanings: str) -> MappingProxyType[str, str]:
    """The meaning of each value of a column."""
    return MappingProxyType(meanings)


_SPLIT = "Side of the split that the stimulus is on; no stimulus is on both"
_SPLITS = levels(
    train="the encoder was fitted on responses to this stimulus",
    test="held out of every choice made in fitting",
)
REGION = "Region of interest, masks of both hemispheres joined; 'all' is every voxel"
FDR = "p value corrected for the false discovery rate (Benjamini & Hochberg 1995)"
ROI = Column(REGION)
PARTICIPANT = Column("Participant label without 'sub-', or 'group' for the mean over participants")
_N_VOXELS = Column("Number of voxels that the row is computed on")
_VALUE = Column("The value of the row's metric")
_CI_LOW = Column("Lower end of the 95% bootstrap interval")
_CI_HIGH = Column("Upper end of the 95% bootstrap interval")
_P = Column("p value, two-sided, not corrected")
P_FDR = Column("p value corrected over regions for the false discovery rate (Benjamini & Hochberg 1995)")

TRIAL_COLUMNS = Columns(
    {
        "trial": Column("Number of the trial's map in the responses file, from 1"),
        "session": Column("Session label without 'ses-'; n/a where the dataset has no sessions"),
        "run": Column("Run label without 'run-'; n/a where the dataset numbers no runs"),
        "onset": Column("Onset of the presentation, from the run's first volume", "s"),
        "duration": Column("Duration of the presentation", "s"),
        "stimulus": Column("Identity of the picture; presentations of one picture share it"),
        "split": Column(_SPLIT, levels=_SPLITS),
    },
    other="Column of the dataset's events files, as it was there",
)
DROPPED_COLUMNS = Columns(
    {
        **{name: TRIAL_COLUMNS.known[name] for name in ("session", "run", "onset", "stimulus")},
        "reason": Column("Why the trial has no response"),
    }
)
STIMULUS_COLUMNS = Columns(
    {
        "image": Column("Number of the image's map in the synthetic responses file, from 1"),
        "stimulus": Column("Identity of the picture"),
        "split": Column(_SPLIT + "; an extra image set has its own name here", levels=_SPLITS),
        "prediction": Column(
            "Which encoder made the row",
            levels=MappingProxyType(
                {
                    "encoder": "the encoder as stored",
                    "out-of-fold": "an encoder fitted without any response to this picture",
                }
            ),
        ),
        "label": Column("Category of the picture"),
        "repeat": Column("Number of the synthetic trial of this picture, from 1; each has noise of its own"),
        "listed": Column("Number of the picture in its source, from 1, counting those that were skipped"),
    },
    other="Column of the stimulus table, as it was there",
)
UNSEEN_COLUMNS = Columns(
    {
        "image": Column("Number of the image's map in the synthetic responses file, from 1"),
        "stimulus": Column("Identity of the picture"),
        "split": Column(
            "Where the picture is from: the training set, or an extra image set, whose name is here then",
            levels=levels(train="a stimulus of the training set; no test stimulus is here"),
        ),
        "prediction": Column(
            "Which encoder made the row",
            levels=MappingProxyType(
                {
                    "category-deleted encoder": "an encoder fitted without any trial of the fold's"
                    " categories; penalties and layers are those that all training trials chose"
                }
            ),
        ),
        "label": Column("Category of the picture, in the label set that the sidecar names"),
        "fold": Column("Number of the fold of categories that were left out together, from 1"),
    }
)
RANK_COLUMNS = Columns(
    {
        "rank": Column("Place of the image among all that were ranked, from 1, the highest score"),
        "end": Column(
            "Which end of the order the row is of",
            levels=levels(highest="expected to drive the region most", lowest="expected to drive it least"),
        ),
        "stimulus": Column("Identity of the picture"),
        "label": Column("Category of the picture"),
        "score": Column(
            "Mean predicted response of the region's voxels, in standard deviations over all images ranked;"
            " of a contrast, the first region's less the second's"
        ),
        "response": Column("Mean predicted response of the region's voxels, in the encoder's unit"),
        "contrast_response": Column("The same of the region that is taken off"),
        "listed": Column("Number of the picture in its source, from 1, counting those that were skipped"),
    }
)
# Columns that lead a table, in this order; whatever else there is follows.
TRIAL_ORDER = ("session", "run", "onset", "duration", "stimulus")
STIMULUS_ORDER = ("stimulus", "split", "prediction", "label", "repeat", "listed")
UNSEEN_ORDER = ("stimulus", "split", "prediction", "label", "fold")

INDEX_COLUMNS = Columns(
    {"index": Column("Value of the voxels in the image"), "name": Column("What the voxels of this value are")}
)
DESCRIPTION_COLUMNS = Columns(
    {
        "desc_id": Column("The entity as it stands in file names"),
        "description": Column("What such files hold"),
    }
)
ENCODING_COLUMNS = Columns(
    {
        "roi": ROI,
        "layer": Column(
            "Network layer, by its torchvision name; 'selected': the layers of each voxel as the encoder uses"
            " them, chosen without the trials predicted; 'best': the same, in the encoder as stored"
        ),
        "metric": Column(
            "What the value is; correlations and R2 are means over the region's voxels",
            levels=levels(
                cv_r="correlation of predicted and single real responses in cross-validation",
                cv_r2="coefficient of determination in cross-validation",
                share_of_voxels="share of the region's voxels whose layer this is",
                layer_weight="weight of the layer in a joint encoder: of its prediction (stacking), or of"
                " its scaled kernel (banded)",
                variance_split="part of R2 of the selected layers that is the layer's, by the product"
                " measure; the parts add up to cv_r2 of 'selected'",
                test_r="correlation of predicted and single real responses to test stimuli",
                untrained_cv_r="cv_r of the untrained control: the same network with random weights",
                untrained_test_r="test_r of the untrained control",
                trained_minus_untrained="test_r less untrained_test_r, paired over voxels and test stimuli",
            ),
        ),
        "value": _VALUE,
        "n_voxels": _N_VOXELS,
        "ci_low": Column("Lower end of the 95% interval, bootstrapped over test stimuli"),
        "ci_high": Column("Upper end of the 95% interval, bootstrapped over test stimuli"),
        "p": Column("p value of the difference, two-sided, not corrected"),
        "p_fdr": P_FDR,
        "n_stimuli": Column("Number of test stimuli that the row is computed on"),
    }
)
ACCOUNTING_COLUMNS = Columns(
    {
        "roi": ROI,
        "level": Column(
            "What is correlated",
            levels=levels(
                voxel="each voxel's responses across test stimuli; mean over the region's voxels",
                pattern="each stimulus's pattern across the region's voxels; mean over stimuli",
                pattern_centred="as pattern, with the mean pattern removed",
            ),
        ),
        "row": Column(
            "Which two are correlated",
            levels=levels(
                real_real="one presentation with another of the same stimulus",
                synthetic_real="noiseless prediction with one presentation",
                mean_real_real="mean of the other presentations with one presentation",
                ceiling="the most that any prediction can reach with one presentation",
                noise_matched_real="prediction with noise as in the data, with one presentation",
                synthetic_minus_real="synthetic_real less real_real",
            ),
        ),
        "value": Column("The correlation, or difference of correlations"),
        "ci_low": Column("Lower end of the 95% interval, bootstrapped over stimuli"),
        "ci_high": Column("Upper end of the 95% interval, bootstrapped over stimuli"),
        "expected": Column("The value that the reliability and the encoder's accuracy imply"),
        "p": _P,
        "p_fdr": P_FDR,
        "n_voxels": _N_VOXELS,
        "n_stimuli": Column("Number of stimuli that the row is computed on"),
    }
)
RELIABILITY_COLUMNS = Columns(
    {
        "roi": ROI,
        "metric": Column(
            "What the value is; means over the region's voxels",
            levels=levels(
                ncsnr="noise-ceiling signal-to-noise ratio",
                r="single-trial reliability",
                noise_ceiling="share of variance of the mean response that is signal",
                split_half="reliability from split halves, for one trial",
            ),
        ),
        "value": _VALUE,
        "n_voxels": _N_VOXELS,
        "n_stimuli": Column("Number of stimuli presented at least twice"),
        "n_trials": Column("Number of trials of all stimuli, repeated or not"),
    }
)
UNCERTAINTY_COLUMNS = Columns(
    {
        "roi": ROI,
        "metric": Column(
            "What the value is; variances in the responses' unit squared, means over the region's voxels",
            levels=levels(
                signal_variance="variance of a response that repeats with the stimulus",
                noise_variance="variance of a single response that does not",
                missed_variance="variance of the signal of test stimuli that the encoder does not predict;"
                " unbiased, and therefore below 0 by chance where it is small",
                posterior_variance="what the encoder itself expects to miss of them",
                coverage="share of test stimuli and voxels with the mean response in the encoder's interval",
            ),
        ),
        "nominal": Column("Chance with which the interval should hold the mean response; n/a for variances"),
        "value": _VALUE,
        "n_voxels": _N_VOXELS,
        "n_stimuli": Column("Number of test stimuli"),
    }
)
PAIR_COLUMNS = Columns(
    {
        "stimulus": Column("Identity of the test picture"),
        "other": Column("Identity of the picture that shows the same"),
        "other_split": Column("Side of that picture: train, test, or the name of an extra image set"),
        "kind": Column(
            "In what the two agree",
            levels=MappingProxyType(
                {
                    "same-file": "the files are equal byte by byte",
                    "near-duplicate": "perceptual hash and thumbnail agree",
                    "mirrored": "they agree once one of the pictures is mirrored",
                }
            ),
        ),
        "distance": Column("Bits of 64 in which the perceptual hashes (pHash) differ"),
        "correlation": Column("Correlation of the grey thumbnails, 8 x 8 pixels"),
    }
)
LEAKAGE_STIMULUS_COLUMNS = Columns(
    {
        "stimulus": Column("Identity of the picture"),
        "split": Column(_SPLIT, levels=_SPLITS),
        "source": Column("Where the picture comes from; n/a where nothing tells sources apart"),
        "imagenet": Column(
            "What says that the picture is one of ImageNet's, on which networks are trained; n/a for nothing",
            levels=levels(
                name="its name has ImageNet's spelling",
                folder="its folder is a synset's, or named after ImageNet",
                source="its source is named after ImageNet",
            ),
        ),
        "alike_in_training": Column("Number of training pictures that show the same as a test picture"),
    }
)
LEAKAGE_SCORE_COLUMNS = Columns(
    {
        "subset": Column(
            "Test stimuli that the row is computed on",
            levels=levels(
                all="all",
                source="those of one source",
                within_sources="all, the mean of each source removed from responses and predictions",
                imagenet="those that may be in the network's training set",
                not_imagenet="the others",
                without_duplicates="those to which no training picture is alike",
            ),
        ),
        "source": Column("The source, of subset 'source'"),
        "roi": ROI,
        "row": Column(
            "Which two are correlated, in each voxel over stimuli; mean over the region's voxels",
            levels=levels(
                synthetic_real="noiseless prediction with one presentation",
                real_real="one presentation with another of the same stimulus",
            ),
        ),
        "value": Column("The correlation; n/a where the stimuli are too few"),
        "ci_low": Column("Lower end of the 95% interval, bootstrapped over stimuli within sources"),
        "ci_high": Column("Upper end of the 95% interval, bootstrapped over stimuli within sources"),
        "n_voxels": _N_VOXELS,
        "n_stimuli": Column("Number of stimuli that the row is computed on, or that are too few"),
    }
)
