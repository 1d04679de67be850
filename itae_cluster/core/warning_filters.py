"""What libraries warn of, kept from the user whichever thread they warn in."""

from __future__ import annotations

import contextlib
import re
import sys
import threading
import warnings
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ignore_warnings_of"]

_lock = threading.Lock()
_ours: set[tuple[object, ...]] = set()  # filters that stay in front, in any order


@contextlib.contextmanager
def ignore_warnings_of(modules: str) -> Iterator[None]:
    """Ignore what these modules warn of, until the end of the context at least.

    `warnings.catch_warnings` swaps the filters of the whole process, so two threads that overlap
    can leave them wrong for good, unless the interpreter keeps filters per context (Python 3.14).
    Elsewhere one filter for these modules is put in front, and stays.

    Args:
        modules: a regular expression that the start of a module's full name matches.
    """
    if getattr(sys.flags, "context_aware_warnings", False):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=modules)
            yield
        return
    wanted = ("ignore", None, Warning, re.compile(modules), 0)
    with _lock:
        if wanted not in takewhile(_ours.__contains__, warnings.filters):
            warnings.filterwarnings("ignore", module=modules)
            _ours.add(wanted)
    yield
