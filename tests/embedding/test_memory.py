"""Batches are cut to the memory that is free."""

from __future__ import annotations

import sys

import pytest
import torch

from itae_cluster.core.options import ModelOptions
from itae_cluster.embedding import memory
from itae_cluster.embedding.memory import bytes_a_picture, pictures_that_fit
from itae_cluster.model.config import DINOv2Config

BASE = DINOv2Config(768, depth=12)
CUDA, MPS, CPU = (torch.device(name) for name in ("cuda", "mps", "cpu"))


@pytest.mark.parametrize("pictures", [1, 7, 300])
def test_half_of_the_free_memory_is_filled(pictures, monkeypatch):
    free = 2 * pictures * bytes_a_picture(BASE, 224, 2)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (free, 10 * free))
    assert pictures_that_fit(CUDA, BASE, 224, 2) == pictures


def test_one_picture_is_always_tried(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (1000, 10**9))
    assert pictures_that_fit(CUDA, BASE, 224, 2) == 1


def test_mps_leaves_what_others_have_taken(monkeypatch):
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: 10**9, raising=False)
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 4 * 10**8, raising=False)
    assert memory.free_bytes(MPS) == 6 * 10**8


def test_a_cpu_is_not_asked():
    assert pictures_that_fit(CPU, BASE, 224, 4) == sys.maxsize


def test_the_estimate_counts_what_a_block_holds():
    """By hand, in float16: 257 tokens, 768 wide, 3072 inside, 12 heads; float32 attention."""
    stream = 257 * (768 + 768) * 2
    feed_forward = 257 * (3072 + 3072) * 2
    attention = 12 * (257 * 257) * 3 * 4
    pixels = 224 * 224 * 3 * (1 + 4 + 4 + 2)  # as they came, float32 twice, float16
    assert bytes_a_picture(BASE, 224, 2) == stream + feed_forward + attention + pixels


def test_the_usual_batch_suits_the_device():
    assert ModelOptions().batch_on("cuda") > ModelOptions().batch_on("cpu")
    assert ModelOptions(batch_size=3).batch_on("cuda") == 3
