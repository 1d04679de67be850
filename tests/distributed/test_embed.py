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
from support.pictures import make_album

MANY, EACH = 48, 4  # pictures, and those of a part
PATIENCE = 60


@pytest.fixture(scope="module")
def tiny(tiny_weights):
    return ["--weights", tiny_weights, "--size", 28, "--precision", "float32"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Red, green and blue, four each, and one that is no picture."""
    root = tmp_path_factory.mktemp("album") / "photos"
    make_album(root)
    (root / "red" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    return root


@pytest.fixture(scope="module")
def here(photos, tiny, tmp_path_factory):
    """The vectors of the album, made without Ray."""
    file = tmp_path_factory.mktemp("here") / "v.npz"
    run_cli("embed", photos, "--no-cache", "-o", file, *tiny, code=0)
    return file


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


def test_the_same_vectors_and_clusters_as_on_one_machine(ray, photos, here, tmp_path, tiny):
    """And a second run does what has changed, and no more."""
    target = tmp_path / "v"
    words = ["embed", photos, "-o", target, "--ray", "--part-size", 5, *tiny]
    told = run_cli(*words, code=0)
    assert "12 vectors of 64 dimensions" in told.stderr
    assert "in 3 parts, 1 skipped" in told.stderr
    assert "broken.jpg: not a picture" in told.stderr
    assert told.stdout == ""
    assert_same_vectors(target, here)
    chosen = ["--k", 3, "--seed", 1, "-q"]
    alone = run_cli("--embeddings", here, *chosen, code=0)
    assert run_cli("--embeddings", target, *chosen, code=0).stdout == alone.stdout != ""

    first = parts_in(target)
    before = rows_of(target)
    changed = photos / "green" / "1.png"
    content = changed.read_bytes()
    try:
        Image.new("RGB", (40, 30), "white").save(changed)
        (target / "part-00002.parquet").write_bytes(b"cut off")
        told = run_cli(*words, code=0)
    finally:
        changed.write_bytes(content)
    assert "1 of them kept" in told.stderr
    later = parts_in(target)
    assert sorted(n for n in later if later[n] != first[n]) == [
        "part-00001.parquet",
        "part-00002.parquet",
    ]
    after = rows_of(target)
    assert [path for path in after if after[path] != before[path]] == [str(changed)]


def test_labels_by_the_cluster_are_those_of_this_machine(two_nodes, tmp_path):
    from support.shards import groups_of, write_parts

    name = write_parts(tmp_path / "v", groups_of(1000)[0], 300)
    words = ["--embeddings", name, "--k", 4, "--reduce", "none", "--memory", "38K"]
    run_cli(*words, "--labels", tmp_path / "here", code=0)
    run_cli(*words, "--labels", tmp_path / "there", "--ray", code=0)
    for number in range(4):
        part = f"part-{number:05d}.parquet"
        assert pq.read_table(tmp_path / "here" / part) == pq.read_table(tmp_path / "there" / part)


def test_an_object_store_is_read_and_written(ray, store, photos, here, tiny):
    from pyarrow import fs

    endpoint = store.removeprefix("http://")
    files = fs.S3FileSystem(endpoint_override=endpoint, scheme="http", allow_bucket_creation=True)
    files.create_dir("archive")
    for path in photos.rglob("*.png"):
        name = f"archive/photos/{path.parent.name}/{path.name[0]} #?.png"
        with files.open_output_stream(name) as stream:
            stream.write(path.read_bytes())
    with files.open_output_stream("archive/photos/notes.txt") as stream:
        stream.write(b"no picture")
    words = ["embed", "s3://archive/photos", "-o", "s3://archive/vectors", "--ray"]
    words += ["--part-size", 5, *tiny]
    told = run_cli(*words, code=0)
    assert "12 vectors of 64 dimensions in s3://archive/vectors in 3 parts" in told.stderr
    printed = run_cli("--embeddings", "s3://archive/vectors", "--k", 3, "-q", code=0)
    lines = [line.split("\t") for line in printed.stdout.splitlines()]
    assert lines[0][0] == "s3://archive/photos/blue/0 #?.png"
    alone = run_cli("--embeddings", here, "--k", 3, "-q", code=0)
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


def wait_for_no_encoders():
    end = time.monotonic() + PATIENCE
    while encoder_processes():
        assert time.monotonic() < end, "workers outlive their driver"
        time.sleep(0.1)


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


def killed_workers(cluster):
    """SIGKILL to all workers that hold a model; how many written parts are done again at most."""
    killed = encoder_processes()
    assert killed
    for process in killed:
        os.kill(process, signal.SIGKILL)
    return len(killed)


def lost_node(cluster):
    """The second node, without a word: what it has written and not reported is done again."""
    (node,) = cluster.worker_nodes
    cluster.remove_node(node, allow_graceful=False)


@pytest.mark.parametrize(
    ("sent", "code", "lose"),
    [(signal.SIGKILL, -9, killed_workers), (signal.SIGINT, 130, lost_node)],
)
def test_what_is_lost_on_the_way_costs_its_parts(
    two_nodes, pictures, tmp_path, alone, sent, code, lose
):
    """The driver, which goes on when it is started again; then workers, or a node."""
    target = tmp_path / "v"
    run = start(two_nodes, pictures, target)
    wait_for_parts(target, 3)
    run.send_signal(sent)
    out, _ = run.communicate()
    assert (run.returncode, out) == (code, b"")
    wait_for_no_encoders()  # the parts that are just being written
    early = parts_in(target)
    assert len(early) < MANY // EACH
    assert not (target / "manifest.json").exists()

    run = start(two_nodes, pictures, target)
    written = wait_for_parts(target, len(early) + 2)
    cost = lose(two_nodes)
    told = finish(run)
    assert f"{MANY} vectors" in told
    assert f"{len(early)} of them kept" in told
    assert_same_vectors(target, alone)
    later = parts_in(target)
    assert early.items() <= later.items()
    if cost is not None:
        assert len([name for name in written if later[name] != written[name]]) <= cost
