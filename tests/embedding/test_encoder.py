"""Pixels to embeddings: preprocessing, devices, memory, θ."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from itae_cluster.core.errors import ModelError, OutOfMemoryError, UsageError
from itae_cluster.core.options import DeviceName, ModelOptions, Precision, parse_theta
from itae_cluster.embedding.encoder import TorchEncoder, choose_device, load_encoder
from itae_cluster.model import registry, thresholds
from itae_cluster.model.checkpoint import load_model
from itae_cluster.model.config import DINOv2Config
from itae_cluster.model.itae import ITAE, Settings
from itae_cluster.pictures.decode import PREPROCESSING
from support.fakes import RecordingReporter


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (5, 28, 28, 3), dtype=np.uint8)


@pytest.fixture
def encoder(tiny_weights):
    return load(tiny_weights)


def load(weights, reporter=None, **options):
    options = {"weights": weights, "size": 28, "precision": Precision.FLOAT32, **options}
    return load_encoder(ModelOptions(**options), reporter or RecordingReporter())


def test_pixels_are_normalised_as_torchvision_does_it(encoder, tiny_weights, pixels):
    from torchvision.transforms.v2 import functional

    images = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    images = functional.to_dtype(images, torch.float32, scale=True)
    images = functional.normalize(images, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    with torch.inference_mode():
        wanted = ITAE(load_model(tiny_weights, None), None)(images)
    np.testing.assert_allclose(encoder.encode(pixels), wanted.numpy(), atol=1e-5)


def test_a_picture_does_not_depend_on_its_batch(encoder, pixels):
    together = encoder.encode(pixels)
    alone = np.concatenate([encoder.encode(pixels[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_many_settings_are_each_setting(tiny_weights, encoder, pixels):
    norms = encoder.measure(pixels).query_norms[:, 1:]
    theta = float(np.quantile(norms, 0.3))
    off, on = encoder.encode_each(pixels, [None, Settings(theta)])
    np.testing.assert_array_equal(off, encoder.encode(pixels))
    np.testing.assert_allclose(on, load(tiny_weights, theta=theta).encode(pixels), atol=1e-6)
    assert abs(on - off).max() > 1e-4


def present(monkeypatch, *, cuda, mps):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("cuda", "mps", "wanted"),
    [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_auto_takes_the_best_device_there_is(monkeypatch, cuda, mps, wanted):
    present(monkeypatch, cuda=cuda, mps=mps)
    assert choose_device(DeviceName.AUTO).type == wanted
    assert choose_device(DeviceName.CPU).type == "cpu"


def test_a_missing_device_is_named(monkeypatch):
    present(monkeypatch, cuda=False, mps=False)
    for name in (DeviceName.CUDA, DeviceName.MPS):
        with pytest.raises(ModelError, match=f"no {name} device .* --device cpu"):
            choose_device(name)


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_out_of_memory_names_the_remedy(encoder, pixels, monkeypatch, error):
    def fail(_model, _images):
        raise error

    monkeypatch.setattr(ITAE, "forward", fail)
    with pytest.raises(OutOfMemoryError, match=r"with 1 pictures at once; .* --device cpu"):
        encoder.encode(pixels)


def test_a_batch_too_large_for_the_memory_is_halved_and_later_ones_are_cut(
    encoder, pixels, monkeypatch
):
    wanted = encoder.encode(pixels)
    forward, batches = ITAE.forward, []

    def fail_above_two(model, images):
        batches.append(len(images))
        if len(images) > 2:
            raise RuntimeError("CUDA out of memory")
        return forward(model, images)

    monkeypatch.setattr(ITAE, "forward", fail_above_two)
    np.testing.assert_allclose(encoder.encode(pixels), wanted, atol=1e-5)
    assert batches == [5, 3, 2, 2, 1]
    batches.clear()
    np.testing.assert_allclose(encoder.encode(pixels[:3]), wanted[:3], atol=1e-5)
    assert batches == [2, 1]


def test_bfloat16_hardly_moves_an_embedding(tiny_weights, pixels):
    exact = load(tiny_weights, precision=Precision.FLOAT32)
    fast = load(tiny_weights, precision=Precision.BFLOAT16)
    assert (exact.metadata["precision"], fast.metadata["precision"]) == ("float32", "bfloat16")
    found = fast.encode(pixels)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    cosines = (found * exact.encode(pixels)).sum(axis=1)
    assert 0.999 < cosines.min() < 1 - 1e-7


def test_other_errors_of_torch_are_not_hidden(encoder, pixels, monkeypatch):
    def fail(_model, _images):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(ITAE, "forward", fail)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        encoder.encode(pixels)


@pytest.mark.parametrize(("size", "nearest"), [(0, 14), (13, 14), (30, 28), (225, 224)])
def test_sizes_between_patches_are_refused_before_loading(size, nearest):
    with pytest.raises(UsageError, match=f"--size {size} is not a multiple of 14; try {nearest}"):
        load("/nowhere.pth", size=size)


def test_theta_auto_is_the_published_one_then_the_users(tiny_weights, monkeypatch):
    shape = DINOv2Config(64, depth=2, grid=4)
    known = registry.variant("vitb14")
    like = registry.Variant("vitb14", shape, known.theta, known.checkpoint)
    assert load(tiny_weights).metadata["theta"] is None  # a shape of nobody's
    monkeypatch.setitem(registry.VARIANTS, "vitb14", like)
    first = load(tiny_weights)
    assert first.metadata["theta"] == 3.0
    thresholds.save(first.metadata["weights_sha256"], thresholds.SavedTheta(2.25, 512))
    reporter = RecordingReporter()
    assert load(tiny_weights, reporter).metadata["theta"] == 2.25
    assert "theta 2.25, saved by 'itae-cluster calibrate'" in reporter.notes[0]
    for text, wanted in (("off", None), ("-inf", None), ("inf", None), ("4", 4.0)):
        assert load(tiny_weights, theta=parse_theta(text)).metadata["theta"] == wanted


def test_the_metadata_say_what_made_an_embedding(encoder, tiny_weights):
    assert isinstance(encoder, TorchEncoder)
    assert dict(encoder.metadata) == {
        "name": "custom",
        "origin": "file",
        "weights": tiny_weights,
        "weights_sha256": encoder.metadata["weights_sha256"],
        "published_theta": None,
        "theta": None,
        "size": 28,
        "device": "cuda" if torch.cuda.is_available() else encoder.metadata["device"],
        "engine": "torch",
        "precision": "float32",
        "preprocessing": PREPROCESSING,
        "dim": 64,
    }
    assert len(encoder.metadata["weights_sha256"]) == 64
