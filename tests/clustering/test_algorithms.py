"""Clustering on points whose clusters are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from itae_cluster.clustering import algorithms as cluster_stage
from itae_cluster.clustering import density
from itae_cluster.clustering import reduce as reduce_stage
from itae_cluster.clustering.algorithms import agglomerative, describe, kmeans, representatives
from itae_cluster.clustering.density import default_min_cluster_size
from itae_cluster.clustering.recipe import check_size, cluster_vectors
from itae_cluster.clustering.reduce import pca_reduce, umap_reduce
from itae_cluster.core.errors import InputError
from itae_cluster.core.options import Algorithm, ClusterOptions, Linkage, NoiseRule, Reduction
from itae_cluster.core.types import NOISE
from itae_cluster.paper.scores import clustering_accuracy
from support.fakes import RecordingReporter
from support.points import blobs, unit


def run_kmeans(vectors, k, reporter=None, **kwargs):
    options = ClusterOptions(k=k, **{"restarts": 5, "reduce": Reduction.NONE, **kwargs})
    return cluster_vectors(vectors, options, reporter=reporter)


def run_hdbscan(vectors, reporter=None, **kwargs):
    options = ClusterOptions(algorithm=Algorithm.HDBSCAN, **kwargs)
    return cluster_vectors(vectors, options, reporter=reporter)


def test_kmeans_finds_known_clusters_numbered_by_size():
    vectors, truth = blobs([10, 40, 25])
    found = run_kmeans(vectors, 3)
    assert clustering_accuracy([str(t) for t in truth], found.labels) == 1.0
    assert np.bincount(found.labels).tolist() == [40, 25, 10]
    assert set(truth[found.labels == 0]) == {1}


def test_centres_are_means_and_distances_are_to_them():
    vectors, _ = blobs([6, 9])
    found = run_kmeans(vectors, 2)
    for label in (0, 1):
        members = vectors[found.labels == label]
        np.testing.assert_allclose(found.centres[label], members.mean(axis=0), atol=1e-6)
    for vector, label, distance in zip(vectors, found.labels, found.distances, strict=True):
        wanted = np.linalg.norm(vector - found.centres[label])
        assert distance == pytest.approx(wanted, abs=1e-6)


def test_the_same_seed_gives_the_same_labels():
    vectors = unit(np.random.default_rng(1).normal(size=(200, 8)))
    first, again = run_kmeans(vectors, 7, seed=3), run_kmeans(vectors, 7, seed=3)
    assert first.labels.tolist() == again.labels.tolist()
    assert first.labels.tolist() != run_kmeans(vectors, 7, seed=4, restarts=1).labels.tolist()


@pytest.mark.parametrize("n", [1, 2, 9])
def test_tiny_collections(n):
    vectors = unit(np.random.default_rng(2).normal(size=(n, 8)))
    assert sorted(run_kmeans(vectors, n).labels.tolist()) == list(range(n))
    assert run_kmeans(vectors, 1).labels.tolist() == [0] * n
    assert len(run_hdbscan(vectors).labels) == n


def test_more_clusters_than_pictures_is_an_error():
    vectors = unit(np.ones((3, 4)))
    with pytest.raises(InputError, match=r"--k 4 .* \(3\); use --k 3"):
        run_kmeans(vectors, 4)


def test_identical_pictures_make_fewer_clusters_and_a_warning():
    vectors = unit(np.repeat(np.eye(4)[:2], 3, axis=0))
    reporter = RecordingReporter()
    found = run_kmeans(vectors, 4, reporter)
    assert found.centres.shape == (2, 4)
    assert set(found.labels.tolist()) == {0, 1}
    assert "only 2 of 4 clusters" in reporter.warnings[0]


def test_hdbscan_finds_known_clusters_without_being_told_their_number():
    vectors, truth = blobs([60, 40, 30, 20])
    found = run_hdbscan(vectors)
    assert clustering_accuracy([str(t) for t in truth], found.labels) > 0.95
    assert np.bincount(found.labels[found.labels >= 0])[0] >= 50


def test_hdbscan_without_any_cluster_warns_and_keeps_everything_as_noise():
    vectors, _ = blobs([4])
    reporter = RecordingReporter()
    found = run_hdbscan(vectors, reporter, assign_noise=NoiseRule.NEAREST)
    assert found.labels.tolist() == [NOISE] * 4
    assert found.centres.shape == (0, 16)
    assert np.isnan(found.distances).all()
    assert "--min-cluster-size" in reporter.warnings[0]


def test_default_min_cluster_size_grows_slowly():
    sizes = [default_min_cluster_size(n) for n in (1, 100, 600, 10_000, 10**7)]
    assert sizes == [5, 5, 10, 40, 50]


def test_representatives_are_the_nearest_first():
    vectors, _ = blobs([10, 5])
    found = run_kmeans(vectors, 2)
    for label, rows in representatives(found, 3).items():
        distances = found.distances[found.labels == label]
        assert found.distances[list(rows)].tolist() == sorted(distances.tolist())[:3]


def test_reducing_is_told_as_it_goes():
    vectors, _ = blobs([20] * 3)
    reporter = RecordingReporter()
    cluster_vectors(vectors, ClusterOptions(k=3), reporter=reporter)
    reducing = [(done, total) for stage, done, total in reporter.stages if stage == "Reducing"]
    assert reducing[0] == (0, None)
    assert reducing[-1] == (200, 200)


@pytest.mark.parametrize(
    ("truth", "labels", "wanted"),
    [
        ("aabb", [1, 1, 0, 0], 1.0),
        ("aabb", [0, 0, 0, 0], 0.5),
        ("aabb", [0, 1, 2, 3], 0.5),  # more clusters than classes
        ("abcd", [0, 0, 1, 1], 0.5),  # fewer
        ("aabb", [-1, -1, 0, 0], 0.5),  # noise is wrong
        ("aa", [-1, -1], 0.0),
        # by hand: a→0 (3 of 4), b→1 (2 of 3) beats any other assignment
        ("aaaabbb", [0, 0, 0, 1, 1, 1, 0], 5 / 7),
    ],
)
def test_clustering_accuracy_by_hand(truth, labels, wanted):
    assert clustering_accuracy(list(truth), np.array(labels)) == pytest.approx(wanted)


def even_blobs(n, clusters, seed=0):
    """Well separated groups on the sphere, (n, 8), and which is which."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(clusters, 8)) * 5
    truth = rng.integers(0, clusters, n)
    points = centres[truth] + rng.normal(size=(n, 8)) * 0.3
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32), truth


def test_kmeans_beyond_the_sample_finds_what_it_finds_within(monkeypatch):
    vectors, _ = even_blobs(900, 5)
    whole = describe(vectors, kmeans(vectors, 5, seed=0, restarts=5))
    monkeypatch.setattr(cluster_stage, "_MOST_AT_ONCE", 100)
    monkeypatch.setattr(cluster_stage, "_SAMPLED_PER_CLUSTER", 20)
    monkeypatch.setattr(cluster_stage, "_ROWS_AT_ONCE", 64)
    sampled = describe(vectors, kmeans(vectors, 5, seed=0, restarts=5))
    np.testing.assert_array_equal(sampled.labels, whole.labels)
    np.testing.assert_allclose(sampled.centres, whole.centres, atol=1e-5)
    np.testing.assert_allclose(sampled.distances, whole.distances, atol=1e-5)


def test_lloyd_goes_on_over_all_pictures_until_the_centres_rest():
    vectors, truth = even_blobs(600, 3)
    starts = vectors[[int(np.flatnonzero(truth == label)[0]) for label in range(3)]]
    labels = cluster_stage._refined(vectors, starts)
    np.testing.assert_array_equal(labels, truth)


def test_lloyd_leaves_an_empty_cluster_where_it_is():
    vectors, _ = even_blobs(50, 1)
    starts = np.concatenate([vectors[:1], -100 * np.ones((1, 8), dtype=np.float32)])
    assert not cluster_stage._refined(vectors, starts).any()


def test_a_reduction_beyond_the_sample_keeps_the_groups_apart(monkeypatch):
    vectors, truth = even_blobs(400, 4)
    monkeypatch.setattr(reduce_stage, "_MOST_FITTED", 150)
    monkeypatch.setattr(reduce_stage, "_ROWS_AT_ONCE", 37)
    places = reduce_stage.umap_reduce(vectors, 2, seed=0)
    assert places.shape == (400, 2)
    assert np.isfinite(places).all()
    found = kmeans(places, 4, seed=0, restarts=5)
    for label in range(4):
        assert len(set(found[truth == label])) == 1
    np.testing.assert_array_equal(places, reduce_stage.umap_reduce(vectors, 2, seed=0))


def test_a_point_of_the_sample_keeps_its_place():
    vectors, _ = even_blobs(60, 3)
    fitted = np.random.default_rng(0).normal(size=(60, 2)).astype(np.float32)
    np.testing.assert_allclose(
        reduce_stage.place_among(vectors, vectors, fitted), fitted, atol=1e-2
    )


def test_the_neighbour_graph_is_exact(monkeypatch):
    vectors, _ = even_blobs(80, 3)
    assert reduce_stage._neighbours(vectors, 4) == (None, None, None)
    monkeypatch.setattr(reduce_stage, "_FEWEST_FOR_A_GRAPH", 10)
    nearest, distances, _ = reduce_stage._neighbours(vectors, 4)
    pairs = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    np.testing.assert_array_equal(nearest[:, 0], np.arange(80))
    np.testing.assert_allclose(distances, np.sort(pairs, axis=1)[:, :4], atol=1e-4)


# Recipes -------------------------------------------------------------------------------------

BY_K = (Algorithm.AUTO, Algorithm.KMEANS, Algorithm.AGGLOMERATIVE, Algorithm.SPECTRAL)


@pytest.mark.parametrize("reduce", Reduction)
@pytest.mark.parametrize("algorithm", Algorithm)
def test_every_recipe_finds_known_clusters_and_repeats_itself(algorithm, reduce):
    vectors, truth = blobs([30, 25, 20])
    k = 3 if algorithm in BY_K else None
    options = ClusterOptions(algorithm, k, seed=4, reduce=reduce)
    found = cluster_vectors(vectors, options)
    assert clustering_accuracy([str(t) for t in truth], found.labels) > 0.95
    assert found.labels.tolist() == cluster_vectors(vectors, options).labels.tolist()
    assert found.centres.shape == (3, 16)
    for label in range(3):
        members = vectors[found.labels == label]
        np.testing.assert_allclose(found.centres[label], members.mean(axis=0), atol=1e-6)


@pytest.mark.parametrize(
    ("n", "k", "neighbours"),
    [
        (600, 10, 15),
        (352, 44, 8),
        (600, 200, 3),
        (9, 9, 3),
        (600, 41, 15),
        (600, 50, 12),
        (9, 1, 9),
    ],
)
def test_a_picture_has_as_many_neighbours_as_its_cluster_pictures(n, k, neighbours):
    assert ClusterOptions(k=k).graph(n) == neighbours
    assert ClusterOptions(k=k, neighbors=4).graph(n) == 4
    assert ClusterOptions(algorithm=Algorithm.HDBSCAN).graph(n) == 15


@pytest.mark.parametrize(
    ("options", "neighbours"),
    [
        ({"k": 3}, 4),
        ({"k": 3, "neighbors": 7}, 7),
        ({"k": None, "k_range": (4, 4)}, 3),
        ({"k": 3, "reduce": Reduction.PCA}, None),
        ({"k": 3, "reduce": Reduction.NONE, "algorithm": Algorithm.SPECTRAL}, 4),
        ({"algorithm": Algorithm.HDBSCAN}, 15),
        ({"algorithm": Algorithm.HDBSCAN, "neighbors": 6}, 6),
    ],
)
def test_that_many_are_used_and_told(monkeypatch, options, neighbours):
    vectors, _ = blobs([4, 4, 4], spread=0.1)  # twelve pictures, no near-duplicates
    used = []
    monkeypatch.setattr(
        "itae_cluster.clustering.recipe.cached_umap",
        lambda vectors, *_, **given: used.append(given["neighbours"]) or vectors,
    )
    options = ClusterOptions(**options)
    assert cluster_vectors(vectors, options).neighbours == neighbours
    reductions = 3 if options.algorithm is Algorithm.HDBSCAN else 1
    assert used == ([neighbours] * reductions if options.reduce is Reduction.UMAP else [])


@pytest.mark.parametrize("reduce", Reduction)
@pytest.mark.parametrize("algorithm", BY_K)
@pytest.mark.parametrize(("n", "k"), [(1, 1), (2, 1), (2, 2), (3, 2), (9, 4), (9, 9), (9, 1)])
def test_every_recipe_takes_tiny_collections(algorithm, reduce, n, k):
    vectors = unit(np.random.default_rng(2).normal(size=(n, 8)))
    found = cluster_vectors(vectors, ClusterOptions(algorithm, k, reduce=reduce))
    assert sorted(set(found.labels.tolist())) == list(range(k))


@pytest.mark.parametrize("algorithm", [Algorithm.AGGLOMERATIVE, Algorithm.SPECTRAL])
def test_beyond_the_sample_points_go_with_their_nearest(monkeypatch, algorithm):
    vectors, truth = even_blobs(400, 4)
    monkeypatch.setattr(cluster_stage, "MOST_PAIRED", 150)
    monkeypatch.setattr(cluster_stage, "_ROWS_AT_ONCE", 64)
    options = ClusterOptions(algorithm, 4, reduce=Reduction.NONE)
    found = cluster_vectors(vectors, options).labels
    for label in range(4):
        assert len(set(found[truth == label])) == 1
    assert len(set(found)) == 4
    check_size(400, None, replace(options, k=150))
    with pytest.raises(InputError, match="use --k 150 or --algorithm kmeans"):
        check_size(400, None, replace(options, k=151))


def test_hdbscan_stops_before_it_takes_hours():
    options = ClusterOptions(Algorithm.HDBSCAN, reduce=Reduction.NONE)
    check_size(10_000, None, options)
    check_size(10_001, 50, options)
    with pytest.raises(InputError, match=r"stops at 10000 .* 10001; use --reduce umap"):
        check_size(10_001, None, options)
    with pytest.raises(InputError, match="use --reduce umap"):
        check_size(10_001, None, replace(options, reduce=Reduction.PCA, reduce_dim=51))
    check_size(10**6, None, replace(options, reduce=Reduction.UMAP))


def test_average_linkage_keeps_a_small_group_where_ward_splits_a_large_one():
    rng = np.random.default_rng(0)
    large = rng.uniform(-1, 1, size=(400, 2))
    points = np.concatenate([large, [[1.7, 0], [1.71, 0]]]).astype(np.float32)
    average = agglomerative(points, 2, seed=0, linkage=Linkage.AVERAGE)
    ward = agglomerative(points, 2, seed=0, linkage=Linkage.WARD)
    assert (average == average[400]).sum() < 0.5 * (ward == ward[400]).sum()


def test_principal_components_have_length_1_about_the_mean():
    vectors, _ = blobs([30, 20], dim=32)
    reduced = pca_reduce(vectors, 5)
    assert reduced.shape == (50, 5)
    np.testing.assert_allclose(np.linalg.norm(reduced, axis=1), 1, atol=1e-5)
    assert pca_reduce(vectors[:20], 50).shape == (20, 20)
    assert np.isfinite(pca_reduce(np.ones((20, 4), dtype=np.float32), 2)).all()


# Noise ---------------------------------------------------------------------------------------


def noisy(monkeypatch, noise, lost=12):
    """HDBSCAN that calls the first `lost` of 40 points noise; they lie near cluster 1."""
    labels = np.repeat([0, 1], 20)
    labels[:lost] = NOISE
    points = np.repeat([[0.0], [1.0]], 20, axis=0).astype(np.float32)
    points[:lost] = 0.9
    soft = np.full((40, 2), 0.1)
    soft[:, 0] = np.linspace(0.5, 0.9, 40)
    monkeypatch.setattr(density, "_fitted", lambda *_: (labels.copy(), soft))
    return density.hdbscan(points, min_cluster_size=None, noise=noise)


def test_noise_goes_where_it_is_sent(monkeypatch):
    kept, _ = noisy(monkeypatch, NoiseRule.KEEP)
    assert (kept[:12] == NOISE).all()
    nearest, _ = noisy(monkeypatch, NoiseRule.NEAREST)
    assert (nearest[:12] == 1).all()
    soft, membership = noisy(monkeypatch, NoiseRule.SOFT)
    assert (soft[:12] == 0).all()
    np.testing.assert_allclose(membership[:20], np.linspace(0.5, 0.9, 40)[:20], atol=1e-6)
    np.testing.assert_allclose(membership[20:], 0.1, atol=1e-6)


def test_by_default_no_more_than_a_fifth_is_noise_and_the_surest_leave_it(monkeypatch):
    found, _ = noisy(monkeypatch, None)
    assert (found[:8] == NOISE).all()
    assert (found[8:12] == 0).all()
    few, _ = noisy(monkeypatch, None, lost=8)
    assert (few[:8] == NOISE).all()


def test_one_reduction_that_falls_together_is_not_taken(monkeypatch):
    """Two groups may lie so far off that all the others are one."""
    vectors, truth = blobs([30] * 6, spread=0.1)
    far = np.repeat([[0.0], [1.0]], 90, axis=0)
    fallen = (far + np.random.default_rng(0).normal(size=(180, 2)) / 100).astype(np.float32)
    seeds = []

    def reduce(vectors, dim, *, seed, **_):
        seeds.append(seed)
        return fallen if seed % 3 == 0 else umap_reduce(vectors, dim, seed=seed)

    monkeypatch.setattr("itae_cluster.clustering.recipe.cached_umap", reduce)
    found = run_hdbscan(vectors, seed=1)
    assert seeds == [3, 4, 5]
    assert len(found.centres) == 6
    assert clustering_accuracy([str(t) for t in truth], found.labels) > 0.9


def test_several_reductions_are_one_bar():
    vectors, _ = blobs([20] * 3)
    reporter = RecordingReporter()
    run_hdbscan(vectors, reporter)
    told = [(done, total) for stage, done, total in reporter.stages if stage == "Reducing"]
    assert told[0] == (0, None)
    assert told[-1] == (600, 600)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_membership_is_a_probability_and_lower_far_from_the_core():
    vectors, truth = blobs([40, 40], spread=0.08)
    between = vectors[truth == 0].mean(axis=0) + vectors[truth == 1].mean(axis=0)
    vectors[0] = between / np.linalg.norm(between)
    options = ClusterOptions(Algorithm.HDBSCAN, reduce=Reduction.NONE)
    found = cluster_vectors(vectors, options)
    assert found.membership.min() >= 0
    assert found.membership.max() <= 1
    assert found.membership[0] < np.median(found.membership)
    assert run_kmeans(vectors, 2).membership is None
