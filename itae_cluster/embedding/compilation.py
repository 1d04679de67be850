"""When compiling a model for CUDA pays, and a model that is compiled for batches of one size.

`torch.compile` made ViTs 1.2 to 1.4 times as fast on an H100 (docs/performance.md). It takes time
itself, about the same for each block, whatever the block's size: so what counts is how much there
is to compute a block.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from itae_cluster.core.text import printable
from itae_cluster.model.config import PATCH

if TYPE_CHECKING:
    from itae_cluster.core.types import Reporter
    from itae_cluster.model.config import DINOv2Config

__all__ = ["CompiledModel", "compiling_pays", "flops_a_block"]

_SECONDS = 4.0  # that compiling a block may take
_RATE = 3e14  # FLOP a second of the model as it is, on an H100: 1.8e14 (ViT-S) to 3.8e14 (ViT-L)
_SPARED = 1 / 6  # of the time, where it becomes 1.2 times as fast
_FAILURES = (ImportError, OSError, RuntimeError, TypeError, ValueError)


def flops_a_block(config: DINOv2Config, size: int) -> int:
    """Operations of a block for a picture of `size` × `size` pixels, two for each multiplication.

    Its linear layers, and the two products of attention.
    """
    tokens = (size // PATCH) ** 2 + 1 + config.registers
    matrices = 2 if config.ffn == "mlp" else 3
    parameters = 4 * config.embed_dim**2 + matrices * config.embed_dim * config.hidden_dim
    return 2 * tokens * parameters + 4 * tokens**2 * config.embed_dim


def compiling_pays(config: DINOv2Config, size: int, pictures: int) -> bool:
    """Whether so many pictures spare more time than compiling takes.

    That is from 7.2e15 operations a block on: two million pictures for ViT-B, half a million for
    ViT-g.
    """
    spared = _SPARED * pictures * flops_a_block(config, size) / _RATE
    return spared > _SECONDS


class CompiledModel:
    """Calls a model, compiled with the first batch; batches of another size go to it as it is.

    Where compiling fails, all do, and a line says so: it needs Triton and a C compiler.

    Args:
        model: images to embeddings.
        reporter: told of a failure.
    """

    def __init__(self, model: nn.Module, reporter: Reporter) -> None:
        self._model = model
        self._compiled = torch.compile(model, dynamic=False)
        self._shape: torch.Size | None = None
        self._fails = False
        self._reporter = reporter

    def __call__(self, images: Tensor) -> Tensor:
        """As the model.

        Raises:
            RuntimeError: as the model raises it, without memory for instance.
        """
        if self._fails or self._shape not in {None, images.shape}:
            return self._run(images)
        try:
            result: Tensor = self._compiled(images)
        except _FAILURES as error:
            result = self._run(images)  # what the model itself cannot do is no failure of compiling
            self._fails = True
            reason = printable(" ".join(str(error).split()))[:120] or type(error).__name__
            self._reporter.info(f"the model is not compiled ({reason})")
        self._shape = images.shape
        return result

    def _run(self, images: Tensor) -> Tensor:
        result: Tensor = self._model(images)
        return result
