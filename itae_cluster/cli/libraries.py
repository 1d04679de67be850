"""Errors of libraries that a user can do something about, each in one line."""

from __future__ import annotations

import errno
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["explain"]

_LIBRARIES = {
    "hdbscan": "hdbscan",
    "numba": "numba",
    "pynndescent": "pynndescent",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "umap": "umap-learn",
}
_NO_ROOM = ("failed to map segment", "cannot allocate memory", "unable to allocate")


def explain(error: BaseException) -> str | None:
    """What to say of it, and what to do about it; None where it is a fault of ours."""
    if _is_memory(error):
        return f"too little memory{_limit()}"
    library = _find_library(error)
    if isinstance(error, ValueError) and library is not None:
        first = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        return (
            f"{library} does not accept this: {first}; change --algorithm, --reduce or the "
            "options that belong to them"
        )
    return None


def _is_memory(error: BaseException) -> bool:
    return any(
        isinstance(each, MemoryError)
        or (isinstance(each, OSError) and each.errno == errno.ENOMEM)
        or (
            isinstance(each, ImportError | OSError)
            and any(words in str(each).lower() for words in _NO_ROOM)
        )
        for each in _chain(error)
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _find_library(error: BaseException) -> str | None:
    """The library that was called, where no code of ours ran after that."""
    library = None
    trace = error.__traceback__
    while trace is not None:
        package = str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        if package == "itae_cluster":
            library = None
        elif library is None:
            library = _LIBRARIES.get(package)
        trace = trace.tb_next
    return library


def _limit() -> str:
    """What can be done: raise the limit that a shell has set, where it has."""
    fewer = "; close other programs, or name fewer pictures"
    if sys.platform == "win32":
        return fewer
    import resource

    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    if most == resource.RLIM_INFINITY:
        return fewer
    return f": this shell allows {most // 10**6} MB; raise its limit with 'ulimit -v'"
