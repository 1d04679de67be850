"""The page on recipes holds the tables of the results; what the benchmark counts."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.quality import data, grid, tables
from itae_cluster.options import ClusterOptions


@pytest.fixture(scope="module")
def results():
    return json.loads(tables.RESULTS.read_text(encoding="utf-8"))


def test_the_page_holds_the_tables_of_the_results():
    page = tables.PAGE.read_text(encoding="utf-8")
    assert page == tables.page_with_tables(), "run python -m benchmarks.quality --render"


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
