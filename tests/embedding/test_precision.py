"""Which floating-point format is taken where."""

from __future__ import annotations

import time

import pytest
import torch

from itae_cluster.core.errors import ModelError
from itae_cluster.core.options import Precision
from itae_cluster.embedding.precision import choose_precision, is_bfloat16_fast

AUTO = Precision.AUTO


@pytest.mark.parametrize("device", ["cuda", "mps"])
@pytest.mark.parametrize("itae", [True, False])
def test_auto_is_float16_on_a_gpu(device, itae):
    assert choose_precision(AUTO, device, itae=itae) is Precision.FLOAT16


@pytest.mark.parametrize(
    ("itae", "fast", "wanted"),
    [
        (False, True, Precision.BFLOAT16),
        (False, False, Precision.FLOAT32),
        (True, True, Precision.MIXED),  # masks would not be those of float32
        (True, False, Precision.FLOAT32),
    ],
)
def test_auto_on_a_cpu_depends_on_the_cpu_and_on_itae(itae, fast, wanted):
    assert choose_precision(AUTO, "cpu", itae=itae, fast_bfloat16=lambda: fast) is wanted


def test_what_is_asked_for_is_what_is_done():
    def never():
        raise AssertionError("nothing to time")

    for name in (Precision.FLOAT32, Precision.BFLOAT16, Precision.MIXED):
        assert choose_precision(name, "cpu", itae=True, fast_bfloat16=never) is name
    assert choose_precision(Precision.FLOAT16, "cuda", itae=True) is Precision.FLOAT16


def test_mixed_without_theta_is_bfloat16():
    assert choose_precision(Precision.MIXED, "cpu", itae=False) is Precision.BFLOAT16


def test_float16_on_a_cpu_is_refused():
    with pytest.raises(ModelError, match="float16 gains nothing on a CPU; use --precision bf"):
        choose_precision(Precision.FLOAT16, "cpu", itae=False)


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
