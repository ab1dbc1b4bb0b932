"""What options may be, and what is wrong with a configuration's."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .config import RunConfig

LEVELS = ("participant", "group")
# Those that choose by all runs together.
UPPER_RUNGS = ("hrf", "hrf-denoise", "hrf-denoise-ridge")
ESTIMATORS = ("tr34", "lsa", "lss", *UPPER_RUNGS)
DEVICES = ("auto", "cpu", "cuda")
WEIGHTS_BY_NAME = ("imagenet", "random")
CROPS = ("center", "squash", "pad")
LAYER_SELECTIONS = ("voxel", "roi", "joint")
JOINT_MODELS = ("stacking", "banded")
PENALTY_SEARCHES = ("window", "exact", "gcv")
EXECUTORS = ("process", "dask")
CLUSTERS = ("local", "slurm")
OVERWRITE = ("never", "changed", "always")
DEFAULT_CONFOUNDS = ("acompcor",)
# What tables call the dataset's own pictures, and decoding the responses to them.
_RESERVED = frozenset({"train", "test", "same"})

Problem = tuple[str, str]


def problems_of(config: RunConfig) -> list[Problem]:
    """What is wrong with the options, one by one: the problem and its remedy."""
    problems: list[Problem] = []
    for name, value, allowed in (
        ("analysis level", config.level, LEVELS),
        ("--device", config.device, DEVICES),
        ("--crop", config.crop, CROPS),
        ("--layer-selection", config.layer_selection, LAYER_SELECTIONS),
        ("--joint-model", config.joint_model, JOINT_MODELS),
        ("--penalty-search", config.penalty_search, PENALTY_SEARCHES),
        ("--overwrite", config.overwrite, OVERWRITE),
        ("--executor", config.executor, EXECUTORS),
        ("--cluster", config.cluster or CLUSTERS[0], CLUSTERS),
    ):
        if value not in allowed:
            problems.append((f"{name} cannot be {value!r}", f"Choose one of {', '.join(allowed)}"))
    problems += _number_problems(config)
    problems += _contradictions(config)
    problems += _cluster_problems(config)
    problems += _model_problems(config)
    problems += _threshold_problems(config)
    problems += _responses_problems(config)
    problems += _name_problems(config)
    problems += _folder_problems(config)
    return problems


def _number_problems(config: RunConfig) -> list[Problem]:
    problems: list[Problem] = []
    if not 0 < config.test_fraction < 1:
        problems.append((f"--test-fraction is {config.test_fraction}", "Give a number between 0 and 1"))
    if config.n_cpus is not None and config.n_cpus < 1:
        problems.append((f"--n-cpus is {config.n_cpus}", "Give 1 or more"))
    if config.image_size is not None and config.image_size < 1:
        problems.append((f"--image-size is {config.image_size}", "Give pixels, 1 or more"))
    if config.cache_size is not None and not 0 < config.cache_size < math.inf:
        problems.append((f"--cache-size is {config.cache_size}", "Give GB, more than 0"))
    if config.random_seed < 0:
        problems.append((f"--random-seed is {config.random_seed}", "Give 0 or more"))
    if config.memory is not None and config.memory < 1:
        problems.append((f"--mem is {config.memory} bytes", "Give a size such as 16GB"))
    return problems


def _contradictions(config: RunConfig) -> list[Problem]:
    problems: list[Problem] = []
    if config.strict and config.skip_bids_validation:
        problems.append(("--strict and --skip-bids-validation were both given", "Give one of them"))
    if config.reports_only and config.boilerplate_only:
        problems.append(("--reports-only and --boilerplate-only were both given", "Give one of them"))
    both = sorted(set(config.participant_labels) & set(config.exclude_participant_labels))
    if both:
        problems.append(
            (
                f"--participant-label and --exclude-participant-label both name {', '.join(both)}",
                "Name each participant once",
            )
        )
    if config.label_column is not None and (config.labels is not None or config.label_set is not None):
        problems.append(("--labels and --label-column were both given", "Give one of them"))
    return problems


def _cluster_problems(config: RunConfig) -> list[Problem]:
    """What does not go together about who computes."""
    if config.executor != "dask":
        given = [
            option
            for option, value in (
                ("--scheduler-address", config.scheduler_address),
                ("--cluster", config.cluster),
                ("--n-workers", config.n_workers),
            )
            if value is not None
        ]
        told = f"{' and '.join(given)} {'was' if len(given) == 1 else 'were'} given without --executor dask"
        return [(told, "Add --executor dask, or leave them out")] if given else []
    problems: list[Problem] = []
    if (config.scheduler_address is None) == (config.cluster is None):
        problems.append(
            (
                "--executor dask needs either a cluster that is there or one to make, not both or neither",
                "Give --scheduler-address, or --cluster local or slurm",
            )
        )
    if config.n_workers is not None and config.n_workers < 1:
        problems.append((f"--n-workers is {config.n_workers}", "Give 1 or more"))
    if config.scheduler_address is not None and config.n_workers is not None:
        problem = "--n-workers was given, and the cluster of --scheduler-address has its own workers"
        problems.append((problem, "Leave out --n-workers"))
    if config.cluster == "slurm" and (config.n_workers is None or config.memory is None):
        problem = "--cluster slurm asks for jobs, and what they are is not said"
        problems.append((problem, "Give --n-workers, the number of jobs, and --mem, the memory of each"))
    if config.resource_monitor:
        problem = "--resource-monitor records this process alone, and --executor dask computes in others"
        problems.append((problem, "Leave out one of the two; Dask's dashboard shows what its workers take"))
    return problems


def _model_problems(config: RunConfig) -> list[Problem]:
    problems: list[Problem] = []
    if config.untrained_control and config.weights == "random":
        problems.append(
            (
                "--untrained-control has nothing to be compared with",
                "Give trained --weights, or leave it out",
            )
        )
    if config.uncertainty and config.layer_selection == "joint":
        problems.append(
            (
                "--uncertainty is known for one layer a voxel, and --layer-selection is joint",
                "Choose --layer-selection voxel or roi, or leave out --uncertainty",
            )
        )
    return problems


def _threshold_problems(config: RunConfig) -> list[Problem]:
    problems: list[Problem] = []
    if not config.confounds:
        problems.append(("--confounds names nothing", "Name a strategy or columns; none projects none out"))
    if config.fd_threshold is not None and not 0 < config.fd_threshold < math.inf:
        problems.append((f"--fd-threshold is {config.fd_threshold}", "Give millimetres, more than 0"))
    if config.min_ncsnr is not None and not 0 <= config.min_ncsnr < math.inf:
        problems.append((f"--min-ncsnr is {config.min_ncsnr}", "Give 0 or more"))
    return problems


def _responses_problems(config: RunConfig) -> list[Problem]:
    path = config.precomputed
    if path is None:
        return []
    if not config.responses or not (path.exists() or path.is_symlink()):
        estimators = ", ".join(ESTIMATORS)
        problem = f"--responses {config.responses!r} is no estimator ({estimators}) and no path that exists"
        return [(problem, "Name an estimator, or give the path of precomputed responses")]
    given, output = path.resolve(), config.output_dir.resolve()
    if given.is_relative_to(output) or output.is_relative_to(given):
        problem = f"--responses {path} and OUTPUT_DIR {config.output_dir} lie one in the other"
        return [(problem, "Give an OUTPUT_DIR of its own: a run must not read what it writes")]
    if config.fd_threshold is not None or config.confounds != DEFAULT_CONFOUNDS:
        problem = f"--responses {path} are estimated already: no confounds or volumes can be left out"
        return [(problem, "Leave out --confounds and --fd-threshold, or name an estimator")]
    return []


def _name_problems(config: RunConfig) -> list[Problem]:
    problems: list[Problem] = []
    for option, pairs in (("--images", config.images), ("--derivatives", config.derivatives)):
        names = [name for name, _ in pairs]
        if len(set(names)) < len(names):
            problems.append((f"{option} uses a name twice: {', '.join(names)}", "Give each its own name"))
    for name, _ in config.images:
        if not (name.isascii() and name.isalnum()):
            problems.append((f"--images name {name!r} is not a BIDS label", "Use letters and digits only"))
        if name in _RESERVED:
            problem = f"--images name {name!r} stands for pictures of the dataset itself in the outputs"
            problems.append((problem, "Give the set another name"))
    return problems


def _folder_problems(config: RunConfig) -> list[Problem]:
    problems: list[Problem] = []
    bids, output = config.bids_dir.resolve(), config.output_dir.resolve()
    if output == bids:
        problems.append((f"OUTPUT_DIR {output} is BIDS_DIR itself", "Give another folder"))
    elif output.is_relative_to(bids) and not output.is_relative_to(bids / "derivatives"):
        problems.append(
            (
                f"OUTPUT_DIR {output} lies inside BIDS_DIR {bids}",
                f"Choose a folder outside it, or one under {bids / 'derivatives'}",
            )
        )
    work = config.work_folder.resolve()
    if config.work_dir is not None and work.is_relative_to(bids):
        problems.append((f"--work-dir {work} lies inside BIDS_DIR {bids}", "Choose a folder outside it"))
    return problems
