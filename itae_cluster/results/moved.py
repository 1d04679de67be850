"""Pictures that a person moved within a result: a renamed cluster, a picture in another folder.

They are known by their content; a symbolic link by where it leads.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from itae_cluster.core.documents import path_of
from itae_cluster.core.files import file_digest
from itae_cluster.core.options import Action
from itae_cluster.results.journal import FOLDER, Place

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from typing import Any

    from itae_cluster.results.journal import Transaction

__all__ = ["find_moved", "pick_moved", "unknown_files"]


def find_moved(root: str, transaction: Transaction) -> dict[int, str]:
    """Where the missing files of a transaction are now, by the number of their step.

    They are looked for only where an original is missing too, so that it can be restored.

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
    taken = {step.destination for step in transaction.steps_done()}
    files = unknown_files(root, taken, {step.size for step in missing.values()})
    places = {
        number: _pick(files.get(step.sha256, []), step.destination)
        for number, step in missing.items()
    }
    return {number: place for number, place in places.items() if place is not None}


def _is_lost(root: str, step: Place) -> bool:
    return (
        step.how is not Action.SYMLINK
        and not os.path.lexists(step.source)
        and not os.path.lexists(os.path.join(root, step.destination))
    )


def unknown_files(
    root: str, taken: Collection[str], sizes: Collection[Any]
) -> dict[str, list[str]]:
    """Files of these sizes, by their digest, and links, by `link` and where they lead.

    Args:
        root: the real path of OUT.
        taken: places that are accounted for.
        sizes: in bytes; a file of another size is not read.

    Raises:
        OSError: if one of them cannot be read.
    """
    unknown: dict[str, list[str]] = {}
    for name, path in _walk(root):
        if name in taken:
            continue
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            unknown.setdefault(f"link {os.readlink(path)}", []).append(name)
        elif stat.S_ISREG(status.st_mode) and status.st_size in sizes:
            unknown.setdefault(file_digest(path), []).append(name)
    return unknown


def pick_moved(record: Mapping[str, Any], files: Mapping[str, list[str]]) -> str | None:
    """Take the file that a manifest's record speaks of out of `unknown_files`; None if not there.

    One that has kept its name goes before others of the same content.
    """
    for key in (record.get("sha256", ""), f"link {path_of(record, 'source')}"):
        place = _pick(files.get(key, []), path_of(record, "destination"))
        if place is not None:
            return place
    return None


def _pick(names: list[str], destination: str) -> str | None:
    if not names:
        return None
    own = os.path.basename(destination)
    best = next((name for name in names if os.path.basename(name) == own), names[0])
    names.remove(best)
    return best


def _walk(root: str) -> Iterator[tuple[str, str]]:
    """Place and path of all below `root` but what the tool keeps for itself."""
    for where, folders, files in os.walk(root):
        folders[:] = sorted(set(folders) - {FOLDER})
        for name in sorted(files):
            path = os.path.join(where, name)
            yield os.path.relpath(path, root).replace(os.sep, "/"), path
