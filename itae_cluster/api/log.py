"""What a person would read, for the logger of a program."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from itae_cluster.core.types import Skipped

__all__ = ["LogReporter"]

_log = logging.getLogger("itae_cluster")
_log.addHandler(logging.NullHandler())


class LogReporter:
    """A `Reporter` that writes to the logger `itae_cluster`."""

    def progress(
        self, stage: str, done: int, total: int | None, unit: Literal["", "bytes"] = ""
    ) -> None:
        """Nothing: a program has no use for bars."""

    def warn(self, message: str) -> None:
        """Something the user should know, at level WARNING."""
        _log.warning(message)

    def note(self, message: str) -> None:
        """What is worth knowing, at level INFO."""
        _log.info(message)

    def info(self, message: str) -> None:
        """What only `--verbose` shows, at level DEBUG."""
        _log.debug(message)

    def skip(self, skipped: Skipped) -> None:
        """The file and the reason, at level WARNING."""
        _log.warning("%s skipped: %s", skipped.path, skipped.reason)
