"""Inference-Time Attention Engineering (Nakamura et al. 2024, arXiv:2410.04801).

In the last block of a DINOv2, artifact tokens are found by the norm of their queries and their
attention is attenuated before the softmax:

    Eq. 4  `query_norms`     n_i = ‖q_i‖₂ / √d over all heads
    Eq. 2  `low_group`       L_a = {i | n_i ≤ θ}, L_b the rest
    Eq. 3  `minority`        A = the smaller of L_a and L_b, per image
    Eq. 5  `attenuate`       (QKᵀ)'_ik = min_j (QKᵀ)_ij for k in A, every row i
    Eq. 6  `attenuate_cls`   the same for row 0, the only one a clustering reads

The tokens that can be artifacts, and over which the minimum runs, are 1..N: patches and, where
the model has them, registers; never CLS. Axis key: see `dinov2`; M = R + N, all tokens but CLS.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from itae_cluster.errors import ModelError
from itae_cluster.model.dinov2 import Block, DINOv2

__all__ = [
    "ITAE",
    "Rule",
    "Settings",
    "Source",
    "artifacts",
    "attenuate",
    "attenuate_cls",
    "cls_through_block",
    "low_group",
    "minority",
    "query_norms",
]

Source = Literal["query", "key", "value"]
"""Whose norm tells artifacts apart (Sec. 3.2: key and value would do, query is clearest)."""

Rule = Literal["minority", "low"]
"""`minority` is Eq. 3; `low` takes A = L_a, the ablation of Sec. 5.2."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How the last block is patched. `theta` is in units of Eq. 4, typically 2 to 5.

    Raises:
        ModelError: if `theta` is not a number.
    """

    theta: float
    rule: Rule = "minority"
    source: Source = "query"

    def __post_init__(self) -> None:
        if isnan(self.theta):
            raise ModelError("theta is not a number; give one (typically 2 to 5) or 'off'")


def query_norms(q: Tensor) -> Tensor:
    """Eq. 4: the norm of each token's query over all heads, divided by √d.

    Args:
        q: (B, H, T, d) queries with bias, before any scaling (or keys, or values).

    Returns:
        (B, T) float32, ≥ 0.
    """
    scaled = q.float() / q.shape[-1] ** 0.5
    norms: Tensor = scaled.square().sum(dim=(1, 3)).sqrt()
    return norms


def low_group(norms: Tensor, theta: float) -> Tensor:
    """Eq. 2: membership of L_a. A norm equal to θ belongs to it.

    Args:
        norms: (B, M) norms of all tokens but CLS.
        theta: threshold in the same units.

    Returns:
        (B, M) bool.
    """
    return norms <= theta


def minority(low: Tensor) -> Tensor:
    """Eq. 3: the smaller of L_a and its complement, per image; L_a where both are equal.

    Where all tokens lie on one side the smaller group is empty, and so is the result.

    Args:
        low: (B, M) bool, membership of L_a.

    Returns:
        (B, M) bool, membership of A.
    """
    low_is_smaller = 2 * low.sum(dim=1, keepdim=True) <= low.shape[1]  # (B, 1)
    return torch.where(low_is_smaller, low, ~low)


def artifacts(norms: Tensor, settings: Settings) -> Tensor:
    """Eq. 2 and 3 together: the artifact mask A.

    Args:
        norms: (B, T) norms of all tokens, CLS first.
        settings: θ and the rule.

    Returns:
        (B, T) bool; CLS is never an artifact.
    """
    low = low_group(norms[:, 1:], settings.theta)
    chosen = minority(low) if settings.rule == "minority" else low
    return F.pad(chosen, (1, 0), value=False)


def attenuate(logits: Tensor, mask: Tensor) -> Tensor:
    """Eq. 5: artifact logits become the row's minimum over tokens 1..N, for every row and head.

    Args:
        logits: (B, H, Q, T), any rows of QKᵀ, scaled or not.
        mask: (B, T) bool, membership of A.

    Returns:
        (B, H, Q, T), a new tensor.
    """
    floor = logits[..., 1:].amin(dim=-1, keepdim=True)  # (B, H, Q, 1)
    return torch.where(mask[:, None, None, :], floor, logits)


def attenuate_cls(logits: Tensor, mask: Tensor) -> Tensor:
    """Eq. 6: Eq. 5 for the CLS row alone.

    Args:
        logits: (B, H, T), row 0 of QKᵀ.
        mask: (B, T) bool, membership of A.

    Returns:
        (B, H, T), a new tensor.
    """
    return attenuate(logits[:, :, None, :], mask)[:, :, 0]


def cls_through_block(block: Block, x: Tensor, settings: Settings | None) -> Tensor:
    """CLS after one block, with ITAE where `settings` says so.

    Attention output, projection and feed-forward layer of a token depend on that token's row
    only, so the other rows are never computed. With `settings` None this is stock attention.

    Args:
        block: the last block.
        x: (B, T, D), what enters it.
        settings: θ, rule and source; None for no attenuation.

    Returns:
        (B, D).
    """
    q, k, v = block.attn.heads(block.norm1(x))  # each (B, H, T, d)
    scale = q.shape[-1] ** -0.5
    logits = ((q[:, :, :1] * scale) @ k.transpose(-2, -1))[:, :, 0]  # (B, H, T)
    if settings is not None:
        norms = query_norms({"query": q, "key": k, "value": v}[settings.source])
        logits = attenuate_cls(logits, artifacts(norms, settings))
    attended = logits.softmax(dim=-1)[:, :, None] @ v  # (B, H, 1, d)
    return block.finish(x[:, :1], block.attn.merge(attended))[:, 0]


class ITAE(nn.Module):
    """A DINOv2 whose last block is patched: images in, CLS embeddings out."""

    def __init__(self, backbone: DINOv2, settings: Settings | None) -> None:
        super().__init__()
        self.backbone = backbone
        self.settings = settings

    def last_block_input(self, images: Tensor) -> Tensor:
        """(B, 3, 14·h, 14·w), normalised → (B, T, D), what enters the last block."""
        x = self.backbone.tokens(images)
        for block in self.backbone.blocks[:-1]:
            x = block(x)
        return x

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, 14·h, 14·w), normalised → (B, D) float32, rows of length 1."""
        x = self.last_block_input(images)
        last = self.backbone.blocks[-1]
        assert isinstance(last, Block)  # nn.ModuleList forgets the type
        cls = self.backbone.norm(cls_through_block(last, x, self.settings))
        return F.normalize(cls.float(), dim=-1)
