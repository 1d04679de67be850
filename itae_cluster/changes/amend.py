"""Changes of a result that is there: folders renamed, pictures moved within it, new ones added.

All that is new is first made in a folder of its own below `.itae-cluster`, and what it replaces is
kept beside it; the journal has said so before. Then every piece takes its place with one call of
the file system each, and none takes the place of a picture. Whether that was done is read off the
files, so an amendment that was cut off anywhere can be taken back (`undo`).
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from itae_cluster.changes import locks, organize, transfer
from itae_cluster.changes.apply import finish_move
from itae_cluster.changes.cleanup import remove_empty_folders
from itae_cluster.changes.undo import undo
from itae_cluster.core.documents import path_record
from itae_cluster.core.errors import BusyError, ItaeClusterError, OutputError, ResultError
from itae_cluster.core.files import file_digest, is_disk_full, write_all
from itae_cluster.core.options import Action
from itae_cluster.core.text import printable
from itae_cluster.results import inventory, paths
from itae_cluster.results.journal import (
    FOLDER,
    Earlier,
    Journal,
    Shift,
    Write,
    last_to_undo,
    workplace,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from itae_cluster.core.types import Reporter, Skipped
    from itae_cluster.results.inventory import Inventory
    from itae_cluster.results.journal import Step, Transaction
    from itae_cluster.results.plan import Entry, Plan

__all__ = ["AmendResult", "Amendment", "amend", "carry_out", "inspect_result"]


@dataclass(frozen=True)
class Amendment:
    """One change of a result.

    `shifts` come first, those of folders before those of files. `plan` says which files come into
    the result. `documents` are the files of the tool's own that are written anew, by their place in
    the result, once it is known which entries were placed and which were not; None: it goes.
    """

    kind: str
    documents: Callable[[Sequence[Entry], Sequence[Skipped]], Mapping[str, bytes | None]]
    shifts: tuple[Shift, ...] = ()
    plan: Plan | None = None


def carry_out(
    root: str, amendment: Amendment, reporter: Reporter
) -> tuple[tuple[Entry, ...], tuple[Skipped, ...]]:
    """Change the result `root`; originals that are to be moved are left for `finish_move`.

    Args:
        root: the real path of a result that this process has claimed.
        amendment: what to change.
        reporter: told of progress and of sources that vanished or changed.

    Returns:
        The entries that were placed, and what was not, with reasons.

    Raises:
        OSError: if something cannot be done; what was done until then can be taken back.
        OutputError: if the file system cannot make such links; likewise.
        ValueError: if a name leads out of the result; likewise.
    """
    _check_free(root, amendment)
    journal = Journal(root)
    places, gone = organize.announce_steps(amendment.plan) if amendment.plan else ([], [])
    for item in gone:
        reporter.skip(item)
    steps: list[Step] = [*amendment.shifts, *(step for _, step in places)]
    action = {"action": str(amendment.plan.action)} if amendment.plan else {}
    ident = journal.begin(amendment.kind, steps, **action, **path_record("out", root))
    staging = workplace(root, ident)
    os.mkdir(staging, 0o700)
    # All that is new is made in the workplace first; what is there stays until that is whole.
    lost = organize.place_files(places, staging, reporter)
    arrived = [pair for number, pair in enumerate(places) if number not in lost]
    entries = tuple(entry for entry, _ in arrived)
    skipped = (*gone, *lost.values())
    contents = amendment.documents(entries, skipped)
    writes = [
        _write_document(root, staging, ident, name, contents[name]) for name in sorted(contents)
    ]
    journal.add_steps(ident, writes, [len(amendment.shifts) + number for number in lost])
    # What will be replaced has a second name before anything takes its place.
    _back_up(root, writes)
    transfer.flush_folders(where for where, _, _ in os.walk(staging))
    _put_in_place(
        root, staging, amendment.shifts, [step.destination for _, step in arrived], writes
    )
    shutil.rmtree(staging)
    journal.mark(ident, "staged")
    return entries, skipped


def _check_free(root: str, amendment: Amendment) -> None:
    """Raise before anything is begun where a name is taken, or is none for a picture."""
    entries = amendment.plan.entries if amendment.plan else ()
    names = [name for step in amendment.shifts for name in (step.origin, step.destination)]
    for name in (*names, *(entry.destination for entry in entries)):
        if name.split("/")[0] == FOLDER:
            raise ValueError(f"{name} is no place for a picture")
    for step in amendment.shifts:
        path = paths.resolve(root, step.destination)
        origin = paths.resolve(root, step.origin)
        if os.path.lexists(path) and not (os.path.exists(origin) and _is_same(path, origin)):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
    for entry in entries:
        path = paths.resolve(root, entry.destination)
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)


def _is_same(path: str, other: str) -> bool:
    """Whether one folder bears both names: they differ in case, where that is no difference."""
    return os.path.isdir(path) and os.path.samefile(path, other)


def _write_document(root: str, staging: str, ident: str, name: str, content: bytes | None) -> Write:
    """Write a document into the workplace; what the journal will say of it."""
    if content is None:
        return Write(name, 0, "", _describe_earlier(root, ident, name))
    path = os.path.join(staging, *name.split("/"))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        write_all(handle, content)
        os.fsync(handle)
    finally:
        os.close(handle)
    return Write(
        name, len(content), sha256(content).hexdigest(), _describe_earlier(root, ident, name)
    )


def _describe_earlier(root: str, ident: str, name: str) -> Earlier | None:
    path = paths.resolve(root, name)
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{name} is a link or a folder, where a file was")
    backup = f"{FOLDER}/before-{ident}/{os.path.basename(name)}"
    return Earlier(backup, status.st_size, file_digest(path))


def _back_up(root: str, writes: Sequence[Write]) -> None:
    """Give what will be replaced a second name, which outlives that."""
    kept = [(step.destination, step.earlier.backup) for step in writes if step.earlier]
    folders = {os.path.dirname(os.path.join(root, backup)) for _, backup in kept}
    for folder in folders:
        os.mkdir(folder)
    for name, backup in kept:
        transfer.link_or_copy(os.path.join(root, name), os.path.join(root, backup))
    transfer.flush_folders([*folders, os.path.join(root, FOLDER)])


def _put_in_place(
    root: str,
    staging: str,
    shifts: Sequence[Shift],
    placed: Sequence[str],
    writes: Sequence[Write],
) -> None:
    """Everything to its place: what was there before moves, then what is new comes."""
    for shift in shifts:
        target = _path_in_folder(root, shift.destination)
        transfer.shift(paths.resolve(root, shift.origin), target)
    for name in placed:
        transfer.shift(os.path.join(staging, name), _path_in_folder(root, name))
    for step in writes:
        if step.sha256:
            os.replace(
                os.path.join(staging, step.destination), _path_in_folder(root, step.destination)
            )
        else:
            os.unlink(paths.resolve(root, step.destination))  # it has a second name by now
    left = {os.path.dirname(shift.origin) for shift in shifts}
    with contextlib.suppress(OSError):  # an empty folder that stays is no loss
        remove_empty_folders(root, left)
    names = [shift.destination for shift in shifts] + [step.destination for step in writes]
    folders = [*left, *map(os.path.dirname, (*names, *placed))]
    transfer.flush_folders({root, *(os.path.join(root, name) for name in folders)})


def _path_in_folder(root: str, name: str) -> str:
    """The path of `name`, in a folder that is there."""
    path = paths.resolve(root, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    return path


@dataclass(frozen=True)
class AmendResult:
    """What came into a result: `lost` are sources that had gone or changed.

    `kept` are the originals that `move` could not remove.
    """

    placed: tuple[Entry, ...] = ()
    lost: tuple[Skipped, ...] = ()
    kept: tuple[Skipped, ...] = ()


def inspect_result(out: str) -> Inventory:
    """What the result `out` holds; nothing is locked or changed.

    Raises:
        JournalError: if it is no result.
        ResultError: if its last change is not finished, or its manifest cannot be followed.
    """
    real = os.path.realpath(out)
    _check_finished(real, out)
    try:
        return inventory.take_inventory(real)
    except OSError as error:
        raise ResultError(
            f"cannot read {printable(error.filename or out)}: {error.strerror}; nothing was changed"
        ) from error


def _check_finished(real: str, out: str) -> Transaction:
    last = last_to_undo(Journal(real).read())
    shown = printable(out)
    if last is None or "undo" in last.marks:
        raise ResultError(f"undo of {shown} is not finished; run 'itae-cluster undo {shown}' first")
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


def amend(held: Inventory, amendment: Amendment, reporter: Reporter) -> AmendResult:
    """Change a result, or leave it as it was.

    Args:
        held: the result as `inspect_result` found it; another state now is refused.
        amendment: what to change.
        reporter: told of progress.

    Raises:
        BusyError: if another process is at work there, or has changed the result meanwhile.
        OutputError: if it cannot be done; what was begun has been taken back, or the message says
            how to.
    """
    moves = amendment.plan is not None and amendment.plan.action is Action.MOVE
    entries = amendment.plan.entries if amendment.plan is not None and moves else ()
    sources = {os.path.dirname(entry.source) for entry in entries}
    with locks.claim(held.root, sources, reporter):
        before = _check_finished(held.root, held.root)
        if inventory.fingerprint(held.root) != held.state:
            raise BusyError(f"{printable(held.root)} was changed meanwhile; run this again")
        try:
            placed, lost = carry_out(held.root, amendment, reporter)
        except (OSError, ValueError, ItaeClusterError) as error:
            raise OutputError(_explain(error, held.root, before, reporter)) from error
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_take_back(held.root, before, reporter)) from None
        return AmendResult(placed, lost, finish_move(held.root, reporter))


def _explain(error: Exception, root: str, before: Transaction, reporter: Reporter) -> str:
    end = _take_back(root, before, reporter)
    if isinstance(error, OSError) and is_disk_full(error):
        return f"no space left for {printable(root)}; free some; {end}"
    reason = getattr(error, "strerror", None) or str(error)
    name = error.filename if isinstance(error, OSError) else None
    what = f" ({printable(name)})" if isinstance(name, str) else ""
    return f"{printable(root)} cannot be changed: {reason}{what}; {end}"


def _take_back(root: str, before: Transaction, reporter: Reporter) -> str:
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
