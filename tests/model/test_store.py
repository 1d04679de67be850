"""Where weights are looked for: the caches of others, as they really look."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from itae_cluster.model import store
from itae_cluster.model.registry import variant

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
VITB14 = variant("vitb14")


def snapshot(revision, name, age=0, content=b"weights"):
    """A file as the hub's client stores it: a link from the snapshot to a blob."""
    folder = os.path.join(os.environ["HF_HUB_CACHE"], "models--facebook--dinov2-base")
    blob = os.path.join(folder, "blobs", f"{revision}-{name}")
    path = os.path.join(folder, "snapshots", revision, name)
    for file in (blob, path):
        os.makedirs(os.path.dirname(file), exist_ok=True)
    if content is not None:
        with open(blob, "wb") as file:
            file.write(content)
    os.symlink(blob, path)
    os.utime(os.path.dirname(path), (1e9 - age, 1e9 - age))
    return path


def test_nothing_is_found_where_nothing_is():
    assert store.find_checkpoint(VITB14) is None


def test_an_unfinished_download_of_the_hub_is_not_found():
    snapshot("abc", "model.safetensors", content=None)  # the blob is still *.incomplete
    assert store.find_checkpoint(VITB14) is None


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_both_kinds_of_file_on_the_hub_are_found(name):
    path = snapshot("abc", name)
    assert store.find_checkpoint(VITB14) == store.LocalCheckpoint(path, "hugging face")


def test_the_newest_snapshot_is_taken_where_no_main_is_noted():
    snapshot("aaa", "model.safetensors", age=100)
    newest = snapshot("bbb", "model.safetensors", age=10)
    snapshot("ccc", "model.safetensors", age=200)
    assert store.find_checkpoint(VITB14).path == newest


def test_another_models_repository_is_not_taken():
    snapshot("abc", "model.safetensors")
    assert store.find_checkpoint(variant("vits14")) is None
    assert store.find_checkpoint(variant("vitb14-reg")) is None


def test_hf_home_counts_where_the_hubs_own_folder_is_not_set(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    path = snapshot("abc", "model.safetensors")
    monkeypatch.delenv("HF_HUB_CACHE")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    assert store.find_checkpoint(VITB14).path == path


def test_an_imported_file_stands_behind_the_official_one_in_our_cache():
    os.makedirs(store.cache_dir())
    for name in ("vitb14.safetensors", VITB14.checkpoint.filename):
        path = os.path.join(store.cache_dir(), name)
        with open(path, "wb"):
            pass
        assert store.find_checkpoint(VITB14) == store.LocalCheckpoint(path, "cache")


def test_a_partial_download_in_our_cache_is_not_found():
    os.makedirs(store.cache_dir())
    for suffix in (".part", ".lock"):
        with open(os.path.join(store.cache_dir(), VITB14.checkpoint.filename + suffix), "wb"):
            pass
    assert store.find_checkpoint(VITB14) is None


def test_the_cache_can_be_moved(monkeypatch, tmp_path):
    monkeypatch.setenv("ITAE_CLUSTER_CACHE", str(tmp_path))
    assert store.cache_dir() == str(tmp_path / "checkpoints")
    monkeypatch.delenv("ITAE_CLUSTER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert "itae-cluster" in store.cache_dir()


def test_looking_needs_no_torch():
    code = (
        "import sys; from itae_cluster.model import store, registry;"
        "assert store.find_checkpoint(registry.variant('mini')).origin == 'bundled';"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
