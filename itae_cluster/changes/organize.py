"""The files of a plan into a folder: linked or copied, the originals staying where they are.

No picture is ever moved by itself or overwritten. `staging` is the folder that they are brought to,
one rename makes it OUT, and for `move` the originals go after that (`originals`). The journal in
the folder is on the disk before each of these steps begins.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from itae_cluster.changes import transfer
from itae_cluster.core.errors import OutputError
from itae_cluster.core.losses import Losses
from itae_cluster.core.options import Action
from itae_cluster.core.text import printable
from itae_cluster.core.types import Skipped
from itae_cluster.results.journal import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from itae_cluster.core.types import Reporter
    from itae_cluster.results.plan import Entry, Plan

__all__ = ["announce_steps", "place_files"]

_LOST_SOURCE = {errno.ENOENT, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.ENOTDIR}
_CHANGED = "changed since it was planned"
_ALONE = "the picture that it belongs to was not placed"


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
            lost[entry.destination] = Skipped(entry.path, _loss(error))
    return steps, list(lost.values())


def _step(entry: Entry, action: Action) -> Place:
    link = os.readlink(entry.source) if os.path.islink(entry.source) else None
    return Place(
        how=action,
        source=entry.source,
        destination=entry.destination,
        size=entry.size,
        mtime_ns=entry.mtime_ns,
        mode=stat.S_IMODE(os.stat(entry.source).st_mode),
        sha256=entry.sha256,
        link=link,
    )


def _loss(error: OSError) -> str:
    """Why a source is not in the result."""
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
    losses = Losses(reporter)
    absent: set[str] = set()
    for folder in sorted({os.path.dirname(step.destination) for _, step in steps}):
        os.makedirs(os.path.join(staging, folder), exist_ok=True)
    for number, (entry, step) in enumerate(steps):
        reason = _ALONE if entry.sidecar_of in absent else _place_file(entry, step, staging)
        if reason is not None:
            absent.add(step.destination)
            skipped[number] = Skipped(entry.path, reason)
            losses.skip(skipped[number])
        reporter.progress("Writing", number + 1, len(steps))
    losses.tell()
    return skipped


def _place_file(entry: Entry, step: Place, staging: str) -> str | None:
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
        return _loss(error)
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
