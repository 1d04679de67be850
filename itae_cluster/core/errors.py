r"""The exception tree.

    ItaeClusterError          exit 1   anything this package says went wrong
    ├── UsageError            exit 2   the command line itself is wrong
    ├── InputError            exit 1   nothing to work on: no picture, k too large
    ├── DecodeError           exit 1   one picture cannot be read (a skip, never the end of a run)
    ├── ModelError            exit 1   unknown model, impossible size, missing device
    │   ├── OutOfMemoryError  exit 1   the device has no memory for one picture
    │   └── WeightsError      exit 1   a checkpoint is missing, wrong or damaged
    │       └── DownloadError exit 1   a checkpoint cannot be fetched
    ├── OutputError           exit 1   the result cannot be written where it was asked for
    ├── PlanError             exit 1   a plan is damaged, points outside OUT, or no longer fits
    ├── JournalError          exit 1   a result has no journal, or none that can be followed
    ├── ResultError           exit 1   a result is unfinished, damaged, or lacks what was named
    ├── UndoError             exit 1   undo left something in its place, and says what and why
    ├── WorkerError           exit 1   the workers of a Ray cluster could not finish
    ├── BusyError             exit 4   another process is at work there
    └── StrictError           exit 3   everything was written, but something was skipped

Every message is one line that names the remedy. The command line maps a class to its
`exit_code` in one place (`itae_cluster.cli.group`).
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "BusyError",
    "DecodeError",
    "DownloadError",
    "InputError",
    "ItaeClusterError",
    "JournalError",
    "ModelError",
    "OutOfMemoryError",
    "OutputError",
    "PlanError",
    "ResultError",
    "StrictError",
    "UndoError",
    "UsageError",
    "WeightsError",
    "WorkerError",
]


class ItaeClusterError(Exception):
    """Root of every error this package raises on purpose."""

    exit_code: ClassVar[int] = 1


class UsageError(ItaeClusterError):
    """Options that contradict each other, or a value outside its range."""

    exit_code: ClassVar[int] = 2


class InputError(ItaeClusterError):
    """The input holds nothing to work on, or too little for what was asked."""


class DecodeError(ItaeClusterError):
    """One file cannot be read as a picture; the message is the reason, without the path."""


class ModelError(ItaeClusterError):
    """The model, its input size or its device cannot be had as asked."""


class OutOfMemoryError(ModelError):
    """The device has too little memory for the pictures given at once."""


class WeightsError(ModelError):
    """A checkpoint is missing, damaged, or belongs to another architecture."""


class DownloadError(WeightsError):
    """A checkpoint could not be fetched, or what arrived is not what was promised."""


class OutputError(ItaeClusterError):
    """The result cannot be written as asked; nothing of the user's was touched."""


class PlanError(ItaeClusterError):
    """A plan cannot be carried out as it stands; nothing was begun."""


class JournalError(ItaeClusterError):
    """A result's journal is missing, damaged, or points outside the result."""


class ResultError(ItaeClusterError):
    """A result cannot be changed as asked; it is as it was."""


class UndoError(ItaeClusterError):
    """Undo left files where they are, because someone changed them or took their place."""


class WorkerError(ItaeClusterError):
    """A Ray cluster cannot be reached, or its workers could not finish; what is done is kept."""


class BusyError(ItaeClusterError):
    """Another process works on the same result or moves from the same folder."""

    exit_code: ClassVar[int] = 4


class StrictError(ItaeClusterError):
    """`--strict`: the result is complete, but at least one input was skipped."""

    exit_code: ClassVar[int] = 3
