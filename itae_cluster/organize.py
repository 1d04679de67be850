"""Labels to folders: plan where each picture goes, build the folder beside, rename it into place.

No picture is ever moved by itself or overwritten. Everything is linked or copied into a staging
folder next to OUT, which holds no only copy and may be thrown away at any time; one rename makes
it OUT. `move` removes the originals after that, each once its new place is seen to hold the same
content.
"""

from __future__ import annotations

import errno
import filecmp
import os
import secrets
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from itae_cluster.errors import OutputError
from itae_cluster.names import Namer, printable
from itae_cluster.options import Action
from itae_cluster.types import NOISE, Placement, Skipped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from itae_cluster.types import Clustering, Reporter

__all__ = [
    "NOISE_FOLDER",
    "check_output",
    "folder_name",
    "place",
    "plan",
    "remove_originals",
    "staged",
]

NOISE_FOLDER = "unclustered"

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
_LOST_SOURCE = {errno.ENOENT, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE, errno.ENOTDIR}


def folder_name(label: int, clusters: int) -> str:
    """`cluster-007`, wide enough for `clusters` folders to sort; `unclustered` for noise."""
    if label == NOISE:
        return NOISE_FOLDER
    return f"cluster-{label:0{max(3, len(str(clusters - 1)))}d}"


def plan(paths: Sequence[str], clustering: Clustering) -> tuple[Placement, ...]:
    """Where each picture goes: its own name in its cluster's folder, made unique there.

    The result has the order of `paths`; destinations are relative to OUT.
    """
    clusters = len(clustering.centres)
    namers: dict[int, Namer] = {}
    placements = []
    membership = clustering.membership
    for path, label, distance, own in zip(
        paths,
        clustering.labels.tolist(),
        clustering.distances.tolist(),
        [None] * len(paths) if membership is None else membership.tolist(),
        strict=True,
    ):
        name = namers.setdefault(label, Namer()).unique(os.path.basename(path))
        destination = f"{folder_name(label, clusters)}/{name}"
        placements.append(Placement(path, destination, label, distance, own))
    return tuple(placements)


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


@contextmanager
def staged(out: str) -> Iterator[str]:
    """A staging folder beside `out` that becomes `out` at the end, or vanishes on any error.

    Raises:
        OutputError: if `out` cannot be made, or something was put there in the meantime.
    """
    check_output(out)
    real = os.path.realpath(out)
    parent, name = os.path.split(real)
    staging = os.path.join(parent, f".{name[:100]}.partial-{secrets.token_hex(4)}")
    try:
        os.makedirs(staging)
        try:
            yield staging
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
    return f"cannot write {printable(out)}: {reason}; choose another --out; {unchanged}"


def place(
    placements: Sequence[Placement], staging: str, action: Action, reporter: Reporter
) -> tuple[tuple[Placement, ...], tuple[Skipped, ...]]:
    """Bring every picture into the staging folder; the originals stay where they are.

    A source that has vanished or become unreadable is skipped with its reason.

    Returns:
        What was placed, and what was skipped.

    Raises:
        OutputError: if the file system cannot make such links.
        OSError: if the staging folder cannot be written.
    """
    bring = {
        Action.COPY: _copy,
        Action.HARDLINK: _hardlink,
        Action.SYMLINK: _symlink,
        Action.MOVE: _hardlink_or_copy,
    }[action]
    placed: list[Placement] = []
    skipped: list[Skipped] = []
    for folder in sorted({os.path.dirname(item.destination) for item in placements}):
        os.mkdir(os.path.join(staging, folder))
    for done, item in enumerate(placements, start=1):
        try:
            bring(item.source, os.path.join(staging, item.destination))
            placed.append(item)
        except OSError as error:
            if not _source_is_lost(item.source, error):
                raise
            skipped.append(Skipped(item.source, f"lost before it was placed: {error.strerror}"))
            reporter.skip(skipped[-1])
        reporter.progress("Writing", done, len(placements))
    return tuple(placed), tuple(skipped)


def _source_is_lost(source: str, error: OSError) -> bool:
    return error.errno in _LOST_SOURCE and not os.access(source, os.R_OK)


def _copy(source: str, target: str) -> None:
    try:
        shutil.copy2(source, target)
    except OSError:
        if os.path.lexists(target):
            os.unlink(target)  # half a copy, in the staging folder
        raise


def _hardlink(source: str, target: str) -> None:
    try:
        os.link(os.path.realpath(source), target)
    except OSError as error:
        if error.errno == errno.EXDEV:
            reason = "it lies on another file system than --out"
        elif error.errno in {errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS}:
            reason = error.strerror or "not supported"
        else:
            raise
        raise OutputError(
            f"cannot hard-link {printable(source)}: {reason}; use --action copy"
        ) from error


def _symlink(source: str, target: str) -> None:
    try:
        os.stat(source)
        os.symlink(os.path.abspath(source), target)
    except OSError as error:
        if error.errno in {errno.EPERM, errno.ENOTSUP, errno.ENOSYS}:
            raise OutputError(
                f"cannot make symbolic links here: {error.strerror}; use --action copy"
            ) from error
        raise


def _hardlink_or_copy(source: str, target: str) -> None:
    try:
        _hardlink(source, target)
    except OutputError:
        _copy(source, target)
        with open(target, "rb") as copied:
            os.fsync(copied.fileno())


def remove_originals(
    placements: Sequence[Placement], out: str, reporter: Reporter
) -> tuple[Skipped, ...]:
    """The second half of `move`: remove each original whose new place holds the same content.

    Returns:
        The originals that were kept, with the reason; those pictures now exist twice.
    """
    kept: list[Skipped] = []
    for done, item in enumerate(placements, start=1):
        target = os.path.join(out, item.destination)
        try:
            if os.path.samefile(item.source, target) or filecmp.cmp(
                item.source, target, shallow=False
            ):
                os.unlink(item.source)
            else:
                kept.append(Skipped(item.source, "changed while it was being moved"))
        except OSError as error:
            kept.append(Skipped(item.source, error.strerror or str(error)))
        reporter.progress("Moving", done, len(placements))
    return tuple(kept)
