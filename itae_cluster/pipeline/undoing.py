"""A result taken back."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from itae_cluster import leftovers, locks
from itae_cluster.core.errors import OutputError
from itae_cluster.core.text import printable
from itae_cluster.results.journal import Journal, Place, last_to_undo
from itae_cluster.undo import Undone, close, undo

if TYPE_CHECKING:
    from itae_cluster.core.types import Reporter

__all__ = ["undo_result"]

_NOTHING = Undone((), (), ())


def undo_result(out: str, reporter: Reporter, *, dry_run: bool = False) -> Undone:
    """Undo the last transaction of the result `out`.

    Args:
        out: the result.
        reporter: told of progress and notes.
        dry_run: change nothing, and tell what would be done.

    Raises:
        JournalError: if there is no journal that can be followed.
        BusyError: if another process is at work there.
        OutputError: if the disk fails; what was done until then stays done, and undo can be
            begun again.
    """
    real = os.path.realpath(out)
    with locks.claimed(real, (), reporter) as alone:
        if not dry_run and _finished_before(real, reporter, alone=alone):
            return _NOTHING
        transactions = Journal(real).read()
        last = last_to_undo(transactions)
    sources = (
        {os.path.dirname(s.source) for s in last.steps if isinstance(s, Place)} if last else ()
    )
    with locks.claimed(real, sources, reporter):
        try:
            if last is None:
                if not dry_run:
                    close(Journal(real), transactions)
                return _NOTHING
            undone = undo(real, last, reporter, dry_run=dry_run)
            earlier = last_to_undo([item for item in transactions if item is not last])
            if earlier is not None and not undone.refused:
                reporter.note(
                    f"this takes back the last change ({last.kind}); {printable(out)} stays as it "
                    f"was before, and undo again takes back what came before ({earlier.kind})"
                )
            return undone
        except KeyboardInterrupt:
            raise KeyboardInterrupt("nothing is lost; run undo again to finish") from None
        except OSError as error:
            raise OutputError(
                f"undoing {printable(out)} stopped: {error.strerror}; nothing is lost; remove the "
                "cause and run it again"
            ) from error


def _finished_before(real: str, reporter: Reporter, *, alone: bool) -> bool:
    """Whether nothing was left but to clear away what a killed process left behind."""
    journal = Journal(real)
    if not os.path.lexists(real):
        return alone and leftovers.clear(real, reporter) > 0
    if journal.exists() or os.path.islink(journal.folder):
        return False
    try:
        os.rmdir(journal.folder)  # of an undo that was killed at its very end
    except OSError:
        return False
    return True
