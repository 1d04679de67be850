"""What a GPU computes, what comes to it and what it has done are three things at once."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
import torch

from itae_cluster.core.cache import Cache
from itae_cluster.core.options import ModelOptions
from itae_cluster.embedding import transport
from itae_cluster.embedding.embed import embed_files
from itae_cluster.embedding.encoding_queue import EncodingQueue
from itae_cluster.embedding.vector_cache import VectorCache
from support.fakes import KnownEncoder, RecordingReporter


class LateEncoder(KnownEncoder):
    """Computes while it is not looked at, as a GPU does."""

    metadata = {**KnownEncoder.metadata, "device": "cuda"}  # noqa: RUF012

    def __init__(self):
        super().__init__()
        self.events = []
        self.broken = None

    def begin(self, pixels):
        number = len(self.batches)
        vectors = super().encode(pixels)
        pixels[:] = 0  # whoever reads it later finds nothing
        self.events.append(f"begin {number}")

        def fetch():
            self.events.append(f"fetch {number}")
            if number == self.broken:
                raise RuntimeError("the device is gone")
            return vectors

        return fetch

    def expect(self, pictures, reporter):
        self.events.append(f"{pictures} pictures")

    def encode(self, pixels):
        raise AssertionError


@pytest.fixture
def paths(album):
    return sorted(str(path) for path in Path(album).rglob("*.png"))


def embed(paths, encoder, cache=None, batch_size=4):
    reporter = RecordingReporter()
    options = ModelOptions(batch_size=batch_size)
    cache = cache or Cache(None, reporter)
    return embed_files(paths, options, encoder, cache=cache, reporter=reporter)


def test_what_was_computed_is_fetched_one_batch_late(paths):
    encoder = LateEncoder()
    found = embed(paths, encoder)
    assert len(paths) == 12
    computing = ["begin 0", "begin 1", "fetch 0", "begin 2", "fetch 1", "fetch 2"]
    assert encoder.events == ["12 pictures", *computing]
    np.testing.assert_array_equal(found.vectors, embed(paths, KnownEncoder()).vectors)


def test_what_was_fetched_before_an_error_is_kept(paths, tmp_path):
    encoder = LateEncoder()
    encoder.broken = 1
    with Cache(str(tmp_path / "cache"), RecordingReporter()) as cache:
        with pytest.raises(RuntimeError, match="the device is gone"):
            embed(paths, encoder, cache)
        again = KnownEncoder()
        embed(paths, again, cache)
    assert sum(again.batches) == 8


def test_on_a_cpu_nothing_waits():
    encoder = LateEncoder()
    encoder.metadata = {**encoder.metadata, "device": "cpu"}
    encode, encoder.encode = encoder.begin, lambda pixels: encode(pixels)()
    vectors, done = np.zeros((2, 4), dtype=np.float32), np.zeros(2, dtype=bool)
    shelf = VectorCache(Cache(None, RecordingReporter()), encoder.metadata, 4)
    with EncodingQueue(vectors, done, shelf, RecordingReporter()) as queue:
        for row in range(2):
            queue.add(encoder, [row], np.ones((1, 28, 28, 3), dtype=np.uint8), [None])
            assert done.tolist() == [True, row == 1]
    assert encoder.events == ["begin 0", "fetch 0", "begin 1", "fetch 1"]


def test_an_error_of_the_cache_thread_is_not_lost(monkeypatch):
    shelf = VectorCache(Cache(None, RecordingReporter()), KnownEncoder.metadata, 4)
    monkeypatch.setattr(VectorCache, "keep", lambda *_: 1 / 0)
    vectors, done = np.zeros((1, 4), dtype=np.float32), np.zeros(1, dtype=bool)
    with (
        pytest.raises(ZeroDivisionError),
        EncodingQueue(vectors, done, shelf, RecordingReporter()) as queue,
    ):
        queue.add(KnownEncoder(), [0], np.ones((1, 28, 28, 3), dtype=np.uint8), [None])


class FakeCuda:
    """Streams that write down who did what; a device whose memory is this machine's."""

    def __init__(self):
        self.events = []
        self.at = "computing"

    def Stream(self, device):  # noqa: N802 - as torch calls it
        return FakeStream(self, "copying")

    def current_stream(self, device):
        return FakeStream(self, "computing")

    @contextlib.contextmanager
    def stream(self, stream):
        before, self.at = self.at, stream.name
        yield
        self.at = before

    def Event(self):  # noqa: N802
        return FakeEvent(self)


class FakeStream:
    def __init__(self, cuda, name):
        self.cuda, self.name = cuda, name

    def wait_stream(self, other):
        self.cuda.events.append(f"{self.name} waits for {other.name}")


class FakeEvent:
    def __init__(self, cuda):
        self.cuda = cuda

    def record(self, stream):
        self.cuda.events.append(f"mark in {stream.name}")

    def synchronize(self):
        self.cuda.events.append("wait for the mark")


@pytest.fixture
def cuda(monkeypatch):
    fake = FakeCuda()
    to = torch.Tensor.to

    def copy(tensor, target, non_blocking=False):
        kind = "" if non_blocking else "blocking "
        fake.events.append(f"{kind}copy in {fake.at}")
        return to(tensor, target, copy=True)

    def note(text, result=None):
        return lambda tensor, *_: (
            fake.events.append(text) or (tensor.clone() if result == "clone" else None)
        )

    monkeypatch.setattr(transport, "_cuda", fake)
    monkeypatch.setattr(torch.Tensor, "to", copy)
    monkeypatch.setattr(torch.Tensor, "pin_memory", note("pin", "clone"))
    monkeypatch.setattr(torch.Tensor, "record_stream", note("held for computing"))
    return fake


def test_pixels_go_to_cuda_in_a_stream_of_their_own(cuda):
    way = transport.CudaTransport(torch.device("cpu"))
    pixels = torch.ones(2, 3, dtype=torch.uint8)
    there = way.send(pixels)
    pixels[:] = 0
    assert there.sum() == 6
    assert cuda.events == [
        *("pin", "copy in copying", "computing waits for copying", "held for computing")
    ]


def test_vectors_come_back_without_waiting_for_them(cuda):
    way = transport.CudaTransport(torch.device("cpu"))
    values = torch.arange(3, dtype=torch.float16)
    fetch = way.bring_back([values, values + 1])
    assert cuda.events == ["copy in computing", "copy in computing", "mark in computing"]
    one, two = fetch()
    assert cuda.events[-1] == "wait for the mark"
    assert (one.dtype, two.tolist()) == (np.float32, [1, 2, 3])


def test_each_device_has_its_way(cuda):
    assert isinstance(transport.transport_to(torch.device("cuda")), transport.CudaTransport)
    plain = transport.transport_to(torch.device("cpu"))
    assert isinstance(plain, transport.PlainTransport)
    assert plain.bring_back([torch.ones(2)])()[0].tolist() == [1, 1]
