"""One picture's tokens: what CLS attends to, which are artifacts, and where they lie."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["TokenMap", "outline"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenMap:
    """One picture and its tokens: CLS first, then `registers`, then patches, row by row.

    `path` names the picture · `pixels` (s, s, 3) uint8 RGB, squashed to a square · `width`,
    `height` the size it had, upright · `attention`, `attenuated` (T,) CLS attention before and
    after ITAE, averaged over heads, 0 to 1 · `artifacts` (T,) bool.
    """

    path: str
    pixels: NDArray[np.uint8]
    width: int
    height: int
    attention: NDArray[np.float32]
    attenuated: NDArray[np.float32]
    artifacts: NDArray[np.bool_]
    registers: int = 0

    @property
    def tokens(self) -> int:
        """All tokens but CLS: those that can be artifacts."""
        return len(self.artifacts) - 1

    @property
    def count(self) -> int:
        """How many tokens are artifacts: patches and registers."""
        return int(self.artifacts.sum())

    @property
    def share_before(self) -> float:
        """The part of CLS's attention that the artifacts hold without ITAE, 0 to 1."""
        return _sum(self.attention[self.artifacts])

    @property
    def share_after(self) -> float:
        """The part of CLS's attention that the artifacts hold with ITAE, 0 to 1."""
        return _sum(self.attenuated[self.artifacts])

    def strip(self, values: NDArray[np.generic]) -> NDArray[np.generic]:
        """The registers of a (T,) array as a column: (R, 1)."""
        return values[1 : 1 + self.registers, None]

    def grid(self, values: NDArray[np.generic]) -> NDArray[np.generic]:
        """The patches of a (T,) array as they lie in the picture: (g, g)."""
        patches = values[1 + self.registers :]
        side = isqrt(len(patches))
        return patches.reshape(side, side)


def outline(mask: NDArray[np.generic]) -> NDArray[np.float64]:
    """The border of the marked cells of an (h, w) grid.

    Returns:
        (S, 2, 2) segments from (x, y) to (x, y), in cells, y downwards.
    """
    padded = np.pad(np.asarray(mask, dtype=bool), 1)
    level = np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1])[:, ::-1]  # (x, y) of each left end
    upright = np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1])[:, ::-1]  # of each upper end
    segments = [
        np.stack([level, level + np.array((1, 0))], axis=1),
        np.stack([upright, upright + np.array((0, 1))], axis=1),
    ]
    return np.concatenate(segments).astype(np.float64)


def _sum(values: NDArray[np.float32]) -> float:
    return float(values.sum(dtype=np.float64))
