"""The shape of a DINOv2, without torch, so that names and sizes can be listed at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["HEAD_DIM", "IMAGENET_MEAN", "IMAGENET_STD", "PATCH", "DINOv2Config"]

PATCH = 14
"""Side of a patch in pixels."""

HEAD_DIM = 64
"""d, the head dimension of every DINOv2 variant."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""What pixels are normalised by, red, green and blue, as shares of white."""
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class DINOv2Config:
    """Everything that sets one variant apart from another.

    `grid` is the side of the checkpoint's position grid (37 for training at 518 px).
    """

    embed_dim: int
    depth: int
    registers: int = 0
    ffn: Literal["mlp", "swiglu"] = "mlp"
    grid: int = 37

    @property
    def num_heads(self) -> int:
        """H, the number of attention heads: 64 dimensions each."""
        return self.embed_dim // HEAD_DIM

    @property
    def hidden_dim(self) -> int:
        """Width of the feed-forward layer: 4·D, or 2/3 of that rounded up to 8 for SwiGLU."""
        hidden = 4 * self.embed_dim
        return hidden if self.ffn == "mlp" else (hidden * 2 // 3 + 7) // 8 * 8

    @property
    def interpolate_offset(self) -> float:
        """Added to the target grid when positions are interpolated (plain models: 0.1)."""
        return 0.0 if self.registers else 0.1

    @property
    def interpolate_antialias(self) -> bool:
        """Whether positions are interpolated with antialiasing (register models only)."""
        return self.registers > 0
