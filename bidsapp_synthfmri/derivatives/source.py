"""Where one participant's, or the group's, files are found, and what cannot be read of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ..errors import InputMalformedError, InputMissingError
from ..json_objects import read_object
from ..structures import Json
from .names import OutputFile, Place
from .tables import parse_table

RUN_AGAIN = "Run the participant level again"
_RUN_GROUP_AGAIN = "Run the group level again"


@dataclass(frozen=True)
class Source:
    """Where one participant's, or the group's, files are found."""

    output_dir: Path
    place: Place

    @property
    def remedy(self) -> str:
        return _RUN_GROUP_AGAIN if self.place.participant is None else RUN_AGAIN

    def path(self, output: OutputFile) -> Path:
        path = output.path(self.output_dir, self.place)
        if not path.is_file():
            raise InputMissingError(f"{path} is not there", self.remedy)
        return path

    def json(self, output: OutputFile) -> Json:
        return read_object(self.path(output), self.remedy)

    def table(self, output: OutputFile) -> pd.DataFrame:
        path = self.path(output)
        dictionary = self.json(output.with_extension(".json"))
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise InputMalformedError(f"{path} is not UTF-8: {error}", self.remedy) from error
        return parse_table(text, dictionary, str(path))
