"""SHA-256 of checkpoint files; apart, so that fetching and verifying need no torch."""

from __future__ import annotations

import hashlib

__all__ = ["file_digest"]


def file_digest(path: str) -> str:
    """SHA-256 of a file, in hexadecimal.

    Raises:
        OSError: if the file cannot be read.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
