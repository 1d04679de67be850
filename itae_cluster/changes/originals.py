"""The end of a move: each original goes once its new place is seen to hold the same content."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

from itae_cluster.changes import transfer
from itae_cluster.core.options import Action
from itae_cluster.core.types import Skipped
from itae_cluster.results import paths
from itae_cluster.results.journal import Journal, Place

if TYPE_CHECKING:
    from itae_cluster.core.types import Reporter
    from itae_cluster.results.journal import Transaction

__all__ = ["remove_originals"]


def remove_originals(
    root: str, transaction: Transaction, reporter: Reporter
) -> tuple[Skipped, ...]:
    """The second half of `move`: remove each original whose new place holds the same content.

    May be interrupted and repeated. The transaction is marked `done` when nothing is left to do.

    Args:
        root: the real path of OUT.
        transaction: staged; its places are on the disk.
        reporter: told of progress.

    Returns:
        The originals that were kept, with the reason; those pictures now exist twice.
    """
    moves = [s for s in transaction.steps_done() if isinstance(s, Place) and s.how is Action.MOVE]
    transfer.flush_folders([os.path.dirname(root)])
    kept: list[Skipped] = []
    for done, step in enumerate(moves, start=1):
        try:
            reason = _remove_original(root, step)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
        if reason:
            kept.append(Skipped(step.source, reason))
        reporter.progress("Moving", done, len(moves))
    if not kept:
        transfer.flush_folders({os.path.dirname(step.source) for step in moves})
        with contextlib.suppress(OSError):  # on a full disk: nothing is left to do but to say so
            Journal(root).mark(transaction.id, "done")
    return tuple(kept)


def _remove_original(root: str, step: Place) -> str | None:
    """Why it was kept; None where it has gone."""
    target = paths.resolve(root, step.destination)
    try:
        os.lstat(step.source)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(os.lstat(target).st_mode):
        return "its new place no longer holds a file"
    same = transfer.is_other_name(target, step.source) or (
        not os.path.samefile(target, step.source)
        and transfer.has_content(target, step.size, step.sha256)
        and transfer.has_content(step.source, step.size, step.sha256)
    )
    if not same:
        return "changed while it was being moved"
    os.unlink(step.source)
    return None
