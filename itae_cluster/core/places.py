"""Where files may be: a folder of this machine, or an object store (`s3://…`, `gs://…`).

Object stores are reached through pyarrow, which finds credentials and endpoints as the stores' own
tools do (`AWS_PROFILE`, `AWS_ENDPOINT_URL`, `GOOGLE_APPLICATION_CREDENTIALS`, …).
"""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from itae_cluster.core.errors import InputError, UsageError
from itae_cluster.core.files import atomic_path
from itae_cluster.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Place", "StoredFile", "is_folder", "is_remote", "open_file", "open_place", "pyarrow"]

_REMOTE = re.compile(r"(s3|gs|gcs|abfss?)://", re.IGNORECASE)


def is_remote(path: str) -> bool:
    """Whether it names an object store rather than a file of this machine."""
    return _REMOTE.match(path) is not None


def is_folder(path: str) -> bool:
    """Whether it names a folder, or an object store, rather than a file of this machine."""
    return is_remote(path) or os.path.isdir(path)


def pyarrow() -> Any:
    """The library that reads and writes Parquet.

    Raises:
        UsageError: if it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.fs
        import pyarrow.parquet
    except ImportError:
        raise UsageError(
            "Parquet and object stores need pyarrow: pip install 'itae-cluster[parquet]'"
        ) from None
    return pyarrow


@dataclass(frozen=True, slots=True)
class Place:
    """A folder, or a prefix of an object store: `files` is pyarrow's file system, None for ours."""

    name: str
    root: str
    files: Any = None

    def path(self, name: str) -> str:
        """A file in it, as `files` takes it."""
        return os.path.join(self.root, name) if self.files is None else f"{self.root}/{name}"

    def write(self, name: str, content: bytes) -> None:
        """The file whole or not at all.

        Raises:
            OSError: if it cannot be written.
        """
        if self.files is not None:
            with self.files.open_output_stream(self.path(name)) as stream:
                stream.write(content)
            return
        target = self.path(name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with atomic_path(target) as part, open(part, "xb") as file:
            file.write(content)

    def read(self, name: str) -> bytes:
        """What is in the file.

        Raises:
            OSError: if it cannot be read.
        """
        if self.files is None:
            with open(self.path(name), "rb") as file:
                return file.read()
        with self.files.open_input_stream(self.path(name)) as stream:
            return bytes(stream.read())

    def names(self) -> list[str]:
        """The files directly in it; none where it is not there.

        Raises:
            OSError: if it cannot be listed.
        """
        if self.files is None:
            try:
                return sorted(os.listdir(self.root))
            except FileNotFoundError:
                return []
        selector = pyarrow().fs.FileSelector(self.root, allow_not_found=True)
        return sorted(info.base_name for info in self.files.get_file_info(selector))

    def walk(self) -> Iterator[str]:
        """The address of every object below an object store's prefix.

        Raises:
            OSError: if it cannot be listed.
        """
        fs = pyarrow().fs
        scheme = self.name.partition("://")[0]
        for info in self.files.get_file_info(fs.FileSelector(self.root, recursive=True)):
            if info.type == fs.FileType.File:
                yield f"{scheme}://{info.path}"

    def delete(self, name: str) -> None:
        """Remove a file of the tool's own.

        Raises:
            OSError: if it cannot be removed.
        """
        if self.files is None:
            os.unlink(self.path(name))
        else:
            self.files.delete_file(self.path(name))


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in an object store."""

    path: str
    files: Any

    def status(self) -> tuple[int, int]:
        """Bytes, and the time of change in nanoseconds.

        Raises:
            OSError: if there is no such file, or the store does not answer.
        """
        info = self.files.get_file_info(self.path)
        if info.type == pyarrow().fs.FileType.NotFound:
            raise FileNotFoundError(self.path)
        return int(info.size or 0), int(info.mtime_ns or 0)

    def stream(self) -> Any:
        """Its content, to be read from the start.

        Raises:
            OSError: if there is no such file, or the store does not answer.
        """
        return self.files.open_input_stream(self.path)


def open_file(address: str) -> StoredFile:
    """A file in an object store; nothing is asked of the store yet.

    Raises:
        InputError: if the address cannot be understood.
        UsageError: if what reads object stores is not installed.
    """
    return StoredFile(address.partition("://")[2], _file_system(*_bucket(address)))


def open_place(name: str) -> Place:
    """A folder of this machine, or a prefix of an object store.

    Raises:
        InputError: if the address cannot be understood.
        UsageError: if what reads object stores is not installed.
    """
    if not is_remote(name):
        return Place(name, os.path.abspath(name))
    return Place(name, name.partition("://")[2].strip("/"), _file_system(*_bucket(name)))


def _bucket(address: str) -> tuple[str, str]:
    scheme, _, path = address.partition("://")
    return scheme.lower(), path.partition("/")[0]


@functools.lru_cache(maxsize=64)  # each holds connections
def _file_system(scheme: str, bucket: str) -> Any:
    # Of the bucket alone: names of objects may hold what an address may not.
    fs = pyarrow().fs
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    try:
        if scheme == "s3" and endpoint:  # which pyarrow does not look at by itself
            kind, _, host = endpoint.rstrip("/").rpartition("://")
            return fs.S3FileSystem(endpoint_override=host, scheme=kind or "https")
        return fs.FileSystem.from_uri(f"{scheme}://{bucket}")[0]
    except (OSError, ValueError) as error:
        raise InputError(
            f"{scheme}://{printable(bucket)} cannot be reached ({error}); check the address and "
            "the credentials"
        ) from error
