"""Embeddings at the speed of bfloat16 with the artifact masks of float32.

bfloat16 moves one query norm in ten thousand by more than 1.6 % (docs/performance.md). Where every
norm of a picture is further than that from θ, Eq. 2 and 3 find the same artifacts in both formats;
all other pictures are embedded once more, in float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from itae_cluster.core.types import Encoder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

    from itae_cluster.core.types import Reporter

__all__ = ["MARGIN", "MixedEncoder", "ThetaEncoder"]

MARGIN = 0.02
"""How near to θ, as a share of it, a norm in bfloat16 may lie on either side of θ in float32."""

_MOST = 1 / 3  # of the pictures; from a half on, bfloat16 beforehand costs more than it saves
_ENOUGH = 64  # pictures, before a share says much


class ThetaEncoder(Encoder, Protocol):
    """An encoder that says how sure its artifact masks are."""

    def encode_with_distance(
        self, pixels: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """As `encode`, and (B,) the `distance_to_theta`."""


class MixedEncoder:
    """An `Encoder` (see `types`) made of two of the same model, θ and size.

    Once more than a third of the pictures were embedded twice, only the exact one goes on.

    Args:
        fast: computes in bfloat16.
        load_exact: loads the one that computes in float32, called once there is work for it.
        reporter: told when the fast one is given up.
    """

    def __init__(
        self, fast: ThetaEncoder, load_exact: Callable[[], Encoder], reporter: Reporter
    ) -> None:
        self._fast = fast
        self._load_exact = load_exact
        self._exact: Encoder | None = None
        self._reporter = reporter
        self._metadata = {**fast.metadata, "precision": "mixed"}
        self._seen = self._redone = 0
        self._only_exact = False

    @property
    def dim(self) -> int:
        """D, the length of an embedding."""
        return self._fast.dim

    @property
    def size(self) -> int:
        """Side of the square input in pixels."""
        return self._fast.size

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The fast encoder's, with `mixed` for its precision."""
        return self._metadata

    def encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(B, size, size, 3) uint8 RGB → (B, D) float32, rows of length 1.

        Raises:
            OutOfMemoryError: if the device has no memory for one picture.
        """
        if self._only_exact:
            return self._encode_exactly(pixels)
        vectors, distances = self._fast.encode_with_distance(pixels)
        near = ~(distances > MARGIN)  # what is no number is not sure either
        if near.any():
            vectors[near] = self._encode_exactly(pixels[near])
        self._count(len(pixels), int(near.sum()))
        return vectors

    def _encode_exactly(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        if self._exact is None:
            self._exact = self._load_exact()
        return self._exact.encode(pixels)

    def _count(self, seen: int, redone: int) -> None:
        self._seen += seen
        self._redone += redone
        if self._seen >= _ENOUGH and self._redone > _MOST * self._seen:
            self._only_exact = True
            self._reporter.info(
                f"{self._redone} of {self._seen} pictures have a query norm near theta and were "
                "embedded twice, so the rest is embedded in float32 alone"
            )
