"""`itae-cluster undo OUT`: a result taken back."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from itae_cluster.cli import parameters as given
from itae_cluster.cli.reporting import ConsoleReporter
from itae_cluster.core.errors import JournalError, UndoError
from itae_cluster.core.text import printable, quantity, to_tsv
from itae_cluster.results.journal import FOLDER

if TYPE_CHECKING:
    from itae_cluster.changes.undo import UndoResult

__all__ = ["undo"]


def undo(
    out: given.Out,
    dry_run: given.DryRun = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
) -> None:
    """Take back the last change to a result, or, if it has none, the result itself.

    Pictures that were moved return to where they were, and files that were added are removed.
    Clusters that were renamed, merged or split are as they were before.

    Whatever was changed since is left alone and named, and nothing is overwritten: a file is
    removed only if the same content is in its original place. It is safe to interrupt this and to
    run it again.

    Examples:
        itae-cluster undo ./sorted
        itae-cluster undo ./sorted --dry-run
    """
    with ConsoleReporter(quiet=quiet, verbose=verbose) as reporter:
        from itae_cluster.changes.undo import undo_result

        try:
            undone = undo_result(out, reporter, dry_run=dry_run)
        except JournalError:
            given.check_result(out)  # only now: of a result that was never made, traces may be left
            raise
        if dry_run:
            _print(undone)
        for path in (*undone.restored, *undone.removed):
            reporter.info(path)
        for left in undone.refused:
            reporter.warn(f"{left.path} is left: {left.reason}")
        counts = f"{quantity(len(undone.restored), 'file')} restored, {len(undone.removed)} removed"
        reporter.summary(f"{counts}; dry run, nothing was changed" if dry_run else counts)
        if not dry_run and not undone.refused and _is_left(out):
            reporter.note(f"{printable(out)} stays, with what you put or moved there yourself")
    if undone.refused:
        raise UndoError(
            f"{quantity(len(undone.refused), 'file')} not undone, because they or their places "
            "changed since; put that right and run it again"
        )


def _is_left(out: str) -> bool:
    """Whether a folder is there of which nothing is the tool's any more."""
    return os.path.isdir(out) and not os.path.lexists(os.path.join(out, FOLDER))


def _print(undone: UndoResult) -> None:
    stdout = sys.stdout.buffer
    for word, paths in ((b"restore", undone.restored), (b"remove", undone.removed)):
        for path in paths:
            stdout.write(b"%s\t%s\n" % (word, to_tsv(path)))
    stdout.flush()
