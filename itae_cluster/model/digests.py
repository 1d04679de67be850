"""SHA-256 of checkpoints, remembered: hashing a gigabyte takes seconds."""

from __future__ import annotations

import json
import os
from contextlib import suppress

from itae_cluster.core.errors import WeightsError
from itae_cluster.core.files import atomic_path, file_digest
from itae_cluster.core.text import printable
from itae_cluster.model.store import cache_dir

__all__ = ["checkpoint_digest"]


def checkpoint_digest(path: str) -> str:
    """SHA-256 of a file, in hexadecimal, kept in our cache by path, size and time of change.

    Raises:
        WeightsError: if the file cannot be read.
    """
    memory = os.path.join(cache_dir(), "digests.json")
    known = _read(memory)
    try:
        status = os.stat(path)
        key = f"{os.path.realpath(path)}|{status.st_size}|{status.st_mtime_ns}"
        digest = known.get(key) or file_digest(path)
    except OSError as error:
        raise WeightsError(
            f"{printable(path)} cannot be read: {error.strerror}; check its permissions"
        ) from error
    if key not in known:
        with suppress(OSError):  # a cache that cannot be written only costs time
            os.makedirs(cache_dir(), exist_ok=True)
            with atomic_path(memory) as part, open(part, "x", encoding="utf-8") as file:
                json.dump({**known, key: digest}, file)
    return digest


def _read(memory: str) -> dict[str, str]:
    try:
        with open(memory, encoding="utf-8") as file:
            known = json.load(file)
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
