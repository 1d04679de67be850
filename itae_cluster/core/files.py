"""Files written whole or not at all, and what is in them: digests, size and time of change."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from itae_cluster.core.errors import ItaeClusterError, OutputError
from itae_cluster.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "FileDigest",
    "atomic_path",
    "cache_root",
    "cannot_write",
    "check_new",
    "explain_write_errors",
    "file_digest",
    "is_disk_full",
    "is_unchanged",
    "read_digest",
    "short_name",
    "write_all",
    "write_file",
]

_LONGEST = 100  # bytes of a name within another one, which must stay below 255
_REMEDY = "choose a folder you may write to"


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
            f"{printable(folder)} is not a folder you can write to; make it, or choose another"
        )


@contextlib.contextmanager
def atomic_path(path: str) -> Iterator[str]:
    """A temporary name beside `path`, renamed to it at the end, or removed on any error.

    Raises:
        OSError: if the file cannot be renamed.
    """
    folder, name = os.path.split(path)
    part = os.path.join(folder, f".{short_name(name)}.partial-{secrets.token_hex(4)}")
    try:
        yield part
        os.replace(part, path)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(part)


def short_name(name: str) -> str:
    """A name's beginning, short enough to be part of another name."""
    return os.fsencode(name)[:_LONGEST].decode("utf-8", "ignore")


@dataclass(frozen=True, slots=True)
class FileDigest:
    """A file whose content was read: `digest` is the SHA-256 of what had this size and time."""

    path: str
    size: int
    mtime_ns: int
    digest: bytes


def read_digest(path: str) -> FileDigest:
    """Read a file and say what it is.

    Raises:
        OSError: if it cannot be read.
    """
    before = os.stat(path)
    digest = bytes.fromhex(file_digest(path))
    return FileDigest(os.path.abspath(path), before.st_size, before.st_mtime_ns, digest)


def is_unchanged(path: str, size: int, mtime_ns: int) -> bool:
    """Whether the file is there and still has this size and time of change."""
    try:
        status = os.stat(path)
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (size, mtime_ns)


def file_digest(path: str) -> str:
    """SHA-256 of a file, in hexadecimal.

    Raises:
        OSError: if the file cannot be read.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cache_root() -> str:
    """The folder of all that can be had again: $ITAE_CLUSTER_CACHE, else the platform's cache."""
    from platformdirs import user_cache_dir

    return os.environ.get("ITAE_CLUSTER_CACHE") or user_cache_dir("itae-cluster", appauthor=False)


def write_all(handle: int, content: bytes | memoryview) -> None:
    """Write every byte to an open file: `os.write` may write fewer than it is given.

    Raises:
        OSError: if they cannot be written.
    """
    view = memoryview(content)
    while view:
        view = view[os.write(handle, view) :]


def write_file(content: bytes, path: str) -> None:
    """Write the file.

    Raises:
        OutputError: the file cannot be written.
    """
    with explain_write_errors(path), open(path, "wb") as stream:
        stream.write(content)


@contextlib.contextmanager
def explain_write_errors(
    path: str, remedy: str = _REMEDY, kind: type[ItaeClusterError] = OutputError
) -> Iterator[None]:
    """Turn any `OSError` within into an error of this kind that names `path` and the remedy."""
    try:
        yield
    except OSError as error:
        raise kind(cannot_write(path, error, remedy)) from error


def cannot_write(path: str, error: OSError, remedy: str = _REMEDY) -> str:
    """One line: what could not be written, why, and what to do."""
    reason = error.strerror or str(error) or type(error).__name__
    if is_disk_full(error):
        reason = "the disk is full"
    elif error.errno == errno.ENAMETOOLONG and isinstance(error.filename, str):
        reason += f" ({printable(os.path.basename(error.filename))})"
    return f"cannot write {printable(path)}: {reason}; {remedy}"


def is_disk_full(error: OSError) -> bool:
    """Whether no room is left, or none that this user may take."""
    return error.errno in {errno.ENOSPC, errno.EDQUOT}
