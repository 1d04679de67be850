"""Every picture comes into its place, whatever lies between it and the next."""

from __future__ import annotations

import os
import shutil
import time

import numpy as np
import pytest
from PIL import Image

from itae_cluster.core.cache import Cache
from itae_cluster.core.errors import DecodeError
from itae_cluster.core.options import ModelOptions
from itae_cluster.embedding.embed import embed_files, read_batches
from itae_cluster.embedding.reader import Form, Reader
from itae_cluster.embedding.vector_cache import DecodedFile
from itae_cluster.pictures.decode import decode
from support.fakes import KnownEncoder, RecordingReporter

MANY = 150


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Pictures of a colour each."""
    folder = tmp_path_factory.mktemp("many")
    paths = [str(folder / f"{number:03d}.png") for number in range(MANY)]
    long_ago = time.time() - 3600
    for number, path in enumerate(paths):
        Image.new("RGB", (20, 10), (number, 255 - number, 7 * number % 256)).save(path)
        os.utime(path, (long_ago, long_ago))
    return paths


@pytest.fixture(params=[1, 3])
def workers(request, monkeypatch):
    monkeypatch.setattr("itae_cluster.embedding.reader.decoder_count", lambda: request.param)


@pytest.mark.parametrize("batch_size", [1, 5, 16, 128])
def test_batches_are_the_pictures_in_turn(pictures, workers, batch_size):
    taken = []
    with Reader(pictures, Form(28), batch_size, RecordingReporter()) as reader:
        for number, (path, outcome) in enumerate(reader, start=1):
            assert path == pictures[number - 1]
            assert isinstance(outcome, DecodedFile)
            if number % batch_size == 0 or number == MANY:
                taken.append(reader.take().copy())
                reader.free()
    assert {len(part) for part in taken[:-1]} <= {batch_size}
    wanted = np.stack([decode(path, 28).pixels for path in pictures])
    np.testing.assert_array_equal(np.concatenate(taken), wanted)


def test_a_batch_without_gaps_is_not_copied(pictures):
    with Reader(pictures, Form(28), 16, RecordingReporter()) as reader:
        for number, (_, outcome) in enumerate(reader, start=1):
            if number % 16 == 0:
                batch = reader.take()
                assert batch.base is not None
                assert np.shares_memory(batch[-1], outcome.picture.pixels)
                reader.free()


@pytest.mark.parametrize("batch_size", [4, 16, 64])
def test_gaps_of_any_length_move_no_vector(pictures, tmp_path, workers, batch_size):
    """Files that are known, or none, stand between those that are embedded, often many in a row."""
    rng = np.random.default_rng(batch_size)
    kinds = rng.choice(3, MANY, p=[0.3, 0.3, 0.4])
    kinds[1:90] = 1  # one picture waits while a long row of known ones passes
    files = [str(tmp_path / f"{number}.png") for number in range(MANY)]
    for path, original, kind in zip(files, pictures, kinds, strict=True):
        if kind == 2:
            with open(path, "wb") as file:
                file.write(b"\x89PNG")
        else:
            shutil.copy(original, path)
    known = [path for path, kind in zip(pictures, kinds, strict=True) if kind == 1]
    reporter, encoder = RecordingReporter(), KnownEncoder()
    options = ModelOptions(batch_size=batch_size)
    with Cache(str(tmp_path / "cache"), reporter) as cache:
        embed_files(known, options, KnownEncoder(), cache=cache, reporter=reporter)
        found = embed_files(files, options, encoder, cache=cache, reporter=reporter)
    readable = np.flatnonzero(kinds < 2)
    assert found.paths == tuple(files[row] for row in readable)
    pixels = np.stack([decode(pictures[row], 28).pixels for row in readable])
    np.testing.assert_allclose(found.vectors, KnownEncoder().encode(pixels), atol=1e-6)
    assert sum(encoder.batches) == np.count_nonzero(kinds == 0)
    assert {*encoder.batches[:-1]} <= {batch_size}


def test_batches_that_are_kept_do_not_change(pictures):
    kept = list(read_batches(pictures, 28, batch_size=8, reporter=RecordingReporter()))
    for batch in kept:
        for row, path in enumerate(batch.paths):
            np.testing.assert_array_equal(batch.pixels[row], decode(path, 28).pixels)
            np.testing.assert_array_equal(batch.pictures[row].pixels, batch.pixels[row])


def test_nothing_is_read_where_there_are_no_files():
    with Reader([], Form(28), 16, RecordingReporter()) as reader:
        assert list(reader) == []


def test_an_error_of_ours_is_not_taken_for_one_of_the_file(pictures, monkeypatch):
    def fail(*_, **__):
        return [ZeroDivisionError("ours")]

    monkeypatch.setattr("itae_cluster.pictures.decoders.Decoders.decode_each", fail)
    with (
        pytest.raises(ZeroDivisionError),
        Reader(pictures[:1], Form(28), 1, RecordingReporter()) as reader,
    ):
        list(reader)


def test_reasons_come_in_their_places(pictures, tmp_path):
    files = [pictures[0], str(tmp_path / "none"), pictures[1]]
    with Reader(files, Form(28), 16, RecordingReporter()) as reader:
        outcomes = [outcome for _, outcome in reader]
        assert [type(outcome) for outcome in outcomes] == [DecodedFile, DecodeError, DecodedFile]
        assert len(reader.take()) == 2
