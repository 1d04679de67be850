"""The way back: what a transaction brought into a result leaves it, originals return.

Nothing is decided by what the journal says was done, but by what is there: a file of the result is
removed only where the same content is seen in its original place. So undo may be interrupted
anywhere and begun again. First every missing original is restored and flushed to the disk, then
files of the result are removed. What an amendment wrote anew is replaced by what it was before.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from itae_cluster.changes import cleanup, locks, transfer
from itae_cluster.changes.cleanup import remove_empty_folders
from itae_cluster.changes.staging import staging_name
from itae_cluster.changes.verdict import RefusedError, Verdict, judge_step, resolve_or_refuse
from itae_cluster.core.errors import OutputError
from itae_cluster.core.files import short_name
from itae_cluster.core.options import Action
from itae_cluster.core.text import printable
from itae_cluster.core.types import Skipped
from itae_cluster.results.journal import (
    FOLDER,
    Journal,
    Place,
    Shift,
    Write,
    last_to_undo,
    workplace,
)
from itae_cluster.results.moved import find_moved

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from itae_cluster.core.types import Reporter
    from itae_cluster.results.journal import Step, Transaction

__all__ = ["UndoResult", "close", "undo", "undo_result"]


@dataclass(frozen=True, slots=True)
class UndoResult:
    """What undo did, or would do: files restored and removed, and those it left, with reasons."""

    restored: tuple[str, ...]
    removed: tuple[str, ...]
    refused: tuple[Skipped, ...]

    def __repr__(self) -> str:
        counts = (
            f"{len(value)} {name}"
            for name, value in (
                ("restored", self.restored),
                ("removed", self.removed),
                ("refused", self.refused),
            )
        )
        return f"UndoResult({', '.join(counts)})"


def undo(root: str, transaction: Transaction, reporter: Reporter, *, dry_run: bool) -> UndoResult:
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
    found = find_moved(root, transaction)
    for number, destination in found.items():
        transaction.relocate(number, destination)
    steps = _from_the_end(transaction.steps_done())
    if dry_run:
        return _foresee(root, steps, reporter)
    journal = Journal(root)
    if found:
        journal.relocate(transaction.id, found)
    journal.mark(transaction.id, "undo")
    shutil.rmtree(workplace(root, transaction.id), ignore_errors=True)
    restored, failed = _restore_all(root, transaction, steps, reporter)
    removed, refused = _remove_all(root, steps, restored, failed, reporter)
    remove_empty_folders(root, transaction.folders)
    if not refused:
        _drop_backups(root, steps)
        remove_empty_folders(root, transaction.folders)
        _close(journal, transaction)
    return UndoResult(tuple(restored.values()), tuple(removed), tuple(refused))


def _from_the_end(steps: list[Step]) -> list[Step]:
    """The changes of what was there before, the last first; then what is new, in its order."""
    new = [step for step in steps if not _is_change(step)]
    return [*(step for step in reversed(steps) if _is_change(step)), *new]


def _is_change(step: Step) -> bool:
    return isinstance(step, Shift) or (isinstance(step, Write) and step.earlier is not None)


def _drop_backups(root: str, steps: list[Step]) -> None:
    """What was kept of files that were never replaced."""
    for step in steps:
        if isinstance(step, Write) and step.earlier is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(resolve_or_refuse(root, step.earlier.backup))


def _foresee(root: str, steps: list[Step], reporter: Reporter) -> UndoResult:
    found: dict[Verdict, list[str]] = {verdict: [] for verdict in Verdict}
    refused = []
    for done, step in enumerate(steps, start=1):
        shown = os.path.join(root, step.destination)
        try:
            verdict = judge_step(root, step)
        except (OSError, RefusedError) as error:
            refused.append(Skipped(shown, _reason(error)))
        else:
            found[verdict].append(
                shown if verdict is Verdict.REMOVE else _original_path(root, step)
            )
        reporter.progress("Checking", done, len(steps))
    return UndoResult(tuple(found[Verdict.RESTORE]), tuple(found[Verdict.REMOVE]), tuple(refused))


def _original_path(root: str, step: Step) -> str:
    """Where undoing brings the file of a step."""
    if isinstance(step, Place):
        return step.source
    return os.path.join(root, step.origin if isinstance(step, Shift) else step.destination)


def _restore_all(
    root: str, transaction: Transaction, steps: list[Step], reporter: Reporter
) -> tuple[dict[str, str], dict[str, str]]:
    """Originals that are missing come back; which, and why some did not, by destination."""
    restored: dict[str, str] = {}
    failed: dict[str, str] = {}
    for done, step in enumerate(steps, start=1):
        try:
            if _is_change(step):
                came_back = _change_back(root, step)
            else:
                came_back = isinstance(step, Place) and _bring_back(root, step, transaction)
            if came_back:
                restored[step.destination] = _original_path(root, step)
        except (OSError, RefusedError) as error:
            failed[step.destination] = _reason(error)
        reporter.progress("Restoring", done, len(steps))
    transfer.flush_folders({os.path.dirname(path) for path in restored.values()})
    return restored, failed


def _change_back(root: str, step: Step) -> bool:
    """Whether something that an amendment changed was put back just now."""
    path = os.path.join(root, step.destination)
    verdict = judge_step(root, step)
    if verdict is Verdict.REMOVE:
        os.unlink(path)  # the second name of a file that was on its way
    if verdict is not Verdict.RESTORE:
        return False
    if isinstance(step, Shift):
        origin = os.path.join(root, step.origin)
        os.makedirs(os.path.dirname(origin), exist_ok=True)
        transfer.shift(path, origin)
    elif isinstance(step, Write) and step.earlier is not None:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.replace(os.path.join(root, step.earlier.backup), path)
    return True


def _bring_back(root: str, step: Place, transaction: Transaction) -> bool:
    """Whether an original that was missing was restored just now."""
    if step.how is Action.SYMLINK:
        return False
    part = _part_path(step, transaction)
    with contextlib.suppress(OSError):
        os.unlink(part)  # of an undo that was killed
    if os.path.lexists(step.source) or judge_step(root, step) is not Verdict.RESTORE:
        return False
    _restore(os.path.join(root, step.destination), step, part)
    return True


def _part_path(step: Place, transaction: Transaction) -> str:
    """The name of an unfinished copy: hidden, beside the original, and nobody else's."""
    folder, name = os.path.split(step.source)
    return os.path.join(folder, f".{short_name(name)}.undo-{transaction.id}")


def _restore(path: str, step: Place, part: str) -> None:
    folder = os.path.dirname(step.source)
    if not os.path.isdir(folder):
        os.makedirs(folder)
        transfer.flush_folders(_folders_above(folder))
    if step.link is not None:
        _restore_link(step, step.link)
        return
    _restore_metadata(path, step)
    try:
        os.link(path, step.source)
    except OSError as error:
        if error.errno not in transfer.CANNOT_LINK:
            raise
        _copy_back(path, step, part)


def _folders_above(folder: str) -> Iterator[str]:
    while folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
        yield folder


def _restore_link(step: Place, link: str) -> None:
    target = os.path.join(os.path.dirname(step.source), link)
    if not transfer.has_content(target, step.size, step.sha256):
        raise RefusedError(f"it came from a link to {target}, which holds something else now")
    os.symlink(link, step.source)


def _restore_metadata(path: str, step: Place) -> None:
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
        _restore_metadata(part, step)
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
            verdict = judge_step(root, step)
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


_NOTHING = UndoResult((), (), ())


def undo_result(out: str, reporter: Reporter, *, dry_run: bool = False) -> UndoResult:
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
    with locks.claim(real, (), reporter) as alone:
        if not dry_run and _clear_remains(real, reporter, alone=alone):
            return _NOTHING
        transactions = Journal(real).read()
        last = last_to_undo(transactions)
    # The folders that originals return to are claimed, too; they are known from the journal alone,
    # so it is read under one claim and followed under the next.
    sources = (
        {os.path.dirname(s.source) for s in last.steps if isinstance(s, Place)} if last else ()
    )
    with locks.claim(real, sources, reporter):
        try:
            if last is None:
                if not dry_run:
                    close(Journal(real), transactions)
                return _NOTHING
            undone = undo(real, last, reporter, dry_run=dry_run)
            earlier = last_to_undo([item for item in transactions if item is not last])
            if earlier is not None and not undone.refused:
                reporter.note(
                    f"undoing the last change of {printable(out)} ({last.kind}); to undo the one "
                    f"before it too ({earlier.kind}), run this again"
                )
            return undone
        except KeyboardInterrupt:
            raise KeyboardInterrupt("nothing is lost; run undo again to finish") from None
        except OSError as error:
            raise OutputError(
                f"cannot undo {printable(out)}: {error.strerror}; nothing is lost; remove the "
                "cause and run undo again"
            ) from error


def _clear_remains(real: str, reporter: Reporter, *, alone: bool) -> bool:
    """Whether nothing was left but to clear away what a killed process left behind."""
    journal = Journal(real)
    if not os.path.lexists(real):
        return alone and cleanup.clear(real, reporter) > 0
    if journal.exists() or os.path.islink(journal.folder):
        return False
    try:
        os.rmdir(journal.folder)  # of an undo that was killed at its very end
    except OSError:
        return False
    return True
