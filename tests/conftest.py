"""Fixtures that several test files share."""

from __future__ import annotations

import os
import shutil

import pytest

from support.pictures import make_album


def pytest_configure(config):
    """UMAP's code is compiled once for all tests, not once for each test's own cache."""
    folder = config.rootpath / ".pytest_cache" / "numba"
    os.environ.setdefault("NUMBA_CACHE_DIR", str(folder))


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory):
    """A random DINOv2, 64 wide and 2 deep, in the official layout: `--weights` of CLI tests."""
    import torch
    from safetensors.torch import save_file

    from itae_cluster.model.config import DINOv2Config
    from itae_cluster.model.dinov2 import DINOv2

    torch.manual_seed(0)
    model = DINOv2(DINOv2Config(64, depth=2, grid=4))
    state = {key: torch.randn_like(value) * 0.2 for key, value in model.state_dict().items()}
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_file(state, path)
    return str(path)


@pytest.fixture
def album(tmp_path):
    """Twelve pictures: red, green and blue, four each with a little noise; `red/0.png`, …."""
    return make_album(tmp_path / "photos")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory):
    """No test reads or writes the user's caches, or reaches for the network."""
    root = tmp_path_factory.mktemp("caches")
    with pytest.MonkeyPatch.context() as patch:  # ends after the test's own
        for variable, folder in (
            ("ITAE_CLUSTER_CACHE", "cache"),
            ("ITAE_CLUSTER_CONFIG", "config"),
            ("TORCH_HOME", "torch"),
            ("HF_HOME", "hf"),
            ("HF_HUB_CACHE", "hf/hub"),
        ):
            patch.setenv(variable, str(root / folder))
        patch.setenv("ITAE_CLUSTER_OFFLINE", "1")
        yield
    shutil.rmtree(root, ignore_errors=True)  # some hold a converted model; thousands fill a disk


@pytest.fixture
def no_extras(monkeypatch):
    """As after a plain install: neither raw files nor JPEG XL are pictures."""
    from itae_cluster.pictures.formats import picture_suffixes
    from itae_cluster.pictures.sidecars import RAW

    plain = picture_suffixes() - RAW - {".jxl"}
    monkeypatch.setattr("itae_cluster.pictures.scan.picture_suffixes", lambda: plain)
