"""What is known of an encoder spares loading it, and what turns out wrong costs no wrong vector."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from itae_cluster.core.cache import Cache
from itae_cluster.core.options import CacheOptions, InputOptions, ModelOptions
from itae_cluster.core.run import open_run
from itae_cluster.embedding.deferred import DeferredEncoder, load_deferred
from itae_cluster.embedding.reader import Reader
from itae_cluster.pipeline import embed
from support.fakes import KnownEncoder, RecordingReporter


class OtherEncoder(KnownEncoder):
    """The same weights on another machine: its vectors do not belong beside the earlier ones."""

    metadata = {**KnownEncoder.metadata, "precision": "bfloat16"}  # noqa: RUF012

    def encode(self, pixels):
        return np.roll(super().encode(pixels), 1, axis=1)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(4):
        add(folder, number)
    return str(folder)


def add(folder, number):
    path = Path(folder) / f"{number}.png"
    Image.new("RGB", (20, 10), (number * 40 % 256, (255 - number * 40) % 256, 9)).save(path)
    os.utime(path, (time.time() - 3600,) * 2)


@pytest.fixture
def loaded(monkeypatch):
    """Every encoder that the pipeline loads; the fake of the moment can be changed."""
    seen = []

    def load(options, reporter, **_):
        seen.append(load.kind())
        return seen[-1]

    load.kind = KnownEncoder
    monkeypatch.setattr("itae_cluster.embedding.deferred.open_encoder", load)
    return seen, load


def run(photos, cache_folder, reporter=None):
    reporter = reporter or RecordingReporter()
    with open_run(reporter, CacheOptions(str(cache_folder))) as run:
        return embed.embed_pictures(InputOptions((photos,)), ModelOptions("mini"), run)


def test_nothing_is_loaded_where_every_picture_is_known(photos, tmp_path, loaded):
    first = run(photos, tmp_path / "cache")
    second = run(photos, tmp_path / "cache")
    assert len(loaded[0]) == 1
    np.testing.assert_array_equal(first.vectors, second.vectors)
    assert first.metadata == second.metadata


def test_one_new_picture_loads_it(photos, tmp_path, loaded):
    run(photos, tmp_path / "cache")
    add(photos, 5)
    found = run(photos, tmp_path / "cache")
    assert [sum(encoder.batches) for encoder in loaded[0]] == [4, 1]
    assert len(found.vectors) == 5


def test_a_broken_picture_does_not_load_it(photos, tmp_path, loaded):
    run(photos, tmp_path / "cache")
    (Path(photos) / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    found = run(photos, tmp_path / "cache")
    assert len(loaded[0]) == 1
    assert [Path(item.path).name for item in found.skipped] == ["broken.png"]


def test_an_encoder_that_has_changed_embeds_everything_itself(photos, tmp_path, loaded):
    run(photos, tmp_path / "cache")
    add(photos, 5)
    loaded[1].kind = OtherEncoder
    found = run(photos, tmp_path / "cache")
    assert sum(loaded[0][-1].batches) == 5
    assert found.metadata["precision"] == "bfloat16"
    alone = run(photos, tmp_path / "another cache")
    np.testing.assert_array_equal(found.vectors, alone.vectors)


def test_another_option_another_note(photos, tmp_path, loaded, monkeypatch):
    run(photos, tmp_path / "cache")
    monkeypatch.setattr("itae_cluster.embedding.deferred.version", lambda _: "9.9")  # another torch
    run(photos, tmp_path / "cache")
    assert len(loaded[0]) == 2


def test_the_deferred_encoder_says_what_it_is_without_loading():
    def load():
        raise AssertionError

    deferred = DeferredEncoder(KnownEncoder.metadata, load)
    assert (deferred.dim, deferred.size) == (4, 28)
    other = DeferredEncoder(KnownEncoder.metadata, OtherEncoder)
    assert other.metadata["precision"] == "float32"
    assert load_deferred(other) is load_deferred(other)
    assert load_deferred(other).metadata["precision"] == "bfloat16"


def test_notes_are_kept_by_their_whole_key(tmp_path):
    with Cache(str(tmp_path / "c.sqlite"), RecordingReporter()) as cache:
        assert cache.note({"a": 1}) is None
        cache.store_note({"a": 1, "b": None}, False)
        assert cache.note({"b": None, "a": 1}) is False
        assert cache.note({"a": 1}) is None


def test_whether_bfloat16_is_fast_is_timed_once(photos, tmp_path, monkeypatch):
    timed = []
    monkeypatch.setattr(
        "itae_cluster.embedding.precision.is_bfloat16_fast", lambda _: timed.append(1) or False
    )
    precision = run(photos, tmp_path / "cache").metadata["precision"]
    add(photos, 5)
    assert run(photos, tmp_path / "cache").metadata["precision"] == precision == "float32"
    assert timed == [1]


SCRIPT = """
import sys
from itae_cluster.cli import main
try:
    main()
finally:
    heavy = {"torch", "openvino", "umap", "numba", "matplotlib"} & set(sys.modules)
    print(sorted(heavy), file=sys.stderr)
"""


@pytest.mark.slow
def test_nothing_heavy_is_imported_where_all_is_known(photos):
    def loaded_modules():
        command = [sys.executable, "-c", SCRIPT, photos, "--k", "2", "--model", "mini", "-q"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stderr.strip()

    assert loaded_modules() == "['openvino']"
    assert loaded_modules() == "[]"


def test_it_is_loaded_with_the_first_picture(photos, tmp_path, loaded, monkeypatch):
    """So the others of its batch are decoded meanwhile."""
    run(photos, tmp_path / "cache")
    for number in range(10, 20):
        add(photos, number)
    passed = []
    real, kind = Reader.__iter__, loaded[1].kind

    def read(own):
        for pair in real(own):
            passed.append("picture")
            yield pair

    monkeypatch.setattr(Reader, "__iter__", read)
    loaded[1].kind = lambda: passed.append("loaded") or kind()
    run(photos, tmp_path / "cache")
    assert passed == ["picture", "loaded", *["picture"] * 9]
