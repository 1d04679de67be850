"""Eq. 2 and 3 of the ITAE paper on recorded norms, without torch: which tokens a θ touches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["split"]


def split(
    norms: NDArray[np.float32], theta: float, rule: Literal["minority", "low"] = "minority"
) -> NDArray[np.bool_]:
    """The artifact mask, as `model.itae.artifacts` computes it on the way through the model.

    Args:
        norms: (B, T) query norms (Eq. 4), CLS first.
        theta: threshold in the same units.
        rule: `minority` is Eq. 3, `low` the ablation A = L_a of Sec. 5.2.

    Returns:
        (B, T) bool; CLS is never an artifact.
    """
    mask = norms <= theta  # Eq. 2
    if rule == "minority":  # Eq. 3, L_a in a tie
        low_is_smaller = 2 * mask[:, 1:].sum(axis=1) <= norms.shape[1] - 1
        mask = np.where(low_is_smaller[:, None], mask, ~mask)
    mask[:, 0] = False
    return mask
