"""The record of one run of the program: what was asked, what was said, what went wrong."""

from __future__ import annotations

import itertools
import traceback
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from ..atomic import write_bytes
from ..config import RunConfig
from ..synthesis_config import ImageConfig
from . import names
from .occupied import shared_files


@dataclass(frozen=True)
class RunLog:
    """The folder ``logs/<YYYYmmdd-HHMMSS_uuid>`` of one run.

    Attributes
    ----------
    folder : where ``config.toml``, ``run.log`` and crash files lie
    """

    folder: Path

    @classmethod
    def create(cls, config: RunConfig | ImageConfig) -> RunLog:
        """Make the folder, and record the configuration in it."""
        started = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
        folder = config.output_dir / names.LOGS / f"{started}_{uuid4()}"
        folder.mkdir(parents=True)
        with shared_files(config.output_dir):
            write_bytes(folder / names.RUN_CONFIGURATION, config.to_toml().encode())
        return cls(folder)

    @property
    def path(self) -> Path:
        """The log, for a handler to append to."""
        return self.folder / names.RUN_LOG

    def crash(self, error: BaseException, participant: str | None = None) -> Path:
        """Record an exception with its traceback; the file is named after the participant."""
        what = names.subject(participant, "run")
        attempts = (what if n == 1 else f"{what}-{n}" for n in itertools.count(1))
        paths = (self.folder / names.CRASH.format(what=attempt) for attempt in attempts)
        path = next(path for path in paths if not path.exists())
        with shared_files(self.folder.parents[1]):
            write_bytes(path, "".join(traceback.format_exception(error)).encode())
        return path
