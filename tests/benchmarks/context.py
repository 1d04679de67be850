"""What every row is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from benchmarks import pictures
from itae_cluster.cli.reporting import ConsoleReporter

__all__ = ["Context"]


@dataclass
class Context:
    """Where pictures come from, where work may be put, and how long it may take.

    Attributes:
        folder: photographs; None for made ones.
        scratch: a folder for files that may be thrown away.
        peers: where the environments of other tools are, or are made.
        quick: smaller numbers, to see whether everything runs.
    """

    folder: str | None
    scratch: str
    peers: str | None
    quick: bool
    reporter: ConsoleReporter = field(
        default_factory=lambda: ConsoleReporter(quiet=True, verbose=False)
    )

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """The photographs."""
        return pictures.sources(self.folder, self.scratch)

    def size(self, usual: int, quick: int) -> int:
        """The one or the other number, by `quick`."""
        return quick if self.quick else usual
