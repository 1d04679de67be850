"""Names of files and folders that are unique, and possible on every common system."""

from __future__ import annotations

import os
import re
import unicodedata
from typing import TYPE_CHECKING

from itae_cluster.core.text import is_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Namer", "fold_name", "folder_fault"]


_MAX_NAME_BYTES = 255  # of one path component, on every common file system
_LONGEST_FOLDER = 100  # characters of a name that a person gives, as on the page
_WINDOWS_DEVICE = re.compile(r"(con|prn|aux|nul|com[1-9¹²³]|lpt[1-9¹²³])(\..*)?", re.IGNORECASE)
_TURNING = {*"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"}


class Namer:
    """Gives each file of one folder a name of its own.

    Names that differ only in case or Unicode normalisation count as equal, because they are one
    file on macOS and Windows. The second `a.jpg` becomes `a (2).jpg`.

    Args:
        taken: names that the folder holds already.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(map(fold_name, taken))

    def unique(self, name: str, tails: Sequence[str] = ()) -> str:
        """`name` itself where it is free, else with the lowest free number before its suffix.

        `tails` are those of files that follow it: their names, the stem of what is returned and
        the tail, are free too, and taken from now on.
        """
        stem, suffix = os.path.splitext(name)
        ends = (suffix, *tails)
        candidates = [name, *(stem + tail for tail in tails)]
        number = 1
        while any(fold_name(candidate) in self._taken for candidate in candidates):
            number += 1
            numbered = _fit(stem, f" ({number})", max(ends, key=lambda end: len(os.fsencode(end))))
            candidates = [numbered + end for end in ends]
        self._taken.update(map(fold_name, candidates))
        return candidates[0]


def folder_fault(name: str) -> str | None:
    """Why `name` cannot be that of a folder on every common system; None where it can."""
    if not is_text(name):
        return "it is not valid UTF-8"
    if not name.strip():
        return "it is empty"
    if "/" in name or "\\" in name:
        return "it holds a slash or backslash"
    if any(_is_control(char) for char in name):
        return "it holds a control character"
    if name.startswith("."):
        return "it begins with a dot"
    if name != name.strip() or name.endswith("."):
        return "it begins or ends with a space, or ends with a dot"
    if len(name) > _LONGEST_FOLDER or len(os.fsencode(name)) > _MAX_NAME_BYTES:
        return f"it is longer than {_LONGEST_FOLDER} characters or {_MAX_NAME_BYTES} bytes"
    if _WINDOWS_DEVICE.fullmatch(name):
        return "Windows keeps that name for a device"
    if set(name) & set('<>:"|?*'):
        return 'it holds one of < > : " | ? *, which Windows does not allow'
    return None


def _is_control(char: str) -> bool:
    return char in _TURNING or unicodedata.category(char) in {"Cc", "Zl", "Zp"}


def fold_name(name: str) -> str:
    """Equal for names that are one file on macOS or Windows: case and normalisation are gone."""
    return unicodedata.normalize("NFC", name).casefold()


def _fit(stem: str, number: str, longest: str) -> str:
    while stem and len(os.fsencode(stem + number + longest)) > _MAX_NAME_BYTES:
        stem = stem[:-1]
    return stem + number
