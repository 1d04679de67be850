"""The Python API: the examples of docs/api.md, and what they do not show."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import itae_cluster as ic
from itae_cluster.core.types import Facts, Suggestion
from itae_cluster.pipeline.names import Description

PAGE = Path(__file__).parents[1] / "docs" / "api.md"


@pytest.fixture
def here(album, tmp_path, monkeypatch):
    """A working directory with the album in `photos`."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def blobs(n=30):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 6)) + 9 * np.eye(6)[np.arange(n) % 3]


@pytest.mark.slow
def test_the_examples_of_the_page_run(here, capfd):
    names = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S):
        exec(compile(block, str(PAGE), "exec"), names)
    said, complaints = capfd.readouterr()
    wanted = re.search(r"```text\n(.*?)\n```", PAGE.read_text(encoding="utf-8"), re.S)[1]
    assert said.splitlines()[0] == wanted
    assert "asks for more clusters than there are pictures" in said.splitlines()[-1]
    assert complaints == ""
    assert not (here / "sorted").exists()


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, itae_cluster as ic; dir(ic); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(done.stdout.split())
    assert not loaded & {"torch", "numpy", "pandas", "sklearn", "PIL", "typer", "rich"}


def test_what_is_public_is_listed_and_there():
    assert dir(ic) == sorted(ic.__all__, key=ic.__all__.index)
    for name in ic.__all__:
        assert getattr(ic, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'scan'"):
        _ = ic.scan


@pytest.mark.parametrize("action", ["copy", "move"])
def test_sort_and_undo_leave_the_pictures_as_they_were(here, tiny_weights, action):
    before = {path: path.read_bytes() for path in here.glob("photos/*/*")}
    found = ic.sort(
        "photos", here / "sorted", k=3, action=action, weights=tiny_weights, size=28, cache=False
    )
    assert len(found) == 12
    assert [len(item) for item in found.clusters] == sorted(map(len, found.clusters))[::-1]
    assert all(os.path.exists(path) for item in found.clusters for path in item.pictures)
    assert "12 pictures in 3 clusters" in repr(found)
    assert repr(found.clusters[0]).startswith("Cluster(0, ")
    undone = found.undo()
    assert repr(undone).startswith("UndoResult(")
    assert {path: path.read_bytes() for path in here.glob("photos/*/*")} == before
    assert not (here / "sorted").exists()


def test_clusters_have_suggested_names_unless_nobody_wants_them(here, tiny_weights, monkeypatch):
    def describe(embeddings, clustering, *_, by_name=True):
        suggested = {0: Suggestion("dog", ("animal",), 0.9)} if by_name else {}
        return Description(facts=[Facts()] * len(embeddings.paths), suggested=suggested)

    monkeypatch.setattr("itae_cluster.pipeline.sort.describe_pictures", describe)
    options = {"k": 3, "weights": tiny_weights, "size": 28, "cache": False}
    first, *others = ic.sort("photos", here / "sorted", **options).clusters
    assert first.suggested.name == "dog"
    assert first.suggested.tags == ("animal",)
    assert [each.suggested for each in others] == [None, None]
    plain = ic.sort("photos", here / "plain", names=False, **options)
    assert [each.suggested for each in plain.clusters] == [None] * 3


def test_a_picture_that_cannot_be_read_is_in_the_result_and_in_the_log(here, tiny_weights, caplog):
    (here / "photos" / "bad.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    with caplog.at_level(logging.WARNING, logger="itae_cluster"):
        vectors = ic.embed("photos", weights=tiny_weights, size=28, cache=False)
    assert len(vectors) == 12
    assert [os.path.basename(item.path) for item in vectors.skipped] == ["bad.jpg"]
    assert any("bad.jpg skipped" in record.getMessage() for record in caplog.records)
    assert repr(vectors) == "Embeddings(12 pictures, 64 dimensions, 1 skipped)"


def test_embeddings_go_to_a_file_and_come_back(here, tiny_weights):
    vectors = ic.embed("photos", weights=tiny_weights, size=28, cache=False, exclude=["blue/"])
    assert len(vectors) == 8
    vectors.save("v.npz")
    back = ic.Embeddings.load("v.npz")
    assert back.paths == vectors.paths
    np.testing.assert_allclose(np.asarray(back), vectors.vectors, atol=1e-6)
    with pytest.raises(ic.ItaeClusterError, match="exists"):
        vectors.save("v.npz")


def test_labels_are_an_array_and_more():
    labels = ic.cluster(blobs(), k=3, reduce="none")
    assert labels.k == len(labels.centres) == 3
    assert np.bincount(labels).tolist() == [10, 10, 10]
    assert list(labels) == labels.labels.tolist()
    groups = labels.groups()
    assert sorted(np.concatenate(list(groups.values())).tolist()) == list(range(30))
    for number, rows in groups.items():
        assert (np.diff(labels.distances[rows]) >= 0).all()
        assert (labels.labels[rows] == number).all()
    assert repr(labels) == "Labels(30 rows in 3 clusters)"
    assert np.asarray(labels, dtype=np.int32).dtype == np.int32


@pytest.mark.parametrize("k", ["auto", "2..6", (2, 6)])
def test_k_is_found_out(k):
    assert 2 <= ic.cluster(blobs(90), k=k, reduce="none").k <= 9


@pytest.mark.parametrize(
    ("vectors", "options", "reason"),
    [
        (np.zeros((3, 2)), {}, "a row of zeros"),
        (np.ones(3), {}, "finite numbers"),
        (np.full((3, 2), np.nan), {}, "finite numbers"),
        (blobs(), {"algorithm": "kmaens"}, "'kmaens' is none of auto, kmeans"),
        (blobs(), {"k": 99}, "more clusters than there are pictures"),
        (blobs(), {"k": "many"}, "give a number, a range"),
    ],
)
def test_what_cannot_be_clustered_says_why(vectors, options, reason):
    with pytest.raises(ic.ItaeClusterError, match=reason):
        ic.cluster(vectors, **options)


@pytest.mark.parametrize("verb", [ic.embed, ic.calibrate])
def test_an_unknown_keyword_is_a_type_error(verb):
    with pytest.raises(TypeError, match="unexpected keyword argument 'sise'"):
        verb("photos", sise=28)
    with pytest.raises(TypeError, match="'modle'"):
        ic.cluster(blobs(), modle="mini")
    with pytest.raises(TypeError, match="'seeed'"):
        ic.sort("photos", "sorted", seeed=3)


def test_calibration_says_off_with_its_evidence(here, tiny_weights):
    found = ic.calibrate("photos", weights=tiny_weights, size=28)
    assert found.theta is None
    assert not found.bimodal
    assert found.pictures == 12
    assert sum(found.evidence["histogram"]["patches"]) == 12 * 4
    assert repr(found).startswith("Calibration(theta=None, 12 pictures: ")
    ic.embed("photos", weights=tiny_weights, size=28, theta=found, cache=False)


def test_the_model_is_patched_by_theta(tiny_weights):
    import torch

    images = torch.randn(2, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    stock = ic.load_model(weights=tiny_weights, theta=None)
    assert stock.settings is None
    patched = ic.load_model(weights=tiny_weights, theta=2.5)
    assert patched.settings.theta == 2.5
    assert not patched.training
    with torch.inference_mode():
        vectors = patched(images)
    assert vectors.shape == (2, 64)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))


def test_a_model_that_is_nobodys_is_refused_before_any_folder_is_searched(tmp_path):
    with pytest.raises(ic.ItaeClusterError, match="unknown model 'vitb15'; choose one of auto"):
        ic.sort(tmp_path / "missing", tmp_path / "out", k=3, model="vitb15")
