"""Pictures that a person moved within a result: a renamed cluster, a picture in another folder.

They are looked for only where an original is missing too, so that it can be restored, and known by
their content.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from itae_cluster.core.files import file_digest
from itae_cluster.core.options import Action
from itae_cluster.journal import FOLDER, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itae_cluster.journal import Transaction

__all__ = ["find"]


def find(root: str, transaction: Transaction) -> dict[int, str]:
    """Where the missing files of a transaction are now, by the number of their step.

    Args:
        root: the real path of OUT.
        transaction: whose files are looked for.

    Raises:
        OSError: if a file that may be one of them cannot be read.
    """
    missing = {
        number: step
        for number, step in enumerate(transaction.steps)
        if isinstance(step, Place) and number not in transaction.skipped and _is_lost(root, step)
    }
    if not missing:
        return {}
    sizes = {step.size for step in missing.values()}
    taken = {step.destination for step in transaction.taken()}
    contents: dict[str, list[str]] = {}
    for name in _files(root, sizes):
        if name not in taken:
            contents.setdefault(file_digest(os.path.join(root, name)), []).append(name)
    found: dict[int, str] = {}
    for number, step in missing.items():
        names = contents.get(step.sha256, [])
        if names:
            own = os.path.basename(step.destination)
            best = next((name for name in names if os.path.basename(name) == own), names[0])
            names.remove(best)
            found[number] = best
    return found


def _is_lost(root: str, step: Place) -> bool:
    return (
        step.how is not Action.SYMLINK
        and not os.path.lexists(step.source)
        and not os.path.lexists(os.path.join(root, step.destination))
    )


def _files(root: str, sizes: set[int]) -> Iterator[str]:
    """Regular files of these sizes below `root`, without what the tool keeps for itself."""
    for where, folders, files in os.walk(root):
        folders[:] = sorted(set(folders) - {FOLDER})
        for name in sorted(files):
            path = os.path.join(where, name)
            status = os.lstat(path)
            if stat.S_ISREG(status.st_mode) and status.st_size in sizes:
                yield os.path.relpath(path, root).replace(os.sep, "/")
