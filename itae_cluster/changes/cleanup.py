"""What a run that was killed before its result appeared left behind, and taking that away.

A staging folder holds links and copies only, so it could be thrown away as it is. But a person may
have put something there since; so only what its own journal announces is removed, and that only
where the original is in its place.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from typing import TYPE_CHECKING

from itae_cluster.changes import transfer
from itae_cluster.changes.staging import generated_names, staging_pattern
from itae_cluster.core.documents import path_of
from itae_cluster.core.errors import JournalError
from itae_cluster.results import paths
from itae_cluster.results.journal import Journal, Place
from itae_cluster.results.plan import CONTACT_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from itae_cluster.core.types import Reporter

__all__ = ["clear", "remove_empty_folders"]

_NOT_EMPTY = {errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT, errno.ENOTDIR}


def clear(real: str, reporter: Reporter) -> int:
    """Remove the staging folders of earlier runs that were to become `real`.

    To be called by the one process that has claimed `real`.

    Args:
        real: the real path of OUT.
        reporter: told what was removed, and what was left because it is not certainly ours.

    Returns:
        How many were removed.
    """
    parent, name = os.path.split(real)
    pattern = staging_pattern(name)
    try:
        found = sorted(entry for entry in os.listdir(parent) if pattern.fullmatch(entry))
    except OSError:
        return 0
    removed = 0
    for entry in found:
        path = os.path.join(parent, entry)
        try:
            _clear_one(path, real)
        except (OSError, ValueError, JournalError):
            reporter.warn(f"{path}, left by an earlier run, holds other files; look and remove it")
            continue
        removed += 1
        reporter.note(f"removed {path}, left by a run that was killed; nothing was lost")
    return removed


def _clear_one(path: str, real: str) -> None:
    status = os.lstat(path)
    if not stat.S_ISDIR(status.st_mode) or (hasattr(os, "getuid") and status.st_uid != os.getuid()):
        raise ValueError("not ours")
    journal = Journal(path)
    if journal.exists():
        _take_back(journal, real)
    for folder in (journal.folder, path):
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(folder)


def _take_back(journal: Journal, real: str) -> None:
    folders: set[str] = set()
    for transaction in journal.read():
        details = transaction.details
        if path_of(details, "out") != real or details.get("host") != socket.gethostname():
            raise ValueError("made for another place")
        for step in transaction.steps:
            if isinstance(step, Place):
                _remove_place(journal.root, step)
        folders |= transaction.folders
    for name in generated_names(journal.root):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(journal.root, name))
    remove_empty_folders(journal.root, {*folders, CONTACT_FOLDER})
    if set(os.listdir(journal.root)) - {os.path.basename(journal.folder)}:
        raise ValueError("holds more")
    journal.remove()


def _remove_place(root: str, step: Place) -> None:
    path = paths.resolve(root, step.destination)
    if not os.path.lexists(path):
        return
    status = os.stat(step.source)
    known = (status.st_size, status.st_mtime_ns) == (step.size, step.mtime_ns)
    if not known and not transfer.is_other_name(path, step.source):
        raise ValueError("the original is not in its place")
    os.unlink(path)


def remove_empty_folders(root: str, folders: Iterable[str]) -> None:
    """Remove these folders below `root`, and those above them, where nothing is in them.

    Raises:
        OSError: if the file system refuses to remove an empty folder.
    """
    wanted = set()
    for folder in folders:
        while folder:
            wanted.add(folder)
            folder = os.path.dirname(folder)
    for folder in sorted(wanted, key=lambda name: name.count("/"), reverse=True):
        try:
            os.rmdir(paths.resolve(root, folder))
        except ValueError:  # a link or a file has taken its place
            continue
        except OSError as error:
            if error.errno not in _NOT_EMPTY:
                raise
