"""The shape of a DINOv2, without torch, so that names and sizes can be listed at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of every weight, under its official name; linear layers are (out, in)."""
        dim, hidden = self.embed_dim, self.hidden_dim
        inner = (
            {"fc1": (hidden, dim), "fc2": (dim, hidden)}
            if self.ffn == "mlp"
            else {"w12": (2 * hidden, dim), "w3": (dim, hidden)}
        )
        linear = {
            "attn.qkv": (3 * dim, dim),
            "attn.proj": (dim, dim),
            **{f"mlp.{name}": shape for name, shape in inner.items()},
        }
        block: dict[str, tuple[int, ...]] = {
            **dict.fromkeys(("ls1.gamma", "ls2.gamma"), (dim,)),
            **_with_bias({"norm1": (dim,), "norm2": (dim,), **linear}),
        }
        registers = {"register_tokens": (1, self.registers, dim)} if self.registers else {}
        return {
            "cls_token": (1, 1, dim),
            "pos_embed": (1, 1 + self.grid**2, dim),
            **registers,
            **_with_bias({"patch_embed.proj": (dim, 3, PATCH, PATCH), "norm": (dim,)}),
            **{
                f"blocks.{number}.{name}": shape
                for number in range(self.depth)
                for name, shape in block.items()
            },
        }

    @property
    def interpolate_offset(self) -> float:
        """Added to the target grid when positions are interpolated (plain models: 0.1)."""
        return 0.0 if self.registers else 0.1

    @property
    def interpolate_antialias(self) -> bool:
        """Whether positions are interpolated with antialiasing (register models only)."""
        return self.registers > 0


def _with_bias(weights: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """The shape of each layer's weight, and of its bias: one value for each of its outputs."""
    return {
        f"{name}.{kind}": shape if kind == "weight" else shape[:1]
        for name, shape in weights.items()
        for kind in ("weight", "bias")
    }
