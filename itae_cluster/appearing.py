"""Files that appear under their name complete, or not at all, and never over another."""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING

from itae_cluster.errors import OutputError
from itae_cluster.names import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["appearing", "check_new"]

_LONGEST = 100  # characters of the name in the temporary one, which must stay below 255 bytes


def check_new(path: str) -> None:
    """Raise before any work where a new file `path` could not be written in the end.

    Raises:
        OutputError: if there is something already, or its folder is not there or read-only.
    """
    if os.path.lexists(path):
        raise OutputError(f"{printable(path)} exists; choose another name or remove it first")
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        raise OutputError(
            f"{printable(folder)} is no folder that can be written to; make it or choose another"
        )


@contextlib.contextmanager
def appearing(path: str) -> Iterator[str]:
    """A temporary name beside `path`, renamed to it at the end, or removed on any error.

    Raises:
        OSError: if the file cannot be renamed.
    """
    folder, name = os.path.split(path)
    short = os.fsencode(name)[:_LONGEST].decode("utf-8", "ignore")
    part = os.path.join(folder, f".{short}.partial-{secrets.token_hex(4)}")
    try:
        yield part
        os.replace(part, path)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(part)
