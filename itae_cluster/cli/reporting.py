"""Progress bars, warnings and the summary: everything that goes to standard error."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from itae_cluster.core.text import printable

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Task, TaskID

    from itae_cluster.core.types import Skipped

__all__ = ["ConsoleReporter"]


class _Amount(ProgressColumn):
    """How far a stage is: counted, or in bytes for a download; nothing where no end is known."""

    _count = MofNCompleteColumn()
    _bytes = DownloadColumn()

    def render(self, task: Task) -> Text:
        if task.fields["unit"] == "bytes":
            return self._bytes.render(task)
        return Text("") if task.total is None else self._count.render(task)


class ConsoleReporter:
    """A `Reporter` on standard error; bars only where that is a terminal.

    Args:
        quiet: say nothing but errors.
        verbose: say details too.
    """

    def __init__(self, *, quiet: bool, verbose: bool) -> None:
        self._quiet = quiet
        self._verbose = verbose
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            _Amount(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=quiet or not sys.stderr.isatty(),
        )
        self._stage: tuple[str, TaskID] | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def progress(
        self, stage: str, done: int, total: int | None, unit: Literal["", "bytes"] = ""
    ) -> None:
        """Move the bar of `stage`; a new stage takes the place of the one before."""
        if self._progress.disable:
            return
        if self._stage is None or self._stage[0] != stage:
            if self._stage is not None:
                self._progress.remove_task(self._stage[1])
            self._stage = (stage, self._progress.add_task(stage, total=total, unit=unit))
        self._progress.update(self._stage[1], completed=done, total=total)

    def warn(self, message: str) -> None:
        """A line that begins with `warning:`, unless quiet."""
        self._say("warning: ", "yellow", message)

    def skip(self, skipped: Skipped) -> None:
        """A line that names the input and the reason, unless quiet."""
        self._say("skipped ", "yellow", f"{skipped.path}: {skipped.reason}")

    def note(self, message: str) -> None:
        """A plain line, unless quiet."""
        self._say("", "", message)

    def info(self, message: str) -> None:
        """A detail, only when verbose."""
        if self._verbose:
            self._say("", "dim", message)

    @property
    def terminal(self) -> Console | None:
        """The console for what only a terminal should show; None for a pipe, and where quiet."""
        return self._console if self._console.is_terminal and not self._quiet else None

    def summary(self, message: str) -> None:
        """The closing words, unless quiet."""
        self._say("", "bold", message)

    def _say(self, label: str, style: str, message: str) -> None:
        if not self._quiet:
            self._console.print(Text.assemble((label, style), printable(message)))
