"""Query norms of a sample of pictures, what a θ would touch, and which θ to take.

The paper sets θ by looking at the histogram of query norms (Fig. 2, Sec. 4.2); `bimodality` looks
in its place. Where the norms are not bimodal, ITAE stays off, as in Tab. 2 for small models.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from itae_cluster.clustering.sampling import sample_rows
from itae_cluster.core.errors import ModelError
from itae_cluster.core.types import TokenMeasures
from itae_cluster.embedding.embed import read_batches
from itae_cluster.paper.bimodality import Finding, find_threshold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from itae_cluster.core.types import Reporter, Skipped
    from itae_cluster.embedding.encoder import TorchEncoder
    from itae_cluster.model.itae import Rule, Settings

__all__ = [
    "AttenuatedShare",
    "NormSample",
    "attenuated_share",
    "collect",
    "draw_sample",
    "mark_artifacts",
    "masked_share",
    "recommend",
]


@dataclass(frozen=True, slots=True)
class NormSample:
    """What one pass over n pictures showed.

    `measures` have n rows, in the order of `paths`; `vectors` (S, n, D) are the embeddings under
    each setting that was asked for.
    """

    paths: tuple[str, ...]
    measures: TokenMeasures
    vectors: NDArray[np.float32]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True, slots=True)
class AttenuatedShare:
    """Which share of tokens (CLS left out) and of pictures a θ attenuates, 0 to 1."""

    tokens: float
    pictures: float


def draw_sample(files: Sequence[str], most: int, seed: int) -> tuple[str, ...]:
    """At most `most` files, drawn at random without replacement, in their old order."""
    return tuple(files[row] for row in sample_rows(len(files), most, seed).tolist())


def collect(
    files: Sequence[str],
    encoder: TorchEncoder,
    each: Sequence[Settings | None],
    *,
    batch_size: int,
    reporter: Reporter,
) -> NormSample:
    """Measure every token of every picture, and embed under each setting, in one pass.

    Raises:
        InputError: if not one picture can be read.
        ModelError: if the norms are not finite.
    """
    paths: list[str] = []
    skipped: list[Skipped] = []
    measures: list[TokenMeasures] = []
    vectors: list[NDArray[np.float32]] = []
    for batch in read_batches(files, encoder.size, batch_size=batch_size, reporter=reporter):
        skipped += batch.skipped
        if batch.paths:
            paths += batch.paths
            measured, embedded = encoder.survey(batch.pixels, each)
            measures.append(measured)
            vectors.append(embedded)
    whole = _concatenate(measures, encoder.registers)
    if not np.isfinite(whole.query_norms).all():
        raise ModelError("the model gives norms that are not finite; its weights are damaged")
    return NormSample(tuple(paths), whole, np.concatenate(vectors, axis=1), tuple(skipped))


def _concatenate(parts: Sequence[TokenMeasures], registers: int) -> TokenMeasures:
    """The measures of all batches as those of one."""
    names = ("query_norms", "output_norms", "attention", "attenuated")
    whole = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    return TokenMeasures(**whole, registers=registers)


def recommend(measures: TokenMeasures) -> tuple[float | None, Finding]:
    """θ at the valley between two groups of norms, None (off) where there are not two.

    Registers count, CLS does not (Fig. 2). θ has three significant digits.
    """
    norms = measures.query_norms[:, 1:]
    pictures = np.broadcast_to(np.arange(len(norms))[:, None], norms.shape)
    finding = find_threshold(norms, pictures)
    return (None if finding.valley is None else float(f"{finding.valley:.3g}")), finding


def mark_artifacts(
    norms: NDArray[np.float32], theta: float, rule: Rule = "minority"
) -> NDArray[np.bool_]:
    """The artifact mask of recorded norms: `model.itae.artifacts`, for arrays.

    Args:
        norms: (B, T) query norms (Eq. 4), CLS first.
        theta: threshold in the same units.
        rule: `minority` is Eq. 3, `low` the ablation A = L_a of Sec. 5.2.

    Returns:
        (B, T) bool; CLS is never an artifact.
    """
    import torch

    from itae_cluster.model.itae import Settings, artifacts

    mask: NDArray[np.bool_] = artifacts(torch.tensor(norms), Settings(theta, rule)).numpy()
    return mask


def attenuated_share(
    measures: TokenMeasures, theta: float | None, rule: Rule = "minority"
) -> AttenuatedShare:
    """What a θ would do to these pictures; None does nothing."""
    if theta is None:
        return AttenuatedShare(0.0, 0.0)
    return masked_share(mark_artifacts(measures.query_norms, theta, rule))


def masked_share(mask: NDArray[np.bool_]) -> AttenuatedShare:
    """The same, from an artifact mask (B, T) with CLS first."""
    return AttenuatedShare(float(mask[:, 1:].mean()), float(mask.any(axis=1).mean()))
