"""Weights from torchvision's cache, a file or a seed: loaded exactly, or refused with a remedy."""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import load_file, save_file

from bidsapp_synthfmri.errors import UsageError, WeightsError
from bidsapp_synthfmri.features.backbones import Backbone, load_backbone
from bidsapp_synthfmri.features.weights import file_state

CPU = torch.device("cpu")
NAME = "squeezenet1_1"
CACHED_AS = "squeezenet1_1-b8a52dc0.pth"


def load(weights: str | Path, seed: int = 0, name: str = NAME) -> Backbone:
    return load_backbone(name, str(weights), ("features.12",), seed, CPU)


@pytest.fixture
def state(squeezenet: Backbone) -> OrderedDict[str, torch.Tensor]:
    weights = squeezenet.model.state_dict()
    return OrderedDict(
        (key, value.clone(memory_format=torch.contiguous_format)) for key, value in weights.items()
    )


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torchvision's, on a machine without network."""

    def unreachable(*_args: object, **_options: object) -> None:
        raise URLError("Name or service not known")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    return tmp_path / "torch/hub/checkpoints"


def test_without_network_and_cache_the_remedies_are_named(hub: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        load("imagenet")
    assert str(hub) in caught.value.problem
    assert "Name or service not known" in caught.value.problem
    for remedy in (CACHED_AS, "https://", "--weights FILE", "--weights random"):
        assert remedy in caught.value.remedy


def test_a_file_in_torchvisions_cache_is_used(hub: Path, state: OrderedDict, squeezenet: Backbone) -> None:
    hub.mkdir(parents=True)
    torch.save(state, hub / CACHED_AS)
    backbone = load("imagenet")
    assert backbone.weights == "imagenet"
    assert backbone.weights_source == "SqueezeNet1_1_Weights.IMAGENET1K_V1"
    assert backbone.weights_sha256 == squeezenet.weights_sha256


def test_a_damaged_file_in_the_cache_is_named(hub: Path, state: OrderedDict) -> None:
    hub.mkdir(parents=True)
    torch.save(state, hub / CACHED_AS)
    content = (hub / CACHED_AS).read_bytes()
    (hub / CACHED_AS).write_bytes(content[: len(content) // 2])
    with pytest.raises(WeightsError, match=CACHED_AS) as caught:
        load("imagenet")
    assert "Delete it" in caught.value.remedy


def test_an_unwritable_cache_is_an_error_of_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("where a folder should be")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "file"))
    with pytest.raises(WeightsError, match="cannot be downloaded"):
        load("imagenet")


def test_random_weights_follow_the_seed_and_leave_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, same, other = load("random", 1), load("random", 1), load("random", 2)
    assert torch.equal(torch.rand(3), expected)
    assert first.weights_sha256 == same.weights_sha256 != other.weights_sha256
    assert first.weights_source == "random seed 1"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        plain = torchvision.models.squeezenet1_1().state_dict()
    assert all(torch.equal(value, plain[key]) for key, value in first.model.state_dict().items())


@pytest.mark.parametrize("file", ["weights.pth", "weights.safetensors"])
def test_files_give_the_model_they_hold(
    tmp_path: Path, file: str, state: OrderedDict, squeezenet: Backbone
) -> None:
    (save_file if file.endswith("safetensors") else torch.save)(state, tmp_path / file)
    backbone = load(tmp_path / file)
    assert (backbone.weights, backbone.weights_source) == ("file", file)
    assert backbone.weights_sha256 == squeezenet.weights_sha256
    assert not any(parameter.requires_grad for parameter in backbone.model.parameters())
    assert not backbone.model.training


def test_training_checkpoints_are_unwrapped(tmp_path: Path, state: OrderedDict, squeezenet: Backbone) -> None:
    wrapped = {"epoch": 3, "state_dict": {f"module.{key}": value for key, value in state.items()}}
    torch.save(wrapped, tmp_path / "checkpoint.pth")
    assert load(tmp_path / "checkpoint.pth").weights_sha256 == squeezenet.weights_sha256


@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16])
def test_half_precision_becomes_single(tmp_path: Path, state: OrderedDict, precision: torch.dtype) -> None:
    halved = {key: value.to(precision) for key, value in state.items()}
    save_file(halved, tmp_path / "half.safetensors")
    loaded = load(tmp_path / "half.safetensors").model.state_dict()
    assert all(torch.equal(value, halved[key].float()) for key, value in loaded.items())
    assert {value.dtype for value in loaded.values()} == {torch.float32}


def test_the_real_half_precision_file_loads(real_weights: Path) -> None:
    backbone = load(real_weights)
    stored = load_file(real_weights)
    assert all(torch.equal(value, stored[key].float()) for key, value in backbone.model.state_dict().items())
    assert backbone.weights_source == real_weights.name


def test_names_and_shapes_that_do_not_fit_are_listed(tmp_path: Path, state: OrderedDict) -> None:
    state["surplus.weight"] = state.pop("features.0.bias")
    state["classifier.1.weight"] = torch.zeros(365, 512, 1, 1)
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(WeightsError) as caught:
        load(tmp_path / "other.pth")
    for part in (
        "other.pth",
        "1 missing (features.0.bias)",
        "1 unexpected (surplus.weight)",
        "classifier.1.weight (365, 512, 1, 1) for (1000, 512, 1, 1)",
    ):
        assert part in caught.value.problem


def test_another_models_weights_name_that_model_and_log_every_key(
    tmp_path: Path, state: OrderedDict, caplog: pytest.LogCaptureFixture
) -> None:
    torch.save(state, tmp_path / "squeezenet.pth")
    caplog.set_level("DEBUG", "bidsapp_synthfmri")
    with pytest.raises(
        WeightsError, match=r"260 missing \(.* and 254 more, named in the log\); 50 unexpected"
    ) as e:
        load(tmp_path / "squeezenet.pth", name="mobilenet_v2")
    assert e.value.remedy.startswith("They fit squeezenet1_1: give --backbone squeezenet1_1")
    # Of its 52 tensors one fits by chance: another bias of 1000 outputs.
    assert {key for key in state if key not in caplog.text} == {"classifier.1.bias"}


def test_a_larger_relative_is_recognised_by_its_names(tmp_path: Path) -> None:
    larger = torchvision.models.resnet34(weights=None)
    torch.save(larger.state_dict(), tmp_path / "resnet34.pth")
    with pytest.raises(WeightsError, match=r"does not fit resnet18.* They fit resnet34"):
        load(tmp_path / "resnet34.pth", name="resnet18")


def test_another_number_of_outputs_is_no_other_network(tmp_path: Path, state: OrderedDict) -> None:
    state["classifier.1.weight"], state["classifier.1.bias"] = torch.zeros(365, 512, 1, 1), torch.zeros(365)
    torch.save(state, tmp_path / "places.pth")
    with pytest.raises(WeightsError, match="50 tensors fit; 2 of another shape") as caught:
        load(tmp_path / "places.pth")
    assert "1000 outputs" in caught.value.remedy


@pytest.mark.parametrize("file", ["empty.pth", "text.pth", "text.safetensors"])
def test_what_holds_no_weights_is_refused(tmp_path: Path, file: str) -> None:
    (tmp_path / file).write_text(
        "" if "empty" in file else "version https://git-lfs.github.com/spec/v1\n" * 4
    )
    with pytest.raises(WeightsError, match=file):
        load(tmp_path / file)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_no_damage_escapes_and_none_is_answered_with_torchs_own_advice(tmp_path: Path) -> None:
    """Bytes at random, and weights with some bytes changed, in both of torch's formats."""
    rng = np.random.default_rng(0)
    path = tmp_path / "damaged.pth"
    sound = [b"garbage that is no pickle"]
    for new_format in (True, False):
        torch.save({"weight": torch.zeros(30)}, path, _use_new_zipfile_serialization=new_format)
        sound.append(path.read_bytes())
    refusals: list[WeightsError] = []
    for attempt in range(600):
        content = np.frombuffer(sound[attempt % 3], dtype=np.uint8).copy()
        content[rng.integers(0, len(content), 4)] = rng.integers(0, 256, 4)
        path.write_bytes(content.tobytes())
        try:
            file_state(path)
        except WeightsError as error:
            refusals.append(error)
    assert not any("weights_only" in str(error) for error in refusals)
    assert all("damaged.pth" in error.problem for error in refusals)
    assert len(refusals) >= 200  # all of the garbage; changes of a weight's value go unseen


def test_garbage_is_answered_with_what_to_give_instead(tmp_path: Path) -> None:
    (tmp_path / "garbage.pth").write_bytes(b"garbage that is no pickle")
    with pytest.raises(
        WeightsError, match=r"garbage\.pth is not a file of weights that can be read safely\. "
    ) as e:
        load(tmp_path / "garbage.pth")
    assert e.value.remedy == "Save a state_dict with torch.save, or use .safetensors"


def test_garbage_in_the_cache_is_not_answered_with_torchs_advice(hub: Path) -> None:
    hub.mkdir(parents=True)
    (hub / CACHED_AS).write_bytes(b"garbage that is no pickle")
    with pytest.raises(WeightsError, match="can be read safely") as caught:
        load("imagenet")
    assert "weights_only" not in str(caught.value)


def test_pickled_code_is_not_run(tmp_path: Path) -> None:
    torch.save(torchvision.models.squeezenet1_1(), tmp_path / "whole_model.pth")
    with pytest.raises(WeightsError, match="whole_model") as caught:
        load(tmp_path / "whole_model.pth")
    assert "weights_only" not in str(caught.value)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="no state dict"):
        load(tmp_path / "list.pth")


def test_absent_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="is not there"):
        load(tmp_path / "gone.pth")


def test_densenet_names_of_before_2018(tmp_path: Path) -> None:
    model = load_backbone("densenet121", "random", ("relu",), 0, CPU).model
    old = {
        key.replace(".norm1.", ".norm.1.").replace(".conv2.", ".conv.2."): value
        for key, value in model.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    assert any(".norm.1." in key for key in old)
    torch.save(old, tmp_path / "old.pth")
    loaded = load_backbone("densenet121", str(tmp_path / "old.pth"), ("relu",), 0, CPU).model.state_dict()
    assert all(torch.equal(value, loaded[key]) for key, value in model.state_dict().items())


def test_unknown_model_names_close_ones() -> None:
    with pytest.raises(UsageError, match=r"'squeezenet11'.*squeezenet1_1"):
        load("random", name="squeezenet11")
    with pytest.raises(UsageError, match="Choose one of alexnet"):
        load("random", name="qqq")


def test_identity_survives_json_and_rebuilds_the_network(
    tmp_path: Path, state: OrderedDict, squeezenet: Backbone
) -> None:
    identity = json.loads(json.dumps(squeezenet.identity()))
    again = Backbone.from_identity(identity, None, CPU)
    assert again.identity() == squeezenet.identity() == identity
    assert again.nodes == squeezenet.nodes
    black = torch.zeros((1, 3, 224, 224), dtype=torch.uint8)
    for ours, theirs in zip(again.activations(black), squeezenet.activations(black), strict=True):
        assert torch.equal(ours, theirs)
    torch.save(state, tmp_path / "kept.pth")
    assert Backbone.from_identity(identity, tmp_path / "kept.pth", CPU).identity() == identity


def test_identity_refuses_other_weights(tmp_path: Path, state: OrderedDict, squeezenet: Backbone) -> None:
    with pytest.raises(WeightsError, match="the record says"):
        Backbone.from_identity(squeezenet.identity() | {"seed": 9}, None, CPU)
    state["features.0.bias"][0] += 1e-6
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="the record says"):
        Backbone.from_identity(squeezenet.identity(), tmp_path / "other.pth", CPU)


def test_identity_of_a_file_asks_for_the_file(tmp_path: Path, state: OrderedDict) -> None:
    save_file(state, tmp_path / "kept.safetensors")
    identity = load(tmp_path / "kept.safetensors").identity()
    with pytest.raises(WeightsError, match=r"kept\.safetensors"):
        Backbone.from_identity(identity, None, CPU)
    assert Backbone.from_identity(identity, tmp_path / "kept.safetensors", CPU).identity() == identity
