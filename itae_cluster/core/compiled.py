"""Where numba keeps the code that it compiles: in the tool's own cache, never in another's folder.

UMAP's code takes longer to compile than a reduction of some thousand points takes to run, and
numba would keep it beside UMAP's source. Kept code is run, so it is taken only from a folder that
nobody else can write to; where there is none, it is kept until the process ends.
"""

from __future__ import annotations

import functools
import os
import tempfile
from importlib import import_module
from typing import Any

from itae_cluster.core.files import cache_root

__all__ = ["VARIABLE", "choose_numba_cache"]

VARIABLE = "NUMBA_CACHE_DIR"
"""numba's own environment variable; one that the user has set is respected."""

_GENERATION = "2"  # numba does not see that code is asked for that was compiled to hold a lock


def choose_numba_cache() -> None:
    """Tell numba where to keep code. Called before a module that compiles at its import."""
    if not os.environ.get(VARIABLE):
        folder = os.path.join(cache_root(), "numba", _GENERATION)
        os.environ[VARIABLE] = folder if _is_ours(folder) else _temporary_folder().name
    config: Any = import_module("numba.core.config")  # has no types
    config.reload_config()  # someone may have imported numba before


@functools.cache
def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """One for this process, which vanishes with it."""
    return tempfile.TemporaryDirectory(prefix="itae-cluster-numba-", ignore_cleanup_errors=True)


def _is_ours(folder: str) -> bool:
    """Whether the folder, made where it is missing, is one that we alone can write to."""
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        status = os.stat(folder)
    except OSError:
        return False
    is_private = os.name == "nt" or (status.st_uid == os.getuid() and not status.st_mode & 0o022)
    return is_private and os.access(folder, os.W_OK | os.X_OK)
