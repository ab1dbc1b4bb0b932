"""Network weights: where they come from, whether they fit, and their hash."""

from __future__ import annotations

import hashlib
import pickle
import re
import socket
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ..errors import WeightsError

StateDict = dict[str, Tensor]

_SHOWN = 4
_SECONDS_WITHOUT_ANSWER = 30.0
# Parts of Inception networks that only training uses.
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
# What torch.load and safetensors raise on bytes that are no weights.
_UNREADABLE = (
    OSError,
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    pickle.UnpicklingError,
    struct.error,
    SafetensorError,
)


def pretrained_state(weights: Any) -> StateDict:
    """Weights that torchvision knows, from its cache or, where absent, downloaded into it.

    Parameters
    ----------
    weights : a member of one of torchvision's weights enumerations

    Raises
    ------
    WeightsError : they are not in the cache and cannot be downloaded, or the cached file is damaged
    """
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    cached = file.exists()
    try:
        with _impatient():
            state: StateDict = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except _UNREADABLE as error:
        if cached:
            raise WeightsError(
                _not_weights(file, error),
                "Delete it and run again with network access, or replace it",
            ) from error
        raise WeightsError(
            f"{weights} are not in {file.parent} and cannot be downloaded ({_first_line(error)})",
            f"Put {weights.url} there as {file.name} (TORCH_HOME chooses the folder), "
            "or give --weights FILE, or --weights random",
        ) from error
    return state


@contextmanager
def _impatient() -> Iterator[None]:
    """Give up on a silent server: torch.hub sets no time limit, and firewalls drop packets unanswered."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SECONDS_WITHOUT_ANSWER)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def file_state(file: Path) -> StateDict:
    """Weights of a ``.safetensors`` file, or of one that ``torch.save`` wrote (never unpickled freely).

    Checkpoints that keep them under ``state_dict`` or ``model``, or with the ``module.`` prefix of
    data-parallel training, are understood.

    Raises
    ------
    WeightsError : the file is not there, or holds no weights
    """
    if not file.is_file():
        raise WeightsError(f"The weights file {file} is not there", "Check --weights")
    try:
        if file.suffix == ".safetensors":
            content: Any = load_file(file)
        else:
            content = torch.load(file, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        raise WeightsError(
            _not_weights(file, error), "Save a state_dict with torch.save, or use .safetensors"
        ) from error
    return _unwrapped(content, file)


def _unwrapped(content: Any, file: Path) -> StateDict:
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise WeightsError(f"{file} holds no state dict", "Write model.state_dict() with torch.save")
    return {str(key).removeprefix("module."): value for key, value in content.items()}


def load_state(model: nn.Module, state: StateDict, origin: str) -> None:
    """Put weights into a model, floating-point ones as float32.

    Parameters
    ----------
    model : may be on the meta device: its tensors are replaced
    state : tensor of each parameter and buffer
    origin : what the weights are called in messages

    Raises
    ------
    WeightsError : names or shapes do not fit
    """
    fitted = {
        _current_key(key): value.float() if value.is_floating_point() else value
        for key, value in state.items()
        if not key.startswith(_AUXILIARY)
    }
    expected = model.state_dict()
    for key in expected.keys() - fitted.keys():
        if key.endswith("num_batches_tracked"):
            fitted[key] = torch.zeros_like(expected[key], device="cpu")
    misfits = _misfits(expected, fitted)
    if misfits:
        raise WeightsError(
            f"{origin} does not fit {type(model).__name__}: {'; '.join(misfits)}",
            "Give weights of the backbone that --backbone names, with its 1000 outputs",
        )
    # Into the model's own dict, which carries the versions of its modules that some of them check.
    expected.update(fitted)
    model.load_state_dict(expected, assign=True)


def _current_key(key: str) -> str:
    """DenseNet files of before 2018 write ``norm.1`` where the modules are called ``norm1``."""
    return re.sub(r"(denselayer\d+\.(?:norm|relu|conv))\.([12])\.", r"\1\2.", key)


def _misfits(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[str]:
    missing = [key for key in expected if key not in found]
    unexpected = [key for key in found if key not in expected]
    shapes = [
        f"{key} {tuple(found[key].shape)} for {tuple(expected[key].shape)}"
        for key in expected
        if key in found and found[key].shape != expected[key].shape
    ]
    kinds = (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
    return [f"{len(keys)} {kind} ({_few(keys)})" for kind, keys in kinds if keys]


def _few(keys: list[str]) -> str:
    return ", ".join(keys[:_SHOWN]) + (", ..." if len(keys) > _SHOWN else "")


def _not_weights(file: Path, error: Exception) -> str:
    """The system's reason is told; torch's is not: it advises to unpickle the file without protection."""
    reason = f" ({_first_line(error)})" if isinstance(error, OSError) else ""
    return f"{file} is not a file of weights that can be read safely{reason}"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def state_sha256(model: nn.Module) -> str:
    """SHA-256 over name, type, shape and bytes of every parameter and buffer, in order of name."""
    digest = hashlib.sha256()
    for key, tensor in sorted(model.state_dict().items()):
        values = tensor.detach().cpu().contiguous().numpy()
        digest.update(f"{key} {values.dtype.str} {values.shape}\n".encode())
        digest.update(values.data)
    return digest.hexdigest()
