"""Which floating-point format is taken where."""

from __future__ import annotations

import time

import pytest
import torch

from itae_cluster.core.errors import ModelError
from itae_cluster.core.options import Precision
from itae_cluster.embedding.precision import choose_precision, is_bfloat16_fast

AUTO, CPU = Precision.AUTO, torch.device("cpu")


@pytest.mark.parametrize("device", ["cuda", "mps"])
@pytest.mark.parametrize("itae", [True, False])
def test_auto_is_float16_on_a_gpu(device, itae):
    assert choose_precision(AUTO, torch.device(device), itae=itae) is torch.float16


@pytest.mark.parametrize(
    ("itae", "fast", "wanted"),
    [
        (False, True, torch.bfloat16),
        (False, False, torch.float32),
        (True, True, torch.float32),  # masks would not be those of float32
        (True, False, torch.float32),
    ],
)
def test_auto_on_a_cpu_depends_on_the_cpu_and_on_itae(itae, fast, wanted):
    assert choose_precision(AUTO, CPU, itae=itae, fast_bfloat16=lambda: fast) is wanted


def test_what_is_asked_for_is_what_is_done():
    def never():
        raise AssertionError("nothing to time")

    for name, wanted in (
        (Precision.FLOAT32, torch.float32),
        (Precision.BFLOAT16, torch.bfloat16),
    ):
        assert choose_precision(name, CPU, itae=True, fast_bfloat16=never) is wanted
    cuda = torch.device("cuda")
    assert choose_precision(Precision.FLOAT16, cuda, itae=True) is torch.float16


def test_float16_on_a_cpu_is_refused():
    with pytest.raises(ModelError, match="float16 gains nothing on a CPU; use --precision bf"):
        choose_precision(Precision.FLOAT16, CPU, itae=False)


@pytest.mark.parametrize(("half", "wanted"), [(0.1, True), (0.9, False), (5.0, False)])
def test_bfloat16_has_to_pay(monkeypatch, half, wanted):
    """By the fastest of several products, after one that warms up."""
    now, calls = [0.0], []

    def multiply(one, other):
        calls.append(one.dtype)
        once = half if one.dtype is torch.bfloat16 else 1.0
        slow = {1: 1000.0 / once, 2: 3.0}  # the warm-up takes equally long; something disturbs
        now[0] += once * slow.get(calls.count(one.dtype), 1.0)
        return one

    monkeypatch.setattr(torch, "mm", multiply)
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    assert is_bfloat16_fast() is wanted
    assert calls.count(torch.bfloat16) == calls.count(torch.float32) > 2
