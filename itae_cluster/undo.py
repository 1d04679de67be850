"""The way back: what a transaction brought into a result leaves it, originals return.

Nothing is decided by what the journal says was done, but by what is there: a file of the result is
removed only where the same content is seen in its original place. So undo may be interrupted
anywhere and begun again. First every missing original is restored and flushed to the disk, then
files of the result are removed.
"""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from itae_cluster import confined, strays, transfer
from itae_cluster.journal import FOLDER, Journal, Place, Write
from itae_cluster.leftovers import remove_empty_folders
from itae_cluster.options import Action
from itae_cluster.organize import staging_name
from itae_cluster.types import Skipped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from itae_cluster.journal import Step, Transaction
    from itae_cluster.types import Reporter

__all__ = ["Undone", "Verdict", "close", "judge", "last_to_undo", "undo"]


class Verdict(Enum):
    """What undoing a step takes."""

    NOTHING = "nothing"  # it is undone
    REMOVE = "remove"  # the original is in its place
    RESTORE = "restore"  # the original is missing, its content is here


class RefusedError(Exception):
    """A step is not undone, because something would be lost; the message says why."""


@dataclass(frozen=True, slots=True)
class Undone:
    """What undo did, or would do: files restored and removed, and those it left, with reasons."""

    restored: tuple[str, ...]
    removed: tuple[str, ...]
    refused: tuple[Skipped, ...]


def last_to_undo(transactions: list[Transaction]) -> Transaction | None:
    """The last transaction that is not undone."""
    return next((t for t in reversed(transactions) if "undone" not in t.marks), None)


def judge(root: str, step: Step) -> Verdict:
    """What undoing `step` takes, from what is there now; changes nothing.

    Raises:
        RefusedError: if it must not be undone.
        OSError: if something cannot be read.
    """
    try:
        path = confined.resolve(root, step.destination)
    except ValueError as error:
        raise RefusedError(str(error)) from error
    if isinstance(step, Write):
        return _judge_made(path, step)
    if step.how is Action.SYMLINK:
        return _judge_link(path, step)
    return _judge_file(path, step)


def _judge_made(path: str, step: Write) -> Verdict:
    if not os.path.lexists(path):
        return Verdict.NOTHING
    if not _is_file_with(path, step):
        raise RefusedError("it was changed since")
    return Verdict.REMOVE


def _judge_link(path: str, step: Place) -> Verdict:
    if not os.path.lexists(path):
        return Verdict.NOTHING
    if not os.path.islink(path) or os.readlink(path) != step.source:
        raise RefusedError("it is another file now")
    return Verdict.REMOVE


def _judge_file(path: str, step: Place) -> Verdict:
    original = os.path.lexists(step.source)
    if not os.path.lexists(path):
        if step.how is Action.MOVE and not original:
            raise RefusedError(f"it is neither here nor at {step.source}")
        return Verdict.NOTHING
    if transfer.is_other_name(path, step.source):
        return Verdict.REMOVE
    if not _is_file_with(path, step):
        raise RefusedError("it was changed since")
    if not original:
        return Verdict.RESTORE
    if os.path.exists(step.source) and os.path.samefile(path, step.source):
        raise RefusedError(f"{step.source} leads to this very file")
    if not transfer.has_content(step.source, step.size, step.sha256):
        raise RefusedError(f"{step.source} holds something else now")
    return Verdict.REMOVE


def _is_file_with(path: str, step: Step) -> bool:
    regular = stat.S_ISREG(os.lstat(path).st_mode)
    return regular and transfer.has_content(path, step.size, step.sha256)


def undo(root: str, transaction: Transaction, reporter: Reporter, *, dry_run: bool) -> Undone:
    """Take a transaction back; the journal is marked, and goes when nothing else is left of it.

    Args:
        root: the real path of OUT.
        transaction: the last one that is not undone.
        reporter: told of progress.
        dry_run: change nothing, and tell what would be done.

    Raises:
        JournalError: if the journal cannot be written.
        OSError: if it is not possible to flush what was restored.
    """
    found = strays.find(root, transaction)
    for number, destination in found.items():
        transaction.relocate(number, destination)
    steps = transaction.taken()
    if dry_run:
        return _foreseen(root, steps, reporter)
    journal = Journal(root)
    if found:
        journal.relocate(transaction.id, found)
    journal.mark(transaction.id, "undo")
    restored, failed = _restore_all(root, transaction, steps, reporter)
    removed, refused = _remove_all(root, steps, restored, failed, reporter)
    remove_empty_folders(root, transaction.folders)
    if not refused:
        _close(journal, transaction)
    return Undone(tuple(restored.values()), tuple(removed), tuple(refused))


def _foreseen(root: str, steps: list[Step], reporter: Reporter) -> Undone:
    found: dict[Verdict, list[str]] = {verdict: [] for verdict in Verdict}
    refused = []
    for done, step in enumerate(steps, start=1):
        shown = os.path.join(root, step.destination)
        try:
            verdict = judge(root, step)
        except (OSError, RefusedError) as error:
            refused.append(Skipped(shown, _reason(error)))
        else:
            name = shown if isinstance(step, Write) or verdict is Verdict.REMOVE else step.source
            found[verdict].append(name)
        reporter.progress("Checking", done, len(steps))
    return Undone(tuple(found[Verdict.RESTORE]), tuple(found[Verdict.REMOVE]), tuple(refused))


def _restore_all(
    root: str, transaction: Transaction, steps: list[Step], reporter: Reporter
) -> tuple[dict[str, str], dict[str, str]]:
    """Originals that are missing come back; which, and why some did not, by destination."""
    restored: dict[str, str] = {}
    failed: dict[str, str] = {}
    for done, step in enumerate(steps, start=1):
        if isinstance(step, Place) and step.how is not Action.SYMLINK:
            part = _part(step, transaction)
            with contextlib.suppress(OSError):
                os.unlink(part)  # of an undo that was killed
            try:
                missing = not os.path.lexists(step.source)
                if missing and judge(root, step) is Verdict.RESTORE:
                    _restore(os.path.join(root, step.destination), step, part)
                    restored[step.destination] = step.source
            except (OSError, RefusedError) as error:
                failed[step.destination] = _reason(error)
        reporter.progress("Restoring", done, len(steps))
    transfer.flush_folders({os.path.dirname(path) for path in restored.values()})
    return restored, failed


def _part(step: Place, transaction: Transaction) -> str:
    """The name of an unfinished copy: hidden, beside the original, and nobody else's."""
    folder, name = os.path.split(step.source)
    short = os.fsencode(name)[:100].decode("utf-8", "ignore")
    return os.path.join(folder, f".{short}.undo-{transaction.id}")


def _restore(path: str, step: Place, part: str) -> None:
    folder = os.path.dirname(step.source)
    if not os.path.isdir(folder):
        os.makedirs(folder)
        transfer.flush_folders(_above(folder))
    if step.link is not None:
        _restore_link(step, step.link)
        return
    _as_it_was(path, step)
    try:
        os.link(path, step.source)
    except OSError as error:
        if error.errno not in transfer.CANNOT_LINK:
            raise
        _copy_back(path, step, part)


def _above(folder: str) -> Iterator[str]:
    while folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
        yield folder


def _restore_link(step: Place, link: str) -> None:
    target = os.path.join(os.path.dirname(step.source), link)
    if not transfer.has_content(target, step.size, step.sha256):
        raise RefusedError(f"it came from a link to {target}, which holds something else now")
    os.symlink(link, step.source)


def _as_it_was(path: str, step: Place) -> None:
    """Give a file the time and permissions of the original, where it has others."""
    status = os.stat(path)
    with contextlib.suppress(OSError):  # of another owner, or on a file system that knows none
        if stat.S_IMODE(status.st_mode) != step.mode:
            os.chmod(path, step.mode)
        if status.st_mtime_ns != step.mtime_ns:
            os.utime(path, ns=(status.st_atime_ns, step.mtime_ns))


def _copy_back(path: str, step: Place, part: str) -> None:
    try:
        transfer.copy(path, part)
        _as_it_was(part, step)
        transfer.flush(part)
        if not transfer.has_content(part, step.size, step.sha256):
            raise RefusedError(f"its copy in {os.path.dirname(part)} came out damaged")
        transfer.link_or_rename(part, step.source)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(part)


def _remove_all(
    root: str,
    steps: list[Step],
    restored: Mapping[str, str],
    failed: Mapping[str, str],
    reporter: Reporter,
) -> tuple[list[str], list[Skipped]]:
    """Files of the result go where their original is in its place; the others are named.

    Of those that went, the ones that were not `restored` just before are returned.
    """
    removed: list[str] = []
    refused: list[Skipped] = []
    for done, step in enumerate(steps, start=1):
        path = os.path.join(root, step.destination)
        try:
            verdict = judge(root, step)
            if verdict is Verdict.REMOVE:
                os.unlink(path)
                if step.destination not in restored:
                    removed.append(path)
            elif verdict is Verdict.RESTORE:
                refused.append(Skipped(path, failed.get(step.destination, "not restored")))
        except (OSError, RefusedError) as error:
            refused.append(Skipped(path, failed.get(step.destination) or _reason(error)))
        reporter.progress("Removing", done, len(steps))
    return removed, refused


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _close(journal: Journal, transaction: Transaction) -> None:
    journal.mark(transaction.id, "undone")
    close(journal, journal.read())


def close(journal: Journal, transactions: list[Transaction]) -> None:
    """Take the journal away where every transaction is undone, and OUT where it is empty then.

    Raises:
        OSError: if the journal cannot be removed.
    """
    if last_to_undo(transactions) is not None:
        return
    made_out = all(transaction.details.get("made_out", True) for transaction in transactions)
    if made_out and os.listdir(journal.root) == [FOLDER]:
        leaving = staging_name(journal.root)
        os.rename(journal.root, leaving)  # from here on it is a leftover, if that
        Journal(leaving).remove()
        os.rmdir(leaving)
    else:
        journal.remove()  # what a person put there stays
