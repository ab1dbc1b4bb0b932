"""Memory is refused with numbers before it is taken."""

import subprocess
import sys

import pytest

from bidsapp_synthfmri.errors import MemoryExceededError
from bidsapp_synthfmri.workflow.cgroups import ControlGroups
from bidsapp_synthfmri.workflow.memory import available_bytes, fit_bytes, require_memory


def test_the_tighter_of_machine_and_cgroup_counts(tmp_path):
    meminfo, groups = tmp_path / "meminfo", ControlGroups(tmp_path / "groups", tmp_path / "membership")
    meminfo.write_text("MemTotal: 32000 kB\nMemAvailable:   8000 kB\n")
    assert available_bytes(meminfo, groups) == 8000 * 1024
    groups.root.mkdir()
    (groups.root / "memory.max").write_text("5000000\n")
    (groups.root / "memory.current").write_text("1000000\n")
    assert available_bytes(meminfo, groups) == 4_000_000
    (groups.root / "memory.max").write_text("max\n")
    assert available_bytes(meminfo, groups) == 8000 * 1024
    assert available_bytes(tmp_path / "none", ControlGroups(tmp_path / "none", tmp_path / "none")) is None


def test_the_limit_of_the_address_space_counts():
    """In a process of its own: the limit cannot be taken back."""
    limited = """
import resource
from bidsapp_synthfmri.workflow.memory import available_bytes, held_bytes
held = held_bytes(field="VmSize")
resource.setrlimit(resource.RLIMIT_AS, (held + 10**8, resource.RLIM_INFINITY))
print(available_bytes())
"""
    said = subprocess.run([sys.executable, "-c", limited], capture_output=True, text=True, check=True).stdout
    assert 0 < int(said) <= 10**8


def test_bold5000_fits_and_a_whole_brain_does_not_fit_a_laptop():
    alexnet = (193600, 32448, 64896, 43264, 9216, 4096, 4096, 1000)
    assert fit_bytes(4803, 1685, alexnet) < 3.2e9
    assert fit_bytes(4803, 200_000, alexnet) > 8e9


def test_finding_a_basis_for_many_voxels_counts():
    per_voxel = fit_bytes(2000, 999, (4096,)) - fit_bytes(2000, 998, (4096,))
    step = fit_bytes(2000, 1000, (4096,)) - fit_bytes(2000, 999, (4096,))
    assert step - per_voxel == 3 * 8 * 2000**2


def test_joint_layers_take_more_and_what_goes_to_a_file_takes_nothing():
    units = (9216, 4096, 4096, 1000)
    sizes = [fit_bytes(2000, 1000, units, kind) for kind in ("voxel", "roi", "stacking", "banded")]
    response, weights = 4 * 2000 * 1000, 2 * 1000 * sum(units)
    assert [size - sizes[0] for size in sizes] == [
        0,
        3 * response,
        7 * response + weights * 3 // 4,
        weights * 3 // 4,
    ]
    short = fit_bytes(2000, 1000, units, "stacking", available=4 * 4 * 2000 * 1000)
    assert short == sizes[2] - 4 * 4 * 2000**2 - 2 * 4 * response - response


def test_the_posterior_takes_its_directions_twice():
    units = (9216, 4096)
    plain, uncertain = (fit_bytes(2000, 1000, units, uncertainty=kept) for kept in (False, True))
    assert uncertain - plain == 2 * 2 * 2000 * sum(units)


def test_refusal_gives_both_numbers():
    require_memory(10, None, "it")
    require_memory(10, 11, "it")
    with pytest.raises(MemoryExceededError, match=r"needs about 3\.0 GB and 1\.0 GB are free"):
        require_memory(3_000_000_000, 1_000_000_000, "fitting")


def test_encoders_without_categories_keep_an_array_like_the_responses_each() -> None:
    units, responses = (1000, 2000), 4 * 2000 * 900
    plain, five = (fit_bytes(2000, 900, units, n_without=n) for n in (0, 5))
    assert five - plain == 5 * responses + 2 * 900 * sum(units) // 2
    plain, five = (fit_bytes(2000, 900, units, "stacking", n_without=n) for n in (0, 5))
    assert five - plain == 2 * 5 * responses + 2 * 900 * sum(units)
