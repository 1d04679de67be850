"""The bundled model and its 8-bit weights."""

from __future__ import annotations

import os

import numpy as np
import pytest

from itae_cluster.clustering.algorithms import kmeans
from itae_cluster.core.files import file_digest
from itae_cluster.core.options import ModelOptions
from itae_cluster.embedding.encoder import TorchEncoder, load_encoder
from itae_cluster.model.checkpoint import load_model, read_state_dict
from itae_cluster.model.quantized import SCALE, dequantize, quantize
from itae_cluster.model.registry import MINI_VERSIONS, variant
from itae_cluster.model.store import find_checkpoint
from itae_cluster.paper.scores import clustering_accuracy
from itae_cluster.pictures.flatten import flatten
from support.fakes import RecordingReporter

BUNDLED = find_checkpoint(variant("mini"))


def test_round_trip_is_within_half_a_step():
    random = np.random.default_rng(0)
    shapes = {
        "blocks.0.attn.qkv.weight": (6, 4),
        "patch_embed.proj.weight": (5, 3, 14, 14),
        "pos_embed": (1, 7, 4),
        "norm.weight": (4,),
        "cls_token": (1, 1, 4),
    }
    state = {name: random.normal(size=shape).astype("f4") for name, shape in shapes.items()}
    state["zeros.weight"] = np.zeros((2, 4), dtype=np.float32)
    stored = quantize(state)
    assert stored["blocks.0.attn.qkv.weight"].dtype == np.int8
    assert stored["norm.weight"].dtype == stored["cls_token"].dtype == np.float16
    back = dequantize(stored)
    assert back.keys() == state.keys()
    for name, weight in state.items():
        assert back[name].shape == weight.shape
        largest = np.abs(weight).max()
        atol = 0.51 * largest / 127 + 1e-3 * largest
        np.testing.assert_allclose(back[name].astype("f4"), weight, rtol=0, atol=atol)


def test_a_state_without_scales_is_left_alone():
    state = {"norm.weight": np.ones(3)}
    assert dequantize(state)["norm.weight"] is state["norm.weight"]


def test_the_bundled_file_is_small_and_8_bit():
    assert BUNDLED.origin == "bundled"
    assert os.path.getsize(BUNDLED.path) <= 25_000_000
    state = read_state_dict(BUNDLED.path)
    matrices = [name for name in state if name + SCALE in state]
    assert len(matrices) == 4 * 12 + 2
    assert load_model(BUNDLED.path, variant("mini").config).config.depth == 12


def test_the_bundled_file_is_the_last_version():
    """Another file is another version, or results could not tell them apart."""
    assert list(MINI_VERSIONS.items())[-1] == (file_digest(BUNDLED.path), 2)
    assert list(MINI_VERSIONS.values()) == sorted(set(MINI_VERSIONS.values()))


@pytest.mark.slow
def test_real_pictures_fall_into_place():
    """Crops of scikit-learn's two photographs, which nobody could confuse."""
    from PIL import Image
    from sklearn.datasets import load_sample_images

    encoder = load_encoder(ModelOptions(model="mini"), RecordingReporter())
    assert isinstance(encoder, TorchEncoder)
    assert encoder.metadata["theta"] is None
    assert (encoder.metadata["name"], encoder.metadata["version"]) == ("mini", 2)
    pictures, truth = [], []
    for number, photograph in enumerate(load_sample_images().images):
        for left in range(0, 200, 50):
            crop = Image.fromarray(photograph[:400, left : left + 400])
            pictures.append(np.asarray(flatten(crop).resize((224, 224))))
            truth.append(str(number))
    vectors = encoder.encode(np.stack(pictures))
    assert vectors.shape == (8, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    labels = kmeans(vectors, 2, seed=0, restarts=5)
    assert clustering_accuracy(truth, labels) == 1.0
