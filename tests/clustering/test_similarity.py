"""Which pictures are like which, against all pairs compared at once."""

from __future__ import annotations

import numpy as np
import pytest

from itae_cluster.clustering import similarity
from itae_cluster.clustering.similarity import diverse, find_similar, nearest_among, nearest_rows
from support.points import unit


@pytest.fixture(autouse=True)
def _nothing_remembered():
    """Tests change what the comparison depends on."""
    similarity._compare.cache_clear()


def at(degrees):
    """Vectors in the plane."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


@pytest.mark.parametrize("n", [1, 2, 9, 64, 65, 300])
def test_neighbours_are_exact(n, monkeypatch):
    monkeypatch.setattr(similarity, "_CELLS_AT_ONCE", 70 * n)  # several blocks
    vectors = unit(np.random.default_rng(n).normal(size=(n, 12)))
    similar = vectors @ vectors.T
    np.fill_diagonal(similar, -np.inf)
    wanted = np.argsort(-similar, axis=1, kind="stable")[:, : min(8, n - 1)]
    found = find_similar(vectors)
    np.testing.assert_array_equal(found.neighbours, wanted)
    np.testing.assert_allclose(
        found.cosines, np.take_along_axis(similar, wanted, axis=1), atol=1e-6
    )


def test_nearest_rows_begin_with_the_row_itself():
    vectors = unit(np.random.default_rng(0).normal(size=(80, 12)))
    nearest, distances = nearest_rows(vectors, 7)
    apart = np.linalg.norm(vectors[:, None].astype(np.float64) - vectors, axis=2)
    np.testing.assert_array_equal(nearest, np.argsort(apart, axis=1)[:, :7])
    np.testing.assert_allclose(distances, np.sort(apart, axis=1)[:, :7], atol=1e-6)
    assert not distances[:, 0].any()


def test_a_graph_for_umap_costs_no_other_comparison(monkeypatch):
    vectors = unit(np.random.default_rng(0).normal(size=(80, 12)))
    find_similar(vectors)
    monkeypatch.setattr(similarity, "_blocks", None)
    assert nearest_rows(vectors, 15)[0].shape == (80, 15)


def test_pictures_that_are_all_the_same():
    found = find_similar(np.tile(unit([[1, 2, 3]]), (200, 1)))
    assert found.neighbours[0].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert found.neighbours[5].tolist() == [0, 1, 2, 3, 4, 6, 7, 8]
    assert found.duplicates == (tuple(range(200)),)


def test_no_chain_joins_unlike_pictures():
    """Each is like the next (6°, cosine 0.995), no one like the one after it (12°, 0.978)."""
    vectors = at([0, 6, 12, 18, 100, 101, 180])
    groups = find_similar(vectors, threshold=0.99).duplicates
    assert sorted(map(len, groups)) == [2, 2, 2]
    assert (4, 5) in groups
    for group in groups:
        members = vectors[list(group)]
        assert (members @ members.T).min() >= 0.99 - 1e-6


@pytest.mark.parametrize("most", [4096, 7])
def test_groups_hold_their_threshold_in_parts_and_blocks(most, monkeypatch):
    monkeypatch.setattr(similarity, "_CELLS_AT_ONCE", 1000)
    monkeypatch.setattr(similarity, "_MOST_LINKED", most)
    vectors = at(np.random.default_rng(0).uniform(0, 60, 150))
    groups = find_similar(vectors, threshold=0.998).duplicates
    members = [row for group in groups for row in group]
    assert len(members) == len(set(members)) > 60
    assert [len(group) for group in groups] == sorted(map(len, groups), reverse=True)
    for group in groups:
        assert (vectors[list(group)] @ vectors[list(group)].T).min() >= 0.998 - 1e-6
    if most == 7:
        assert max(map(len, groups)) <= 7


def test_diverse_begins_with_the_medoid_and_leaves_out_the_odd():
    vectors = at([*range(0, 40, 2), 170])
    typical_first = np.array([10, *[row for row in range(20) if row != 10], 20])
    assert diverse(vectors, typical_first, 3) == (10, 0, 17)
    assert diverse(vectors, typical_first[:1], 3) == (10,)
    assert diverse(vectors, typical_first[:0], 3) == ()
    assert len(set(diverse(vectors, typical_first, 19))) == 19


def test_the_most_alike_pairs_are_kept_and_what_a_pair_needs_is_told(monkeypatch):
    vectors = unit([[1, step / 50] for step in range(12)])
    cosines = vectors @ vectors.T
    everything = find_similar(vectors)
    assert len(everything.pairs) == 66
    assert everything.alike_from == similarity.ALIKE
    assert (np.diff(everything.pair_cosines) <= 0).all()
    assert (everything.pairs[:, 0] < everything.pairs[:, 1]).all()
    assert np.allclose(cosines[tuple(everything.pairs.T)], everything.pair_cosines)
    monkeypatch.setattr(similarity, "_MOST_PAIRS", 10)
    monkeypatch.setattr(similarity, "_CELLS_AT_ONCE", 3 * 64)  # three rows at a time
    similarity._compare.cache_clear()
    few = find_similar(vectors)
    assert np.allclose(few.pair_cosines, everything.pair_cosines[:10])
    assert few.alike_from == few.pair_cosines[-1]


@pytest.mark.parametrize(("n", "m"), [(5, 1), (300, 90), (90, 300)])
def test_the_nearest_of_a_sample_are_exact(n, m, monkeypatch):
    monkeypatch.setattr(similarity, "_CELLS_AT_ONCE", 5000)
    rng = np.random.default_rng(n)
    vectors, sample = (unit(rng.normal(size=(rows, 12))) for rows in (n, m))
    vectors[: min(n, m)] = sample[: min(n, m)]
    apart = np.linalg.norm(vectors[:, None] - sample, axis=2)
    nearest, distances = nearest_among(vectors, sample, min(4, m))
    wanted = np.argsort(apart, axis=1, kind="stable")[:, : min(4, m)]
    np.testing.assert_array_equal(nearest, wanted)
    np.testing.assert_allclose(distances, np.take_along_axis(apart, wanted, axis=1), atol=1e-6)


def test_pictures_are_compared_once_for_clusters_and_page(monkeypatch):
    vectors = unit(np.random.default_rng(0).normal(size=(60, 12)))
    first = find_similar(vectors)
    monkeypatch.setattr(similarity, "_blocks", lambda *_: pytest.fail("compared again"))
    again = find_similar(vectors.copy(), neighbours=3)
    np.testing.assert_array_equal(again.neighbours, first.neighbours[:, :3])
    assert again.duplicates == first.duplicates
