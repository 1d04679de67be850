"""Who is at work where: two processes never change one result, nor move from the same folder.

Each process claims its places in a small file below the cache's folder and holds a lock as long as
it lives; a claim whose lock is free was left by a process that was killed. So nothing is left in
the user's folders. Other users and other machines have claims of their own (docs/safety.md).
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from itae_cluster.core.errors import BusyError
from itae_cluster.core.files import cache_root
from itae_cluster.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from itae_cluster.core.types import Reporter

__all__ = ["claim"]

_PATIENCE = 10.0  # seconds for other processes to write down their claims


@contextmanager
def claim(out: str, sources: Iterable[str], reporter: Reporter) -> Iterator[bool]:
    """Keep other processes away from `out`, and from the files they would move from `sources`.

    Args:
        out: the result, which need not exist.
        sources: the folders whose files are removed from them.
        reporter: told where no lock can be had at all.

    Yields:
        Whether the claim stands: not where the cache's folder cannot be written to.

    Raises:
        BusyError: if another process has claimed one of them.
    """
    folder = os.path.join(cache_root(), "locks")
    wanted = os.path.realpath(out), frozenset(map(os.path.realpath, sources))
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        own = os.path.join(folder, f"{os.getpid()}-{secrets.token_hex(4)}")
        lock = FileLock(f"{own}.lock")
        with FileLock(os.path.join(folder, "claims.lock")).acquire(timeout=_PATIENCE):
            _check(folder, wanted)
            lock.acquire(timeout=0)
            _write(f"{own}.json", wanted)
    except (OSError, Timeout) as error:
        reporter.warn(
            f"cannot lock {printable(out)}: no lock can be made in {printable(folder)} ({error}); "
            "make sure that no other itae-cluster is at work there, or set ITAE_CLUSTER_CACHE"
        )
        yield False
        return
    try:
        yield True
    finally:
        _remove(f"{own}.json")
        lock.release()
        _remove(f"{own}.lock")


Claim = tuple[str, frozenset[str]]


def _write(path: str, claim: Claim) -> None:
    with open(path, "x", encoding="ascii") as file:
        json.dump([claim[0], sorted(claim[1])], file)  # names keep their bytes: surrogate escapes


def _check(folder: str, wanted: Claim) -> None:
    for path in glob.glob(os.path.join(glob.escape(folder), "*-*.json")):
        lock = f"{path.removesuffix('.json')}.lock"
        if not _is_held(lock):
            _remove(path)
            _remove(lock)
            continue
        with contextlib.suppress(OSError, ValueError, TypeError):
            with open(path, encoding="ascii") as file:
                out, sources = json.load(file)
            _compare(wanted, (out, frozenset(sources)))


def _is_held(path: str) -> bool:
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def _compare(wanted: Claim, other: Claim) -> None:
    if wanted[0] == other[0]:
        raise BusyError(
            f"another itae-cluster is working on {printable(wanted[0])}; wait until it is done"
        )
    shared = wanted[1] & other[1]
    shared |= {place for place in wanted[1] if _is_below(place, other[0])}
    shared |= {place for place in other[1] if _is_below(place, wanted[0])}
    if shared:
        raise BusyError(
            f"another itae-cluster is moving pictures of {printable(min(shared))}; "
            "wait until it is done"
        )


def _is_below(place: str, folder: str) -> bool:
    return os.path.join(place, "").startswith(os.path.join(folder, ""))


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
