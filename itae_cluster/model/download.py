"""Fetching an official checkpoint over HTTPS into a file.

What arrives goes to `<target>.part` and takes its final name only when its SHA-256 is the
published one. A partial file is kept when the network fails or the user interrupts, and is
resumed; since the digest decides in the end, resuming can cost time but not correctness.

`ITAE_CLUSTER_MIRROR` replaces the address of the official host, for networks without a way out;
the proxy variables (`HTTPS_PROXY`, `NO_PROXY`, …) are honoured.
"""

from __future__ import annotations

import errno
import os
import queue
import re
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
from filelock import FileLock, Timeout

from itae_cluster.core.errors import DownloadError
from itae_cluster.core.files import file_digest
from itae_cluster.core.text import printable
from itae_cluster.core.types import BYTES_STAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from itae_cluster.core.types import Reporter
    from itae_cluster.model.registry import Checkpoint

__all__ = ["MIRROR", "Patience", "download", "source_url"]

MIRROR = "ITAE_CLUSTER_MIRROR"
"""Environment variable: the address that stands in for `https://dl.fbaipublicfiles.com/dinov2`."""

_LARGEST = 8 * 2**30  # no DINOv2 is that large: an endless answer must not fill the disk
_PROGRESS = 2**20  # bytes that make an attempt worth another round of attempts
_TRANSIENT = {408, 425, 429}
_UNREACHABLE = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)
_INTERRUPTED = (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError)
_REMEDY = "try again later, or get the file elsewhere and run 'itae-cluster models import FILE'"


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds, and how often to try.

    `connect` bounds the way to a connection as a whole, name look-up and every address of the
    host included. `read` is the longest silence within an answer. `attempts` are those in a row
    that bring less than a mebibyte; the pause between them starts at `pause` and doubles.
    """

    connect: float = 5.0
    read: float = 30.0
    attempts: int = 5
    pause: float = 1.0


@dataclass(frozen=True, slots=True)
class _Job:
    """One download: what every step of it needs."""

    checkpoint: Checkpoint
    url: str
    target: str
    label: str
    reporter: Reporter
    patience: Patience

    @property
    def part(self) -> str:
        return f"{self.target}.part"

    def failed(self, reason: str, remedy: str = _REMEDY) -> DownloadError:
        """One line; the reason ends at the first semicolon, and may hold none."""
        host = printable(httpx.URL(self.url).host)
        clean = printable(" ".join(reason.split()).replace(";", ","))
        return DownloadError(f"cannot fetch {self.label} from {host}: {clean}; {remedy}")


class _TransientError(Exception):
    """This attempt failed; another may not."""


class _UnreachableError(_TransientError):
    """No connection at all."""


def download(
    checkpoint: Checkpoint,
    target: str,
    *,
    label: str,
    reporter: Reporter,
    patience: Patience | None = None,
) -> None:
    """Fetch a checkpoint to `target`, whose folder exists. Whole and verified, or an error.

    Of two processes that want the same file one fetches it while the other waits.

    Args:
        checkpoint: what to fetch.
        target: the file to make; one that is already right is left alone.
        label: the model's name, for messages and the progress bar.
        reporter: told of bytes fetched, of waiting, and of attempts that failed.
        patience: timeouts, in seconds, and attempts; None for the defaults.

    Raises:
        DownloadError: if it cannot be fetched or written, or is not the published file.
    """
    url = source_url(checkpoint)
    job = _Job(checkpoint, url, target, label, reporter, patience or Patience())
    try:
        with _turn(job):
            if not _is_right(job, target):
                _fetch_verified(job)
    except BrokenPipeError:
        raise  # the reporter's: no file is a pipe
    except OSError as error:
        raise _unwritable(job, error) from error


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
            f"{MIRROR} is '{printable(mirror)}', which is no address; set it to https://HOST/FOLDER"
        )
    folder, file = checkpoint.url.rsplit("/", 2)[1:]
    return f"{mirror.rstrip('/')}/{folder}/{file}"


# Files ---------------------------------------------------------------------------------------


@contextmanager
def _turn(job: _Job) -> Iterator[None]:
    lock = FileLock(f"{job.target}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        job.reporter.warn(f"another process is fetching {job.label}; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _is_right(job: _Job, path: str) -> bool:
    return os.path.isfile(path) and file_digest(path) == job.checkpoint.sha256


def _fetch_verified(job: _Job) -> None:
    resumed = _part_size(job) > 0
    _fetch_all(job)
    if resumed and not _is_right(job, job.part):  # an earlier run left the part of another file
        os.unlink(job.part)
        _fetch_all(job)
    _finish(job)


def _finish(job: _Job) -> None:
    digest = file_digest(job.part)
    if digest != job.checkpoint.sha256:
        os.unlink(job.part)
        raise job.failed(
            "what arrived is not the published file "
            f"(SHA-256 {digest[:12]}…, expected {job.checkpoint.sha256[:12]}…), and was removed"
        )
    os.replace(job.part, job.target)


def _unwritable(job: _Job, error: OSError) -> DownloadError:
    reason = error.strerror or str(error)
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        with suppress(OSError):
            os.unlink(job.part)  # a full disk needs the room more than we do
        reason = "the disk is full"
    return DownloadError(
        f"cannot write {printable(job.target)}: {reason}; make room, or set ITAE_CLUSTER_CACHE to "
        "another folder"
    )


def _drop_part(job: _Job) -> None:
    with suppress(FileNotFoundError):
        os.unlink(job.part)


def _part_size(job: _Job) -> int:
    return os.path.getsize(job.part) if os.path.isfile(job.part) else 0


# Attempts ------------------------------------------------------------------------------------


def _fetch_all(job: _Job) -> None:
    """Attempt after attempt until the partial file is complete."""
    begun = best = _part_size(job)
    failures = 0
    while True:
        try:
            return _attempt(job)
        except _TransientError as error:
            size = _part_size(job)
            # Without any answer the machine is offline: no use in letting the user wait.
            offline = isinstance(error, _UnreachableError) and size <= begun
            failures = 1 if size >= best + _PROGRESS else failures + 1
            best = max(best, size)
            if offline or failures >= job.patience.attempts:
                raise job.failed(str(error)) from error
            pause = job.patience.pause * 2 ** (failures - 1)
            job.reporter.info(f"fetching {job.label}: {error}; again in {pause:g} s")
            time.sleep(pause)


def _attempt(job: _Job) -> None:
    size, limit = _part_size(job), job.checkpoint.size
    if limit is not None and size == limit:
        return
    if limit is not None and size > limit:
        os.unlink(job.part)
        size = 0
    headers = {"Accept-Encoding": "identity"}  # a range counts the bytes that travel
    if size:
        headers["Range"] = f"bytes={size}-"
    with _client(job) as client:
        try:
            response = _open(client, client.build_request("GET", job.url, headers=headers), job)
            try:
                _receive(response, size, job)
            finally:
                response.close()
        except _UNREACHABLE as error:
            raise _UnreachableError(_text(error)) from error
        except _INTERRUPTED as error:
            raise _TransientError(_text(error)) from error
        except httpx.HTTPError as error:
            raise job.failed(_text(error)) from error


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__


def _client(job: _Job) -> httpx.Client:
    allowed = {"https", httpx.URL(job.url).scheme}

    def check_scheme(request: httpx.Request) -> None:
        if request.url.scheme not in allowed:
            raise job.failed(f"it redirects to {request.url.scheme}, which is not secure")

    try:
        return httpx.Client(
            follow_redirects=True,
            timeout=httpx.Timeout(job.patience.read, connect=job.patience.connect),
            limits=httpx.Limits(max_keepalive_connections=0),  # closed with its only answer
            event_hooks={"request": [check_scheme]},
        )
    except (ImportError, ValueError, OSError, httpx.InvalidURL) as error:
        raise job.failed(
            _text(error), "check the proxy variables (HTTPS_PROXY, ALL_PROXY) and SSL_CERT_FILE"
        ) from error


def _open(client: httpx.Client, request: httpx.Request, job: _Job) -> httpx.Response:
    """Send the request and read the head of the answer.

    Done in a thread, because neither the name look-up nor the number of addresses to try is
    bounded by a timeout: where a firewall drops packets, each address would cost a full one.
    """
    connected, given_up = threading.Event(), threading.Event()
    outcome: queue.SimpleQueue[httpx.Response | Exception] = queue.SimpleQueue()

    def trace(event: str, _: object) -> None:
        if event.endswith(".connect_tcp.complete"):  # "connection" or "socks" before it
            connected.set()

    def send() -> None:
        try:
            outcome.put(client.send(request, stream=True))
        except Exception as error:  # noqa: BLE001 — raised again by the caller
            outcome.put(error)
        connected.set()
        if given_up.is_set():
            _discard(outcome)

    request.extensions["trace"] = trace
    threading.Thread(target=send, daemon=True, name="itae-cluster-connect").start()
    try:
        if not connected.wait(job.patience.connect):
            raise _UnreachableError(f"no connection within {job.patience.connect:g} s")
        result = outcome.get()
    except BaseException:
        given_up.set()
        _discard(outcome)  # whichever of the two threads comes last finds the answer
        raise
    if isinstance(result, Exception):
        raise result
    return result


def _discard(outcome: queue.SimpleQueue[httpx.Response | Exception]) -> None:
    """Close an answer that nobody waits for any more."""
    with suppress(queue.Empty):
        result = outcome.get_nowait()
        if isinstance(result, httpx.Response):
            result.close()


# One answer ----------------------------------------------------------------------------------


def _receive(response: httpx.Response, size: int, job: _Job) -> None:
    """Append the answer to the partial file of `size` bytes, or start it anew."""
    status = response.status_code
    if status == 416 and size:
        _out_of_range(response, size, job)
        return
    if status >= 500 or status in _TRANSIENT:
        raise _TransientError(f"the server answers {status} {response.reason_phrase}")
    if status not in {200, 206}:
        raise job.failed(f"the server answers {status} {response.reason_phrase}")
    first, total = _span(response)
    if status == 206 and first != size:
        _drop_part(job)
        raise _TransientError("the server sent another part than was asked for")
    _check_total(total, job)
    _write(response, first, total, job)


def _span(response: httpx.Response) -> tuple[int | None, int | None]:
    """Offset of the answer's first byte, and the size of the whole file, where they are told."""
    if response.status_code == 206:
        span = re.fullmatch(
            r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip()
        )
        if span is None:
            return None, None
        return int(span[1]), None if span[2] == "*" else int(span[2])
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() else None


def _out_of_range(response: httpx.Response, size: int, job: _Job) -> None:
    """416: the partial file is whole, or no part of what lies there."""
    if response.headers.get("Content-Range", "").strip() != f"bytes */{size}":
        os.unlink(job.part)
        raise _TransientError("the partial file did not fit what the server has")


def _check_total(total: int | None, job: _Job) -> None:
    expected = job.checkpoint.size
    if total is not None and expected is not None and total != expected:
        raise job.failed(
            f"the server has a file of {total} bytes, the published one has {expected}"
        )
    if total is not None and total > _LARGEST:
        raise job.failed(f"the server has a file of {total} bytes, no checkpoint is that large")


def _write(response: httpx.Response, first: int | None, total: int | None, job: _Job) -> None:
    done = first or 0
    total = total or job.checkpoint.size
    limit = total or _LARGEST
    with open(job.part, "ab" if done else "wb") as file:
        job.reporter.progress(f"{BYTES_STAGE} {job.label}", done, total)
        for chunk in response.iter_raw():
            done += len(chunk)
            if done > limit:
                break
            file.write(chunk)
            job.reporter.progress(f"{BYTES_STAGE} {job.label}", done, total)
        file.flush()
        os.fsync(file.fileno())
    if done > limit:
        os.unlink(job.part)
        raise job.failed(f"it sends more than the {limit} bytes expected")
    if total is not None and done < total:
        raise _TransientError(f"the connection ended after {done} of {total} bytes")
