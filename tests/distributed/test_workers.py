"""What workers do, without a cluster around them."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys

import numpy as np
import pytest

from itae_cluster.clustering.duplicates import find_near_duplicates
from itae_cluster.distributed.decode import DecodeWorker
from itae_cluster.pictures import decode as decoding
from support.command_line import run_cli
from support.fakes import RECIPE

real_decode = decoding.decode


def crash_on_one(path, size, max_pixels):
    if os.path.basename(path) == "1.png":
        os.kill(os.getpid(), signal.SIGSEGV)
    return real_decode(path, size, max_pixels)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGSEGV to send there")
def test_a_picture_that_crashes_its_decoder_costs_itself(album, tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "decode", crash_on_one)
    paths = [os.fsencode(os.path.join(album, "red", f"{number}.png")) for number in range(4)]
    worker = DecodeWorker(str(tmp_path / "v"), RECIPE, 10**6)
    row = worker({"number": np.array([7]), "paths": [paths]})
    worker._decoders.__exit__()
    part = pickle.loads(row["part"][0])
    assert part.number == 7
    assert part.pixels.shape == (3, 28, 28, 3)
    assert [reason is None for reason in part.files.skipped] == [True, False, True, True]
    assert "crashed" in part.files.skipped[1]


def test_without_ray_the_command_says_what_to_install(album, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    told = run_cli("embed", album, "-o", tmp_path / "v", "--ray", code=2)
    assert told.stderr.count("\n") == 1
    assert "pip install 'itae-cluster[ray]'" in told.stderr
    assert not (tmp_path / "v").exists()


def test_help_imports_neither_ray_nor_pyarrow():
    code = (
        "import sys; from itae_cluster.cli import main\n"
        "try: main()\n"
        "finally: assert not {'ray', 'pyarrow', 'faiss'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code, "embed", "--help"], check=True, capture_output=True)


def test_an_index_finds_the_near_duplicates_of_many():
    pytest.importorskip("faiss")
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(11_000, 32)).astype(np.float32)
    vectors[10_500:] = vectors[:500]
    vectors += 0.01 * rng.standard_normal(vectors.shape, dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = find_near_duplicates(vectors)
    planted = {(row, row + 10_500) for row in range(500)}
    assert len(planted & set(found)) >= 495
    assert set(found) <= planted
