"""Fetching an official checkpoint over HTTPS into a file.

What arrives goes to `<target>.part` and takes its final name only when its SHA-256 is the
published one. A partial file is kept when the network fails or the user interrupts, and is
resumed.

`ITAE_CLUSTER_MIRROR` replaces the address of the official host, for networks without a way out;
the proxy variables (`HTTPS_PROXY`, `NO_PROXY`, …) are honoured.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import httpx
from filelock import FileLock, Timeout

from itae_cluster.core.errors import DownloadError
from itae_cluster.core.files import cannot_write, file_digest, is_disk_full
from itae_cluster.core.text import printable
from itae_cluster.model.resume import Patience, Transfer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itae_cluster.core.types import Reporter
    from itae_cluster.model.registry import Checkpoint

__all__ = ["MIRROR", "download", "source_url"]

MIRROR = "ITAE_CLUSTER_MIRROR"
"""Environment variable: the address that stands in for `https://dl.fbaipublicfiles.com/dinov2`."""


def download(
    checkpoint: Checkpoint,
    target: str,
    *,
    label: str,
    reporter: Reporter,
    patience: Patience | None = None,
    advice: str = "",
) -> None:
    """Fetch a checkpoint to `target`, whose folder exists. Whole and verified, or an error.

    Of two processes that want the same file one fetches it while the other waits.

    Args:
        checkpoint: what to fetch.
        target: the file to make; one that is already right is left alone.
        label: the model's name, for messages and the progress bar.
        reporter: told of bytes fetched, of waiting, and of attempts that failed.
        patience: timeouts, in seconds, and attempts; None for the defaults.
        advice: what else to say before the bytes move.

    Raises:
        DownloadError: if it cannot be fetched or written, or is not the published file.
    """
    transfer = Transfer(
        url=source_url(checkpoint),
        part=f"{target}.part",
        label=label,
        size=checkpoint.size,
        reporter=reporter,
        patience=patience or Patience(),
        advice=advice,
    )
    try:
        with _lock(target, label, reporter):
            if not _is_right(target, checkpoint):
                _fetch_verified(transfer, checkpoint)
                os.replace(transfer.part, target)
    except BrokenPipeError:
        raise  # the reporter's: no file is a pipe
    except OSError as error:
        if is_disk_full(error):
            with suppress(OSError):
                transfer.drop()  # a full disk needs the room more than we do
        remedy = "make room, or set ITAE_CLUSTER_CACHE to another folder"
        raise DownloadError(cannot_write(target, error, remedy)) from error


def source_url(checkpoint: Checkpoint) -> str:
    """Where a checkpoint is fetched from: the official address, or the mirror's in its place.

    Raises:
        DownloadError: if the mirror is no http or https address.
    """
    mirror = os.environ.get(MIRROR)
    if not mirror:
        return checkpoint.url
    try:
        parsed = httpx.URL(mirror)
    except httpx.InvalidURL:
        parsed = httpx.URL()
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise DownloadError(
            f"{MIRROR} is '{printable(mirror)}', which is not an address; set it to https://HOST/FOLDER"
        )
    folder, file = checkpoint.url.rsplit("/", 2)[1:]
    return f"{mirror.rstrip('/')}/{folder}/{file}"


@contextmanager
def _lock(target: str, label: str, reporter: Reporter) -> Iterator[None]:
    lock = FileLock(f"{target}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        reporter.warn(f"another process is fetching {label}; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _is_right(path: str, checkpoint: Checkpoint) -> bool:
    return os.path.isfile(path) and file_digest(path) == checkpoint.sha256


def _fetch_verified(transfer: Transfer, checkpoint: Checkpoint) -> None:
    """The whole file in the place of the partial one; a wrong one is removed."""
    is_resumed = transfer.done > 0
    transfer.run()
    if is_resumed and not _is_right(transfer.part, checkpoint):
        transfer.drop()  # an earlier run left the part of another file
        transfer.run()
    digest = file_digest(transfer.part)
    if digest != checkpoint.sha256:
        transfer.drop()
        raise transfer.failure(
            "what arrived is not the published file "
            f"(SHA-256 {digest[:12]}…, expected {checkpoint.sha256[:12]}…), and was removed"
        )
