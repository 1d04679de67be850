"""A result changed in place: looked at, changed under a lock, taken back where that fails."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from itae_cluster import locks
from itae_cluster.amend import carry_out
from itae_cluster.core.errors import BusyError, ItaeClusterError, OutputError, ResultError
from itae_cluster.core.options import Action
from itae_cluster.core.text import printable
from itae_cluster.pipeline.applying import settled
from itae_cluster.results import inventory
from itae_cluster.results.journal import Journal, last_to_undo
from itae_cluster.undo import undo

if TYPE_CHECKING:
    from itae_cluster.amend import Amendment
    from itae_cluster.core.types import Reporter, Skipped
    from itae_cluster.results.inventory import Inventory
    from itae_cluster.results.journal import Transaction
    from itae_cluster.results.plan import Entry

__all__ = ["Amended", "amend", "look"]

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True)
class Amended:
    """What came into a result: `lost` are sources that had gone or changed.

    `kept` are the originals that `move` could not remove.
    """

    placed: tuple[Entry, ...] = ()
    lost: tuple[Skipped, ...] = ()
    kept: tuple[Skipped, ...] = ()


def look(out: str) -> Inventory:
    """What the result `out` holds; nothing is locked or changed.

    Raises:
        JournalError: if it is no result.
        ResultError: if its last change is not finished, or its manifest cannot be followed.
    """
    real = os.path.realpath(out)
    _check_finished(real, out)
    try:
        return inventory.take(real)
    except OSError as error:
        raise ResultError(
            f"cannot read {printable(error.filename or out)}: {error.strerror}; nothing was changed"
        ) from error


def _check_finished(real: str, out: str) -> Transaction:
    last = last_to_undo(Journal(real).read())
    shown = printable(out)
    if last is None or "undo" in last.marks:
        raise ResultError(
            f"undoing {shown} was begun and is not finished; run 'itae-cluster undo {shown}' first"
        )
    if "staged" not in last.marks:
        raise ResultError(
            f"the last change of {shown} ({last.kind}) was cut off; take it back first, with "
            f"'itae-cluster undo {shown}'"
        )
    if "done" not in last.marks:
        raise ResultError(
            f"the last change of {shown} ({last.kind}) is not finished; run 'itae-cluster apply "
            f"--resume {shown}' first, or take it back with 'itae-cluster undo {shown}'"
        )
    return last


def amend(held: Inventory, amendment: Amendment, reporter: Reporter) -> Amended:
    """Change a result, or leave it as it was.

    Args:
        held: the result as `look` found it; another state now is refused.
        amendment: what to change.
        reporter: told of progress.

    Raises:
        BusyError: if another process is at work there, or changed the result since `look`.
        OutputError: if it cannot be done; what was begun has been taken back, or the message says
            how to.
    """
    moves = amendment.plan is not None and amendment.plan.action is Action.MOVE
    entries = amendment.plan.entries if amendment.plan is not None and moves else ()
    sources = {os.path.dirname(entry.source) for entry in entries}
    with locks.claimed(held.root, sources, reporter):
        before = _check_finished(held.root, held.root)
        if inventory.fingerprint(held.root) != held.state:
            raise BusyError(f"{printable(held.root)} was changed meanwhile; run this again")
        try:
            placed, lost = carry_out(held.root, amendment, reporter)
        except (OSError, ValueError, ItaeClusterError) as error:
            raise OutputError(_explain(error, held.root, before, reporter)) from error
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_end(held.root, before, reporter)) from None
        return Amended(placed, lost, settled(held.root, reporter))


def _explain(error: Exception, root: str, before: Transaction, reporter: Reporter) -> str:
    end = _end(root, before, reporter)
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        return f"no space left for {printable(root)}; free some; {end}"
    reason = getattr(error, "strerror", None) or str(error)
    name = error.filename if isinstance(error, OSError) else None
    what = f" ({printable(name)})" if isinstance(name, str) else ""
    return f"{printable(root)} cannot be changed: {reason}{what}; {end}"


def _end(root: str, before: Transaction, reporter: Reporter) -> str:
    """Take back what was begun; what to say of that."""
    try:
        last = last_to_undo(Journal(root).read())
        whole = last is None or last.id == before.id
        if last is not None and not whole:
            whole = not undo(root, last, reporter, dry_run=False).refused
    except (OSError, ItaeClusterError):
        whole = False
    if whole:
        return "everything is as it was"
    return f"nothing is lost; take back what was begun with 'itae-cluster undo {printable(root)}'"
