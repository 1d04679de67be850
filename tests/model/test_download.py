"""Fetching checkpoints, against a server on loopback that misbehaves as told."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from filelock import FileLock

from itae_cluster.core.errors import DownloadError
from itae_cluster.model import resume
from itae_cluster.model.acquire import fetch, locate
from itae_cluster.model.download import download, source_url
from itae_cluster.model.registry import VARIANTS, Checkpoint, variant
from itae_cluster.model.resume import Patience
from support.fakes import RecordingReporter

CONTENT = bytes(range(256)) * 1200  # 300 KiB
SHA = hashlib.sha256(CONTENT).hexdigest()
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
HALF = len(CONTENT) // 2
QUICK = Patience(connect=2.0, read=0.3, attempts=3, pause=0.01)


class Handler(BaseHTTPRequestHandler):
    """Answers each request with the next behaviour of `server.script`, then with the file."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.seen.append((self.path, self.headers.get("Range")))
        script = self.server.script
        behaviour = script.pop(0) if script else Handler.whole
        behaviour(self)

    def log_message(self, *args):
        pass

    def head(self, status, **headers):
        self.send_response(status)
        for name, value in {"Connection": "close", **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.close_connection = True

    def first(self):
        asked = self.headers.get("Range")
        return int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0

    def begin(self):
        """The right head for what was asked; the bytes that belong after it."""
        first, size = self.first(), len(CONTENT)
        if first:
            span = f"bytes {first}-{size - 1}/{size}"
            self.head(206, Content_Length=size - first, Content_Range=span)
        else:
            self.head(200, Content_Length=size)
        return CONTENT[first:]

    def whole(self):
        self.wfile.write(self.begin())

    def cut(self):
        self.wfile.write(self.begin()[:HALF])

    def cut_unannounced(self):
        self.head(200)
        self.wfile.write(CONTENT[:HALF])

    def nothing(self):
        self.close_connection = True

    def stall(self):
        self.wfile.write(self.begin()[:HALF])
        self.wfile.flush()
        self.server.release.wait(5)

    def silent(self):
        self.server.release.wait(5)
        self.close_connection = True

    def lie(self):
        self.head(200, Content_Length=len(CONTENT))
        self.wfile.write(CONTENT[::-1])

    def endless(self):
        self.head(200)
        self.wfile.write(CONTENT * 20)

    def ignore_range(self):
        self.head(200, Content_Length=len(CONTENT))
        self.wfile.write(CONTENT)

    def wrong_part(self):
        size = len(CONTENT)
        self.head(206, Content_Length=size - 7, Content_Range=f"bytes 7-{size - 1}/{size}")
        self.wfile.write(CONTENT[7:])

    def out_of_range(self):
        self.head(416, Content_Length=0, Content_Range=f"bytes */{len(CONTENT)}")

    def page(self):
        self.head(200, Content_Length=15)
        self.wfile.write(b"<h1>Log in</h1>")

    def to_other_path(self):
        self.head(302, Location="/elsewhere", Content_Length=0)

    def to_ftp(self):
        self.head(302, Location="ftp://example.org/file", Content_Length=0)

    def round_and_round(self):
        self.server.script.append(Handler.round_and_round)
        self.to_other_path()


def answer(status):
    return lambda self: self.head(status, Content_Length=0)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # clients that hang up are part of the tests


@pytest.fixture
def server():
    server = Server(("127.0.0.1", 0), Handler)
    server.script, server.seen, server.release = [], [], threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.release.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def _direct(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.delenv("ITAE_CLUSTER_MIRROR", raising=False)


class Case:
    """One target file and how to fetch it."""

    def __init__(self, server, folder):
        self.server = server
        self.target = str(folder / "weights.pth")
        self.part = self.target + ".part"
        self.reporter = RecordingReporter()

    def fetch(self, *script, size=None, patience=QUICK, port=None):
        self.server.script[:] = script
        url = f"http://127.0.0.1:{port or self.server.server_port}/dinov2/weights.pth"
        download(
            Checkpoint(url, SHA, size),
            self.target,
            label="vitb14",
            reporter=self.reporter,
            patience=patience,
        )

    def leave(self, content):
        with open(self.part, "wb") as file:
            file.write(content)

    @property
    def content(self):
        with open(self.target, "rb") as file:
            return file.read()

    @property
    def ranges(self):
        return [asked for _, asked in self.server.seen]

    def is_clean(self):
        return not os.path.exists(self.target) and not os.path.exists(self.part)


@pytest.fixture
def case(server, tmp_path):
    return Case(server, tmp_path)


def assert_one_line(error):
    assert "\n" not in str(error)
    assert "; " in str(error)  # the reason, then the remedy


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_fetches_verifies_and_reports_bytes(case, size):
    case.fetch(size=size)
    assert case.content == CONTENT
    assert not os.path.exists(case.part)
    assert case.ranges == [None]
    stages = case.reporter.stages
    assert stages[0] == ("Fetching vitb14", 0, len(CONTENT))
    assert stages[-1] == ("Fetching vitb14", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in stages] == sorted(done for _, done, _ in stages)
    assert case.reporter.warnings == []


def test_a_file_that_is_there_and_right_is_not_fetched_again(case):
    case.fetch()
    case.fetch()
    assert len(case.server.seen) == 1


def test_a_file_that_is_there_and_wrong_is_replaced(case):
    with open(case.target, "wb") as file:
        file.write(b"wrong")
    case.fetch()
    assert case.content == CONTENT


def test_redirects_are_followed(case):
    case.fetch(Handler.to_other_path)
    assert [path for path, _ in case.server.seen] == ["/dinov2/weights.pth", "/elsewhere"]
    assert case.content == CONTENT


@pytest.mark.parametrize("behaviour", [Handler.cut, Handler.stall])
def test_a_broken_transfer_is_resumed_where_it_broke(case, behaviour):
    case.fetch(behaviour)
    assert case.ranges == [None, f"bytes={HALF}-"]
    assert case.content == CONTENT
    assert "again in" in case.reporter.details[0]


def test_a_cut_is_noticed_where_only_the_registry_knows_the_size(case):
    case.fetch(Handler.cut_unannounced, size=len(CONTENT))
    assert case.ranges == [None, f"bytes={HALF}-"]
    assert case.content == CONTENT


def test_what_an_earlier_run_left_is_resumed(case):
    case.leave(CONTENT[:1000])
    case.fetch()
    assert case.ranges == ["bytes=1000-"]
    assert case.content == CONTENT


def test_a_whole_partial_file_of_known_size_needs_no_request(case):
    case.leave(CONTENT)
    case.fetch(size=len(CONTENT))
    assert case.ranges == []
    assert case.content == CONTENT


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_an_overlong_partial_file_is_begun_anew(case, size):
    case.leave(CONTENT + b"x")
    case.fetch(*([] if size else [Handler.out_of_range]), size=size)
    assert case.ranges[-1] is None
    assert case.content == CONTENT


def test_416_for_a_partial_file_that_is_whole_means_done(case):
    case.leave(CONTENT)
    case.fetch(Handler.out_of_range)
    assert case.ranges == [f"bytes={len(CONTENT)}-"]
    assert case.content == CONTENT


def test_the_part_of_another_file_is_fetched_anew(case):
    case.leave(b"\0" * 1000)
    case.fetch()
    assert case.ranges == ["bytes=1000-", None]
    assert case.content == CONTENT


@pytest.mark.parametrize("behaviour", [Handler.ignore_range, Handler.wrong_part])
def test_a_server_that_ignores_the_range_or_sends_another(case, behaviour):
    case.fetch(Handler.cut, behaviour)
    assert case.ranges[1] == f"bytes={HALF}-"
    assert case.content == CONTENT


def test_a_part_that_was_not_asked_for_is_tried_again(case):
    case.fetch(Handler.wrong_part)
    assert case.ranges == [None, None]
    assert case.content == CONTENT


def test_the_bytes_are_asked_for_as_they_are(case):
    def packed(handler):
        assert handler.headers.get("Accept-Encoding") == "identity"
        handler.whole()

    case.fetch(packed)
    assert len(case.server.seen) == 1


@pytest.mark.parametrize("behaviour", [answer(500), answer(503), answer(429), Handler.nothing])
def test_passing_trouble_is_tried_again(case, behaviour):
    case.fetch(behaviour, behaviour)
    assert len(case.server.seen) == 3
    assert case.content == CONTENT


def test_attempts_end_and_the_pause_doubles(case, monkeypatch):
    pauses = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    with pytest.raises(DownloadError, match=r"vitb14 from 127\.0\.0\.1: .* 500 ") as caught:
        case.fetch(*[answer(500)] * 9, patience=Patience(attempts=4, pause=1))
    assert_one_line(caught.value)
    assert len(case.server.seen) == 4
    assert pauses == [1, 2, 4]


def test_attempts_that_bring_much_do_not_count(case):
    def cut_early(handler):
        handler.wfile.write(handler.begin()[:2000])

    case.fetch(*[cut_early] * 9, patience=replace(QUICK, worth=1000))
    assert len(case.server.seen) == 10
    assert case.content == CONTENT


def test_a_server_that_never_says_a_word_is_given_up_on_at_once(case):
    with pytest.raises(DownloadError, match="timed out"):
        case.fetch(*[Handler.silent] * 9, patience=Patience(read=0.05))
    assert len(case.server.seen) == 1


def test_a_server_that_falls_silent_later_is_given_up_on_after_some_attempts(case):
    patience = Patience(read=0.05, attempts=2, pause=0.01)
    with pytest.raises(DownloadError, match="timed out"):
        case.fetch(Handler.cut, *[Handler.silent] * 9, patience=patience)
    assert len(case.server.seen) == 2
    assert os.path.getsize(case.part) == HALF


def test_interrupting_in_the_middle_of_an_answer_leaves_what_came(case, monkeypatch):
    def interrupt(stage, done, total, unit):
        if done > 70_000:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(case.reporter, "progress", interrupt)
        case.fetch()
    kept = os.path.getsize(case.part)
    assert 70_000 < kept < len(CONTENT)
    case.fetch()
    assert case.ranges == [None, f"bytes={kept}-"]
    assert case.content == CONTENT


def test_a_closed_pipe_of_the_reporter_is_no_trouble_with_the_disk(case, monkeypatch):
    def closed(*args):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(case.reporter, "progress", closed)
    with pytest.raises(BrokenPipeError):
        case.fetch()


def test_interrupting_leaves_the_partial_file_and_frees_the_lock(case, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        case.fetch(Handler.cut)
    assert os.path.getsize(case.part) == HALF
    case.fetch()
    assert case.content == CONTENT


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_refusal_is_final(case, status):
    with pytest.raises(DownloadError) as caught:
        case.fetch(answer(status))
    assert len(case.server.seen) == 1
    assert "from 127.0.0.1" in str(caught.value)
    assert str(status) in str(caught.value)
    assert "models import" in str(caught.value)
    assert_one_line(caught.value)
    assert case.is_clean()


def test_the_reason_ends_where_the_remedy_begins(case):
    def wordy(handler):
        handler.send_response(404, "gone; ask later")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    with pytest.raises(DownloadError) as caught:
        case.fetch(wordy)
    reason, _, remedy = str(caught.value).partition("; ")
    assert reason.endswith("404 gone, ask later")
    assert "models import" in remedy


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_a_wrong_digest_is_named_and_nothing_is_left(case, size):
    with pytest.raises(DownloadError) as caught:
        case.fetch(Handler.lie, size=size)
    assert SHA[:12] in str(caught.value)
    assert hashlib.sha256(CONTENT[::-1]).hexdigest()[:12] in str(caught.value)
    assert_one_line(caught.value)
    assert case.is_clean()


def test_a_page_instead_of_the_file_is_refused_by_its_size(case):
    with pytest.raises(DownloadError, match="15 bytes"):
        case.fetch(Handler.page, size=len(CONTENT))
    assert case.is_clean()


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_an_endless_answer_does_not_fill_the_disk(case, size, monkeypatch):
    monkeypatch.setattr(resume, "LARGEST", len(CONTENT))
    with pytest.raises(DownloadError, match="sends more than"):
        case.fetch(Handler.endless, size=size)
    assert max(done for _, done, _ in case.reporter.stages) <= len(CONTENT)
    assert all(done <= len(CONTENT) for _, done, _ in case.reporter.stages)
    assert case.is_clean()


def test_a_promise_larger_than_any_checkpoint_is_refused_at_once(case, monkeypatch):
    monkeypatch.setattr(resume, "LARGEST", len(CONTENT) - 1)
    with pytest.raises(DownloadError, match="no checkpoint is so large"):
        case.fetch()
    assert case.reporter.stages == []
    assert case.is_clean()


def test_an_unsafe_redirect_is_refused(case):
    with pytest.raises(DownloadError, match="redirects to ftp"):
        case.fetch(Handler.to_ftp)


def test_https_is_not_left_for_http(case, monkeypatch):
    asked = []

    def redirect(_, request):
        asked.append(request.url.scheme)
        return httpx.Response(302, headers={"Location": "http://127.0.0.1/"}, request=request)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", redirect)
    checkpoint = Checkpoint("https://127.0.0.1/x/y", SHA)
    with pytest.raises(DownloadError, match="redirects to http,"):
        download(checkpoint, case.target, label="m", reporter=case.reporter)
    assert asked == ["https"]


def test_redirects_in_a_circle_end(case):
    with pytest.raises(DownloadError, match="redirects"):
        case.fetch(Handler.round_and_round)


def test_a_closed_port_fails_at_once_without_another_attempt(case):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        begun = time.monotonic()
        with pytest.raises(DownloadError, match=r"from 127\.0\.0\.1: .*refused") as caught:
            case.fetch(port=closed.getsockname()[1], patience=Patience())
        assert time.monotonic() - begun < 1
    assert_one_line(caught.value)
    assert case.reporter.details == []
    assert case.is_clean()


def test_a_host_that_drops_packets_is_given_up_on(case):
    """A socket whose queue is full: the kernel answers no further connection."""
    with socket.socket() as full, contextlib.ExitStack() as waiting:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):
            client = waiting.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        begun = time.monotonic()
        with pytest.raises(DownloadError, match="timed out"):
            case.fetch(port=full.getsockname()[1], patience=Patience(connect=0.2))
        assert time.monotonic() - begun < 2
    assert case.is_clean()


def test_without_a_word_the_defaults_give_up_within_seconds():
    assert Patience().connect + Patience().read < 15
    pauses = [Patience().pause * 2**n for n in range(Patience().attempts - 1)]
    assert sum(pauses) <= 15


def test_a_connection_that_fails_after_a_good_beginning_is_tried_again(case, monkeypatch):
    send, failures = httpx.HTTPTransport.handle_request, [None, httpx.ConnectError("gone")]

    def sometimes(transport, request):
        failure = failures.pop(0) if failures else None
        if failure:
            raise failure
        return send(transport, request)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", sometimes)
    case.fetch(Handler.cut)
    assert failures == []
    assert case.content == CONTENT


def test_an_error_is_told_without_its_number(case, monkeypatch):
    def refuse(transport, request):
        raise httpx.ConnectError("[Errno -2] Name or service not known")

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", refuse)
    with pytest.raises(DownloadError, match=r"from 127\.0\.0\.1: Name or service not known;"):
        case.fetch()


def test_the_proxy_of_the_environment_is_used(case, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{case.server.server_port}")
    monkeypatch.setenv("ITAE_CLUSTER_MIRROR", "http://weights.invalid/mirror")
    case.fetch()
    assert case.server.seen[0][0] == "http://weights.invalid/mirror/dinov2/weights.pth"
    assert case.content == CONTENT


def test_a_proxy_of_unknown_kind_is_named_as_the_cause(case, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "gopher://127.0.0.1:1")
    with pytest.raises(DownloadError, match="ALL_PROXY"):
        case.fetch()


def test_the_mirror_stands_in_for_the_official_address(monkeypatch):
    checkpoint = variant("vitb14-reg").checkpoint
    assert source_url(checkpoint) == checkpoint.url
    monkeypatch.setenv("ITAE_CLUSTER_MIRROR", "http://mirror.example/weights/")
    wanted = "http://mirror.example/weights/dinov2_vitb14/dinov2_vitb14_reg4_pretrain.pth"
    assert source_url(checkpoint) == wanted


@pytest.mark.parametrize("mirror", ["mirror.example", "file:///weights", "http://", "http://a:b"])
def test_a_mirror_that_is_no_address_is_refused(monkeypatch, mirror):
    monkeypatch.setenv("ITAE_CLUSTER_MIRROR", mirror)
    with pytest.raises(DownloadError, match="ITAE_CLUSTER_MIRROR"):
        source_url(variant("vitb14").checkpoint)


@pytest.fixture
def online(case, monkeypatch):
    """The registry's vitb14, to be had from the server as from a mirror."""
    known = variant("vitb14")
    checkpoint = replace(known.checkpoint, sha256=SHA, size=len(CONTENT))
    monkeypatch.setitem(VARIANTS, "vitb14", replace(known, checkpoint=checkpoint))
    monkeypatch.delenv("ITAE_CLUSTER_OFFLINE")
    monkeypatch.setenv("ITAE_CLUSTER_MIRROR", f"http://127.0.0.1:{case.server.server_port}/m")
    return case


@pytest.mark.parametrize("name", ["vitb14", "auto"])
def test_a_model_is_fetched_into_the_cache_from_the_mirror(online, name):
    located = locate(name, weights=None, offline=False, reporter=online.reporter)
    assert (located.variant.name, located.origin, located.sha256) == ("vitb14", "cache", SHA)
    path = "/m/dinov2_vitb14/dinov2_vitb14_pretrain.pth"
    assert online.server.seen == [(path, None)]
    again = locate(name, weights=None, offline=True, reporter=online.reporter)
    assert again.path == located.path
    assert online.reporter.warnings == []


def test_before_the_bytes_move_it_says_how_many_how_long_and_how_to_do_without(online, monkeypatch):
    big = replace(VARIANTS["vitb14"].checkpoint, size=346_378_731)
    monkeypatch.setitem(VARIANTS, "vitb14", replace(VARIANTS["vitb14"], checkpoint=big))
    told = []

    def begin(handler):
        told.extend(online.reporter.notes)
        handler.head(200, Content_Length=big.size)
        handler.wfile.write(CONTENT)

    online.server.script[:] = [begin, *[answer(404)] * 9]
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with pytest.raises(DownloadError):
        locate("vitb14", weights=None, offline=False, reporter=online.reporter)
    assert told == []  # nor before there is a connection
    assert online.reporter.notes == [
        "fetching vitb14, 346 MB, once (about 28 s at 100 Mbit/s, 5 min at 10 Mbit/s); --model "
        "mini does without, 'itae-cluster models fetch vitb14' gets it beforehand"
    ]


def test_who_fetches_on_purpose_is_told_the_size_alone(online):
    fetch("vitb14", offline=False, reporter=online.reporter)
    assert online.reporter.notes == [
        "fetching vitb14, 0 MB, once (about 1 s at 100 Mbit/s, 1 s at 10 Mbit/s)"
    ]


def test_auto_without_network_is_mini_at_once_with_one_line_that_says_why(online, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("ITAE_CLUSTER_MIRROR", f"http://127.0.0.1:{closed.getsockname()[1]}")
        begun = time.monotonic()
        located = locate("auto", weights=None, offline=False, reporter=online.reporter)
    assert time.monotonic() - begun < 3
    assert located.variant.name == "mini"
    (line,) = online.reporter.warnings
    assert "cannot fetch vitb14 from 127.0.0.1: " in line
    assert "refused" in line


def test_a_full_disk_is_named_and_given_its_room_back(case, monkeypatch):
    def full(fd):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DownloadError, match="disk is full; make room") as caught:
        case.fetch()
    assert_one_line(caught.value)
    assert case.is_clean()


def test_a_folder_that_is_not_there_is_named(case, tmp_path):
    case.target = str(tmp_path / "gone" / "weights.pth")
    with open(tmp_path / "gone", "w"):
        pass  # a file stands where the folder should
    with pytest.raises(DownloadError, match=r"cannot write .*gone"):
        case.fetch()


CHILD = """
import sys
from itae_cluster.model.download import download
from itae_cluster.model.registry import Checkpoint
class Speaking:
    def progress(self, stage, done, total, unit=""): pass
    def note(self, message): pass
    def info(self, message): pass
    def warn(self, message): print(message, flush=True)
url, sha, target = sys.argv[1:]
download(Checkpoint(url, sha), target, label="vitb14", reporter=Speaking())
"""


def test_two_processes_fetch_a_file_once(case, tmp_path):
    def when_released(handler):
        handler.server.release.wait(30)
        handler.whole()

    case.server.script[:] = [when_released]
    url = f"http://127.0.0.1:{case.server.server_port}/dinov2/weights.pth"
    command = [sys.executable, "-c", CHILD, url, SHA, case.target]
    said = tmp_path / "said"
    with open(said, "ab") as output:
        children = [subprocess.Popen(command, stdout=output, cwd=ROOT) for _ in range(2)]
    until(lambda: said.read_text() and case.server.seen)
    case.server.release.set()
    assert [child.wait(30) for child in children] == [0, 0]
    assert said.read_text() == "another process is fetching vitb14; waiting for it\n"
    assert case.ranges == [None]
    assert case.content == CONTENT


def test_two_threads_fetch_a_file_once(case):
    def when_released(handler):
        handler.server.release.wait(5)
        handler.whole()

    case.server.script[:] = [when_released]
    url = f"http://127.0.0.1:{case.server.server_port}/dinov2/weights.pth"
    arguments = {"label": "vitb14", "reporter": case.reporter, "patience": Patience()}
    threads = [
        threading.Thread(
            target=download, args=(Checkpoint(url, SHA), case.target), kwargs=arguments
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    until(lambda: case.reporter.warnings and case.server.seen)
    case.server.release.set()
    for thread in threads:
        thread.join(10)
    assert len(case.reporter.warnings) == 1
    assert case.ranges == [None]
    assert case.content == CONTENT


def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_the_one_who_waits_goes_on_where_the_other_gave_up(case):
    lock = FileLock(case.target + ".lock")
    lock.acquire()
    case.leave(CONTENT[:1000])
    waiting = threading.Thread(target=case.fetch)
    waiting.start()
    until(lambda: case.reporter.warnings)
    assert case.server.seen == []
    lock.release()
    waiting.join(10)
    assert case.ranges == ["bytes=1000-"]
    assert case.content == CONTENT
