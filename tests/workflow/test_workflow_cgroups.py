"""The tightest of this process's control groups counts, of either version, in a container or outside."""

from __future__ import annotations

import pytest

from bidsapp_synthfmri.workflow.cgroups import ControlGroups

UNLIMITED_V1 = 9223372036854771712


@pytest.fixture
def groups(tmp_path):
    """Make groups from what their files hold."""

    def make(membership: str, **files: object) -> ControlGroups:
        (tmp_path / "membership").write_text(membership)
        for name, content in files.items():
            path = tmp_path / "groups" / name.replace("__", "/").replace("_DOT_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{content}\n")
        return ControlGroups(tmp_path / "groups", tmp_path / "membership")

    return make


def test_version_2_a_jobs_limit_above_the_steps_counts(groups):
    found = groups(
        "0::/slurm/job_7/step_0\n",
        **{
            "slurm__job_7__step_0__memory_DOT_max": "max",
            "slurm__job_7__step_0__memory_DOT_current": 100,
            "slurm__job_7__memory_DOT_max": 5000,
            "slurm__job_7__memory_DOT_current": 2000,
            "slurm__memory_DOT_max": 9000,
            "slurm__memory_DOT_current": 7000,
            "slurm__job_7__cpu_DOT_max": "400000 100000",
            "slurm__cpu_DOT_max": "max 100000",
        },
    )
    # Of what the job has 3000 are left, but only 2000 of all jobs.
    assert found.memory_left() == 2000
    assert found.cpus() == 4


def test_version_1_has_a_tree_for_each_controller(groups):
    found = groups(
        "4:memory:/job\n1:cpu,cpuacct:/job\n0::/\n",
        **{
            "memory__job__memory_DOT_limit_in_bytes": 5000,
            "memory__job__memory_DOT_usage_in_bytes": 2000,
            "memory__memory_DOT_limit_in_bytes": UNLIMITED_V1,
            "memory__memory_DOT_usage_in_bytes": 10,
            "cpu__job__cpu_DOT_cfs_quota_us": 150000,
            "cpu__job__cpu_DOT_cfs_period_us": 100000,
            "cpu__cpu_DOT_cfs_quota_us": -1,
            "cpu__cpu_DOT_cfs_period_us": 100000,
        },
    )
    assert found.memory_left() == 3000
    assert found.cpus() == 1.5


def test_in_a_container_the_root_is_the_own_group(groups):
    found = groups(
        "0::/docker/abc\n", memory_DOT_max=5000, memory_DOT_current=6000, cpu_DOT_max="50000 100000"
    )
    assert found.memory_left() == 0
    assert found.cpus() == 0.5


def test_nothing_said_is_no_limit(groups, tmp_path):
    assert groups("0::/\n").memory_left() is None
    assert groups("0::/\n").cpus() is None
    nowhere = ControlGroups(tmp_path / "none", tmp_path / "none")
    assert nowhere.memory_left() is None
    assert nowhere.cpus() is None
