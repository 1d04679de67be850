"""One file over HTTP(S) into a partial file: attempt after attempt, each from where the last broke.

Whether what came is right is for the caller to find out, so resuming can cost time but not
correctness.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx

from itae_cluster.core.errors import DownloadError
from itae_cluster.core.text import printable

if TYPE_CHECKING:
    from itae_cluster.core.types import Reporter

__all__ = ["LARGEST", "Patience", "Transfer"]

LARGEST = 8 * 2**30
"""No DINOv2 has so many bytes: an endless answer must not fill the disk."""

_TRANSIENT = {408, 425, 429}
_INTERRUPTIONS = (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError)
_NO_ANSWER = (httpx.TimeoutException, httpx.ConnectError, httpx.ProxyError)
_REMEDY = "try again later, or get the file elsewhere and run 'itae-cluster models import FILE'"
_SPEEDS = (100, 10)  # Mbit/s, of usual lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait, in seconds, and how often to try.

    `connect` bounds the way to each address of the host, `read` the longest silence within an
    answer. `attempts` are those in a row that bring less than `worth` bytes; the pause between
    them starts at `pause` and doubles.
    """

    connect: float = 3.0
    read: float = 10.0
    attempts: int = 5
    pause: float = 1.0
    worth: int = 2**20


class _TransientError(Exception):
    """This attempt failed; another may not."""


class _NoAnswerError(_TransientError):
    """Not a word from the other side."""


@dataclass(slots=True, kw_only=True)
class Transfer:
    """What is fetched, to where, and who is told.

    `part` is the partial file · `label` the model's name, for messages and the progress bar ·
    `size` in bytes, None where it is not published · `advice` what else to say before the bytes
    move, such as how to do without.
    """

    url: str
    part: str
    label: str
    size: int | None
    reporter: Reporter
    patience: Patience
    advice: str = ""
    _is_announced: bool = field(default=False, init=False)

    @property
    def done(self) -> int:
        """Bytes of the partial file, from which the next attempt goes on."""
        return os.path.getsize(self.part) if os.path.isfile(self.part) else 0

    def failure(self, reason: str, remedy: str = _REMEDY) -> DownloadError:
        """One line; the reason ends at the first semicolon, and may hold none."""
        host = printable(httpx.URL(self.url).host)
        clean = printable(" ".join(reason.split()).replace(";", ","))
        return DownloadError(f"cannot fetch {self.label} from {host}: {clean}; {remedy}")

    def drop(self) -> None:
        """Remove the partial file, if there is one."""
        with suppress(FileNotFoundError):
            os.unlink(self.part)

    def run(self) -> None:
        """Attempt after attempt until the partial file is complete.

        Raises:
            DownloadError: if it cannot be completed; what came is kept where it is of use.
            OSError: if it cannot be written.
        """
        begun = best = self.done
        failures = 0
        while True:
            try:
                return self._attempt()
            except _TransientError as error:
                size = self.done
                # Without any answer the machine is offline: no use in letting the user wait.
                is_offline = isinstance(error, _NoAnswerError) and size <= begun
                failures = 1 if size >= best + self.patience.worth else failures + 1
                best = max(best, size)
                if is_offline or failures >= self.patience.attempts:
                    raise self.failure(str(error)) from error
                pause = self.patience.pause * 2 ** (failures - 1)
                self.reporter.info(f"fetching {self.label}: {error}; again in {pause:g} s")
                time.sleep(pause)

    def _attempt(self) -> None:
        done = self.done
        if self.size is not None and done == self.size:
            return
        if self.size is not None and done > self.size:
            self.drop()
            done = 0
        headers = {"Accept-Encoding": "identity"}  # a range counts the bytes that travel
        if done:
            headers["Range"] = f"bytes={done}-"
        try:
            with (
                self._client() as client,
                client.stream("GET", self.url, headers=headers) as answer,
            ):
                self._receive(answer, done)
        except _NO_ANSWER as error:
            raise _NoAnswerError(_explain(error)) from error
        except _INTERRUPTIONS as error:
            raise _TransientError(_explain(error)) from error
        except httpx.HTTPError as error:
            raise self.failure(_explain(error)) from error

    def _client(self) -> httpx.Client:
        try:
            return httpx.Client(
                follow_redirects=True,
                timeout=httpx.Timeout(self.patience.read, connect=self.patience.connect),
                limits=httpx.Limits(max_keepalive_connections=0),  # closed with its only answer
                event_hooks={"request": [self._check_scheme]},
            )
        except (ImportError, ValueError, OSError, httpx.InvalidURL) as error:
            remedy = "check the proxy variables (HTTPS_PROXY, ALL_PROXY) and SSL_CERT_FILE"
            raise self.failure(_explain(error), remedy) from error

    def _check_scheme(self, request: httpx.Request) -> None:
        """A redirect may lead to HTTPS, or stay with what the address itself has."""
        if request.url.scheme not in {"https", httpx.URL(self.url).scheme}:
            raise self.failure(f"it redirects to {request.url.scheme}, which is not secure")

    def _receive(self, answer: httpx.Response, done: int) -> None:
        """Append the answer to the partial file of `done` bytes, or start it anew."""
        status = answer.status_code
        if status == 416 and done:  # the partial file is whole, or no part of what lies there
            if answer.headers.get("Content-Range", "").strip() == f"bytes */{done}":
                return
            self.drop()
            raise _TransientError("the partial file did not fit what the server has")
        if status >= 500 or status in _TRANSIENT:
            raise _TransientError(f"the server answers {status} {answer.reason_phrase}")
        if status not in {200, 206}:
            raise self.failure(f"the server answers {status} {answer.reason_phrase}")
        first, total = _span(answer)
        if status == 206 and first != done:
            self.drop()
            raise _TransientError("the server sent another part than was asked for")
        self._check_total(total)
        self._write(answer, first or 0, total or self.size)

    def _check_total(self, total: int | None) -> None:
        if total is not None and self.size is not None and total != self.size:
            raise self.failure(
                f"the server has a file of {total} bytes, the published one has {self.size}"
            )
        if total is not None and total > LARGEST:
            raise self.failure(f"the server has a file of {total} bytes, no checkpoint is so large")

    def _write(self, answer: httpx.Response, done: int, total: int | None) -> None:
        stage, limit = f"Fetching {self.label}", total or LARGEST
        self._announce(None if total is None else total - done)
        with open(self.part, "ab" if done else "wb") as file:
            self.reporter.progress(stage, done, total, "bytes")
            for chunk in answer.iter_raw():
                done += len(chunk)
                if done > limit:
                    break
                file.write(chunk)
                self.reporter.progress(stage, done, total, "bytes")
            file.flush()
            os.fsync(file.fileno())
        if done > limit:
            self.drop()
            raise self.failure(f"it sends more than the {limit} bytes expected")
        if total is not None and done < total:
            raise _TransientError(f"the connection ended after {done} of {total} bytes")

    def _announce(self, left: int | None) -> None:
        """Say once, before the bytes move, how many they are and how long that may take."""
        if self._is_announced:
            return
        self._is_announced = True
        size = ""
        if left is not None:
            times = (f"{_duration(left, speed)} at {speed} Mbit/s" for speed in _SPEEDS)
            size = f", {left / 1e6:.0f} MB, once (about {', '.join(times)})"
        self.reporter.note(f"fetching {self.label}{size}{self.advice}")


def _span(answer: httpx.Response) -> tuple[int | None, int | None]:
    """Offset of the answer's first byte, and the size of the whole file, where they are told."""
    if answer.status_code == 206:
        told = answer.headers.get("Content-Range", "").strip()
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", told)
        if span is None:
            return None, None
        return int(span[1]), None if span[2] == "*" else int(span[2])
    length = answer.headers.get("Content-Length", "")
    return 0, int(length) if length.isdecimal() else None


def _duration(size: int, speed: int) -> str:
    seconds = size * 8 / (speed * 1e6)
    return f"{seconds / 60:.0f} min" if seconds > 90 else f"{max(1, round(seconds))} s"


def _explain(error: Exception) -> str:
    return re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or type(error).__name__
