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
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from itae_cluster.core.errors import ModelError
from itae_cluster.model.dinov2 import Block, DINOv2

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "ITAE",
    "ClsRow",
    "Measures",
    "Rule",
    "Settings",
    "Source",
    "artifact_mask",
    "artifacts",
    "attenuate",
    "attenuate_cls",
    "cls_attention",
    "cls_output",
    "cls_row",
    "distance_to_theta",
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


def distance_to_theta(norms: Tensor, theta: float) -> Tensor:
    """How far the norm nearest to θ is from it, as a share of θ.

    A mask can differ from that of exact norms only where this is no more than their error.

    Args:
        norms: (B, T) norms of all tokens, CLS first.
        theta: threshold in the same units.

    Returns:
        (B,) float32, ≥ 0.
    """
    return (norms[:, 1:] / theta - 1).abs().amin(dim=1)


class ClsRow(NamedTuple):
    """What the last block knows before the softmax.

    `q`, `k`, `v` (B, H, T, d), all tokens; `logits` (B, H, T), row 0 of QKᵀ/√d.
    """

    q: Tensor
    k: Tensor
    v: Tensor
    logits: Tensor


def cls_row(block: Block, x: Tensor) -> ClsRow:
    """Queries, keys and values of a block, and its CLS logits. `x`: (B, T, D), what enters it."""
    q, k, v = block.attn.heads(block.norm1(x))  # each (B, H, T, d)
    scale = q.shape[-1] ** -0.5
    logits = ((q[:, :, :1] * scale) @ k.transpose(-2, -1))[:, :, 0]  # (B, H, T)
    return ClsRow(q, k, v, logits)


def artifact_mask(row: ClsRow, settings: Settings) -> Tensor:
    """Which tokens `settings` takes for artifacts: (B, T) bool."""
    return artifacts(_judged_norms(row, settings), settings)


def _judged_norms(row: ClsRow, settings: Settings) -> Tensor:
    return query_norms({"query": row.q, "key": row.k, "value": row.v}[settings.source])


def cls_attention(row: ClsRow, settings: Settings | None) -> Tensor:
    """CLS attention of every head, attenuated where `settings` says so: (B, H, T), sums to 1."""
    logits = row.logits
    if settings is not None:
        logits = attenuate_cls(logits, artifact_mask(row, settings))
    return logits.softmax(dim=-1)


def cls_output(block: Block, x: Tensor, row: ClsRow, attention: Tensor) -> Tensor:
    """CLS after the block, given its attention (B, H, T): (B, D).

    Attention output, projection and feed-forward layer of a token depend on that token's row
    only, so the other rows are never computed.
    """
    attended = attention[:, :, None] @ row.v  # (B, H, 1, d)
    return block.finish(x[:, :1], block.attn.merge(attended))[:, 0]


class ITAE(nn.Module):
    """A DINOv2 whose last block is patched: images in, CLS embeddings out."""

    def __init__(self, backbone: DINOv2, settings: Settings | None) -> None:
        super().__init__()
        self.backbone = backbone
        self.settings = settings

    @property
    def last_block(self) -> Block:
        """The one block that ITAE changes."""
        block = self.backbone.blocks[-1]
        assert isinstance(block, Block)  # nn.ModuleList forgets the type
        return block

    def last_block_input(self, images: Tensor) -> Tensor:
        """(B, 3, 14·h, 14·w), normalised → (B, T, D), what enters the last block."""
        x = self.backbone.tokens(images)
        for block in self.backbone.blocks[:-1]:
            x = block(x)
        return x

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, 14·h, 14·w), normalised → (B, D) float32, rows of length 1."""
        return self.sweep(images, [self.settings])[0]

    def embed_with_distance(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """As `forward`, and (B,) the `distance_to_theta`.

        Raises:
            ModelError: if there is no θ.
        """
        if self.settings is None:
            raise ModelError("without theta there is no distance to it; set one")
        x = self.last_block_input(images)
        row = cls_row(self.last_block, x)
        distances = distance_to_theta(_judged_norms(row, self.settings), self.settings.theta)
        return self._embeddings(x, row, [self.settings])[0], distances

    def sweep(self, images: Tensor, each: Sequence[Settings | None]) -> Tensor:
        """One pass, many settings: everything but the CLS row of the last block is shared.

        Returns:
            (S, B, D) float32, rows of length 1.
        """
        x = self.last_block_input(images)
        return self._embeddings(x, cls_row(self.last_block, x), each)

    def survey(
        self, images: Tensor, each: Sequence[Settings | None] = ()
    ) -> tuple[Measures, Tensor]:
        """Norms and CLS attention of every token (Fig. 2, 3 and 4), and a `sweep`, in one pass.

        The attention after ITAE is that of this module's settings, the stock one without any.
        """
        x = self.last_block_input(images)
        row = cls_row(self.last_block, x)
        measures = Measures(
            query_norms(row.q),
            self.last_block(x).float().norm(dim=-1),
            cls_attention(row, None).mean(dim=1),
            cls_attention(row, self.settings).mean(dim=1),
        )
        return measures, self._embeddings(x, row, each)

    def _embeddings(self, x: Tensor, row: ClsRow, each: Sequence[Settings | None]) -> Tensor:
        outputs = [
            cls_output(self.last_block, x, row, cls_attention(row, settings)) for settings in each
        ]
        stacked = torch.stack(outputs) if outputs else x.new_empty(0, len(x), x.shape[-1])
        return F.normalize(self.backbone.norm(stacked).float(), dim=-1)


class Measures(NamedTuple):
    """Of every token, CLS first, then registers, then patches; each (B, T) float.

    `query_norms`: Eq. 4 · `output_norms`: ‖x‖₂ of the last block's output, before the final
    LayerNorm · `attention`, `attenuated`: CLS attention averaged over heads, before and after ITAE.
    """

    query_norms: Tensor
    output_norms: Tensor
    attention: Tensor
    attenuated: Tensor
