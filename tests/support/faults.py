"""A file system that fails at its n-th call: once, for good as a full disk, or as a kill does."""

from __future__ import annotations

import builtins
import contextlib
import errno
import os

CHANGING = (
    *("link", "unlink", "rename", "replace", "mkdir", "rmdir", "symlink", "write", "open"),
    *("ftruncate", "fsync", "chmod", "utime", "copy_file_range"),
)
GROWING = {"link", "rename", "replace", "mkdir", "symlink", "write", "open", "copy_file_range"}
_CREATES = os.O_CREAT | os.O_TRUNC


class KilledError(BaseException):
    """From here on nothing reaches the disk: neither clean-up nor any handler."""


class Faults:
    """Stands in for the calls of `os` that change something, and for `open` that writes.

    Args:
        at: the number of the call that fails, from 1; None for none.
        kind: "kill": this call and all after it raise `KilledError`, a write having written half ·
            "full": this and all later calls that need room raise ENOSPC · "once": this call alone
            raises EIO.
        links: whether there are hard links; False is another file system.
    """

    def __init__(self, at=None, kind="kill", links=True):
        self.at, self.kind, self.links = at, kind, links
        self.calls, self.log, self._paths = 0, [], {}
        self._real = {name: getattr(os, name) for name in CHANGING if hasattr(os, name)}
        self._open = builtins.open

    @contextlib.contextmanager
    def __call__(self):
        for name in self._real:
            setattr(os, name, self._wrapped(name))
        builtins.open = self._opened
        try:
            yield self
        finally:
            for name, call in self._real.items():
                setattr(os, name, call)
            builtins.open = self._open

    def _wrapped(self, name):
        real = self._real[name]

        def call(*args, **kwargs):
            if name == "link" and not self.links:
                raise OSError(errno.EXDEV, "Invalid cross-device link")
            if name == "open" and not args[1] & _CREATES:
                return self._noted(real(*args, **kwargs), args[0])
            self._count(name, args)
            self.log.append((name, self._path(name, args)))
            if name == "fsync":
                return None  # counted, but not waited for
            done = real(*args, **kwargs)
            return self._noted(done, args[0]) if name == "open" else done

        return call

    def _noted(self, handle, path):
        self._paths[handle] = os.fspath(path)
        return handle

    def _path(self, name, args):
        """What a call is about: of a file that is open, its path."""
        return self._paths[args[0]] if name in {"fsync", "ftruncate", "write"} else args[0]

    def _opened(self, file, mode="r", *args, **kwargs):
        if set(mode) & set("wxa+"):
            self._count("open", ())
        return self._open(file, mode, *args, **kwargs)

    def _count(self, name, args):
        self.calls += 1
        if self.at is None or self.calls < self.at:
            return
        if self.kind == "kill":
            if name == "write" and self.calls == self.at:
                self._real["write"](args[0], bytes(args[1])[: len(args[1]) // 2])
            raise KilledError
        if self.kind == "full" and name in GROWING:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self.kind == "once" and self.calls == self.at:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
