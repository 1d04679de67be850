"""Names inside a result: what a document says of them is checked before anything follows it.

A destination is relative, with `/`, and stays in its root: no `..`, no absolute path, no symbolic
link on the way. The check looks at the folders as they are; a process that swaps a folder for a
link between the check and the use is not guarded against (docs/safety.md).
"""

from __future__ import annotations

import os
import stat

__all__ = ["is_inside", "resolve"]


def is_inside(relative: str) -> bool:
    """Whether a destination, by its text alone, names something below the folder it is for."""
    if os.path.isabs(relative) or os.path.splitdrive(relative)[0]:
        return False
    if os.sep != "/" and os.sep in relative:
        return False
    return all(part not in {"", os.curdir, os.pardir} for part in relative.split("/"))


def resolve(root: str, relative: str) -> str:
    """The path of `relative` below `root`, every folder on the way being a real one.

    The last component may be anything, or missing; so may the folders, from some point on.

    Raises:
        ValueError: if it leads, or may lead, out of `root`.
    """
    if not is_inside(relative):
        raise ValueError("it leads out of the result")
    path = root
    for part in relative.split("/")[:-1]:
        path = os.path.join(path, part)
        try:
            mode = os.lstat(path).st_mode
        except FileNotFoundError:
            break
        if not stat.S_ISDIR(mode):
            raise ValueError(f"{part} is a link or a file, where a folder was")
    return os.path.join(root, *relative.split("/"))
