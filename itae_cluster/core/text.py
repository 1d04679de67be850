"""Text for people: file names that are safe in a terminal and in a table; numbers and nouns.

A file name is any bytes but `/` and NUL. These functions are the only places where one is turned
into something else.
"""

from __future__ import annotations

import base64
import os
import unicodedata

__all__ = ["is_text", "printable", "quantity", "to_base64", "to_tsv"]

_TSV = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def is_text(path: str) -> bool:
    """Whether the name is valid UTF-8 (holds no surrogate escape)."""
    return not any("\ud800" <= char <= "\udfff" for char in path)


def to_base64(path: str) -> str:
    """The raw bytes of the path, for formats that can only hold valid text."""
    return base64.b64encode(os.fsencode(path)).decode("ascii")


def to_tsv(path: str) -> bytes:
    r"""One table cell: backslash, tab, newline, carriage return as `\\ \t \n \r`, the rest raw."""
    return os.fsencode(path.translate(_TSV))


def printable(path: str) -> str:
    r"""The path for a human: control, format and undecodable characters become `\x1b`-like escapes.

    Keeps terminal escape sequences and right-to-left overrides in names from acting.
    """
    return "".join(_visible(char) for char in path)


def _visible(char: str) -> str:
    if "\udc80" <= char <= "\udcff":
        return f"\\x{ord(char) - 0xDC00:02x}"
    if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
        return char.encode("unicode_escape", "surrogatepass").decode("ascii")
    return char


def quantity(number: int, noun: str) -> str:
    """`1 picture`, `2 pictures`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
