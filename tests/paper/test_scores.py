"""Scores, the paper's protocol and the paper's numbers, against values known beforehand."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from scipy import stats
from sklearn.neighbors import KNeighborsClassifier

from itae_cluster.core.errors import InputError
from itae_cluster.core.options import Algorithm, ClusterOptions
from itae_cluster.paper import protocol, scores, tables
from itae_cluster.paper.protocol import (
    KMeansOnce,
    RecipeOnce,
    Repeats,
    compact,
    compare,
    estimate,
    run_protocol,
)
from itae_cluster.paper.scores import Scores, knn_accuracy, score
from support.fakes import RecordingReporter
from support.points import unit


def groups(n, k, spread, seed=0, dim=16):
    """n vectors around k centres, and their classes."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % k
    centres = rng.normal(size=(k, dim))
    return unit(centres[truth] + spread * rng.normal(size=(n, dim))), [f"c{t}" for t in truth]


@pytest.mark.parametrize(
    ("truth", "labels", "wanted"),
    [
        ("aabbcc", [0, 0, 1, 1, 2, 2], (1, 1, 1)),
        ("aabbcc", [2, 2, 0, 0, 1, 1], (1, 1, 1)),
        ("aabb", [0, 0, 0, 0], (0.5, 0, 0)),
        # Two classes in four clusters: half the entropy, NMI 2·1/(1 + 2) bits.
        ("aabb", [0, 1, 2, 3], (0.5, 0, 2 / 3)),
        # Independent: less agreement than by chance. ARI by hand: (0 − 2/3) / (2 − 2/3).
        ("aabb", [0, 1, 0, 1], (0.5, -0.5, 0)),
    ],
)
def test_scores_by_hand(truth, labels, wanted):
    found = score(list(truth), np.array(labels))
    assert (found.acc, found.ari, found.nmi) == pytest.approx(wanted)


def test_noise_is_wrong_for_acc():
    assert score(list("aabb"), np.array([0, 0, 1, -1])).acc == 0.75


# k-NN ----------------------------------------------------------------------------------------


def test_knn_vote_by_hand():
    # One neighbour at 0° outweighs two at 60°: exp(1/0.07) against 2·exp(0.5/0.07).
    train = unit([[1, 0], [0.5, 3**0.5 / 2], [0.5, -(3**0.5) / 2]])
    assert knn_accuracy(train, ["a", "b", "b"], unit([[1, 0]]), ["a"], 3) == 1.0
    # Two at 5° outweigh one at 0°.
    near = unit([[1, 0], [1, 0.087], [1, -0.087]])
    assert knn_accuracy(near, ["a", "b", "b"], unit([[1, 0]]), ["a"], 3) == 0.0
    assert knn_accuracy(near, ["a", "b", "b"], unit([[1, 0]]), ["a"], 1) == 1.0


def test_knn_as_scikit_learn_in_blocks(monkeypatch):
    train, train_labels = groups(90, 5, 0.9, seed=1)
    test, test_labels = groups(70, 5, 0.9, seed=1)
    test = unit(test + np.random.default_rng(2).normal(size=test.shape) * 0.4)
    reference = KNeighborsClassifier(
        10, metric="cosine", weights=lambda distance: np.exp(-distance / 0.07)
    ).fit(train, train_labels)
    wanted = reference.score(test, test_labels)
    assert 0.3 < wanted < 1
    assert knn_accuracy(train, train_labels, test, test_labels, 10) == pytest.approx(wanted)
    monkeypatch.setattr(scores, "MOST_CELLS", 8 * len(train))
    assert knn_accuracy(train, train_labels, test, test_labels, 10) == pytest.approx(wanted)


def test_knn_with_a_class_of_its_own_and_too_few_neighbours():
    vectors = unit([[1, 0], [0, 1]])
    assert knn_accuracy(vectors, ["a", "b"], vectors, ["a", "new"], 1) == 0.5
    with pytest.raises(InputError, match=r"--knn 3 asks for more neighbours .* use --knn 2"):
        knn_accuracy(vectors, ["a", "b"], vectors, ["a", "b"], 3)


def test_standard_error_by_hand():
    found = estimate([1.0, 2.0, 3.0, 4.0])
    assert found.mean == 2.5
    assert found.error == pytest.approx((5 / 3) ** 0.5 / 2)
    assert estimate([0.7]) == protocol.Estimate(0.7, None)


def test_significance_of_a_planted_difference_and_of_none():
    rng = np.random.default_rng(0)
    before = rng.normal(0.5, 0.1, 20)
    better = before + 0.01 + rng.normal(0, 0.005, 20)
    found = compare(list(before), list(better))
    assert found.p == pytest.approx(stats.ttest_rel(better, before).pvalue)
    assert found.p < 1e-4  # only because sets are paired: the gain is a tenth of the spread
    assert stats.ttest_ind(better, before).pvalue > 0.5
    assert found.difference.mean == pytest.approx(float((better - before).mean()))
    noise = compare(list(before), list(before + rng.normal(0, 0.01, 20)))
    assert noise.p > 0.05


def test_significance_of_degenerate_sets():
    assert compare([0.5, 0.6], [0.5, 0.6]).p == 1.0
    assert compare([0.5], [0.5]).p == 1.0
    assert compare([0.5], [0.6]).p is None
    assert compare([0.5, 0.6, 0.7], [0.6, 0.7, 0.8]).p is None  # the same gain in every set


class SeedClusterer:
    """Scores that depend on the seed alone, so that pairs can be seen."""

    stage = "Seeds"

    def prepare(self, vectors):
        return vectors

    def labels(self, prepared, dim, seed):
        return np.random.default_rng(seed).integers(0, 2, len(prepared))


def protocol_run(variants, truth, clusterer, *, reporter=None, workers=None, **changes):
    return run_protocol(
        variants,
        truth,
        clusterer=clusterer,
        repeats=Repeats(**{"sets": 3, "runs": 4, "seed": 0, **changes}),
        reporter=reporter or RecordingReporter(),
        workers=workers,
    )


def test_sets_are_paired_distinct_and_means_of_their_runs():
    vectors, truth = groups(40, 2, 0.1)
    reporter = RecordingReporter()
    found = protocol_run({"a": vectors, "b": vectors}, truth, SeedClusterer(), reporter=reporter)
    assert found["a"] == found["b"]
    assert len(set(found["a"])) == len(found["a"]) == 3
    seeds = np.random.SeedSequence(0).generate_state(12)
    runs = [score(truth, SeedClusterer().labels(vectors, 16, int(s))).ari for s in seeds]
    assert [scores.ari for scores in found["a"]] == pytest.approx(
        [np.mean(runs[start : start + 4]) for start in (0, 4, 8)]
    )
    assert reporter.stages[0] == ("Seeds", 0, 24)
    assert reporter.stages[-1] == ("Seeds", 24, 24)
    other = protocol_run({"a": vectors}, truth, SeedClusterer(), seed=1)
    assert other["a"] != found["a"]


def test_kmeans_finds_clear_groups_and_is_reproducible():
    clear, truth = groups(60, 2, 0.05)
    hard = groups(60, 2, 2.0)[0]
    first = protocol_run({"clear": clear, "hard": hard}, truth, KMeansOnce(2))
    assert first["clear"] == (Scores(1.0, 1.0, 1.0),) * 3
    assert max(scores.acc for scores in first["hard"]) < 1
    assert first == protocol_run({"clear": clear, "hard": hard}, truth, KMeansOnce(2))


def test_workers_find_what_one_process_finds():
    vectors, truth = groups(80, 6, 1.0)
    alone = protocol_run({"a": vectors}, truth, KMeansOnce(6), workers=1)
    assert alone == protocol_run({"a": vectors}, truth, KMeansOnce(6), workers=2)


def test_compact_keeps_every_distance():
    vectors = groups(12, 3, 1.0, dim=50)[0]
    small = compact(vectors)
    assert small.shape == (12, 12)
    before = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    after = np.linalg.norm(small[:, None] - small[None], axis=2)
    np.testing.assert_allclose(after, before, atol=1e-5)
    assert compact(groups(60, 3, 1.0, dim=50)[0]).shape == (60, 50)


def test_identical_pictures_make_no_warning():
    vectors = np.tile(unit([[1, 2, 3]]), (6, 1))
    found = protocol_run({"a": vectors}, list("aabbcc"), KMeansOnce(3))
    assert {scores.acc for scores in found["a"]} == {1 / 3}


def test_the_length_is_told_beforehand(monkeypatch):
    clock = itertools.count(0, 0.001)  # a run takes a millisecond, however busy the machine is
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    vectors, truth = groups(40, 2, 0.1)
    reporter = RecordingReporter()
    protocol_run({"a": vectors}, truth, KMeansOnce(2), reporter=reporter)
    assert reporter.details == ["the full protocol, 12 runs, will take about 1 s"]
    monkeypatch.setattr(protocol, "LONG", -1.0)
    protocol_run({"a": vectors}, truth, KMeansOnce(2), reporter=reporter, sets=30)
    assert reporter.notes == [
        "the full protocol, 120 runs, will take about 1 s; --runs 5x5 is a quick look"
    ]


def test_hdbscan_that_finds_nothing():
    vectors, truth = groups(8, 2, 0.1)
    recipe = RecipeOnce(ClusterOptions(Algorithm.HDBSCAN, min_cluster_size=20))
    found = protocol_run({"a": vectors}, truth, recipe, sets=2, runs=1)
    assert [scores.acc for scores in found["a"]] == [0, 0]


@pytest.mark.parametrize(
    ("dataset", "model", "itae", "metric", "wanted"),
    [
        ("stl10", "vitb14", True, "ari", (1, 75.94, 1.60)),
        ("tinyimagenet", "vitb14-reg", False, "nmi", (1, 81.69, 0.05)),
        ("cifar10", "vitb14", False, "acc", (1, 83.63, 1.13)),
        ("cifar10", "vits14-reg", True, "acc", (2, 81.57, 1.04)),
        ("cifar100", "vitb14-reg", True, "acc", (2, 68.85, 0.28)),
        ("stl10", "vitl14-reg", False, "acc", (2, 56.84, 1.21)),
        ("tinyimagenet", "vitg14", True, "acc", (2, 73.54, 0.17)),
        ("imagenet1k", "vitl14-reg", True, "knn", (3, 83.87, None)),
        ("cifar100", "vitg14", True, "knn", (3, 91.99, None)),
    ],
)
def test_numbers_of_the_paper(dataset, model, itae, metric, wanted):
    (cell,) = tables.find(dataset, model, itae, metric)
    assert (cell.table, cell.mean, cell.error) == wanted


def test_the_tables_are_whole():
    assert [sum(cell.table == table for cell in tables.CELLS) for table in (1, 2, 3)] == [
        36,
        60,
        24,
    ]
    assert tables.find("cifar10", "vits14", itae=True) == ()  # the paper applies no ITAE to it
    second = {(c.dataset, c.model, c.itae): (c.mean, c.error) for c in tables.CELLS if c.table == 2}
    accuracies = [c for c in tables.CELLS if c.table == 1 and c.metric == "acc"]
    assert len(accuracies) == 12
    for cell in accuracies:  # the tables share these cells, so they must agree
        assert second[cell.dataset, cell.model, cell.itae] == (cell.mean, cell.error)


def test_averages_that_the_text_of_the_paper_states():
    def gain(suffix):
        differences = [
            tables.find(data, size + suffix, True, "acc")[0].mean
            - tables.find(data, size + suffix, False, "acc")[0].mean
            for data in tables.DATASETS[:4]
            for size in ("vitb14", "vitl14", "vitg14")
        ]
        return np.mean(differences)

    # Sec. 4.4
    assert gain("") == pytest.approx(1.43, abs=0.011)
    assert gain("-reg") == pytest.approx(1.56, abs=0.011)


def test_verdicts():
    (cell,) = tables.find("cifar10", "vitb14", False, "acc")  # 83.63 ± 1.13
    assert tables.mark(cell, 85.88, None) == "reproduced"
    assert tables.mark(cell, 85.90, None) == "differs by +2.3"
    assert tables.mark(cell, 85.90, 0.5) == "reproduced"
    assert tables.mark(cell, 80.0, 0.5) == "differs by -3.6"
    (exact,) = tables.find("imagenet1k", "vitb14", False, "knn")
    assert tables.mark(exact, 82.0401, None) == "reproduced"
    assert tables.mark(exact, 82.08, None) == "differs by +0.04"
