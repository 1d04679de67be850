"""Clusters of vectors in parts: all at once where they fit, by a sample where they do not."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import adjusted_rand_score

from itae_cluster.clustering import stream
from itae_cluster.clustering.recipe import cluster_vectors
from itae_cluster.core.errors import InputError, OutputError
from itae_cluster.core.options import (
    Algorithm,
    ClusterOptions,
    LabelOptions,
    Reduction,
    StoredVectors,
)
from itae_cluster.pipeline.cluster_shards import cluster_shards
from support.command_line import run_cli
from support.fakes import RecordingReporter, a_run
from support.shards import groups_of, write_parts

PLAIN = ClusterOptions(k=4, reduce=Reduction.NONE)
FEW = 600 * 16 * 4  # bytes of 600 vectors


@pytest.fixture
def folder(tmp_path):
    vectors, truth = groups_of(1000)
    return write_parts(tmp_path / "v", vectors, 300), vectors, truth


def test_what_fits_is_clustered_as_without_parts(folder):
    name, vectors, _ = folder
    found = cluster_shards(StoredVectors(name), PLAIN, LabelOptions(), a_run())
    alone = cluster_vectors(vectors, PLAIN)
    np.testing.assert_array_equal(found.labels, alone.labels)
    np.testing.assert_allclose(found.centres, alone.centres, atol=1e-6)
    rows = np.concatenate([found.rows(number).distances for number in range(4)])
    np.testing.assert_allclose(rows, alone.distances, atol=1e-5)


@pytest.mark.parametrize(
    "recipe",
    [
        PLAIN,
        ClusterOptions(k=4, reduce=Reduction.PCA, reduce_dim=5),
        ClusterOptions(Algorithm.AGGLOMERATIVE, k=4, reduce=Reduction.NONE),
        ClusterOptions(Algorithm.HDBSCAN, reduce=Reduction.PCA, reduce_dim=5),
    ],
    ids=["kmeans", "pca", "agglomerative", "hdbscan"],
)
def test_a_sample_finds_the_groups_for_all(folder, recipe):
    name, _, truth = folder
    reporter = RecordingReporter()
    found = cluster_shards(StoredVectors(name, FEW), recipe, LabelOptions(), a_run(reporter))
    assert found.sampled == 600
    assert any("600 of them are clustered" in note for note in reporter.notes)
    assert adjusted_rand_score(truth, found.labels) > 0.95
    sizes = [found.sizes[label] for label in range(4)]
    assert sizes == sorted(sizes, reverse=True)


def test_centres_are_those_of_all_pictures(folder):
    name, vectors, _ = folder
    found = cluster_shards(StoredVectors(name, FEW), PLAIN, LabelOptions(), a_run())
    for label, centre in enumerate(found.centres):
        mean = vectors[found.labels == label].mean(axis=0)
        np.testing.assert_allclose(centre, mean, atol=1e-5)


def test_the_seed_decides(folder):
    name = folder[0]
    one, other = (
        cluster_shards(StoredVectors(name, FEW), PLAIN, LabelOptions(), a_run()) for _ in range(2)
    )
    np.testing.assert_array_equal(one.labels, other.labels)


def test_labels_become_parquet_row_for_row(folder, tmp_path):
    name, vectors, _ = folder
    out = tmp_path / "labels"
    found = cluster_shards(StoredVectors(name, FEW), PLAIN, LabelOptions(str(out)), a_run())
    table = pq.read_table(out / "part-00003.parquet")
    assert table["path"].to_pylist() == [f"/photos/{row:06d}.jpg" for row in range(900, 1000)]
    assert table["cluster"].to_pylist() == found.labels[900:].tolist()
    own = np.linalg.norm(vectors[900:] - found.centres[found.labels[900:]], axis=1)
    np.testing.assert_allclose(table["distance"].to_numpy(), own, atol=1e-5)
    document = json.loads((out / "manifest.json").read_text())
    assert [each["size"] for each in document["clusters"]] == list(found.sizes.values())
    with pytest.raises(OutputError, match="exists"):
        cluster_shards(StoredVectors(name, FEW), PLAIN, LabelOptions(str(out)), a_run())


def test_near_duplicates_are_found_across_parts(tmp_path):
    vectors, _ = groups_of(40, dim=64)
    vectors = np.concatenate([vectors, vectors[:3]])
    name = write_parts(tmp_path / "v", vectors, 10)
    options = LabelOptions(str(tmp_path / "labels"), near_duplicates=True)
    found = cluster_shards(StoredVectors(name), PLAIN, options, a_run())
    first = found.duplicates
    assert first[:3].tolist() == first[40:].tolist() == [0, 1, 2]
    table = pq.read_table(tmp_path / "labels" / "part-00004.parquet")
    assert table["near_duplicate_of"].to_pylist() == [0, 1, 2]


def test_bundles_hold_whole_clusters_where_they_can():
    labels = np.repeat([0, 1, 2, 3], [5, 2, 2, 1]).astype(np.int32)
    found = [(part.start, part.stop) for part in stream.bundles(labels, 4)]
    assert found == [(0, 4), (4, 7), (7, 10)]


def test_the_command_prints_what_the_pictures_print(folder):
    name, _, _ = folder
    told = run_cli("--embeddings", name, "--k", 4, "--reduce", "none", "-q", code=0)
    lines = [line.split("\t") for line in told.stdout.splitlines()]
    found = cluster_shards(StoredVectors(name), PLAIN, LabelOptions(), a_run())
    assert [int(label) for _, label in lines] == found.labels.tolist()
    assert lines[0][0] == "/photos/000000.jpg"
    streamed = run_cli(
        "--embeddings", name, "--k", 4, "--reduce", "none", "--memory", "38K", "-f", "jsonl", code=0
    )
    records = [json.loads(line) for line in streamed.stdout.splitlines()]
    assert len(records) == 1000
    assert "others follow" in streamed.stderr


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--format", "json"), "tsv or jsonl"),
        (("--near-duplicates",), "--labels"),
        (("--labels", "l", "--out", "o"), "without --out"),
        (("photos",), "takes the place"),
        (("--ray=host",), "ray://head:10001"),
    ],
)
def test_what_does_not_belong_is_refused(folder, words, reason):
    told = run_cli("--embeddings", folder[0], "--k", 4, *words, code=2)
    assert reason in told.stderr


def test_folders_for_pictures_need_all_vectors(folder, tmp_path):
    told = run_cli(
        "--embeddings", folder[0], "--memory", "10K", "--out", tmp_path / "o", "--k", 4, code=1
    )
    assert "more than --memory allows" in told.stderr


def test_few_pictures_for_many_clusters(folder):
    with pytest.raises(InputError, match="more clusters than"):
        cluster_shards(
            StoredVectors(folder[0], FEW), ClusterOptions(k=2000), LabelOptions(), a_run()
        )
