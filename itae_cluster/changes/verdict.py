"""What undoing a step takes, by what is there: nothing, a removal, a restoration, or a refusal."""

from __future__ import annotations

import os
import stat
from enum import Enum
from typing import TYPE_CHECKING

from itae_cluster.changes import transfer
from itae_cluster.core.options import Action
from itae_cluster.results import paths
from itae_cluster.results.journal import Place, Shift, Write

if TYPE_CHECKING:
    from itae_cluster.results.journal import Earlier, Step

__all__ = ["RefusedError", "Verdict", "judge_step", "resolve_or_refuse"]


class Verdict(Enum):
    """What undoing a step takes."""

    NOTHING = "nothing"  # it is undone
    REMOVE = "remove"  # the original is in its place
    RESTORE = "restore"  # the original is missing, its content is here


class RefusedError(Exception):
    """A step is not undone, because something would be lost; the message says why."""


def judge_step(root: str, step: Step) -> Verdict:
    """What undoing `step` takes, from what is there now; changes nothing.

    Raises:
        RefusedError: if it must not be undone.
        OSError: if something cannot be read.
    """
    path = resolve_or_refuse(root, step.destination)
    if isinstance(step, Write):
        return _judge_new(path, step) if step.earlier is None else _judge_rewrite(root, path, step)
    if isinstance(step, Shift):
        return _judge_shift(root, path, step)
    if step.how is Action.SYMLINK:
        return _judge_link(path, step)
    return _judge_file(path, step)


def resolve_or_refuse(root: str, name: str) -> str:
    """The real path of a place in the result; one that leads out of it is refused."""
    try:
        return paths.resolve(root, name)
    except ValueError as error:
        raise RefusedError(str(error)) from error


def _judge_new(path: str, step: Write) -> Verdict:
    if not os.path.lexists(path):
        return Verdict.NOTHING
    if not _is_file_with(path, step):
        raise RefusedError("it was changed since")
    return Verdict.REMOVE


def _judge_rewrite(root: str, path: str, step: Write) -> Verdict:
    assert step.earlier is not None  # the caller looked
    earlier = step.earlier
    if os.path.lexists(path) and _is_file_with(path, earlier):
        return Verdict.NOTHING
    backup = resolve_or_refuse(root, earlier.backup)
    if not os.path.lexists(backup) or not _is_file_with(backup, earlier):
        raise RefusedError("its earlier version was removed or changed since")
    if os.path.lexists(path) and not _is_file_with(path, step):
        raise RefusedError("it was changed since")
    return Verdict.RESTORE


def _judge_shift(root: str, path: str, step: Shift) -> Verdict:
    origin = resolve_or_refuse(root, step.origin)
    if not os.path.lexists(path):
        return Verdict.NOTHING
    if not os.path.lexists(origin):
        return Verdict.RESTORE
    if transfer.is_other_name(path, origin) or _are_equal_links(path, origin):
        return Verdict.REMOVE
    if os.path.isdir(path) and os.path.samestat(os.lstat(path), os.lstat(origin)):
        return Verdict.RESTORE  # a name that differs in case, where that is no difference
    raise RefusedError(f"{step.origin} holds something else now")


def _are_equal_links(path: str, other: str) -> bool:
    both = os.path.islink(path) and os.path.islink(other)
    return both and os.readlink(path) == os.readlink(other)


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


def _is_file_with(path: str, step: Place | Write | Earlier) -> bool:
    regular = stat.S_ISREG(os.lstat(path).st_mode)
    return regular and transfer.has_content(path, step.size, step.sha256)
