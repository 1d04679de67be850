"""In which floating-point format a model computes.

bfloat16 has the range of float32 and 8 bits of precision; float16 has 11 bits. Either moves an
embedding by a cosine of less than 0.001, but a threshold is another matter: a token whose query
norm lies beside θ can change sides, and with it the artifact mask of ITAE. So where ITAE is on,
bfloat16 is not trusted with pictures that have such a token: see `mixed`, and docs/performance.md.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from itae_cluster.core.errors import ModelError
from itae_cluster.core.options import Precision

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

__all__ = ["choose_precision", "is_bfloat16_fast"]

_WORTH_IT = 1.5  # times as fast as float32; below, softmax and norms eat the gain
_SIDE = 1024  # of the matrices multiplied: 2 GFLOP, some milliseconds
_TRIALS = 3


def choose_precision(
    wanted: Precision,
    device: str,
    *,
    itae: bool,
    fast_bfloat16: Callable[[], bool] | None = None,
) -> Precision:
    """The format to compute in, never `auto`.

    `auto` is float16 on CUDA and MPS. On a CPU that multiplies bfloat16 fast it is that, or mixed
    if ITAE is on; on any other it is float32. Where ITAE is off, mixed is bfloat16.

    Args:
        wanted: what the user asked for.
        device: where the model computes: `cpu`, `cuda` or `mps`.
        itae: whether a θ splits the tokens.
        fast_bfloat16: whether this CPU multiplies bfloat16 fast; `is_bfloat16_fast` by default.

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
        if not (fast_bfloat16 or is_bfloat16_fast)():
            return Precision.FLOAT32
        wanted = Precision.MIXED
    return Precision.BFLOAT16 if wanted is Precision.MIXED and not itae else wanted


def is_bfloat16_fast() -> bool:
    """Whether this CPU multiplies bfloat16 matrices clearly faster than float32: timed once.

    Few CPUs have the instructions (AVX512-BF16, AMX, Arm BF16); on all others torch emulates them.
    """
    import torch

    return _seconds(torch.float32) > _WORTH_IT * _seconds(torch.bfloat16)


def _seconds(dtype: torch.dtype) -> float:
    """The fastest of a few products, after one to warm up."""
    import torch

    matrix = torch.ones(_SIDE, _SIDE, dtype=dtype)
    trials = []
    for _ in range(1 + _TRIALS):
        start = time.perf_counter()
        torch.mm(matrix, matrix)
        trials.append(time.perf_counter() - start)
    return min(trials[1:])
