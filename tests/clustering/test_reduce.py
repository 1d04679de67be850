"""Reductions of points whose groups are known, in this thread and in another."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from itae_cluster.clustering import reduce as reduce_stage
from itae_cluster.clustering.reduce import UmapThread, cached_umap, umap_reduce
from itae_cluster.core.cache import Cache
from itae_cluster.core.warning_filters import ignore_warnings_of
from support.fakes import RecordingReporter
from support.points import blobs, unit


@pytest.mark.parametrize("n", [1, 2, 3, 9])
def test_too_few_points_for_umap_are_projected(n):
    vectors = unit(np.random.default_rng(3).normal(size=(n, 8)))
    reduced = umap_reduce(vectors, 2, seed=0)
    assert reduced.shape == (n, 2)
    assert np.isfinite(reduced).all()


def test_umap_keeps_known_clusters_apart_and_repeats_itself():
    vectors, truth = blobs([30, 30])
    reduced = umap_reduce(vectors, 2, seed=5)
    assert reduced.shape == (60, 2)
    assert np.array_equal(reduced, umap_reduce(vectors, 2, seed=5))
    centres = [reduced[truth == t].mean(axis=0) for t in (0, 1)]
    radius = max(np.linalg.norm(reduced[truth == t] - centres[t], axis=1).mean() for t in (0, 1))
    assert np.linalg.norm(centres[0] - centres[1]) > 2 * radius


def test_umap_tells_its_epochs_and_is_silent_else(capfd):
    vectors, _ = blobs([20] * 3)
    told = []
    shown = umap_reduce(vectors, 2, seed=5, progress=lambda *each: told.append(each))
    assert np.array_equal(shown, umap_reduce(vectors, 2, seed=5))
    assert list(dict.fromkeys(told)) == [(epoch, 200) for epoch in range(201)]
    assert capfd.readouterr() == ("", "")


def test_a_reduction_is_kept_and_found_again(tmp_path, monkeypatch):
    vectors, _ = blobs([20, 20])
    with Cache(str(tmp_path / "c.sqlite"), RecordingReporter()) as cache:
        first = cached_umap(vectors, 3, seed=1, cache=cache)
        monkeypatch.setattr(reduce_stage, "umap_reduce", lambda *_, **__: np.zeros((40, 3)))
        np.testing.assert_array_equal(cached_umap(vectors, 3, seed=1, cache=cache), first)
        for other in ({"seed": 2}, {"seed": 1, "neighbours": 5}, {"seed": 1, "min_dist": 0.1}):
            assert not cached_umap(vectors, 3, cache=cache, **other).any()


def test_a_reduction_that_a_thread_began_is_the_same_and_made_once(tmp_path, monkeypatch):
    vectors, _ = blobs([20, 20])
    plain = umap_reduce(vectors, 2, seed=1, neighbours=15, min_dist=0.5)
    made = []
    reduce = umap_reduce

    def counted(*arguments, **options):
        made.append(threading.current_thread().name)
        return reduce(*arguments, **options)

    monkeypatch.setattr(reduce_stage, "umap_reduce", counted)
    asked = {"seed": 1, "neighbours": 15, "min_dist": 0.5}
    with Cache(str(tmp_path / "c.sqlite"), RecordingReporter()) as cache:
        with UmapThread() as thread:
            thread.begin(vectors, 2, **asked, cache=cache)
            found = cached_umap(vectors, 2, **asked, cache=cache, thread=thread)
            assert [name.rstrip("_0") for name in made] == ["umap"]
            cached_umap(vectors, 2, **{**asked, "seed": 2}, cache=cache, thread=thread)
            assert made[1:] == [threading.current_thread().name]  # not what was begun
        with UmapThread() as thread:
            thread.begin(vectors, 2, **asked, cache=cache)  # known by now
            again = cached_umap(vectors, 2, **asked, cache=cache, thread=thread)
    np.testing.assert_array_equal(found, plain)
    np.testing.assert_array_equal(again, plain)
    assert len(made) == 2


def test_an_error_does_not_wait_for_a_reduction(tmp_path, monkeypatch):
    vectors, _ = blobs([20, 20])
    may_end = threading.Event()
    has_ended = threading.Event()

    def slow(*_, **__):
        may_end.wait(60)
        has_ended.set()

    monkeypatch.setattr(reduce_stage, "umap_reduce", slow)
    with (
        Cache(str(tmp_path / "c.sqlite"), RecordingReporter()) as cache,
        pytest.raises(ValueError, match="k"),
        UmapThread() as thread,
    ):
        thread.begin(vectors, 2, seed=0, neighbours=15, min_dist=0.5, cache=cache)
        raise ValueError("k")
    assert not has_ended.is_set()
    may_end.set()
    assert has_ended.wait(60)


def test_reductions_in_two_threads_leave_the_warning_filters_as_they_were():
    vectors, _ = blobs([20, 20])
    warn = "import warnings; warnings.warn('odd')"
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda seed: umap_reduce(vectors, 2, seed=seed), range(4)))
    with pytest.raises(UserWarning, match="odd"):
        exec(warn, {"__name__": "numpy.core"})
    with ignore_warnings_of("umap"), ignore_warnings_of("other"):
        exec(warn, {"__name__": "umap.umap_"})
        exec(warn, {"__name__": "other.part"})


def test_code_that_moves_points_runs_without_pythons_lock():
    reduce_stage._umap_class()
    from umap import layouts

    epoch = layouts._nb_optimize_layout_euclidean_single_epoch
    assert epoch.targetoptions["nogil"]
