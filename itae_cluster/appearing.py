"""Files that appear under their name complete, or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["appearing"]

_LONGEST = 100  # characters of the name in the temporary one, which must stay below 255 bytes


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
