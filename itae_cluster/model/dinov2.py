"""DINOv2: the vision transformer of Oquab et al. (2024), with or without registers.

Parameters carry the names of the official checkpoints, so their state dicts load as they are.

Axis key:
    B images · C colour channels · N patch tokens · R register tokens · T = 1 + R + N tokens ·
    H heads · d head dimension (64 in every variant) · D = H·d · (h, w) patch grid, N = h·w
Token order: [CLS, registers, patches].

Sources: Dosovitskiy et al. 2021 (ViT), Oquab et al. 2024 (DINOv2, arXiv:2304.07193),
Darcet et al. 2024 (registers, arXiv:2309.16588).
"""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from itae_cluster.model.config import PATCH, DINOv2Config

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Block", "DINOv2", "convert_model", "interpolate_positions"]


class PatchEmbed(nn.Module):
    """Cuts an image into patches and projects each to D dimensions."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, dim, kernel_size=PATCH, stride=PATCH)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, 14·h, 14·w) → (B, N, D)."""
        x: Tensor = self.proj(images)  # (B, D, h, w)
        return x.flatten(2).transpose(1, 2)  # (B, N, D)


class Attention(nn.Module):
    """Multi-head self-attention (ITAE paper, Eq. 1)."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, D) → query, key and value, each (B, H, T, d)."""
        b, t, _ = x.shape
        qkv = self.qkv(x).view(b, t, 3, self.num_heads, -1)  # (B, T, 3, H, d)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # 3 × (B, H, T, d)
        return q, k, v

    def merge(self, x: Tensor) -> Tensor:
        """Heads side by side, then the projection: (B, H, T, d) → (B, T, D)."""
        out: Tensor = self.proj(x.transpose(1, 2).flatten(2))
        return out

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) → (B, T, D)."""
        return self.merge(F.scaled_dot_product_attention(*self.heads(x)))


class LayerScale(nn.Module):
    """A learnt factor a channel."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) → (…, D)."""
        return x * self.gamma


class Mlp(nn.Module):
    """Two linear layers with GELU between."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) → (…, D)."""
        out: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return out


class SwiGLU(nn.Module):
    """The gated feed-forward layer of the giant variant (Shazeer 2020)."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.w12 = nn.Linear(dim, 2 * hidden)
        self.w3 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(…, D) → (…, D)."""
        gate, value = self.w12(x).chunk(2, dim=-1)
        out: Tensor = self.w3(F.silu(gate) * value)
        return out


class Block(nn.Module):
    """One pre-norm transformer layer with LayerScale."""

    def __init__(self, config: DINOv2Config) -> None:
        super().__init__()
        dim = config.embed_dim
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, config.num_heads)
        self.ls1 = LayerScale(dim)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        ffn = Mlp if config.ffn == "mlp" else SwiGLU
        self.mlp = ffn(dim, config.hidden_dim)
        self.ls2 = LayerScale(dim)

    def finish(self, x: Tensor, attended: Tensor) -> Tensor:
        """The rest of the layer once attention is done, for any subset of tokens.

        `x` (B, t, D) enters the layer, `attended` (B, t, D) is its attention output.
        """
        x = x + self.ls1(attended)
        out: Tensor = x + self.ls2(self.mlp(self.norm2(x)))
        return out

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) → (B, T, D)."""
        return self.finish(x, self.attn(self.norm1(x)))


class DINOv2(nn.Module):
    """A stock DINOv2; `forward` is what `itae.ITAE` changes in the last block."""

    def __init__(self, config: DINOv2Config) -> None:
        super().__init__()
        dim = config.embed_dim
        self.config = config
        self.patch_embed = PatchEmbed(dim)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + config.grid**2, dim))
        if config.registers:
            self.register_tokens = nn.Parameter(torch.zeros(1, config.registers, dim))
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self._positions: dict[tuple[int, int], Tensor] = {}

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Take an official state dict as it is; its `mask_token` served training only."""
        kept = {key: value for key, value in state_dict.items() if key != "mask_token"}
        return super().load_state_dict(kept, strict=strict, assign=assign)

    def positions(self, grid: tuple[int, int]) -> Tensor:
        """Position embeddings of CLS and an (h, w) grid: (1, 1 + h·w, D) on the model's device.

        Interpolated once a grid and kept. Only for inference: it does not follow later training.
        """
        pos = self.pos_embed
        kept = self._positions.get(grid)
        if kept is None or kept.device != pos.device or kept.dtype != pos.dtype:
            kept = interpolate_positions(
                pos.detach(),
                grid,
                offset=self.config.interpolate_offset,
                antialias=self.config.interpolate_antialias,
            )
            self._positions[grid] = kept
        return kept

    def tokens(self, images: Tensor) -> Tensor:
        """(B, 3, 14·h, 14·w), normalised → (B, T, D), the input of the first block."""
        b, _, height, width = images.shape
        patches = self.patch_embed(images)  # (B, N, D)
        x = torch.cat([self.cls_token.expand(b, -1, -1), patches], dim=1)  # (B, 1+N, D)
        x = x + self.positions((height // PATCH, width // PATCH))
        if not self.config.registers:
            return x
        registers = self.register_tokens.expand(b, -1, -1)  # (B, R, D), without positions
        return torch.cat([x[:, :1], registers, x[:, 1:]], dim=1)  # (B, T, D)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, 14·h, 14·w), normalised → (B, T, D), every token after the final LayerNorm."""
        x = self.tokens(images)
        for block in self.blocks:
            x = block(x)
        out: Tensor = self.norm(x)
        return out


def convert_model(model: DINOv2, dtype: torch.dtype) -> DINOv2:
    """The same model in another format, beside the one given; for inference."""
    with torch.device("meta"):
        other = DINOv2(model.config)
    state = {name: value.to(dtype) for name, value in model.state_dict().items()}
    other.load_state_dict(state, assign=True)
    return other.eval().requires_grad_(False)


def interpolate_positions(
    pos_embed: Tensor, grid: tuple[int, int], *, offset: float, antialias: bool
) -> Tensor:
    """Bicubic interpolation of the patch rows of `pos_embed` to another grid.

    Computed in float32 on the CPU, since antialiased bicubic is missing on some devices (MPS).
    With `offset` the scale is (side + offset) / M rather than side / M: DINOv2's guard against
    rounding, which its plain checkpoints were trained with.

    Args:
        pos_embed: (1, 1 + M², D); row 0 belongs to CLS and is kept as it is.
        grid: (h, w), the patch grid of the input.
        offset: 0.1 for plain models, 0 for register models.
        antialias: False for plain models, True for register models.

    Returns:
        (1, 1 + h·w, D) in the dtype and on the device of `pos_embed`.
    """
    side = isqrt(pos_embed.shape[1] - 1)
    if grid == (side, side):
        return pos_embed
    pos = pos_embed.to("cpu", torch.float32)
    square = pos[:, 1:].view(1, side, side, -1).permute(0, 3, 1, 2)  # (1, D, M, M)
    target: dict[str, tuple[float, float]] | dict[str, tuple[int, int]] = {"size": grid}
    if offset:
        target = {"scale_factor": ((grid[0] + offset) / side, (grid[1] + offset) / side)}
    scaled = F.interpolate(square, mode="bicubic", antialias=antialias, **target)  # (1, D, h, w)
    patches = scaled.flatten(2).transpose(1, 2)  # (1, h·w, D)
    return torch.cat([pos[:, :1], patches], dim=1).to(pos_embed.device, pos_embed.dtype)
