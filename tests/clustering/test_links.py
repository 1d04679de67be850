"""Which of several partitions is taken: the one that parts the fewest nearest neighbours."""

from __future__ import annotations

import numpy as np
import pytest

from itae_cluster.clustering import links
from itae_cluster.clustering.links import fewest_parted, share_together, smooth
from itae_cluster.clustering.recipe import cluster_vectors
from itae_cluster.clustering.similarity import find_similar
from itae_cluster.core.options import Algorithm, ClusterOptions, Reduction
from itae_cluster.paper.scores import clustering_accuracy
from support.points import blobs

ONE_EACH = np.ones(120, dtype=np.int64)


def test_neighbours_are_counted_that_share_a_cluster():
    nearest = np.array([[1, 2], [0, 2], [0, 3], [2, 0]])
    assert share_together(np.array([0, 0, 0, 0]), nearest) == 1
    assert share_together(np.array([0, 0, 1, 1]), nearest) == 4 / 8


def test_smoothing_is_the_mean_of_neighbours_again_and_again():
    vectors, _ = blobs([8, 7], dim=5)
    similar = find_similar(vectors, neighbours=3)
    links_between = np.zeros((15, 15))
    for row, (near, cosines) in enumerate(zip(similar.neighbours, similar.cosines, strict=True)):
        links_between[row, near] = np.maximum(cosines, 0) ** 3
    links_between = np.maximum(links_between, links_between.T) + np.eye(15)
    wanted = vectors.astype(np.float64)
    for _ in range(4):
        wanted = links_between @ wanted / links_between.sum(axis=1, keepdims=True)
        wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    found = smooth(vectors, similar.neighbours, similar.cosines)
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_smoothing_draws_groups_together():
    vectors, truth = blobs([60, 60], dim=16, spread=0.3)
    similar = find_similar(vectors, neighbours=10)
    found = smooth(vectors, similar.neighbours, similar.cosines)
    for label in (0, 1):
        assert (
            found[truth == label].var(axis=0).sum() < vectors[truth == label].var(axis=0).sum() / 4
        )


def with_partitions(monkeypatch, by_kmeans, by_linkage):
    """The labels that each of the partitions is to have."""
    monkeypatch.setattr(links.algorithms, "kmeans", lambda *_, **__: by_kmeans)
    monkeypatch.setattr(links.algorithms, "agglomerative", lambda *_, **__: by_linkage)


def test_the_partition_that_parts_fewer_is_taken(monkeypatch):
    vectors, truth = blobs([90, 30])
    torn = np.where(np.arange(120) < 45, 0, 1)  # the large group in two, the small one joined
    with_partitions(monkeypatch, torn, truth)
    found, which = fewest_parted(vectors, vectors, 2, ClusterOptions(k=2), ONE_EACH)
    assert which == "average linkage"
    assert found.tolist() == truth.tolist()


def test_kmeans_stays_where_no_other_is_clearly_better(monkeypatch):
    vectors, truth = blobs([90, 30])
    near = truth.copy()
    near[0] = 1 - near[0]  # parts a few pairs more, less than one in fifty
    with_partitions(monkeypatch, near, truth)
    found, which = fewest_parted(vectors, vectors, 2, ClusterOptions(k=2), ONE_EACH)
    assert which == "kmeans"
    assert found.tolist() == near.tolist()


@pytest.mark.parametrize(("k", "most"), [(31, 10_000), (2, 100), (1, 10_000)])
def test_nothing_is_compared_where_it_would_say_nothing(monkeypatch, k, most):
    vectors, _ = blobs([90, 30])
    monkeypatch.setattr(links, "_MOST_POINTS", most)
    monkeypatch.setattr(links.algorithms, "agglomerative", None)
    _, which = fewest_parted(vectors, vectors, k, ClusterOptions(k=k), ONE_EACH)
    assert which == "kmeans"


def test_auto_is_kmeans_in_any_space_but_that_of_umap():
    vectors, truth = blobs([70, 30, 12])
    options = ClusterOptions(k=3, reduce=Reduction.PCA)
    found = cluster_vectors(vectors, options)
    assert (options.algorithm, found.partition) == (Algorithm.AUTO, None)
    plain = ClusterOptions(Algorithm.KMEANS, 3, reduce=Reduction.PCA)
    assert found.labels.tolist() == cluster_vectors(vectors, plain).labels.tolist()
    in_umap = cluster_vectors(vectors, ClusterOptions(k=3))
    assert in_umap.partition is not None
    assert clustering_accuracy([str(t) for t in truth], in_umap.labels) == 1
