"""What a run takes from the machine."""

import os

import numpy as np
import pytest
import torch

from bidsapp_synthfmri.config import RunConfig
from bidsapp_synthfmri.errors import UsageError
from bidsapp_synthfmri.workflow.cgroups import ControlGroups
from bidsapp_synthfmri.workflow.runtime import (
    allowed_cpus,
    choose_device,
    generator,
    pinned_threads,
    software,
)


@pytest.mark.parametrize(("text", "limit"), [("max 100000", None), ("100000 100000", 1), ("50000 100000", 1)])
def test_cpus_follow_the_cgroups_quota(tmp_path, text, limit):
    (tmp_path / "cpu.max").write_text(text + "\n")
    affinity = len(os.sched_getaffinity(0))
    groups = ControlGroups(tmp_path, tmp_path / "absent")
    assert allowed_cpus(groups) == (affinity if limit is None else min(affinity, limit))
    assert allowed_cpus(ControlGroups(tmp_path / "absent", tmp_path / "absent")) == affinity


def test_threads_are_pinned_and_given_back():
    before = torch.get_num_threads()
    with pinned_threads(1) as threads:
        assert threads == torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


def test_cuda_without_a_gpu_is_refused():
    if torch.cuda.is_available():
        assert choose_device("auto").type == "cuda"
        return
    assert choose_device("auto").type == "cpu"
    with pytest.raises(UsageError, match="no CUDA GPU"):
        choose_device("cuda")


def test_generators_are_apart_by_purpose_and_participant(tmp_path):
    config = RunConfig(tmp_path / "a", tmp_path / "b")
    draws = {
        words: tuple(generator(config, *words).random(3))
        for words in (("01", "split"), ("01", "folds"), ("02", "split"))
    }
    assert len(set(draws.values())) == 3
    np.testing.assert_array_equal(generator(config, "01", "split").random(3), draws["01", "split"])


def test_software_names_what_results_depend_on():
    versions = software()
    assert versions["torch"] == torch.__version__.split("+")[0] or versions["torch"] == torch.__version__
    assert {"python", "bidsapp_synthfmri", "numpy", "torchvision"} <= set(versions)
