"""A plan to folders: build the result beside OUT, rename it into place, then remove originals.

No picture is ever moved by itself or overwritten. Everything is linked or copied into a staging
folder next to OUT, which holds no only copy and may be thrown away at any time; one rename makes
it OUT. `move` removes the originals after that (`remove_originals`), each once its new place is
seen to hold the same content. The journal in the folder is on the disk before each of these steps
begins.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from itae_cluster.changes import transfer
from itae_cluster.core.errors import OutputError
from itae_cluster.core.files import file_digest, short_name
from itae_cluster.core.options import Action
from itae_cluster.core.text import printable
from itae_cluster.core.types import Skipped
from itae_cluster.results import paths
from itae_cluster.results.journal import Journal, Place, Write
from itae_cluster.results.plan import CONTACT_FOLDER, GENERATED, MODEL_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from itae_cluster.core.types import Reporter
    from itae_cluster.results.journal import Transaction
    from itae_cluster.results.plan import Entry, Plan

__all__ = [
    "announce_steps",
    "check_output",
    "generated_names",
    "list_generated",
    "place_files",
    "remove_originals",
    "stage",
    "staging_name",
    "staging_pattern",
]

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
_LOST_SOURCE = {errno.ENOENT, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.ENOTDIR}
_CHANGED = "changed since it was planned"
_ALONE = "the picture that it belongs to was not placed"


def check_output(out: str) -> None:
    """Raise `OutputError` where OUT could not be created in the end; writes nothing."""
    shown = printable(out)
    real = os.path.realpath(out)
    if os.path.lexists(out) and not os.path.isdir(real):
        raise OutputError(f"{shown} exists and is no folder; choose another --out")
    if os.path.isdir(real) and os.listdir(real):
        raise OutputError(f"{shown} is not empty; choose a new folder for --out or empty this one")
    if os.path.isdir(real) and os.path.samefile(real, os.curdir):
        raise OutputError("--out is the current folder; choose a new folder, such as ./sorted")
    parent = os.path.dirname(real)
    while not os.path.lexists(parent):
        parent = os.path.dirname(parent)
    if not os.path.isdir(parent) or not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(f"{printable(parent)} cannot be written to; choose another --out")


# The staging folder --------------------------------------------------------------------------


def staging_name(real: str) -> str:
    """A new name for a folder beside `real` that is not, or no longer, a result."""
    parent, name = os.path.split(real)
    return os.path.join(parent, f".{short_name(name)}.partial-{secrets.token_hex(4)}")


def staging_pattern(name: str) -> re.Pattern[str]:
    """What the staging folders of a result called `name` are called."""
    return re.compile(rf"\.{re.escape(short_name(name))}\.partial-[0-9a-f]{{8}}")


@contextmanager
def stage(out: str) -> Iterator[str]:
    """A staging folder beside `out` that becomes `out` at the end, or vanishes on any error.

    It is closed to other users until then, and holds an empty journal.

    Raises:
        OutputError: if `out` cannot be made, or something was put there in the meantime.
    """
    check_output(out)
    real = os.path.realpath(out)
    staging = staging_name(real)
    try:
        os.makedirs(os.path.dirname(real), exist_ok=True)
        os.mkdir(staging, 0o700)
        try:
            journal = Journal(staging)
            journal.create()
            yield staging
            os.chmod(staging, stat.S_IMODE(os.stat(journal.folder).st_mode))
            transfer.flush_folders(where for where, _, _ in os.walk(staging))
            _rename_into_place(staging, real)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
    except OSError as error:
        raise OutputError(_explain(error, out)) from error


def _rename_into_place(staging: str, real: str) -> None:
    try:
        os.rename(staging, real)  # POSIX replaces an empty folder, and only an empty one
    except FileExistsError:
        os.rmdir(real)  # Windows replaces none; refuses a folder that is no longer empty
        os.rename(staging, real)


def _explain(error: OSError, out: str) -> str:
    unchanged = "nothing was written and no picture was touched"
    if error.errno in _NO_SPACE:
        return (
            f"no space left for {printable(out)}; free some or use --action hardlink; {unchanged}"
        )
    reason = error.strerror or str(error)
    if error.errno == errno.ENAMETOOLONG and isinstance(error.filename, str):
        reason += f" ({printable(os.path.basename(error.filename))})"
    return f"cannot write {printable(out)}: {reason}; choose another --out; {unchanged}"


# Pictures into it ----------------------------------------------------------------------------


def announce_steps(plan: Plan) -> tuple[list[tuple[Entry, Place]], list[Skipped]]:
    """What the journal will say of each file, and the files that have gone or changed."""
    steps: list[tuple[Entry, Place]] = []
    lost: dict[str, Skipped] = {}
    for entry in plan.entries:
        try:
            if entry.sidecar_of in lost:
                lost[entry.destination] = Skipped(entry.path, _ALONE)
            elif entry.is_unchanged():
                steps.append((entry, _step(entry, plan.action)))
            else:
                os.stat(entry.source)
                lost[entry.destination] = Skipped(entry.path, _CHANGED)
        except OSError as error:
            lost[entry.destination] = _lost(entry, error)
    return steps, list(lost.values())


def _step(entry: Entry, action: Action) -> Place:
    link = os.readlink(entry.source) if os.path.islink(entry.source) else None
    return Place(
        action,
        entry.source,
        entry.destination,
        entry.size,
        entry.mtime_ns,
        stat.S_IMODE(os.stat(entry.source).st_mode),
        entry.sha256,
        link,
    )


def _lost(entry: Entry, error: OSError) -> Skipped:
    return Skipped(entry.path, _lost_because(error))


def _lost_because(error: OSError) -> str:
    return f"lost before it was placed: {error.strerror}"


def place_files(
    steps: Sequence[tuple[Entry, Place]], staging: str, reporter: Reporter
) -> dict[int, Skipped]:
    """Bring every file into the staging folder; the originals stay where they are.

    A source that has vanished, become unreadable or changed is skipped with its reason.

    Returns:
        What was skipped, by the number of its step.

    Raises:
        OutputError: if the file system cannot make such links.
        OSError: if the staging folder cannot be written.
    """
    skipped: dict[int, Skipped] = {}
    absent: set[str] = set()
    for folder in sorted({os.path.dirname(step.destination) for _, step in steps}):
        os.makedirs(os.path.join(staging, folder), exist_ok=True)
    for number, (entry, step) in enumerate(steps):
        reason = _ALONE if entry.sidecar_of in absent else _placed(entry, step, staging)
        if reason is not None:
            absent.add(step.destination)
            skipped[number] = Skipped(entry.path, reason)
            reporter.skip(skipped[number])
        reporter.progress("Writing", number + 1, len(steps))
    return skipped


def _placed(entry: Entry, step: Place, staging: str) -> str | None:
    """Bring one file; why it was not, None where it was."""
    target = os.path.join(staging, step.destination)
    try:
        _bring(step, target)
        if entry.is_unchanged():
            return None
        os.unlink(target)
        os.stat(entry.source)
    except OSError as error:
        if not _source_is_lost(entry.source, error):
            raise
        return _lost_because(error)
    return _CHANGED


def _source_is_lost(source: str, error: OSError) -> bool:
    return error.errno in _LOST_SOURCE and not os.access(source, os.R_OK)


def _bring(step: Place, target: str) -> None:
    if step.how is Action.COPY:
        transfer.copy(step.source, target)
    elif step.how is Action.HARDLINK:
        _hardlink(step.source, target)
    elif step.how is Action.SYMLINK:
        _symlink(step.source, target)
    else:
        transfer.link_or_copy(step.source, target)


def _hardlink(source: str, target: str) -> None:
    try:
        os.link(os.path.realpath(source), target)
    except OSError as error:
        if error.errno == errno.EXDEV:
            reason = "it lies on another file system than --out"
        elif error.errno in transfer.CANNOT_LINK:
            reason = error.strerror or "not supported"
        else:
            raise
        raise OutputError(
            f"cannot hard-link {printable(source)}: {reason}; use --action copy; "
            "nothing was written and no picture was touched"
        ) from error


def _symlink(source: str, target: str) -> None:
    os.stat(source)
    try:
        os.symlink(source, target)
    except OSError as error:
        if error.errno in {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}:
            raise OutputError(
                f"cannot make symbolic links here: {error.strerror}; use --action copy; "
                "nothing was written and no picture was touched"
            ) from error
        raise


def list_generated(root: str) -> list[Write]:
    """What the journal says of the files that the tool made in `root`, a staging folder."""
    paths = {name: os.path.join(root, name) for name in generated_names(root)}
    return [Write(name, os.path.getsize(path), file_digest(path)) for name, path in paths.items()]


def generated_names(root: str) -> list[str]:
    """Where in `root`, a staging folder, those files are."""
    sheets = os.path.join(root, CONTACT_FOLDER)
    inside = sorted(os.listdir(sheets)) if os.path.isdir(sheets) else []
    names = [*GENERATED, MODEL_FILE, *(f"{CONTACT_FOLDER}/{name}" for name in inside)]
    return [name for name in names if os.path.exists(os.path.join(root, name))]


# Originals -----------------------------------------------------------------------------------


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
    moves = [s for s in transaction.taken() if isinstance(s, Place) and s.how is Action.MOVE]
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
