"""The record of an image set written shard by shard: what it was made with, and what is whole on disk."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputMalformedError, UsageError
from ..json_objects import read_object
from ..structures import Json
from . import names
from .names import OutputFile
from .whole import sha256_of
from .writer import Writer

_REMEDY = "Give another OUT or --name, or remove the files of that set"


@dataclass(frozen=True)
class SkippedImage:
    """A picture that could not be read, and why."""

    stimulus: str
    reason: str


@dataclass
class Manifest:
    """What is written of an image set.

    Attributes
    ----------
    writer : the participant's
    name : of the image set
    configuration : everything that the bytes of the set depend on
    shards : by number from 1, what stands of a finished one in the file
    """

    writer: Writer
    name: str
    configuration: Json
    shards: dict[int, Json] = field(default_factory=dict)

    @classmethod
    def open(cls, writer: Writer, name: str, configuration: Json) -> Manifest:
        """The manifest of the set in OUT, made where there is none.

        What a kill in the middle of a write left of the set's files is removed.

        Raises
        ------
        UsageError : OUT holds the set made with another configuration, or by the participant level
        InputMalformedError : the manifest that is there is damaged
        """
        manifest = cls(writer, name, configuration)
        path = writer.path(manifest._output)
        if path.is_file():
            manifest.shards = _read(path, configuration)
        elif others := [path for path in manifest._set_files() if not names.is_partial(path.name)]:
            raise UsageError(
                f"OUT holds responses to an image set {name} that another run made: {others[0].name}", _REMEDY
            )
        for partial in manifest._set_files():
            if names.is_partial(partial.name):
                partial.unlink()
        manifest._write()
        return manifest

    def is_whole(self, number: int) -> bool:
        """Whether a shard was finished and its files are still as they were written."""
        files: dict[str, str] = self.shards.get(number, {}).get("Files", {})
        folder = self.writer.path(self._output).parent
        known = number in self.shards
        return known and all(_sha256(folder / name) == expected for name, expected in files.items())

    def finish(
        self, number: int, n_images: int, paths: Sequence[Path], skipped: Iterable[SkippedImage]
    ) -> None:
        """Record a shard whose files are all on disk."""
        self.shards[number] = {
            "Images": n_images,
            "Files": {path.name: _sha256(path) for path in paths},
            "Skipped": [{"Stimulus": image.stimulus, "Reason": image.reason} for image in skipped],
        }
        self._write()

    @property
    def n_skipped(self) -> int:
        """Pictures left out of the finished shards."""
        return sum(len(shard["Skipped"]) for shard in self.shards.values())

    @property
    def path(self) -> Path:
        """Its own file."""
        return self.writer.path(self._output)

    @property
    def _output(self) -> OutputFile:
        return names.of_extra_set(names.SYNTHETIC_MANIFEST, self.name)

    def _set_files(self) -> list[Path]:
        """Files of the set in OUT, partial ones too."""
        folder, place = self.path.parent, self.writer.place
        label = f"_desc-{names.of_extra_set(names.SYNTHETIC, self.name).desc}_"
        found = folder.glob(f"*sub-{place.participant}_task-{place.task}_*")  # hidden ones too
        return sorted(path for path in found if label in path.name)

    def _write(self) -> None:
        content = {
            "Description": f"{self._output.description}; image set {self.name}",
            "Configuration": self.configuration,
            "Shards": [{"Shard": number, **self.shards[number]} for number in sorted(self.shards)],
        }
        self.writer.json(self._output, content)


def _read(path: Path, configuration: Json) -> dict[int, Json]:
    """The finished shards of a manifest, once its configuration is the same."""
    try:
        content = read_object(path, _REMEDY)
        before: dict[str, Any] = content["Configuration"]
        shards = {int(shard["Shard"]): {k: shard[k] for k in _SHARD_KEYS} for shard in content["Shards"]}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputMalformedError(f"{path} is damaged ({error})", _REMEDY) from error
    plain = json.loads(json.dumps(configuration))
    differing = sorted(key for key in {*before, *plain} if before.get(key) != plain.get(key))
    if differing:
        raise UsageError(
            f"OUT holds responses to the same image set that were made with other options or inputs:"
            f" {path.name} differs in {', '.join(differing)}",
            _REMEDY,
        )
    return shards


_SHARD_KEYS = ("Images", "Files", "Skipped")


def _sha256(path: Path) -> str | None:
    return sha256_of(path) if path.is_file() else None
