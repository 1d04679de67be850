"""Files that belong to a picture and follow it: edits, a RAW, the film of a live photo.

Of `IMG.jpg` these are `IMG.xmp`, `IMG.jpg.xmp`, `IMG.aae`, `IMG.mov`, and a RAW such as `IMG.cr3`:
the same folder, the same stem, any case of the suffix. A file that is itself among the pictures is
none, and a file that would belong to two pictures (`IMG.jpg`, `IMG.heic`) goes with the first.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["RAW", "SUFFIXES", "find", "raws_beside"]

RAW = frozenset(
    (
        *(".3fr", ".arw", ".cr2", ".cr3", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mos", ".mrw"),
        *(".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".sr2", ".srf", ".srw", ".x3f"),
    )
)
"""Suffixes of cameras' raw files."""

SUFFIXES = frozenset({".xmp", ".aae", ".mov"}) | RAW
"""What follows a picture's stem."""

_ON_NAME = ".xmp"  # follows its whole name too, as darktable and digiKam write it


def find(pictures: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The sidecars of each picture, as tails: what follows the stem in their names.

    `{"a/IMG.jpg": (".jpg.xmp", ".mov")}` stands for `a/IMG.jpg.xmp` and `a/IMG.mov`. Folders that
    cannot be read have none.
    """
    known = {os.path.realpath(path) for path in pictures}
    folders: dict[str, dict[str, list[str]]] = {}
    taken: set[str] = set()
    found: dict[str, tuple[str, ...]] = {}
    for path in pictures:
        folder, name = os.path.split(path)
        if folder not in folders:
            folders[folder] = _candidates(folder)
        stem, suffix = os.path.splitext(name)
        names = [
            candidate
            for candidate in (*folders[folder].get(stem, ()), *folders[folder].get(name, ()))
            if _belongs(candidate, stem, suffix)
            and os.path.join(folder, candidate) not in taken
            and os.path.realpath(os.path.join(folder, candidate)) not in known
        ]
        taken.update(os.path.join(folder, candidate) for candidate in names)
        if names:
            found[path] = tuple(sorted(candidate[len(stem) :] for candidate in names))
    return found


def raws_beside(paths: Iterable[str]) -> set[str]:
    """The raw files among `paths` that lie beside a picture of the same stem: its sidecars."""
    parts = [(path, *os.path.splitext(path)) for path in paths]
    others = {stem for _, stem, suffix in parts if suffix.lower() not in RAW}
    return {path for path, stem, suffix in parts if suffix.lower() in RAW and stem in others}


def _candidates(folder: str) -> dict[str, list[str]]:
    """Names of regular files that may be sidecars, by what stands before their suffix."""
    found: dict[str, list[str]] = {}
    try:
        with os.scandir(folder or os.curdir) as entries:
            for entry in entries:
                stem, suffix = os.path.splitext(entry.name)
                if suffix.lower() in SUFFIXES and entry.is_file():
                    found.setdefault(stem, []).append(entry.name)
    except OSError:
        pass
    return found


def _belongs(candidate: str, stem: str, suffix: str) -> bool:
    tail = candidate[len(stem) :].lower()
    return tail in SUFFIXES or tail == suffix.lower() + _ON_NAME
