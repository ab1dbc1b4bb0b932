"""Network weights: where they come from, whether they fit, and their hash."""

from __future__ import annotations

import hashlib
import logging
import re
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError  # nosec B403 - torch raises it on what it refuses to unpickle
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ..errors import WeightsError

StateDict = dict[str, Tensor]
Shapes = dict[str, tuple[int, ...]]

_LOGGER = logging.getLogger(__name__)

_SHOWN = 6
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
    UnpicklingError,
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


def fitted_state(state: StateDict) -> StateDict:
    """Weights under the names and in the precision of today's torchvision.

    Parts that only training uses are left out; floating-point tensors become float32.
    """
    return {
        _current_key(key): value.float() if value.is_floating_point() else value
        for key, value in state.items()
        if not key.startswith(_AUXILIARY)
    }


def _current_key(key: str) -> str:
    """DenseNet files of before 2018 write ``norm.1`` where the modules are called ``norm1``."""
    return re.sub(r"(denselayer\d+\.(?:norm|relu|conv))\.([12])\.", r"\1\2.", key)


def load_state(model: nn.Module, fitted: StateDict) -> None:
    """Put weights into the model that they fit.

    Parameters
    ----------
    model : may be on the meta device: its tensors are replaced
    fitted : what ``fitted_state`` gave; counts of batches seen in training, which old files lack, may be
        missing
    """
    expected = model.state_dict()
    # Into the model's own dict, which carries the versions of its modules that some of them check.
    for key in expected:
        expected[key] = fitted[key] if key in fitted else torch.zeros_like(expected[key], device="cpu")
    model.load_state_dict(expected, assign=True)


def shapes(state: Mapping[str, Tensor]) -> Shapes:
    """Shape of each tensor that a file must have: counts of batches seen in training are not needed."""
    return {
        key: tuple(value.shape) for key, value in state.items() if not key.endswith("num_batches_tracked")
    }


@dataclass(frozen=True)
class Misfits:
    """What does not fit between a network and a file, key by key; false where all fits.

    Attributes
    ----------
    n_fitting : tensors of the same name and shape
    missing, unexpected : names that the file lacks, and has too many
    of_another_shape : such as ``fc.weight (365, 512) for (1000, 512)``
    """

    n_fitting: int
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    of_another_shape: tuple[str, ...]

    @classmethod
    def of(cls, expected: Shapes, found: Shapes) -> Misfits:
        """Compare the network's tensors with the file's."""
        both = [key for key in expected if key in found]
        other = tuple(
            f"{key} {found[key]} for {expected[key]}" for key in both if found[key] != expected[key]
        )
        return cls(
            len(both) - len(other),
            tuple(key for key in expected if key not in found),
            tuple(key for key in found if key not in expected),
            other,
        )

    def __bool__(self) -> bool:
        return bool(self.missing or self.unexpected or self.of_another_shape)

    def __str__(self) -> str:
        return "; ".join([f"{self.n_fitting} tensors fit", *self._kinds(_few)])

    def log(self, source: str, name: str) -> None:
        """Tell the log every key, where the message will not."""
        if max(map(len, (self.missing, self.unexpected, self.of_another_shape))) > _SHOWN:
            for kind in self._kinds(", ".join):
                _LOGGER.debug("%s for %s: %s", source, name, kind)

    def _kinds(self, listed: Callable[[tuple[str, ...]], str]) -> list[str]:
        kinds = (
            ("missing", self.missing),
            ("unexpected", self.unexpected),
            ("of another shape", self.of_another_shape),
        )
        return [f"{len(keys)} {kind} ({listed(keys)})" for kind, keys in kinds if keys]


def _few(keys: tuple[str, ...]) -> str:
    rest = len(keys) - _SHOWN
    return ", ".join(keys[:_SHOWN]) + (f" and {rest} more, named in the log" if rest > 0 else "")


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
