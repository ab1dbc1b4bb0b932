"""The model card: valid against the schema it ships with, strict JSON, its numbers those of the fit."""

import configparser
import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from bidsapp_synthfmri.encoding import Encoder, Search, VoxelChoices
from bidsapp_synthfmri.encoding.card import card_schema, missing_keys
from bidsapp_synthfmri.encoding.storage import complete_card, encoder_bytes
from bidsapp_synthfmri.encoding.weights import LayerWeights, ScaledMatrix
from bidsapp_synthfmri.structures import SurfaceSpace

N_VOXELS = 6


@pytest.fixture
def choices():
    """Voxel 5 does not vary: it has no score."""
    return VoxelChoices(
        layers=("early", "middle", "late"),
        layer=np.array([0, 0, 0, 2, 2, 2]),
        alpha=np.array([0.1, 1.0, 10.0, 0.1, 0.1, 1.0]),
        cv_r=np.array([0.1, 0.2, 0.3, 0.4, 0.5, np.nan], dtype=np.float32),
        cv_r2=np.array([0.0, 0.1, 0.1, 0.1, 0.2, -np.inf], dtype=np.float32),
    )


@pytest.fixture
def encoder(choices, space, card, identity):
    matrix = ScaledMatrix.of(np.ones((4, N_VOXELS), dtype=np.float32))
    weights = LayerWeights("early", np.arange(N_VOXELS), matrix)
    voxels = space(N_VOXELS)
    intercept = np.zeros(N_VOXELS, dtype=np.float32)
    return Encoder((weights,), intercept, voxels, card(choices, voxels, identity), None, choices)


@pytest.fixture
def whole(encoder):
    """The card as it is written."""
    return complete_card(encoder, encoder_bytes(encoder))


def validate(card) -> None:
    jsonschema.Draft202012Validator(card_schema()).validate(card)


def properties(schema, where="") -> Iterator[tuple[str, dict]]:
    """Every property of a schema, whatever it lies in."""
    if not isinstance(schema, dict):
        return
    for name, content in schema.get("properties", {}).items():
        yield f"{where}.{name}", content
        yield from properties(content, f"{where}.{name}")
    for name, content in schema.get("$defs", {}).items():
        yield from properties(content, f"{where}.{name}")
    yield from properties(schema.get("items"), f"{where}[]")


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(card_schema())
    assert card_schema()["$schema"].endswith("2020-12/schema")


def test_every_property_is_described():
    found = dict(properties(card_schema()))
    assert len(found) > 40
    for name, content in found.items():
        text = content.get("description", "")
        assert len(text) > 10, name
        assert text.endswith("."), name


def test_a_written_card_is_valid_strict_json(whole):
    text = json.dumps(whole, allow_nan=False)
    validate(json.loads(text))
    assert missing_keys(whole) == ()


def test_a_card_of_surfaces_is_valid_and_has_vertices_in_place_of_a_grid(encoder, whole):
    surface = SurfaceSpace(
        np.arange(N_VOXELS), np.zeros(N_VOXELS, bool), (9, 9), (), np.zeros((0, N_VOXELS), bool), "fsnative"
    )
    on_surface = Encoder(encoder.weights, encoder.intercept, surface, encoder.card, None, encoder.choices)
    found = complete_card(on_surface, b"")
    validate(found)
    assert found["space"] == "fsnative"
    assert found["n_vertices"] == [9, 9]
    assert set(whole) - set(found) == {"shape"}
    with pytest.raises(jsonschema.ValidationError):
        validate({name: value for name, value in found.items() if name != "n_vertices"})


@pytest.mark.parametrize("place", [(), ("data",), ("scores",), ("storage",), ("folds",), ("penalty",)])
def test_an_unknown_key_is_invalid(whole, place):
    inner = whole
    for key in place:
        inner = inner[key]
    inner["surprise"] = 1
    with pytest.raises(jsonschema.ValidationError, match="surprise"):
        validate(whole)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sha256", "no hash"),
        ("format_version", 1),
        ("seed", -1),
        ("shape", [2, 2]),
        ("n_vertices", [3, 3]),
        ("software", {}),
    ],
)
def test_a_value_that_does_not_fit_is_invalid(whole, key, value):
    with pytest.raises(jsonschema.ValidationError):
        validate({**whole, key: value})


def test_lacking_keys_are_named_where_they_lie(whole):
    del whole["unit"], whole["folds"]["number"], whole["storage"]["layers"]
    assert set(missing_keys(whole)) == {"unit", "folds.number", "storage.layers"}


def test_scores_leave_out_voxels_without_one(whole):
    scores = whole["scores"]
    assert scores["n_voxels"] == N_VOXELS
    assert scores["cv_r"] == pytest.approx({"median": 0.3, "mean": 0.3, "n_defined": 5})
    assert scores["cv_r2"] == pytest.approx({"median": 0.1, "mean": 0.1, "n_defined": 5})
    (roi,) = scores["rois"]
    assert (roi["name"], roi["n_voxels"]) == ("PPA", 3)
    assert roi["cv_r"] == pytest.approx({"median": 0.3, "mean": 0.3, "n_defined": 3})


def test_scores_of_nothing_are_null(choices, space, card, identity):
    undefined = np.full(N_VOXELS, np.nan, dtype=np.float32)
    none = VoxelChoices(choices.layers, choices.layer, choices.alpha, undefined, undefined)
    scores = card(none, space(N_VOXELS), identity)["scores"]
    assert scores["cv_r"] == {"median": None, "mean": None, "n_defined": 0}
    json.dumps(scores, allow_nan=False)


def test_penalties_at_the_edge_are_counted_by_layer(whole):
    assert whole["penalty"]["n_at_edge"] == 4
    assert whole["penalty"]["grid_edges"][1] == {"name": "late", "n_first": 2, "n_last": 0, "n_used": 3}


def test_a_joint_model_is_named(choices, space, card, identity, whole):
    search = Search("gcv", (0.1, 1.0), "joint", "all layers together", "banded", ())
    joint = card(choices, space(N_VOXELS), identity, search=search)
    assert joint["layer_selection"] == {
        "rule": "joint",
        "description": "all layers together",
        "joint_model": "banded",
    }
    validate({**whole, **joint})


def test_the_card_says_what_synthetic_responses_are_not(whole):
    assert "no human was scanned" in whole["limits"]
    assert "no test scores" in whole["limits"]


def test_the_schema_is_installed_with_the_package():
    setup = configparser.ConfigParser()
    root = Path(__file__).parents[2]
    setup.read(root / "setup.cfg")
    patterns = setup["options.package_data"]["bidsapp_synthfmri"].split()
    package = root / "bidsapp_synthfmri"
    assert package / "encoding" / "model_card.schema.json" in {
        path for pattern in patterns for path in package.glob(pattern)
    }


def test_the_page_on_encoders_names_every_key():
    page = (Path(__file__).parents[2] / "docs" / "encoder.md").read_text(encoding="utf-8")
    table = page[page.index("## The model card") :]
    assert [key for key in card_schema()["properties"] if f"`{key}`" not in table] == []
