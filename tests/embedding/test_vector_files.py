from __future__ import annotations

import os
import pickle

import numpy as np
import pytest

from itae_cluster.core.errors import InputError, OutputError, UsageError
from itae_cluster.core.types import Embeddings
from itae_cluster.embedding import vector_files

NAMES = ("/p/plain.jpg", "/p/tab\t, line\n, back\\slash\\n.jpg", os.fsdecode(b"/p/\xff\xfe.jpg"))
METADATA = {"schema_version": 1, "model": {"name": "mini", "theta": None}, "options": {}}


@pytest.fixture
def embeddings():
    rows = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return Embeddings(NAMES, rows, METADATA["model"])


@pytest.mark.parametrize("suffix", vector_files.SUFFIXES)
def test_every_kind_keeps_vectors_metadata_and_the_bytes_of_names(tmp_path, suffix, embeddings):
    path = str(tmp_path / f"v{suffix}")
    vector_files.save(path, embeddings, METADATA)
    back = vector_files.load(path)
    assert back.paths == NAMES
    np.testing.assert_allclose(back.vectors, embeddings.vectors, atol=1e-7)
    assert back.vectors.dtype == np.float32
    assert back.metadata == METADATA["model"]
    wanted = {f"v{suffix}"} | ({"v.txt", "v.json"} if suffix == ".npy" else set())
    assert set(os.listdir(tmp_path)) == wanted


def test_npz_holds_the_documented_arrays_without_pickle(tmp_path, embeddings):
    path = str(tmp_path / "v.npz")
    vector_files.save(path, embeddings, METADATA)
    with np.load(path, allow_pickle=False) as arrays:
        assert set(arrays.files) == {"paths", "embeddings", "metadata"}
        assert arrays["paths"][0] == NAMES[0]
        assert arrays["embeddings"].shape == (3, 8)


def test_an_existing_file_is_never_written_over(tmp_path, embeddings):
    (tmp_path / "v.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"v\.txt exists"):
        vector_files.save(str(tmp_path / "v.npy"), embeddings, METADATA)
    assert os.listdir(tmp_path) == ["v.txt"]
    assert (tmp_path / "v.txt").read_text() == "mine"


def test_other_suffixes_and_missing_folders_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"\.npz, \.parquet or \.npy"):
        vector_files.check_target("v.csv")
    with pytest.raises(OutputError, match="not a folder"):
        vector_files.check_target(str(tmp_path / "nowhere" / "v.npz"))


@pytest.mark.parametrize("suffix", vector_files.SUFFIXES)
def test_missing_and_damaged_files_are_named(tmp_path, suffix, embeddings):
    path = tmp_path / f"v{suffix}"
    with pytest.raises(InputError, match="is missing; make it with"):
        vector_files.load(str(path))
    vector_files.save(str(path), embeddings, METADATA)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError, match="make it again"):
        vector_files.load(str(path))


def test_pickles_are_not_loaded(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "owned"),)

    np.savez(
        tmp_path / "v.npz",
        paths=np.array([Evil()], dtype=object),
        embeddings=np.ones((1, 4), np.float32),
        metadata=np.array('{"model": {}}'),
    )
    with pytest.raises(InputError):
        vector_files.load(str(tmp_path / "v.npz"))
    assert not (tmp_path / "owned").exists()
    pickle.loads(pickle.dumps(Evil()))  # the trap does spring where pickles are loaded
    assert (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    "rows",
    [np.zeros((1, 4), np.float32), np.full((1, 4), np.nan, np.float32), np.ones(4, np.float32)],
    ids=["zeros", "nan", "flat"],
)
def test_vectors_that_cannot_be_clustered_are_refused(tmp_path, rows):
    np.savez(
        tmp_path / "v.npz",
        paths=np.array(["a"]),
        embeddings=rows,
        metadata=np.array('{"model": {}}'),
    )
    with pytest.raises(InputError):
        vector_files.load(str(tmp_path / "v.npz"))


def test_foreign_vectors_are_normalised(tmp_path):
    np.savez(
        tmp_path / "v.npz",
        paths=np.array(["a"]),
        embeddings=np.array([[3.0, 4.0]]),
        metadata=np.array('{"model": {}}'),
    )
    np.testing.assert_allclose(vector_files.load(str(tmp_path / "v.npz")).vectors, [[0.6, 0.8]])


def test_parquet_without_pyarrow_names_the_extra(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(UsageError, match=r"itae-cluster\[parquet\]"):
        vector_files.check_target("v.parquet")
