"""Which floating-point format is taken where."""

from __future__ import annotations

import time

import pytest

from itae_cluster.core.errors import ModelError
from itae_cluster.core.options import Engine, Precision
from itae_cluster.embedding import precision
from itae_cluster.embedding.precision import choose_precision, is_bfloat16_fast

AUTO = Precision.AUTO
PRODUCTS = {
    Engine.TORCH: precision._torch_product,
    Engine.OPENVINO: precision._openvino_product,
}


def never():
    raise AssertionError("nothing to time")


@pytest.mark.parametrize("device", ["cuda", "mps"])
@pytest.mark.parametrize("itae", [True, False])
def test_auto_is_float16_on_a_gpu(device, itae):
    assert choose_precision(AUTO, device, itae=itae, fast_bfloat16=never) is Precision.FLOAT16


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
    for name in (Precision.FLOAT32, Precision.BFLOAT16, Precision.MIXED):
        assert choose_precision(name, "cpu", itae=True, fast_bfloat16=never) is name
    found = choose_precision(Precision.FLOAT16, "cuda", itae=True, fast_bfloat16=never)
    assert found is Precision.FLOAT16


def test_mixed_without_theta_is_bfloat16():
    found = choose_precision(Precision.MIXED, "cpu", itae=False, fast_bfloat16=never)
    assert found is Precision.BFLOAT16


def test_float16_on_a_cpu_is_refused():
    with pytest.raises(ModelError, match="float16 gains nothing on a CPU; use --precision bf"):
        choose_precision(Precision.FLOAT16, "cpu", itae=False, fast_bfloat16=never)


@pytest.mark.parametrize("engine", PRODUCTS)
@pytest.mark.parametrize(("half", "wanted"), [(0.1, True), (0.9, False), (5.0, False)])
def test_bfloat16_has_to_pay(monkeypatch, engine, half, wanted):
    """By the fastest of several products, after one that warms up."""
    now, calls = [0.0], []

    def product(kind):
        once = half if kind is Precision.BFLOAT16 else 1.0

        def multiply():
            calls.append(kind)
            # The warm-up takes equally long for both; something disturbs.
            slow = {1: 1000.0 / once, 2: 3.0}
            now[0] += once * slow.get(calls.count(kind), 1.0)

        return multiply

    monkeypatch.setattr(precision, PRODUCTS[engine].__name__, product)
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    assert is_bfloat16_fast(engine) is wanted
    assert calls.count(Precision.BFLOAT16) == calls.count(Precision.FLOAT32) > 2


@pytest.mark.parametrize("kind", [Precision.FLOAT32, Precision.BFLOAT16])
@pytest.mark.parametrize("engine", PRODUCTS)
def test_what_is_timed_is_a_product_of_matrices(engine, kind):
    product = PRODUCTS[engine](kind)()
    values = product.float().numpy() if engine is Engine.TORCH else product[0]
    assert values.shape == (precision._SIDE, precision._SIDE)
    assert set(values.ravel().tolist()) == {precision._SIDE}  # a sum of ones, exact in either
