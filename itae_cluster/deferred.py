"""An encoder that is loaded once a picture must be embedded, and not before.

Where the cache knows every picture, neither torch nor the weights are read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from itae_cluster.shelf import fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from itae_cluster.core.types import Encoder

__all__ = ["DeferredEncoder", "RecipeChangedError"]


class RecipeChangedError(Exception):
    """The encoder, once loaded, is not the one it was taken for; `encoder` is what it is."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__("the device or the precision is another than at the last run")
        self.encoder = encoder


class DeferredEncoder:
    """An `Encoder` (see `types`) that stands for one that an earlier run loaded.

    Args:
        metadata: what that one said of itself.
        load: loads it, called at most once.
    """

    def __init__(self, metadata: Mapping[str, Any], load: Callable[[], Encoder]) -> None:
        self._metadata = metadata
        self._load = load
        self._loaded: Encoder | None = None

    @property
    def dim(self) -> int:
        """D, the length of an embedding."""
        return int(self._metadata["dim"])

    @property
    def size(self) -> int:
        """Side of the square input in pixels."""
        return int(self._metadata["size"])

    @property
    def metadata(self) -> Mapping[str, Any]:
        """As the earlier run knew it."""
        return self._metadata

    def encode(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """(B, size, size, 3) uint8 RGB → (B, D) float32, rows of length 1.

        Raises:
            RecipeChangedError: if vectors of the loaded encoder do not belong beside the earlier
                ones, because the machine has changed.
            ItaeClusterError: as loading and encoding raise it.
        """
        if self._loaded is None:
            loaded = self._load()
            if fingerprint(loaded.metadata) != fingerprint(self._metadata):
                raise RecipeChangedError(loaded)
            self._loaded = loaded
        return self._loaded.encode(pixels)
