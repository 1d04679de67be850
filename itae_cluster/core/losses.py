"""Inputs that are lost on the way, told in one line where a whole folder has gone.

A drive that is unplugged, or a folder that somebody moves, takes all its files along. A line for
each of them would bury what a person can do about it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from itae_cluster.core.text import printable, quantity

if TYPE_CHECKING:
    from itae_cluster.core.types import Reporter, Skipped

__all__ = ["Losses", "vanished_folder"]


class Losses:
    """Tells the reporter of skipped files, and of those in vanished folders once, at the end."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._folders: dict[str, list[Skipped]] = {}

    def skip(self, skipped: Skipped) -> None:
        """Tell of this file, now or at the end."""
        folder = vanished_folder(skipped.path)
        if folder is None:
            self._reporter.skip(skipped)
        else:
            self._folders.setdefault(folder, []).append(skipped)

    def tell(self) -> None:
        """Tell of the folders that have gone, and of a single file by its name."""
        for folder, files in self._folders.items():
            if len(files) == 1:
                self._reporter.skip(files[0])
            else:
                self._reporter.warn(f"{quantity(len(files), 'file')} skipped: {_gone(folder)}")
        self._folders = {}

    def why_all(self, total: int) -> str | None:
        """One line where all of so many files, two or more, are lost with their folders."""
        if total < 2 or sum(map(len, self._folders.values())) < total:
            return None
        folders = " and ".join(_gone(folder) for folder in self._folders)
        return f"all {total} files are lost: {folders}; check the drive, and begin again"


def _gone(folder: str) -> str:
    return f"{printable(folder)} has gone, or is empty, since they were found"


def vanished_folder(path: str) -> str | None:
    """The highest folder that has gone with all that was in it, this file too; None where none has.

    The place where a drive was mounted stays when the drive goes, and is empty then.
    """
    if os.path.lexists(path):
        return None
    gone, folder = None, os.path.dirname(path) or os.curdir
    while not os.path.isdir(folder) and folder != os.path.dirname(folder):
        gone, folder = folder, os.path.dirname(folder) or os.curdir
    try:
        with os.scandir(folder) as entries:
            return folder if next(entries, None) is None else gone
    except PermissionError:
        return gone
    except OSError:  # the file system behind it is away
        return folder
