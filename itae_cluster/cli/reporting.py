"""Progress bars, warnings and the summary: everything that goes to standard error."""

from __future__ import annotations

import sys
from collections import Counter
from time import monotonic
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

from itae_cluster.core.text import printable, quantity

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Task, TaskID

    from itae_cluster.core.types import Skipped

__all__ = ["ConsoleReporter"]

_FIRST = "Starting"
_MOST_SKIPS = 10  # lines with one reason; all of them stand in the manifest
_SECONDS = 10  # between two lines of one stage, where there is no bar


class _Amount(ProgressColumn):
    """How far a stage is: counted, or in bytes for a download; nothing where no end is known."""

    _count = MofNCompleteColumn()
    _bytes = DownloadColumn()

    def render(self, task: Task) -> Text:
        if task.fields["unit"] == "bytes":
            return self._bytes.render(task)
        return Text("") if task.total is None else self._count.render(task)


class _Stage:
    """A stage as lines of text: one when it begins, then one every so often."""

    def __init__(self, name: str, done: int) -> None:
        self.name = name
        self._first, self._begun = done, monotonic()
        self._told = self._begun

    def line(self, done: int, total: int | None) -> str | None:
        """How far it is, and how long it will take; None where that was told just before."""
        now = monotonic()
        if now - self._told < _SECONDS or total is None:
            return None
        self._told = now
        text = f"{self.name}: {done} of {total}"
        if done <= self._first:
            return text
        left = (total - done) * (now - self._begun) / (done - self._first)
        return f"{text}, {_duration(left)} left"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"about {quantity(max(1, round(seconds)), 'second')}"
    minutes = round(seconds / 60)
    return f"about {minutes} minutes" if minutes < 120 else f"about {round(minutes / 60)} hours"


class ConsoleReporter:
    """A `Reporter` on standard error: bars where that is a terminal, else lines where verbose.

    Of skips with one reason the first ten have a line each, and the others one together, at the
    end; verbose, all have one.

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
        self._lines: _Stage | None = None
        self._skips: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._progress.start()
        self.progress(_FIRST, 0, None)  # what comes now may have to be imported first
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._tell_skips()
        self._progress.stop()

    def progress(
        self, stage: str, done: int, total: int | None, unit: Literal["", "bytes"] = ""
    ) -> None:
        """Move the bar of `stage`; a new stage takes the place of the one before.

        What is done when a stage begins was not done here, and says nothing of the time left.
        """
        if self._progress.disable:
            self._progress_line(stage, done, total)
            return
        if self._stage is None or self._stage[0] != stage:
            if self._stage is not None:
                self._progress.remove_task(self._stage[1])
            task = self._progress.add_task(stage, total=total, completed=done, unit=unit)
            self._stage = (stage, task)
        self._progress.update(self._stage[1], completed=done, total=total)

    def _progress_line(self, stage: str, done: int, total: int | None) -> None:
        if not self._verbose:
            return
        if self._lines is None or self._lines.name != stage:
            self._lines = _Stage(stage, done)
            self.info(stage)
        elif line := self._lines.line(done, total):
            self.info(line)

    def warn(self, message: str) -> None:
        """A line that begins with `warning:`, unless quiet."""
        self._say("warning: ", "yellow", message)

    def skip(self, skipped: Skipped) -> None:
        """A line that names the input and the reason, unless quiet."""
        self._skips[skipped.reason] += 1
        if self._verbose or self._skips[skipped.reason] <= _MOST_SKIPS:
            self._say("skipped ", "yellow", f"{skipped.path}: {skipped.reason}")

    def _tell_skips(self) -> None:
        """The skips that had no line of their own."""
        for reason, count in self._skips.items():
            if count > _MOST_SKIPS and not self._verbose:
                more = quantity(count - _MOST_SKIPS, "other")
                self._say("skipped ", "yellow", f"{more}: {reason}")
        self._skips.clear()

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
        self._tell_skips()
        self._say("", "bold", message)

    def _say(self, label: str, style: str, message: str) -> None:
        if not self._quiet:
            self._console.print(Text.assemble((label, style), printable(message)))
