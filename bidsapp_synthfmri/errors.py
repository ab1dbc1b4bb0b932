"""One exception tree; each class carries its exit code and says what to do.

========  ======================================================================
code      meaning
========  ======================================================================
0         done
1         internal error: a defect of this program; a crash file has the details
2         usage: an option or argument is wrong, or options contradict each other
3         input missing: a file or folder that is needed is not there
4         input malformed: a file is there but cannot be used as it is
5         nothing matched: the filters select no participant, session, task or run
6         weights unavailable: network weights cannot be found, read or verified
7         out of memory: the estimate or the attempt exceeds what is available
8         a participant failed: the others were finished
9         output unwritable: a folder cannot be made or written, or the disk is full
10        images skipped: some pictures cannot be read; everything else was written
11        output in use: another run is writing the same participant's files, or the group's
========  ======================================================================

The table in README is this one; a test compares the two with the classes below.
"""

from __future__ import annotations

from typing import ClassVar


class SynthfmriError(Exception):
    """An error a user can act on.

    Parameters
    ----------
    problem : one sentence: which file or option, and what is wrong with it
    remedy : one sentence: what to do about it
    """

    exit_code: ClassVar[int] = 1
    meaning: ClassVar[str] = "internal error"

    def __init__(self, problem: str, remedy: str) -> None:
        self.problem = problem.rstrip(".")
        self.remedy = remedy.rstrip(".")
        super().__init__(f"{self.problem}. {self.remedy}.")

    def __reduce__(self) -> tuple[type[SynthfmriError], tuple[str, str]]:
        return type(self), (self.problem, self.remedy)


class UsageError(SynthfmriError):
    """An option or argument is wrong, or options contradict each other."""

    exit_code = 2
    meaning = "usage"


class InputMissingError(SynthfmriError):
    """A file or folder that is needed is not there."""

    exit_code = 3
    meaning = "input missing"


class ContentAbsentError(InputMissingError):
    """git-annex links whose content has not been fetched; the remedy is the ``datalad get`` to run."""


class InputMalformedError(SynthfmriError):
    """A file is there but cannot be used as it is."""

    exit_code = 4
    meaning = "input malformed"


class DesignError(InputMalformedError):
    """Onsets and volumes do not allow an estimate for every trial."""


class NothingMatchedError(SynthfmriError):
    """The filters select no participant, session, task or run."""

    exit_code = 5
    meaning = "nothing matched"


class WeightsError(SynthfmriError):
    """Network weights cannot be found, read or verified."""

    exit_code = 6
    meaning = "weights unavailable"


class MemoryExceededError(SynthfmriError):
    """The estimate or the attempt exceeds the memory that is available."""

    exit_code = 7
    meaning = "out of memory"


class ParticipantFailedError(SynthfmriError):
    """At least one participant failed; the others were finished."""

    exit_code = 8
    meaning = "a participant failed"


class OutputUnwritableError(SynthfmriError):
    """A folder cannot be made or written, or the disk is full."""

    exit_code = 9
    meaning = "output unwritable"


class ImagesSkippedError(SynthfmriError):
    """Some pictures cannot be read; everything else was written."""

    exit_code = 10
    meaning = "images skipped"


class OutputInUseError(SynthfmriError):
    """Another run is writing the same participant's files, or the group's."""

    exit_code = 11
    meaning = "output in use"
