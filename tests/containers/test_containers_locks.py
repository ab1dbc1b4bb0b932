"""The image's locks hold what the package needs, in versions that it takes."""

from __future__ import annotations

import configparser
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

# Where the lock is for, whatever this machine is.
ENVIRONMENT = {"python_version": "3.11", "python_full_version": "3.11.2", "sys_platform": "linux"}
ENVIRONMENT |= {"platform_system": "Linux", "platform_machine": "x86_64", "os_name": "posix"}


@pytest.fixture(scope="module")
def pins(root: Path, script: Callable[[str], ModuleType]) -> dict[str, dict[str, str]]:
    """Versions by name, of either variant."""
    read = script("versions").pins
    return {
        variant: read(root / "containers" / f"requirements-{variant}.lock") for variant in ("cpu", "cuda")
    }


@pytest.fixture(scope="module")
def direct(root: Path) -> list[Requirement]:
    """What setup.cfg asks for, with the extras ``fast`` and ``scale``."""
    parser = configparser.ConfigParser()
    parser.read(root / "setup.cfg")
    extras = parser["options.extras_require"]
    lines = parser["options"]["install_requires"] + extras["fast"] + extras["scale"]
    return [Requirement(line) for line in lines.splitlines() if line.strip()]


@pytest.mark.parametrize("variant", ["cpu", "cuda"])
def test_every_direct_requirement_is_locked_within_its_bounds(pins, direct, variant: str) -> None:
    assert len(direct) > 20
    for requirement in direct:
        pinned = pins[variant][canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(pinned), f"{requirement}: the lock has {pinned}"


def test_what_the_requirements_need_is_locked_too(pins, direct) -> None:
    """Followed through the metadata of distributions that are installed in the lock's version."""
    locked = pins["cuda"]
    waiting, seen = list(direct), set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        pinned = locked.get(name)
        assert pinned is not None, f"{requirement} is needed and not in the lock"
        assert requirement.specifier.contains(Version(pinned)), f"{requirement}: the lock has {pinned}"
        key = (name, frozenset(requirement.extras))
        if key not in seen:
            seen.add(key)
            waiting += needed(name, pinned, requirement.extras)
    assert len({name for name, _ in seen}) > len(direct)


def needed(name: str, pinned: str, extras: set[str]) -> list[Requirement]:
    try:
        installed = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return []
    if installed.version.partition("+")[0] != pinned:
        return []
    found = [Requirement(line) for line in installed.requires or ()]
    asked = [*({"extra": extra} for extra in extras), {"extra": ""}]
    return [
        requirement
        for requirement in found
        if requirement.marker is None
        or any(requirement.marker.evaluate({**ENVIRONMENT, **one}) for one in asked)
    ]


def test_the_variants_differ_by_what_torch_needs_for_cuda_alone(
    pins, script: Callable[[str], ModuleType]
) -> None:
    is_of_cuda = script("lock").is_of_cuda
    extra = set(pins["cuda"]) - set(pins["cpu"])
    assert {name: pins["cuda"][name] for name in pins["cpu"]} == pins["cpu"]
    assert "triton" in extra
    assert all(map(is_of_cuda, extra))
    assert not any(map(is_of_cuda, pins["cpu"]))


def test_the_image_s_build_needs_no_index_for_the_package_itself(pins) -> None:
    assert "setuptools" in pins["cpu"]


def test_pip_s_report_becomes_a_lock(script: Callable[[str], ModuleType]) -> None:
    lock = script("lock")
    names = {"Zlib_NG": "1.1", "torch": "2.14.1+cpu", "bidsapp_synthfmri": "0.1.0"}
    report = {"install": [{"metadata": {"name": name, "version": of}} for name, of in names.items()]}
    pinned = lock.resolved(report)
    assert pinned == {"torch": "2.14.1", "zlib-ng": "1.1"}
    assert lock.lock_text(pinned, ["# head"]) == "# head\ntorch==2.14.1\nzlib-ng==1.1\n"


def test_departures_from_a_lock_are_named(script: Callable[[str], ModuleType]) -> None:
    departures = script("versions").departures
    here = metadata.version("numpy")
    assert departures({"numpy": here}) == []
    assert departures({"numpy": "0.1", "no-such-distribution": "1"}) == [
        f"numpy: {here} is installed, the lock has 0.1",
        "no-such-distribution: none is installed, the lock has 1",
    ]
