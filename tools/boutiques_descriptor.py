"""Make the Boutiques descriptor of the BIDS App from its command line.

    python tools/boutiques_descriptor.py > boutiques/synthfmri.json

A test compares the file with what this makes. Boutiques: Glatard et al. (2018), schema 0.5.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from bidsapp_synthfmri import __version__
from bidsapp_synthfmri.cli.main import run
from bidsapp_synthfmri.cli.paths import WrittenPath

_NAME = "synthfmri"
_AUTHOR = "synthfmri maintainers"
_SCHEMA = "0.5"
_LEVEL = "analysis_level"
_IDENTIFIERS = {"level": _LEVEL}


def descriptor(command: click.Command = run) -> dict[str, Any]:
    """The descriptor, every argument and option of ``synthfmri run`` among its inputs."""
    inputs = [boutiques_input(parameter) for parameter in parameters(command)]
    return {
        "schema-version": _SCHEMA,
        "name": _NAME,
        "tool-version": __version__,
        "author": _AUTHOR,
        "description": " ".join((command.help or "").split()),
        "command-line": " ".join([f"{_NAME} run", *(found["value-key"] for found in inputs)]),
        "inputs": inputs,
        "output-files": [
            {
                "id": "output_dataset",
                "name": "OUTPUT_DIR as a BIDS derivative dataset",
                "path-template": "[OUTPUT_DIR]",
                "optional": False,
            }
        ],
        "tags": {"domain": ["neuroinformatics", "bids-app", "fmri"]},
    }


def parameters(command: click.Command) -> list[click.Parameter]:
    """Arguments first, then the options that decide something of a run.

    Not those that print and leave, nor those that are taken without effect.
    """
    return [parameter for parameter in command.params if parameter.expose_value and not parameter.is_eager]


def identifier(parameter: click.Parameter) -> str:
    """The input's name in an invocation.

    It is click's own, but for ``analysis_level``, as BIDS Apps have it, and ``no_NAME`` of a switch that is
    on unless it is turned off.
    """
    name = str(parameter.name)
    return f"no_{name}" if is_on(parameter) else _IDENTIFIERS.get(name, name)


def is_on(parameter: click.Parameter) -> bool:
    """Whether a parameter is a switch that is on by default; a descriptor's Flag is what turns it off."""
    switch = isinstance(parameter, click.Option) and parameter.is_flag and bool(parameter.secondary_opts)
    return switch and parameter.get_default(click.Context(run)) is True


def boutiques_input(parameter: click.Parameter) -> dict[str, Any]:
    """One input: its type, its flag, whether it is a list.

    Arguments have no flag to tell which of them is given, so that none can be left out. Defaults are the
    program's own: an input that is left out stays out of the command.
    """
    name = identifier(parameter)
    found: dict[str, Any] = {
        "id": name,
        "name": _title(parameter),
        "type": _type(parameter),
        "optional": isinstance(parameter, click.Option) and not parameter.required,
        "value-key": f"[{name.upper()}]",
    }
    if isinstance(parameter, click.Option):
        found["command-line-flag"] = flag(parameter)
        if parameter.help:
            found["description"] = parameter.help
    if parameter.multiple:
        found |= {"list": True, "min-list-entries": 1}
    if isinstance(parameter.type, click.types.IntParamType) and found["type"] == "Number":
        found["integer"] = True
    if isinstance(parameter.type, click.Choice):
        found["value-choices"] = list(parameter.type.choices)
    return found


def flag(option: click.Option) -> str:
    """The long spelling, with dashes rather than underscores; of a switch that is on, what turns it off."""
    spellings = option.secondary_opts if is_on(option) else option.opts
    return next((spelt for spelt in spellings if spelt.startswith("--")), spellings[0])


def _title(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Option):
        return flag(parameter).removeprefix("--").replace("-", " ")
    return str(parameter.name).upper() if parameter.name != "level" else "analysis level"


def _type(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Option) and (parameter.is_flag or parameter.count):
        return "Flag"
    if isinstance(parameter.type, click.types.IntParamType | click.types.FloatParamType):
        return "Number"
    # Boutiques takes a File for one that must be there.
    is_path = isinstance(parameter.type, click.Path) and not isinstance(parameter.type, WrittenPath)
    return "File" if is_path else "String"


def text() -> str:
    """The descriptor as it stands in its file."""
    return json.dumps(descriptor(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
