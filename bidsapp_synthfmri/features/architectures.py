"""torchvision's classification networks, built with random weights or with those of a file."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import nn
from torch.overrides import TorchFunctionMode

from ..errors import UsageError, WeightsError
from .weights import (
    Misfits,
    Shapes,
    file_state,
    fitted_state,
    load_state,
    pretrained_state,
    shapes,
)

# A file is said to be another network's when at least this share of its tensors fits there.
_ANOTHERS = 0.95


def default_weights(name: str) -> Any:
    """The member of torchvision's weights enumeration that ``imagenet`` stands for."""
    return torchvision.models.get_model_weights(name).DEFAULT


def known_names() -> list[str]:
    """Every classification network that torchvision has, by name."""
    names: list[str] = torchvision.models.list_models(module=torchvision.models)
    return names


def build(name: str, weights: str, seed: int) -> tuple[nn.Module, str]:
    """The network in evaluation mode on the CPU, and where its weights come from.

    Parameters
    ----------
    name, weights, seed : as in ``load_backbone``

    Raises
    ------
    UsageError : no such model
    WeightsError : the weights cannot be had, read, or put into this model
    """
    known = known_names()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=5)
        raise UsageError(
            f"torchvision has no classification model {name!r}",
            f"Did you mean {', '.join(close)}" if close else f"Choose one of {', '.join(known)}",
        )
    if weights == "random":
        model, source = _random(name, seed), f"random seed {seed}"
    else:
        model, source = _trained(name, weights)
    for module in model.modules():
        if hasattr(module, "inplace"):
            module.__dict__["inplace"] = False
    return model.eval().requires_grad_(False), source


def _random(name: str, seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return _architecture(name, init_weights=True)


def _trained(name: str, weights: str) -> tuple[nn.Module, str]:
    if weights == "imagenet":
        enumerated = default_weights(name)
        state, source = pretrained_state(enumerated), str(enumerated)
    else:
        state, source = file_state(Path(weights)), Path(weights).name
    model = skeleton(name)
    fitted = fitted_state(state)
    misfits = Misfits.of(shapes(model.state_dict()), shapes(fitted))
    if misfits:
        misfits.log(source, name)
        raise _refusal(name, source, misfits, shapes(fitted))
    load_state(model, fitted)
    return model, source


def _refusal(name: str, source: str, misfits: Misfits, found: Shapes) -> WeightsError:
    remedy = "Give weights of the backbone that --backbone names, with its 1000 outputs"
    other = None if misfits.n_fitting >= _ANOTHERS * len(found) else similar(name, found)
    if other is not None:
        remedy = f"They fit {other}: give --backbone {other}, or weights of {name}"
    return WeightsError(f"{source} does not fit {name}: {misfits}", remedy)


def similar(name: str, found: Shapes) -> str | None:
    """The network that tensors of these names and shapes are of; None where there is none.

    Parameters
    ----------
    name : the network they were taken for; its family is tried first
    found : as in a file, brought to torchvision's present names
    """
    family = _family(name)
    best: tuple[float, str | None] = (0.0, None)
    for other in sorted(set(known_names()) - {name}, key=lambda other: _family(other) != family):
        expected = shapes(skeleton(other).state_dict())
        fitting = Misfits.of(expected, found).n_fitting
        share = fitting / max(len(found), len(expected), 1)
        if share == 1:
            return other
        best = max(best, (share, other), key=lambda match: match[0])
    return best[1] if best[0] >= _ANOTHERS else None


def _family(name: str) -> str:
    letters = re.match(r"[a-z]+", name)
    return letters.group() if letters else name


class _ParametersOnMeta(TorchFunctionMode):
    """Parameters without memory: nothing is initialised only to be overwritten.

    Buffers, and the tensors that RegNets compute their widths with, stay real.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        options = dict(kwargs or {})
        if func is torch.empty:
            options["device"] = "meta"
        return func(*args, **options)


def skeleton(name: str) -> nn.Module:
    """The network with parameters on the meta device."""
    with _ParametersOnMeta():
        return _architecture(name, init_weights=False)


def _architecture(name: str, init_weights: bool) -> nn.Module:
    """The network as the default weights want it: input rescaling, input size, no auxiliary outputs."""
    options: dict[str, Any] = {}
    if name in ("googlenet", "inception_v3"):
        options = {"transform_input": True, "aux_logits": False, "init_weights": init_weights}
    elif name.startswith("vit"):
        options = {"image_size": default_weights(name).meta["min_size"][0]}
    model: nn.Module = torchvision.models.get_model(name, weights=None, **options)
    return model
