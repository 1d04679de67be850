"""One file from one place to another, and what makes that last: copy, link, flush, compare.

Nothing here overwrites: every function makes a name that was free, or raises `FileExistsError`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import sys
from typing import TYPE_CHECKING

from itae_cluster.core.files import file_digest, write_all

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "CANNOT_LINK",
    "copy",
    "flush",
    "flush_folders",
    "has_content",
    "is_other_name",
    "link_or_copy",
    "link_or_rename",
    "shift",
]

CANNOT_LINK = frozenset(
    {errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS}
)
"""Why a file system makes no hard link: another one, not able to, too many."""

_FICLONE = 0x40049409  # linux/fs.h; Python 3.11 has no name for it
_AT_ONCE = 1 << 30  # bytes a call of copy_file_range
_CANNOT_CLONE = CANNOT_LINK | {errno.EINVAL, errno.EBADF, errno.ENOTTY, errno.ETXTBSY}


def copy(source: str, target: str, *, durable: bool = False) -> None:
    """Copy content, times, permissions and extended attributes to a new file.

    The blocks are shared where the file system can do that (reflink), or copied without passing
    through this process (copy_file_range). Half a copy is removed.

    Args:
        source: a file, or a link to one.
        target: a name that is free.
        durable: return only when the copy has reached the disk.

    Raises:
        OSError: if there is something at `target`, or the file cannot be read or written.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with open(source, "rb") as reading:
        writing = os.open(target, flags, 0o600)
        try:
            try:
                _copy_content(reading.fileno(), writing)
                shutil.copystat(source, target)
                if durable:
                    os.fsync(writing)
            finally:
                os.close(writing)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(target)
            raise


def _copy_content(reading: int, writing: int) -> None:
    if _clone(reading, writing) or _copy_range(reading, writing):
        return
    os.lseek(reading, 0, os.SEEK_SET)
    os.lseek(writing, 0, os.SEEK_SET)
    os.ftruncate(writing, 0)
    while chunk := os.read(reading, 1 << 20):
        write_all(writing, chunk)


def _clone(reading: int, writing: int) -> bool:
    if sys.platform != "linux":
        return False
    import fcntl

    try:
        fcntl.ioctl(writing, _FICLONE, reading)
    except OSError:
        return False  # a full disk will show itself again
    return True


def _copy_range(reading: int, writing: int) -> bool:
    if not hasattr(os, "copy_file_range"):
        return False
    done, size = 0, os.fstat(reading).st_size
    try:
        while done < size:
            some = os.copy_file_range(reading, writing, min(_AT_ONCE, size - done))
            if not some:
                return False  # some network and virtual file systems do nothing, without a word
            done += some
    except OSError as error:
        if error.errno in _CANNOT_CLONE:
            return False
        raise
    return True


def link_or_copy(source: str, target: str) -> None:
    """A hard link where the file system can, else a copy that has reached the disk.

    Raises:
        OSError: as `copy`.
    """
    try:
        os.link(os.path.realpath(source), target)
    except OSError as error:
        if error.errno not in CANNOT_LINK:
            raise
        copy(source, target, durable=True)


def link_or_rename(path: str, target: str) -> None:
    """Give a finished file its name, which must be free, and take the old one away.

    Where there are no hard links, the name is looked at before the file is renamed to it.

    Raises:
        OSError: if there is something at `target`, or the name cannot be given.
    """
    try:
        os.link(path, target)
    except OSError as error:
        if error.errno not in CANNOT_LINK:
            raise
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target) from error
        os.rename(path, target)
    else:
        os.unlink(path)


def shift(path: str, target: str) -> None:
    """Give a file, a link or a folder another name, which must be free, on the same file system.

    A folder whose name changes only in case goes where the file system does not tell them apart.

    Raises:
        OSError: if there is something at `target`, or the name cannot be given.
    """
    status = os.lstat(path)
    if stat.S_ISREG(status.st_mode):
        link_or_rename(path, target)
    elif stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(path), target)
        os.unlink(path)
    elif os.path.lexists(target) and not os.path.samestat(status, os.lstat(target)):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
    else:
        os.rename(path, target)


def is_other_name(path: str, other: str) -> bool:
    """Whether both are names of one file, so that it outlives the removal of either."""
    try:
        first, second = os.stat(path), os.stat(other)
    except OSError:
        return False
    return (
        os.path.samestat(first, second)
        and first.st_nlink > 1
        and os.path.realpath(path) != os.path.realpath(other)
    )


def has_content(path: str, size: int, sha256: str) -> bool:
    """Whether a regular file, or a link to one, holds exactly that.

    Raises:
        OSError: if it is there but cannot be read.
    """
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    if not stat.S_ISREG(status.st_mode) or status.st_size != size:
        return False
    return file_digest(path) == sha256


def flush(path: str) -> None:
    """Return when the content of a file has reached the disk."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_folders(folders: Iterable[str]) -> None:
    """Return when the entries of these folders have reached the disk, as far as that can be asked.

    Raises:
        OSError: if the disk reports that it failed.
    """
    if sys.platform == "win32":
        return  # folders cannot be opened there
    for folder in folders:
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except (FileNotFoundError, PermissionError):
            continue  # a folder that may be written but not read cannot be asked
        try:
            os.fsync(handle)
        except OSError as error:
            if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EROFS}:
                raise
        finally:
            os.close(handle)
