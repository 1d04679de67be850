"""Where a figure goes: `.png` or `.svg`, never over a file, complete or not at all."""

from __future__ import annotations

import os

from itae_cluster.core.errors import UsageError
from itae_cluster.core.files import atomic_path, check_new, explain_write_errors
from itae_cluster.core.text import printable

__all__ = ["SUFFIXES", "check_target", "suffix_of", "write"]

SUFFIXES = (".png", ".svg")


def suffix_of(path: str) -> str:
    """`.png` or `.svg`.

    Raises:
        UsageError: if it is neither.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"{printable(path)}: name a picture file that ends in .png or .svg")
    return suffix


def check_target(path: str) -> None:
    """Raise before any work where a figure could not be written to `path` in the end.

    Raises:
        UsageError: if the suffix is none of `SUFFIXES`.
        OutputError: if a file is there already, or its folder is not.
    """
    suffix_of(path)
    check_new(path)


def write(content: bytes, path: str) -> None:
    """Write the finished bytes beside `path`, then give them that name.

    Raises:
        UsageError: if the suffix is none of `SUFFIXES`.
        OutputError: if the file exists or cannot be written.
    """
    check_target(path)
    with explain_write_errors(path), atomic_path(path) as part, open(part, "xb") as file:
        file.write(content)
