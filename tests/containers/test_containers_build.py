"""What the image's build does beside installing: weights, pip's settings, and the Dockerfile's promises."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torchvision

CONTENT = b"weights of a very small network"
DIGITS = hashlib.sha256(CONTENT).hexdigest()[:8]


@pytest.fixture(scope="module")
def weights(script: Callable[[str], ModuleType]) -> ModuleType:
    return script("weights")


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A build's context that holds a file of weights."""
    folder = tmp_path / "context"
    folder.mkdir()
    (folder / "tiny.pth").write_bytes(CONTENT)
    return folder


def test_a_local_file_is_baked_in_under_torchvision_s_name(
    weights: ModuleType, context: Path, tmp_path: Path
) -> None:
    url = f"https://nowhere.invalid/models/tiny-{DIGITS}.pth"
    made = weights.bake("tiny.pth", url, tmp_path / "cache", context)
    assert made == tmp_path / "cache" / f"tiny-{DIGITS}.pth"
    assert made.read_bytes() == CONTENT
    assert made.stat().st_mode & 0o777 == 0o644
    assert list(made.parent.iterdir()) == [made]


def test_what_the_url_has_is_baked_in(weights: ModuleType, context: Path, tmp_path: Path) -> None:
    served = context / f"tiny-{DIGITS}.pth"
    served.write_bytes(CONTENT)
    made = weights.bake("download", served.as_uri(), tmp_path / "cache", context)
    assert made.read_bytes() == CONTENT


def test_weights_with_another_hash_are_refused_and_not_kept(
    weights: ModuleType, context: Path, tmp_path: Path
) -> None:
    url = "https://nowhere.invalid/alexnet-owt-7be5be79.pth"
    with pytest.raises(ValueError, match="must begin with 7be5be79"):
        weights.bake("tiny.pth", url, tmp_path / "cache", context)
    assert list((tmp_path / "cache").iterdir()) == []


def test_no_weights_leave_an_empty_cache(weights: ModuleType, context: Path, tmp_path: Path) -> None:
    assert weights.bake("none", "", tmp_path / "cache", context) is None
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_name_without_a_hash_is_refused(weights: ModuleType, context: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no digits of a hash"):
        weights.bake("tiny.pth", "https://nowhere.invalid/tiny.pth", tmp_path / "cache", context)


@pytest.fixture(scope="module")
def dockerfile(root: Path) -> str:
    return (root / "Dockerfile").read_text(encoding="utf-8")


def test_the_weights_are_those_that_imagenet_stands_for(dockerfile: str, weights: ModuleType) -> None:
    url = re.search(r"^ARG WEIGHTS_URL=(\S+)$", dockerfile, flags=re.MULTILINE)
    assert url is not None
    assert url[1] == torchvision.models.get_model_weights("alexnet").DEFAULT.url
    assert weights.digits_of_hash(url[1].rpartition("/")[2]) == "7be5be79"


def test_every_stage_builds_on_the_base_that_is_given(dockerfile: str) -> None:
    stages = re.findall(r"^FROM (\S+)(?: AS (\w+))?$", dockerfile, flags=re.MULTILINE)
    assert stages == [("${BASE}", "python"), ("python", "weights"), ("python", "build"), ("python", "")]
    assert re.search(r"^ARG BASE=python:3\.\d+-slim$", dockerfile, flags=re.MULTILINE)


def test_no_setting_of_pip_is_written_into_the_image(dockerfile: str) -> None:
    final = dockerfile.rpartition("\nFROM ")[2]
    assert not re.search(r"PIP_|pip\.conf", final)
    assert "--mount=type=secret,id=pip,target=/etc/pip.conf" in dockerfile


def test_pip_s_settings_reach_the_build_with_what_they_name(
    script: Callable[[str], ModuleType], tmp_path: Path
) -> None:
    settings = script("pip_settings")
    wheels, index = tmp_path / "wheels", tmp_path / "index" / "simple"
    wheels.mkdir()
    index.mkdir(parents=True)
    lines = [
        f"global.find-links='{wheels}'",
        f"global.extra-index-url='https://a.example/simple {index.as_uri()}'",
        "global.timeout='15'",
        ":env:.timeout='180'",
    ]
    values, mounts = settings.relocated(settings.settings(lines))
    assert mounts == {wheels: "/run/pip/0", index.parent: "/run/pip/1"}
    assert values == {
        "find-links": "/run/pip/0",
        "extra-index-url": "https://a.example/simple file:///run/pip/1/simple",
        "timeout": "180",
    }


@pytest.mark.parametrize("name", ["check.sh", "debian_base.sh"])
def test_a_script_without_a_base_says_how_it_is_called(root: Path, name: str) -> None:
    path = root / "containers" / name
    assert path.stat().st_mode & 0o111
    done = subprocess.run([str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "usage: " in done.stderr
