"""The search for the number of clusters, on points whose number is known."""

from __future__ import annotations

import itertools

import networkx
import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import (
    adjusted_rand_score,
    pairwise_distances,
    silhouette_samples,
    silhouette_score,
)

from itae_cluster.clustering import choose_k
from itae_cluster.clustering.apart import count_apart, least_margin
from itae_cluster.clustering.choose_k import ScoredSample, candidates, choose
from itae_cluster.clustering.recipe import _reason, check_size, cluster_vectors
from itae_cluster.core.errors import InputError
from itae_cluster.core.options import ClusterOptions, Reduction
from itae_cluster.core.types import Choice
from support.fakes import RecordingReporter
from support.points import blobs, unit


@pytest.mark.parametrize("sizes", [[30] * 4, [12] * 9, [100, 50, 25, 12, 6]])
def test_a_planted_number_is_found(sizes):
    vectors, _ = blobs(sizes, dim=24)
    found = choose(vectors, None, seed=0)
    assert len(sizes) <= found.k <= 1.2 * len(sizes)
    numbers, scores = zip(*found.scores, strict=True)
    assert list(numbers) == sorted(numbers)
    assert scores[numbers.index(found.k - found.apart)] == max(scores)
    assert found.found == tuple(sorted(found.found))
    assert len(found.found) == 5
    few = {k: score for k, score in found.scores if k <= found.k / 2}
    many = {k: score for k, score in found.scores if k >= 2 * found.k}
    assert found.coarser == max(few, key=few.get)
    assert found.finer == max(many, key=many.get)
    assert found == choose(vectors, None, seed=0)


def test_a_range_is_kept_and_a_sample_is_enough(monkeypatch):
    vectors, _ = blobs([40] * 6, dim=24)
    found = choose(vectors, (8, 20), seed=0)
    assert 8 <= min(k for k, _ in found.scores) <= max(k for k, _ in found.scores) <= 20
    monkeypatch.setattr(choose_k, "_MOST_SAMPLED", 100)
    sampled = choose(vectors, None, seed=0)
    assert sampled.sample == 100
    assert 4 <= sampled.k <= 9
    with pytest.raises(InputError, match=r"--k 60\.\.90: .* up to 50; give a lower range"):
        check_size(240, None, ClusterOptions(k_range=(60, 90)))


def test_a_search_starts_where_the_same_search_for_fewer_clusters_did():
    vectors, _ = blobs([20] * 8, dim=24)
    sample = ScoredSample(vectors, 0)
    assert all(np.isin(start[:3], start[:9]).all() for start in sample._starts)
    assert len({tuple(start[0]) for start in sample._starts}) == 5
    own = [KMeans(8, init=start[:8], n_init=1).fit(sample.points) for start in sample._starts]
    for labels, fit in zip(sample.labels(8), own, strict=True):
        assert adjusted_rand_score(labels, fit.labels_) == 1


def test_all_searches_count_so_that_one_odd_one_does_not(monkeypatch):
    vectors, _ = blobs([30] * 4, dim=24)
    honest = ScoredSample.scores

    def one_odd(self, k):
        scores = honest(self, k)
        scores[0] = (k, k)  # the first search likes many
        return scores

    monkeypatch.setattr(ScoredSample, "scores", one_odd)
    found = choose(vectors, None, seed=0)
    assert found.k == 4
    assert found.found[-1] == max(k for k, _ in found.scores)


@pytest.mark.parametrize("seed", range(5))
def test_what_is_taken_is_what_scores_highest(seed):
    """The middle answer of five searches was taken, whatever it scored."""
    vectors = unit(np.random.default_rng(seed).normal(size=(150, 24)))
    found = choose(vectors, None, seed=seed)
    assert dict(found.scores)[found.k] == max(score for _, score in found.scores)


def test_a_lone_peak_counts_for_less_than_many_good_numbers():
    numbers = range(2, 40)
    curve = {k: 1 - abs(np.log(k / 12)) / 4 for k in numbers}
    curve[30] = 1.02
    scores = {k: np.full((5, 2), curve[k]) for k in numbers}
    assert choose_k._best(scores) in (11, 12, 13)


def test_numbers_tried_close_together_weigh_no_more():
    curve = {k: 1 - abs(np.log(k / 12)) / 4 for k in (3, 4, 6, 8, 12, 16, 24, 32)}
    sparse = {k: np.full((5, 2), value) for k, value in curve.items()}
    dense = sparse | {k: np.full((5, 2), 1 - abs(np.log(k / 12)) / 4) for k in range(16, 24)}
    assert choose_k._best(sparse) == choose_k._best(dense) == 12


def test_local_scales_let_a_loose_group_hold_as_well_as_a_tight_one():
    random = np.random.default_rng(0)
    groups = [random.normal(size=(30, 2)) * width for width in (0.1, 3)]
    points = np.concatenate([groups[0] + (-15, 0), groups[1] + (15, 0)])
    near, far = points[:30], points[30:]
    plain = pairwise_distances(points)
    scaled = choose_k._locally_scaled(plain.astype(np.float32))
    within = [np.median(scaled[:30, :30]), np.median(scaled[30:, 30:])]
    assert max(within) / min(within) < 1.5
    assert np.median(pairwise_distances(far)) / np.median(pairwise_distances(near)) > 20
    place = np.sort(plain, axis=1)[:, 7]
    assert scaled[0, 40] == pytest.approx(plain[0, 40] / np.sqrt(place[0] * place[40]), rel=1e-5)


def test_silhouette_and_modularity_are_those_of_the_libraries():
    vectors, truth = blobs([20, 15, 10, 1], dim=24)
    sample = ScoredSample(vectors, 0)
    expected = silhouette_score(sample._distances, truth, metric="precomputed")
    assert sample.silhouette(truth) == pytest.approx(expected, abs=1e-5)
    graph = networkx.from_scipy_sparse_array(sample._graph)
    groups = [np.flatnonzero(truth == each).tolist() for each in range(4)]
    assert sample.modularity(truth) == pytest.approx(
        networkx.community.modularity(graph, groups), abs=1e-9
    )


@pytest.mark.parametrize("n", range(1, 9))
def test_a_number_is_found_for_a_handful(n):
    vectors = unit(np.random.default_rng(n).normal(size=(n, 8)))
    options = ClusterOptions(reduce=Reduction.NONE)
    found = cluster_vectors(vectors, options)
    assert 1 <= found.choice.k <= max(1, n // 2)
    assert len(found.centres) == found.choice.k


def test_identical_pictures_are_one_answer_and_no_error():
    vectors = unit(np.ones((12, 4)))
    found = cluster_vectors(vectors, ClusterOptions(reduce=Reduction.NONE))
    assert found.labels.tolist() == [0] * 12


def test_candidates_begin_with_every_number_and_end_with_the_highest():
    assert candidates(30, None)[:6] == [2, 3, 4, 5, 6, 7]
    assert candidates(30, None)[-1] == 15
    assert candidates(10**6, None)[-1] == 1000
    assert candidates(10**6, (10, 12)) == [10, 12]  # 11 is tried where one of them is best


@pytest.mark.parametrize("k_range", [None, (3, 40), (2, 3)])
def test_the_search_is_one_bar_that_never_goes_back(k_range):
    vectors, _ = blobs([20] * 6, dim=24)
    reporter = RecordingReporter()
    choose(vectors, k_range, seed=0, reporter=reporter)
    stages, done, totals = zip(*reporter.stages, strict=True)
    assert set(stages) == {"Looking for k"}
    assert len(set(totals)) == 1
    assert list(done) == sorted(set(done))
    assert (done[0], done[-1]) == (0, totals[0])


@pytest.mark.parametrize(
    ("found", "scores", "others", "line"),
    [
        (
            (28, 32, 32, 37, 114),
            ((28, 0.7), (32, 0.8), (114, 0.6)),
            (None, 114),
            "k 32 scores highest (silhouette + modularity on 600 different pictures); 5 searches "
            "alone say 28, 32, 37, 114; finer 114; --k N asks for another number",
        ),
        (
            (32,) * 5,
            ((32, 0.8), (33, 0.7)),
            (None, None),
            "k 32 scores highest (silhouette + modularity on 600 different pictures); 5 searches "
            "alone say all 32; --k N asks for another number",
        ),
    ],
)
def test_the_line_says_why_and_how_sure(found, scores, others, line):
    choice = Choice(32, *others, "silhouette + modularity", 600, found, scores)
    assert _reason(choice) == line


def test_the_line_tells_of_clusters_added():
    choice = Choice(14, None, None, "score", 90, (8,), ((8, 0.9), (14, 0.8)), apart=6)
    expected = (
        "k 8 scores highest (score on 90 different pictures), but 14 keep clearly different "
        "pictures apart; 1 searches alone say all 8; --k N asks for another number"
    )
    assert _reason(choice) == expected


@pytest.mark.parametrize("seed", range(3))
def test_never_are_clearly_different_things_in_one_cluster(seed):
    """Fourteen kinds, 60 to 4 pictures of each, three of them alike: 8 or 9 scored highest."""
    sizes = np.geomspace(60, 4, 14).round().astype(int)
    rng = np.random.default_rng(seed)
    centres = unit(rng.normal(size=(14, 64)))
    centres[1:3] = 0.8 * centres[0] + 0.6 * centres[1:3]
    truth = np.repeat(np.arange(14), sizes)
    vectors = unit(centres[truth] + 0.075 * rng.normal(size=(len(truth), 64)))
    found = cluster_vectors(vectors, ClusterOptions(k=None, seed=seed))
    assert found.choice.apart > 0
    distances = 1 - vectors @ vectors.T
    homes = [np.bincount(found.labels[truth == kind]).argmax() for kind in range(14)]
    for one, other in itertools.combinations(range(14), 2):
        both = np.isin(truth, (one, other))
        margin = least_margin(distances[np.ix_(both, both)], (truth[both] == other).astype(int))
        assert margin < 0.55 or homes[one] != homes[other]


def test_the_line_on_a_picture_alone():
    choice = Choice(1, None, None, "silhouette + modularity", 1, (1,), ())
    assert "on 1 different picture;" in _reason(choice)


def test_parts_count_where_each_is_large_enough_and_clear():
    vectors, truth = blobs([9, 5, 3], dim=24)
    assert count_apart(vectors) == 3
    assert count_apart(vectors[truth == 0]) == 1
    few = np.concatenate([vectors[truth == 0], vectors[truth == 1][:2]])
    assert count_apart(few) == 1
    distances = pairwise_distances(vectors, metric="cosine")
    own = [silhouette_samples(distances, truth, metric="precomputed")[truth == i] for i in range(3)]
    assert least_margin(distances, truth) == pytest.approx(min(map(np.mean, own)), abs=1e-6)
