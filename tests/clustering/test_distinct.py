"""Copies and near-duplicates stay together, whatever the recipe."""

from __future__ import annotations

import numpy as np
import pytest

from itae_cluster.clustering import algorithms, distinct
from itae_cluster.clustering import recipe as recipe_module
from itae_cluster.clustering.distinct import find_copies, join_similar, mean_places
from itae_cluster.clustering.recipe import cluster_vectors
from itae_cluster.clustering.reduce import umap_reduce
from itae_cluster.core.options import Algorithm, ClusterOptions, Reduction
from support.fakes import RecordingReporter
from support.points import unit


def album(copies=100, others=90, near=0.0, seed=0):
    """Different pictures, and one of them `copies` times more, each moved by about `near`."""
    rng = np.random.default_rng(seed)
    alone = unit(rng.normal(size=(others, 32)) + 2 * np.eye(32)[rng.integers(0, 6, others)])
    same = np.repeat(alone[:1], copies, axis=0)
    same = unit(same + near * rng.normal(size=same.shape) / np.sqrt(32)) if near else same
    order = rng.permutation(copies + others)
    is_same = np.arange(copies + others) >= others
    is_same[0] = True
    return np.concatenate([alone, same])[order], is_same[order]


def recipe(algorithm, reduce, k=8):
    return ClusterOptions(algorithm, None if algorithm is Algorithm.HDBSCAN else k, reduce=reduce)


def test_points_are_in_the_order_of_their_first_pictures_and_as_heavy_as_they_have_pictures():
    a, b, c = unit(np.eye(4)[:3])
    found = find_copies(np.stack([b, a, b, c, a, b]))
    assert found.of.tolist() == [0, 1, 0, 2, 1, 0]
    assert found.weights.tolist() == [3, 2, 1]
    np.testing.assert_array_equal(found.points, [b, a, c])
    alone = find_copies(np.stack([c, a]))
    assert (alone.of.tolist(), alone.weights.tolist()) == ([0, 1], [1, 1])


def test_near_duplicates_are_their_mean():
    a, b = unit([[1, 0, 0], [0, 1, 0]])
    near = unit([[1, 0, 0.2]])[0]  # cosine 0.98
    joined = join_similar(find_copies(np.stack([b, near, a, a])))
    assert joined.of.tolist() == [0, 1, 1, 1]
    assert joined.weights.tolist() == [1, 3]
    np.testing.assert_allclose(joined.points, [b, unit([near + 2 * a])[0]], atol=1e-6)


def test_near_duplicates_stay_apart_where_as_many_are_asked_for_or_there_are_too_many(monkeypatch):
    near = find_copies(unit([[1, 0, 0], [1, 0, 0.1], [0, 1, 0]]))
    assert len(join_similar(near, 2).points) == 2
    assert len(join_similar(near, 3).points) == 3
    monkeypatch.setattr(distinct, "_MOST_COMPARED", 2)
    assert len(join_similar(near, 2).points) == 3


@pytest.mark.parametrize("reduce", Reduction)
@pytest.mark.parametrize("algorithm", Algorithm)
@pytest.mark.parametrize("near", [0, 0.1])
def test_a_hundred_copies_are_in_one_cluster(algorithm, reduce, near):
    vectors, is_same = album(near=near)
    found = cluster_vectors(vectors, recipe(algorithm, reduce))
    assert len(set(found.labels[is_same])) == 1
    assert found.labels[is_same][0] >= 0
    if algorithm is not Algorithm.HDBSCAN:
        assert len(found.centres) == 8
    if reduce is Reduction.NONE and algorithm is Algorithm.KMEANS:
        members = vectors[found.labels == 0]
        np.testing.assert_allclose(found.centres[0], members.mean(axis=0), atol=1e-6)


def test_copies_are_in_one_cluster_where_k_is_found():
    vectors, is_same = album()
    found = cluster_vectors(vectors, ClusterOptions(reduce=Reduction.PCA))
    assert len(set(found.labels[is_same])) == 1
    assert found.choice.sample == 90


@pytest.mark.parametrize("near", [0, 0.02])
@pytest.mark.parametrize("reduce", Reduction)
@pytest.mark.parametrize("algorithm", Algorithm)
def test_sixty_copies_are_one_cluster(algorithm, reduce, near):
    vectors, _ = album(copies=59, others=1, near=near)
    reporter = RecordingReporter()
    options = recipe(algorithm, reduce, k=None)
    found = cluster_vectors(vectors, options, reporter=reporter)
    assert found.labels.tolist() == [0] * 60
    assert found.centres.shape == (1, 32)
    assert not reporter.warnings
    if algorithm is Algorithm.HDBSCAN:
        assert found.membership.tolist() == [1] * 60


@pytest.mark.parametrize("options", [{"k": 8}, {"k_range": (8, 20)}])
@pytest.mark.parametrize("reduce", Reduction)
@pytest.mark.parametrize("algorithm", [Algorithm.KMEANS, Algorithm.SPECTRAL])
def test_fewer_different_pictures_than_clusters_are_told(algorithm, reduce, options):
    vectors = unit(np.repeat(np.eye(4)[:3], 20, axis=0))
    reporter = RecordingReporter()
    found = cluster_vectors(
        vectors, ClusterOptions(algorithm, reduce=reduce, **options), reporter=reporter
    )
    assert np.bincount(found.labels).tolist() == [20] * 3
    assert reporter.warnings == [
        "only 3 of 8 clusters: of 60 pictures no more are different, the others are copies"
    ]


def test_two_pictures_with_many_copies_are_two_dense_groups():
    vectors = unit(np.repeat(np.eye(4)[:2], 30, axis=0))
    found = cluster_vectors(vectors, ClusterOptions(Algorithm.HDBSCAN))
    assert np.bincount(found.labels).tolist() == [30, 30]
    assert found.membership.tolist() == [1] * 60


def test_a_heavy_point_draws_a_centre_as_its_pictures_would():
    random = np.random.default_rng(0)
    points = random.normal(size=(60, 3)).astype(np.float32)
    weights = random.integers(1, 30, 60)
    starts = points[:5]
    each = np.repeat(points, weights, axis=0)
    labels = algorithms._refined(points, starts, weights)
    np.testing.assert_array_equal(np.repeat(labels, weights), algorithms._refined(each, starts))
    assert (labels != algorithms._refined(points, starts)).any()


def test_where_copies_use_up_a_cluster_nothing_is_reduced_again(monkeypatch):
    vectors, is_same = album(copies=60, others=8, near=0.1)
    reduced = []

    def counted(points, *arguments, **options):
        reduced.append(len(points))
        return umap_reduce(points, arguments[0], seed=options["seed"])

    monkeypatch.setattr(recipe_module, "cached_umap", counted)
    labels = cluster_vectors(vectors, recipe(Algorithm.KMEANS, Reduction.UMAP, k=8)).labels
    assert len(reduced) == 1
    assert len(np.unique(labels)) == 8
    assert len(np.unique(labels[is_same])) == 1


def test_a_group_lies_in_the_middle_of_its_pictures():
    a, b, c = unit(np.eye(4)[:3])
    copies = find_copies(np.stack([a, unit([a + 0.05 * b])[0], c, a]))
    places = np.array([[0.0], [3.0], [9.0]])
    np.testing.assert_allclose(mean_places(places, copies, join_similar(copies)), [[1.0], [9.0]])
