"""The page on recipes holds the tables of the results; what the benchmark counts."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.preprocessing import normalize

from benchmarks.quality import data, grid, limits, tables
from itae_cluster.clustering import density
from itae_cluster.core.cache import open_cache
from itae_cluster.core.options import ClusterOptions
from support.fakes import RecordingReporter


@pytest.fixture(scope="module")
def results():
    return json.loads(tables.RESULTS.read_text(encoding="utf-8"))


def test_the_pages_hold_the_tables_of_the_results():
    for page, text in tables.pages_with_tables().items():
        written = page.read_text(encoding="utf-8")
        assert written == text, "run python tests/benchmarks/quality --render"


def test_the_whole_grid_was_run(results):
    sets = {entry["data"] for entry in results["runs"]}
    for entry in results["runs"]:
        assert len(entry["acc"]) == results["seeds"]
    done = {(entry["data"], entry["recipe"]) for entry in results["runs"]}
    assert done == {(one, recipe) for one in sets for recipe in grid.RECIPES}


def test_the_default_beats_k_means_on_embeddings(results):
    ranks = tables.ranks(results)
    default = grid.named(ClusterOptions())
    assert ranks[default] < ranks[tables.BASELINE]
    assert ranks[default] < min(ranks.values()) + 0.5
    accuracy = {
        name: np.mean(
            [e["acc"] for e in results["runs"] if (e["recipe"], e["k"]) == (name, "known")]
        )
        for name in (default, tables.BASELINE)
    }
    assert accuracy[default] > accuracy[tables.BASELINE]


def test_the_default_beats_k_means_on_handwritten_digits():
    """Clustered here, in place of what the results say."""
    pixels, truth = load_digits(return_X_y=True)
    digits = data.Labelled("digits", normalize(pixels)[:600].astype(np.float32), truth[:600])
    accuracy = {
        name: np.mean([a_run_of(digits, name, seed).acc for seed in range(3)])
        for name in (grid.named(ClusterOptions()), tables.BASELINE)
    }
    default, baseline = accuracy.values()
    assert default > baseline + 0.05


def a_run_of(labelled, recipe, seed):
    reporter = RecordingReporter()
    return grid.run(labelled, recipe, "known", 10, seed, open_cache(None, reporter), reporter)


def test_a_small_class_has_a_folder_of_its_own_or_not():
    truth = np.array(["a"] * 20 + ["b"] * 4 + ["c"] * 3 + ["d"] * 2)
    labels = np.array([0] * 20 + [1, 1, 1, 0] + [2, 3, 4] + [-1, -1])
    assert grid.small_classes(truth, labels) == (3, 1)


def test_unbalanced_sets_are_one_to_fifty():
    truth = np.repeat([f"c{number}" for number in range(6)], 60)
    whole = data.Labelled("x", np.zeros((360, 2), dtype=np.float32), truth)
    parts = {part.name: part for part in data.sets(whole, 0)}
    assert list(parts) == ["x", "x, half", "x, 1:50"]
    counts = np.unique(parts["x, 1:50"].truth, return_counts=True)[1]
    assert counts.max() / counts.min() == pytest.approx(50, rel=0.25)
    assert len(np.unique(parts["x, half"].truth)) == 3


def test_sets_drawn_at_random_are_of_every_kind_and_the_same_each_time():
    truth = np.repeat([f"c{number:02}" for number in range(30)], 80)
    vectors = np.arange(len(truth), dtype=np.float32)[:, None]
    whole = data.Labelled("x", vectors, truth)
    sets = [data.drawn(whole, number) for number in range(60)]
    some = [one for one in sets if one is not None]
    assert 40 < len(some) < 60
    counts = [np.unique(one.truth, return_counts=True)[1] for one in some]
    assert min(map(len, counts)) == 3
    assert max(map(len, counts)) > 24
    assert any(each.max() >= 20 * each.min() for each in counts)
    assert sum(each.max() == each.min() for each in counts) > 20
    assert all(40 <= len(one.truth) <= 700 for one in some)
    again = data.drawn(whole, 7)
    np.testing.assert_array_equal(again.vectors, sets[7].vectors)
    for row, name in zip(again.vectors[:, 0].astype(int), again.truth, strict=True):
        assert truth[row] == name


def test_a_runner_up_counts_where_it_is_near_or_the_first_is():
    found = {"the one taken": [10, 30, 4], "its runner-up": [30, 10, 5], "alone": [15, 16, 6]}
    shares = tables.near_shares(found, 10)
    assert shares == pytest.approx({"the one taken": 1 / 3, "its runner-up": 2 / 3, "alone": 1 / 3})


def test_limits_tell_what_became_of_a_recipe(monkeypatch):
    done = limits.measure("none · kmeans", 600)
    assert done["clusters"] == 40
    assert done["ari"] > 0.9
    found = limits.measure(limits.AUTO, 600)
    assert 27 <= found["clusters"] <= 60
    monkeypatch.setattr(density, "_MOST_IN_MANY_DIMENSIONS", 500)
    refused = limits.measure("none · hdbscan", 600)
    assert "use --reduce umap" in refused["refused"]
    assert "clusters" not in refused
