"""The Boutiques descriptor: current, valid, and its calls are understood by the command line."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest

from bidsapp_synthfmri.cli.main import run

pytest.importorskip("boutiques", reason="Boutiques is not installed")


@pytest.fixture(scope="module")
def maker(tool: Callable[[str], ModuleType]) -> ModuleType:
    return tool("boutiques_descriptor")


@pytest.fixture(scope="module")
def path(root: Path) -> Path:
    return root / "boutiques" / "synthfmri.json"


def example(parameter: click.Parameter, described: dict[str, Any]) -> Any:
    """A value that the input can have."""
    if described["type"] == "Flag":
        return True
    if "value-choices" in described:
        return described["value-choices"][-1]
    if described["type"] == "Number":
        value: Any = 3 if described.get("integer") else 0.25
    else:
        value = (
            f"{parameter.name}=/data/some" if "=" in (parameter.metavar or "") else f"some{parameter.name}"
        )
    return [value] if described.get("list") else value


def simulated(path: Path, invocation: dict[str, Any], folder: Path) -> list[str]:
    """The command line that Boutiques makes of an invocation, without the program."""
    from boutiques.bosh import bosh

    given = folder / "invocation.json"
    given.write_text(json.dumps(invocation))
    done = bosh(["exec", "simulate", str(path), "-i", str(given)])
    program, command, *words = shlex.split(done.shell_command)
    assert (program, command) == ("synthfmri", "run")
    return words


def parsed(words: list[str]) -> dict[str, Any]:
    return run.make_context("run", words).params


def test_the_committed_descriptor_is_what_the_command_line_makes(maker: ModuleType, path: Path) -> None:
    assert path.read_text(encoding="utf-8") == maker.text(), "run `make descriptor`"


def test_the_descriptor_is_valid(path: Path) -> None:
    from boutiques.validator import validate_descriptor

    validate_descriptor(json.loads(path.read_text(encoding="utf-8")))


def test_every_argument_and_option_is_an_input(maker: ModuleType, path: Path) -> None:
    inputs = json.loads(path.read_text(encoding="utf-8"))["inputs"]
    flags = {found["command-line-flag"] for found in inputs if "command-line-flag" in found}
    options = [found for found in run.params if isinstance(found, click.Option)]
    effective = [option for option in options if option.expose_value and not option.is_eager]
    assert flags == {maker.flag(option) for option in effective}
    assert {found["id"] for found in inputs if not found["optional"]} == {
        "bids_dir",
        "output_dir",
        "analysis_level",
    }


def test_a_call_with_every_input_is_parsed_to_what_was_put_in(
    maker: ModuleType, path: Path, tmp_path: Path
) -> None:
    described = {found["id"]: found for found in json.loads(path.read_text(encoding="utf-8"))["inputs"]}
    invocation = {
        (name := maker.identifier(parameter)): example(parameter, described[name])
        for parameter in maker.parameters(run)
    }
    found = parsed(simulated(path, invocation, tmp_path))
    for parameter in maker.parameters(run):
        given = invocation[maker.identifier(parameter)]
        value = found[str(parameter.name)]
        if parameter.multiple:
            assert [str(part) for part in value] == [str(part) for part in given]
        elif given is True:
            assert bool(value) is not bool(parameter.get_default(click.Context(run)))
        else:
            assert str(value) == str(given)


def test_a_usual_call_makes_the_same_configuration_as_the_shell(path: Path, tmp_path: Path) -> None:
    invocation = {
        "bids_dir": "/data/ds001499",
        "output_dir": "/data/out",
        "analysis_level": "participant",
        "participant_labels": ["CSI1", "CSI2"],
        "images": ["imagenet=/data/val", "sketches=/data/sketches"],
        "stimuli_dir": "/data/stimuli",
        "random_seed": 7,
        "untrained_control": True,
    }
    written = (
        "/data/ds001499 /data/out participant --participant-label CSI1 CSI2 --images imagenet=/data/val"
        " sketches=/data/sketches --stimuli-dir /data/stimuli --random-seed 7 --untrained-control"
    )
    assert parsed(simulated(path, invocation, tmp_path)) == parsed(written.split())


def test_a_switch_that_is_on_is_an_input_that_turns_it_off(maker: ModuleType) -> None:
    switches = [click.Option(["--folds/--no-folds"], default=on) for on in (True, False)]
    assert [maker.identifier(switch) for switch in switches] == ["no_folds", "folds"]
    assert [maker.flag(switch) for switch in switches] == ["--no-folds", "--folds"]
    command = click.Command("run", params=[switches[0]])
    (described,) = maker.descriptor(command)["inputs"]
    assert command.make_context("run", [described["command-line-flag"]]).params == {"folds": False}
