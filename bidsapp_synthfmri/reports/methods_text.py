"""Example text for a methods section, from the facts of the run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..derivatives.citations import REFERENCES, Reference
from ..structures import Json
from .estimation import Chosen, chosen_of
from .numbers import count, counted, listed

_OWN_RESPONSE = (
    "one regressor a trial, all trials of a run in one least-squares fit, with a haemodynamic response of"
    " each voxel’s own"
)
_ESTIMATORS = {
    "lsa": "one regressor a trial, all trials of a run in one least-squares fit (least squares all)",
    "lss": "a separate least-squares fit a trial, with that trial against the sum of all others of the run"
    " (least squares separate; Mumford et al. 2012)",
    "tr34": "the mean of the third and fourth volume after onset as percent signal change, after detrending",
    "hrf": _OWN_RESPONSE,
    "hrf-denoise": _OWN_RESPONSE,
    "hrf-denoise-ridge": "one regressor a trial, all trials of a run in one fit, with a haemodynamic response"
    " and a ridge penalty of each voxel’s own, in the sequence of steps of"
    " Prince et al. (2022)",
}
_CITED = {
    "lss": ("mumford2012",),
    "hrf": ("allen2022",),
    "hrf-denoise": ("allen2022", "kay2013"),
    "hrf-denoise-ridge": ("allen2022", "kay2013", "rokem2020", "prince2022"),
}
_WEIGHTS = {
    "imagenet": "weights trained on ImageNet",
    "random": "random, untrained weights",
}
_RIDGE = "For each voxel a linear kernel ridge regression predicted responses from"
_SELECTIONS = {
    "voxel": f"{_RIDGE} one layer; penalty and layer were chosen in each voxel by cross-validation inside the"
    " training set.",
    "roi": f"{_RIDGE} one layer; the penalty was chosen in each voxel, and the layer in each region by its"
    " voxels’ mean R², by cross-validation inside the training set.",
    "stacking": f"{_RIDGE} each layer, its penalty chosen by cross-validation inside the training set; the"
    " layers’ predictions were stacked with non-negative weights that sum to at most 1 (Breiman 1996),"
    " fitted to the out-of-fold predictions of the training set. The explained variance was split between"
    " layers by the product measure.",
    "banded": "For each voxel a banded ridge regression (Nunez-Elizalde et al. 2019) predicted responses from"
    " all layers together, with a penalty for each; they were chosen by random search (Dupré la Tour et al."
    " 2022) and cross-validation inside the training set. The explained variance was split between layers by"
    " the product measure.",
}
_SELECTION_CITED = {"stacking": ("breiman1996",), "banded": ("nunezelizalde2019", "duprelatour2022")}
_WORDNET = ("miller1995", "russakovsky2015")
_LABELS_CITED = {
    "synset": _WORDNET,
    "lexicographer": _WORDNET,
    "superordinate": _WORDNET,
    "setting": ("chang2019", "zhou2018"),
    "scene": ("chang2019",),
    "source": ("chang2019",),
}
_COCO_LABELS = "coco_"
_ALWAYS_CITED = ("delavari2025", "benjamini1995", "gorgolewski2016", "gorgolewski2017")


def participant_methods(summary: Json) -> tuple[str, ...]:
    """Paragraphs on responses, encoder, synthesis and accounting."""
    return (_responses(summary), _encoder(summary), _accounting(summary), _software(summary))


def group_methods(summary: Json, n_participants: int) -> tuple[str, ...]:
    """Paragraphs on decoding and its statistics."""
    draws = f" ({count(summary['n_bootstrap'])} draws)" if "n_bootstrap" in summary else ""
    permuted = f" {counted(summary['n_permutations'], 'time')}" if "n_permutations" in summary else ""
    decoding = (
        f"Categories were decoded within each of {counted(n_participants, 'participant')} from the voxels of"
        f" each region with {_CLASSIFIERS[_main(summary)['classifier']]} inside the training set. It was"
        " trained on real single-trial responses, on synthetic responses to the same images (predicted out"
        " of fold, by encoders that had not been fitted on those images) or on synthetic responses to"
        " further images, and always tested on the same real single-trial responses to images that neither"
        f" encoder nor decoder had seen.{_other_experiments(summary)} {summary.get('label_source', '')}"
    ).strip() + _unseen_decoding(summary)
    statistics = (
        "Accuracy is balanced accuracy, the mean over categories of the share of trials named correctly."
        f" Intervals are 95% percentile intervals of a bootstrap over test images within category{draws};"
        f" chance and one-sided p-values come from permuting{permuted} the labels of the test images, within"
        " their source and session where these are known and leave labels to permute."
        " Differences between synthetic and real training were tested, two-sided, by swapping the predictions"
        " of the two decoders at random for each test image. P-values were corrected over regions and"
        " training sets for the false discovery rate (Benjamini and Hochberg 1995)."
    )
    return decoding, statistics, _software(summary)


_CLASSIFIERS = {
    "ridge": "a linear ridge classifier, its penalty chosen",
    "lda": "linear discriminant analysis, the shrinkage of its covariance chosen",
    "logistic": "logistic regression, its ridge penalty chosen",
}


def _main(summary: Json) -> Json:
    """The experiment that the page speaks of."""
    listed_ones = summary.get("experiments", [])
    return dict(listed_ones[0]) if listed_ones else {"classifier": "ridge"}


def _unseen_decoding(summary: Json) -> str:
    """How unseen categories were decoded; nothing where they were not."""
    facts = summary.get("unseen_categories") or {}
    if not any(one and "n_folds" in one for one in facts.values()):
        return ""
    return (
        " For unseen categories, encoders were fitted anew without any trial of a fold of categories, with"
        " the penalties and layers that all training trials had chosen; decoders were trained on their"
        " predictions for images of these categories and tested on real responses, a trial being told apart"
        " among the categories of its fold. Labels were permuted within folds."
    )


def _other_experiments(summary: Json) -> str:
    others = [str(one["name"]) for one in summary.get("experiments", [])[1:]]
    return f" Further experiments of the list: {listed(others)}." if others else ""


def label_references(label_sets: Iterable[str]) -> tuple[str, ...]:
    """Keys of what label sets rest on."""
    keys = [
        key
        for name in label_sets
        for key in (("lin2014",) if name.startswith(_COCO_LABELS) else _LABELS_CITED.get(name, ()))
    ]
    return tuple(dict.fromkeys(keys))


def references(summary: Json, further: Sequence[str] = ()) -> tuple[str, ...]:
    """What to cite, in plain text, by author; ``further`` are keys of what the summary does not tell of."""
    wanted = [*_ALWAYS_CITED, *further, *_CITED.get(str(summary.get("responses", "")), ())]
    wanted += _SELECTION_CITED.get(str(summary.get("layer_selection", "")), ())
    chosen = chosen_of(summary)
    if chosen is not None and not chosen.n_candidates and "kay2013" in wanted:
        wanted.remove("kay2013")
    if str(summary.get("backbone", "")).startswith("alexnet"):
        wanted.append("krizhevsky2012")
    if "backbone" in summary:
        wanted.append("marcel2010")
    return tuple(sorted(_plain(reference) for reference in REFERENCES if reference.key in wanted))


def _responses(summary: Json) -> str:
    parts = [
        f"Responses to {counted(summary.get('n_trials'), 'presentation')} of"
        f" {counted(summary.get('n_stimuli'), 'image')} (task {summary.get('task')};"
        f" {counted(len(summary.get('sessions', [])) or 1, 'session')},"
        f" {counted(summary.get('n_runs'), 'run')}) {_origin(summary)}."
    ]
    parts += _choices(summary)
    confounds = [str(name) for name in summary.get("confounds", [])]
    drifts = "Slow drifts (cosines, high-pass 1/128 Hz)"
    if confounds:
        parts.append(
            f"{drifts} and these confounds were projected out of design and data: {listed(confounds)}."
        )
    elif "confounds" in summary:
        parts.append(f"{drifts} were projected out of design and data; no confounds were.")
    if "fd_threshold" in summary:
        parts.append(
            f"Volumes with a framewise displacement above {summary['fd_threshold']:g} mm took no part in"
            f" any fit ({counted(summary.get('n_censored'), 'volume')} of {count(summary.get('n_volumes'))})."
        )
    if summary.get("unit") == "z":
        parts.append("Responses were z-scored in each voxel within session.")
    if "min_ncsnr" in summary:
        parts.append(
            f"Of {counted(summary.get('n_voxels_measured'), 'voxel')}, those with a noise-ceiling"
            f" signal-to-noise ratio of at least {summary['min_ncsnr']:g} were kept, as estimated from all"
            " repeated presentations, those of test images among them."
        )
    return " ".join(parts)


def _origin(summary: Json) -> str:
    estimator = str(summary.get("responses", ""))
    voxels = counted(summary.get("n_voxels"), "voxel")
    if "precomputed" in summary:
        return f"in {voxels} were precomputed, not estimated here: {summary['precomputed']}"
    return (
        f"were estimated for single trials in {voxels} of the preprocessed data in space"
        f" {summary.get('space')}: {_ESTIMATORS.get(estimator, estimator)}"
    )


def _choices(summary: Json) -> list[str]:
    """How the upper rungs chose; nothing for the others."""
    estimator, chosen = str(summary.get("responses", "")), chosen_of(summary)
    if not estimator.startswith("hrf") or chosen is None:
        return []
    n_library = f" {len(chosen.hrf.values)}" if chosen.hrf is not None else ""
    parts = [
        f"Each voxel’s haemodynamic response was the one of a library of{n_library} double-gamma responses"
        " that explained most variance beyond what it explained in noise (after Allen et al. 2022)."
    ]
    if chosen.n_candidates:
        parts.append(
            "Noise components were each run’s leading principal components over the half of the brain’s"
            f" voxels that the task explained least ({counted(chosen.n_pool, 'voxel')}); their number,"
            f" {count(chosen.n_components)} of up to {count(chosen.n_candidates)}, was chosen by the"
            f" cross-validated reliability of {_tuning(chosen)} (after Kay et al. 2013)."
        )
    elif chosen.n_components is not None:
        parts.append("No noise components were projected out.")
    if chosen.fraction is not None:
        parts.append(
            "The penalty was set by the fraction of the least-squares estimate’s length that ridge"
            " regression leaves (Rokem and Kay 2020), chosen in each voxel by the reliability of"
            f" {'the same repeats' if chosen.n_candidates else _tuning(chosen)}."
        )
    return parts


def _tuning(chosen: Chosen) -> str:
    trials = counted(chosen.n_tuning_trials, "presentation")
    return f"{trials} of {counted(chosen.n_tuning_stimuli, 'image')} shown in more than one run"


def _encoder(summary: Json) -> str:
    layers = [str(layer) for layer in summary.get("layers", [])]
    weights = str(summary.get("weights", ""))
    return " ".join(
        part
        for part in (
            f"Image features were the activations of {counted(len(layers), 'layer')} ({listed(layers)}) of"
            f" {summary.get('backbone')} as provided by torchvision, with"
            f" {_WEIGHTS.get(weights, 'weights from a file')}.",
            _sentence("Images were prepared as follows", summary.get("preprocessing"), colon=True),
            _SELECTIONS.get(str(summary.get("layer_selection")), _SELECTIONS["voxel"]),
            _sentence("Cross-validation used", summary.get("folds")),
            _sentence("Held out as the test set were", summary.get("test_rule")),
            f"This left {counted(summary.get('n_train_stimuli'), 'image')} for training and"
            f" {counted(summary.get('n_test_stimuli'), 'image')} for the test.",
            _control(summary),
            _unseen_encoders(summary),
        )
        if part
    )


def _control(summary: Json) -> str:
    """What the trained network was compared with; nothing where it was not."""
    control = summary.get("untrained_control")
    if not control:
        return ""
    silent = [str(layer) for layer in control.get("silent_layers", [])]
    without = f", without {listed(silent)}, whose output is the same for all images" if silent else ""
    return (
        "As a control, encoders were fitted in the same way to the same layers of the same architecture with"
        f" random, untrained weights{without}. Correlations of both networks’ predictions with single"
        " responses to test images were averaged over each region’s voxels; their difference was tested with"
        " a paired bootstrap over test images, corrected over regions for the false discovery rate."
    )


def _unseen_encoders(summary: Json) -> str:
    """Which categories encoders were fitted without; nothing where none was left out."""
    unseen = summary.get("unseen_categories") or {}
    if "n_folds" not in unseen:
        return ""
    return (
        f"For decoding of unseen categories, {counted(unseen['n_folds'], 'further encoder')} with the same"
        " penalties and layers went without all training trials of a fold of categories each"
        f" ({counted(unseen['n_categories'], 'category', 'categories')} of the label set"
        f" ‘{unseen['label_set']}’ in all)."
    )


def _accounting(summary: Json) -> str:
    extra: dict[str, Any] = summary.get("extra_sets", {})
    sets = listed([f"{counted(n, 'image')} of “{name}”" for name, n in extra.items()])
    return (
        "Synthetic responses are the encoder's noiseless predictions for the test images"
        + (f" and for {sets}" if extra else "")
        + ", and out-of-fold predictions for the training images. Reliability was estimated from repeated"
        " presentations, allowing for unequal numbers of them. Synthetic and real responses were compared in"
        " five rows: one real presentation with another; the noiseless prediction with one presentation; the"
        " mean of the other presentations with one; the ceiling, which is the square root of reliability;"
        " and a synthetic response with noise like that of real ones with one presentation. Intervals are"
        " 95% bootstrap intervals over test images; p-values of the difference between the second row and"
        " the first were corrected over regions for the false discovery rate (Benjamini and Hochberg 1995)."
    )


def _software(summary: Json) -> str:
    software = {str(name): str(version) for name, version in summary.get("software", {}).items()}
    own = [name for name in software if name in ("bidsapp_synthfmri", "synthfmri")]
    others = [f"{name} {version}" for name, version in software.items() if name not in own]
    text = "Computed with synthfmri" + (f" {software[own[0]]}" if own else "")
    if others:
        text += f", using {listed(others)}"
    return f"{text}; random seed {summary['seed']}." if "seed" in summary else f"{text}."


def _sentence(lead: str, fact: object, colon: bool = False) -> str:
    """The fact after its lead, as a sentence; nothing where the run does not say."""
    plain = str(fact or "").strip().removesuffix(".")
    return f"{lead}{':' if colon else ''} {plain}." if plain else ""


def _plain(reference: Reference) -> str:
    return reference.line.replace("{\\'e}", "é").replace("{", "").replace("}", "").replace("--", "-")
