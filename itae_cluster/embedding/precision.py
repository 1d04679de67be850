"""In which floating-point format a model computes.

bfloat16 has the range of float32 and 8 bits of precision; float16 has 11 bits. Either moves an
embedding by a cosine of less than 0.001, but a threshold is another matter: a token whose query
norm lies beside θ can change sides, and with it the artifact mask of ITAE. So where ITAE is on,
bfloat16 is not trusted with pictures that have such a token: see `mixed`, and docs/performance.md.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from itae_cluster.core.errors import ModelError
from itae_cluster.core.options import Engine, Precision
from itae_cluster.model.openvino_package import import_openvino

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["HINTS", "choose_precision", "is_bfloat16_fast"]

HINTS = {Precision.FLOAT32: "f32", Precision.BFLOAT16: "bf16"}
"""What OpenVINO calls what it computes in, its `INFERENCE_PRECISION_HINT`."""

_WORTH_IT = 1.5  # times as fast as float32; below, softmax and norms eat the gain
_SIDE = 768  # of the matrices multiplied: 0.9 GFLOP, some milliseconds
_TRIALS = 3


def choose_precision(
    wanted: Precision,
    device: str,
    *,
    itae: bool,
    fast_bfloat16: Callable[[], bool],
) -> Precision:
    """The format to compute in, never `auto`.

    `auto` is float16 on CUDA and MPS. On a CPU that multiplies bfloat16 fast it is that, or mixed
    if ITAE is on; on any other it is float32. Where ITAE is off, mixed is bfloat16.

    Args:
        wanted: what the user asked for.
        device: where the model computes: `cpu`, `cuda` or `mps`.
        itae: whether a θ splits the tokens.
        fast_bfloat16: whether this CPU multiplies bfloat16 fast; see `is_bfloat16_fast`.

    Raises:
        ModelError: if float16 is asked for on a CPU, which computes it no faster than float32.
    """
    if wanted is Precision.FLOAT16 and device == "cpu":
        raise ModelError(
            "float16 gains nothing on a CPU; use --precision bfloat16, float32 or auto"
        )
    if wanted is Precision.AUTO:
        if device != "cpu":
            return Precision.FLOAT16
        if not fast_bfloat16():
            return Precision.FLOAT32
        wanted = Precision.MIXED
    return Precision.BFLOAT16 if wanted is Precision.MIXED and not itae else wanted


def is_bfloat16_fast(engine: Engine) -> bool:
    """Whether the engine multiplies bfloat16 matrices clearly faster than float32: timed once.

    Few CPUs have the instructions (AVX512-BF16, AMX, Arm BF16); on all others they are emulated.

    Raises:
        ImportError: if OpenVINO does not run on this machine.
        RuntimeError: if it cannot multiply.
    """
    product = _openvino_product if engine is Engine.OPENVINO else _torch_product
    return _seconds(product(Precision.FLOAT32)) > _WORTH_IT * _seconds(product(Precision.BFLOAT16))


def _seconds(multiply: Callable[[], object]) -> float:
    """The fastest of a few products, after one to warm up."""
    trials = []
    for _ in range(1 + _TRIALS):
        start = time.perf_counter()
        multiply()
        trials.append(time.perf_counter() - start)
    return min(trials[1:])


def _torch_product(precision: Precision) -> Callable[[], object]:
    import torch

    matrix = torch.ones(_SIDE, _SIDE, dtype=getattr(torch, precision.value))
    return partial(torch.mm, matrix, matrix)


def _openvino_product(precision: Precision) -> Callable[[], object]:
    ov = import_openvino()
    matrix = np.ones((_SIDE, _SIDE), dtype=np.float32)
    left = ov.opset13.parameter(matrix.shape, np.float32)
    product = ov.opset13.matmul(left, ov.opset13.constant(matrix), False, False)
    compiled = ov.Core().compile_model(
        ov.Model([product], [left], "product"),
        "CPU",
        {"INFERENCE_PRECISION_HINT": HINTS[precision]},
    )
    infer: Callable[[list[object]], object] = compiled.create_infer_request().infer
    return partial(infer, [matrix])
