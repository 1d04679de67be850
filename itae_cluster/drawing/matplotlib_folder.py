"""Matplotlib's list of fonts, kept in this tool's own cache folder.

It is made in seconds, by every run where it cannot be kept. Matplotlib says so on standard error,
and it does where the folder it would take cannot be written to.
"""

from __future__ import annotations

import functools
import logging
import os
import sys

from itae_cluster.core.files import cache_root

__all__ = ["prepare_matplotlib"]


@functools.cache
def prepare_matplotlib() -> None:
    """Call this before matplotlib is imported; where it is already, all is as somebody wants it.

    A folder that the user named for it (MPLCONFIGDIR) stays the one.
    """
    if "matplotlib" in sys.modules:
        return
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    folder = os.path.join(cache_root(), "matplotlib")
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError:  # then it takes a temporary one
        return
    os.environ.setdefault("MPLCONFIGDIR", folder)
