"""`embed --ray`: the same vectors as without, done once, whatever is lost on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from itae_cluster.embedding import vector_files
from support.command_line import run_cli

from .conftest import NODE

MANY, EACH = 48, 4  # pictures, and those of a part
PATIENCE = 60


@pytest.fixture
def tiny(tiny_weights):
    return ["--weights", tiny_weights, "--size", 28, "--precision", "float32"]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """So many that a run takes a few seconds with the bundled model."""
    root = tmp_path_factory.mktemp("many")
    rng = np.random.default_rng(0)
    for number in range(MANY):
        pixels = rng.integers(0, 255, size=(8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((256, 256)).save(root / f"{number:03d}.png")
    return root


def rows_of(folder):
    """Path to vector (None where skipped) of all parts; a path that comes twice is an error."""
    found = {}
    for file in sorted(Path(folder).glob("part-*.parquet")):
        for row in pq.read_table(file).to_pylist():
            assert row["path"] not in found
            found[row["path"]] = row["embedding"]
    return found


def assert_same_vectors(folder, file):
    alone = vector_files.load(str(file))
    found = {path: vector for path, vector in rows_of(folder).items() if vector is not None}
    assert list(found) == list(alone.paths)
    np.testing.assert_allclose(list(found.values()), alone.vectors, rtol=0, atol=1e-6)


def parts_in(folder):
    return {file.name: file.stat().st_ino for file in Path(folder).glob("part-*.parquet")}


def test_the_same_vectors_and_clusters_as_on_one_machine(ray, album, tmp_path, tiny):
    with open(os.path.join(album, "red", "broken.jpg"), "wb") as file:
        file.write(b"\xff\xd8\xff\xe0")
    run_cli("embed", album, "--no-cache", "-o", tmp_path / "v.npz", *tiny, code=0)
    told = run_cli("embed", album, "-o", tmp_path / "v", "--ray", "--part-size", 5, *tiny, code=0)
    assert "12 vectors of 64 dimensions" in told.stderr
    assert "in 3 parts, 1 skipped" in told.stderr
    assert "broken.jpg: not a picture" in told.stderr
    assert told.stdout == ""
    assert_same_vectors(tmp_path / "v", tmp_path / "v.npz")
    words = ["--k", 3, "--seed", 1, "-q"]
    here = run_cli("--embeddings", tmp_path / "v.npz", *words, code=0)
    there = run_cli("--embeddings", tmp_path / "v", *words, code=0)
    assert there.stdout == here.stdout != ""


def test_a_second_run_does_what_has_changed(ray, album, tmp_path, tiny):
    def again(*more):
        words = ["embed", album, "-o", tmp_path / "v", "--ray", "--part-size", 4, *tiny, *more]
        before = parts_in(tmp_path / "v")
        told = run_cli(*words, code=0)
        after = parts_in(tmp_path / "v")
        return sorted(n for n in after if after[n] != before.get(n)), told.stderr

    assert len(again()[0]) == 3
    Image.new("RGB", (40, 30), "white").save(os.path.join(album, "green", "1.png"))
    (tmp_path / "v" / "part-00002.parquet").write_bytes(b"cut off")
    changed, told = again()
    assert changed == ["part-00001.parquet", "part-00002.parquet"]
    assert "1 of them kept" in told
    assert len(again("--theta", "3")[0]) == 3


def test_labels_by_the_cluster_are_those_of_this_machine(ray, tmp_path):
    from support.shards import groups_of, write_parts

    name = write_parts(tmp_path / "v", groups_of(1000)[0], 300)
    words = ["--embeddings", name, "--k", 4, "--reduce", "none", "--memory", "38K"]
    run_cli(*words, "--labels", tmp_path / "here", code=0)
    run_cli(*words, "--labels", tmp_path / "there", "--ray", code=0)
    for number in range(4):
        part = f"part-{number:05d}.parquet"
        assert pq.read_table(tmp_path / "here" / part) == pq.read_table(tmp_path / "there" / part)


def test_an_object_store_is_read_and_written(ray, store, album, tmp_path, tiny):
    from pyarrow import fs

    endpoint = store.removeprefix("http://")
    files = fs.S3FileSystem(endpoint_override=endpoint, scheme="http", allow_bucket_creation=True)
    files.create_dir("archive")
    for path in Path(album).rglob("*.png"):
        name = f"archive/photos/{path.parent.name}/{path.name[0]} #?.png"
        with files.open_output_stream(name) as stream:
            stream.write(path.read_bytes())
    with files.open_output_stream("archive/photos/notes.txt") as stream:
        stream.write(b"no picture")
    words = ["embed", "s3://archive/photos", "-o", "s3://archive/vectors", "--ray"]
    words += ["--part-size", 5, *tiny]
    told = run_cli(*words, code=0)
    assert "12 vectors of 64 dimensions in s3://archive/vectors in 3 parts" in told.stderr
    run_cli("embed", album, "--no-cache", "-o", tmp_path / "v.npz", *tiny, code=0)
    printed = run_cli("--embeddings", "s3://archive/vectors", "--k", 3, "-q", code=0)
    lines = [line.split("\t") for line in printed.stdout.splitlines()]
    assert lines[0][0] == "s3://archive/photos/blue/0 #?.png"
    alone = run_cli("--embeddings", tmp_path / "v.npz", "--k", 3, "-q", code=0)
    assert [label for _, label in lines] == [
        line.split("\t")[1] for line in alone.stdout.splitlines()
    ]
    labels = ["--embeddings", "s3://archive/vectors", "--k", 3, "--labels", "s3://archive/labels"]
    run_cli(*labels, code=0)
    names = {info.base_name for info in files.get_file_info(fs.FileSelector("archive/labels"))}
    assert names == {"manifest.json", *(f"part-0000{number}.parquet" for number in range(3))}


def start(cluster, pictures, target):
    """A run in a process of its own, which takes a while."""
    words = ["embed", str(pictures), "-o", str(target), "--ray", "--part-size", str(EACH)]
    words += ["--model", "mini", "--precision", "float32", "--theta", "off"]
    return subprocess.Popen(
        [sys.executable, "-m", "itae_cluster", *words],
        env={**os.environ, "RAY_ADDRESS": cluster.address},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def wait_for_parts(target, count):
    end = time.monotonic() + PATIENCE
    while len(found := parts_in(target) if target.exists() else {}) < count:
        assert time.monotonic() < end, "no parts"
        time.sleep(0.02)
    return found


def encoder_processes():
    """Of workers that hold a model, by their names in the process table."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if words.startswith(b"ray::") and b"EmbedWorker" in words:
                found.append(int(entry.name))
    return found


def finish(run):
    _, told = run.communicate(timeout=3 * PATIENCE)
    assert run.returncode == 0, told.decode()
    return told.decode()


@pytest.fixture(scope="module")
def alone(pictures, tmp_path_factory):
    file = tmp_path_factory.mktemp("alone") / "v.npz"
    words = ["--no-cache", "--model", "mini", "--precision", "float32", "--theta", "off"]
    run_cli("embed", pictures, "-o", file, *words, code=0)
    return file


def test_a_worker_that_is_killed_costs_its_part(ray, pictures, tmp_path, alone):
    run = start(ray, pictures, tmp_path / "v")
    early = wait_for_parts(tmp_path / "v", 2)
    killed = encoder_processes()
    assert killed
    for process in killed:
        os.kill(process, signal.SIGKILL)
    told = finish(run)
    assert f"{MANY} vectors" in told
    assert_same_vectors(tmp_path / "v", alone)
    later = parts_in(tmp_path / "v")
    again = [name for name in early if later[name] != early[name]]
    assert len(again) <= len(killed)  # what was written but not yet reported is done again


def test_a_node_that_is_lost_costs_its_parts(ray, pictures, tmp_path, alone):
    node = ray.add_node(**NODE)
    run = start(ray, pictures, tmp_path / "v")
    wait_for_parts(tmp_path / "v", 2)
    ray.remove_node(node, allow_graceful=False)
    assert f"{MANY} vectors" in finish(run)
    assert_same_vectors(tmp_path / "v", alone)


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_a_driver_that_is_killed_goes_on_when_it_is_started_again(
    ray, pictures, tmp_path, alone, sent, code
):
    run = start(ray, pictures, tmp_path / "v")
    wait_for_parts(tmp_path / "v", 3)
    run.send_signal(sent)
    out, _ = run.communicate()
    assert (run.returncode, out) == (code, b"")
    time.sleep(1)  # the parts that are just being written
    early = parts_in(tmp_path / "v")
    assert len(early) < MANY // EACH
    assert not (tmp_path / "v" / "manifest.json").exists()
    told = finish(start(ray, pictures, tmp_path / "v"))
    assert f"{len(early)} of them kept" in told
    assert early.items() <= parts_in(tmp_path / "v").items()
    assert_same_vectors(tmp_path / "v", alone)
