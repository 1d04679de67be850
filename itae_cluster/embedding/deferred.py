"""An encoder that is loaded once a picture must be embedded, and not before.

Where the cache knows every picture, neither torch nor the weights are read.
"""

from __future__ import annotations

import platform
from dataclasses import asdict, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from itae_cluster import __version__
from itae_cluster.core.options import Precision
from itae_cluster.embedding.vector_cache import fingerprint
from itae_cluster.model import thresholds
from itae_cluster.model.acquire import locate
from itae_cluster.pictures.decode import PREPROCESSING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from itae_cluster.core.cache import Cache
    from itae_cluster.core.options import ModelOptions
    from itae_cluster.core.types import Encoder, Reporter
    from itae_cluster.embedding.encoder import TorchEncoder

__all__ = ["DeferredEncoder", "RecipeChangedError", "encoder_for", "load_float32_encoder"]


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


def load_float32_encoder(options: ModelOptions, reporter: Reporter) -> TorchEncoder:
    """The encoder for jobs that measure the model itself: in float32, whatever the options say.

    Torch is imported here, once there is work for it.

    Raises:
        ModelError: if the model, its weights, its size or its device cannot be had.
    """
    reporter.progress("Loading the model", 0, None)
    from itae_cluster.embedding import encoder

    return encoder.load_encoder(replace(options, precision=Precision.FLOAT32), reporter)


def encoder_for(options: ModelOptions, cache: Cache, reporter: Reporter) -> Encoder:
    """The encoder that the options ask for, deferred if an earlier run noted what it is."""
    located = locate(
        options.model, weights=options.weights, offline=options.offline, reporter=reporter
    )
    here = {
        "host": platform.node(),
        "torch": version("torch"),
        "tool": __version__,
        "preprocessing": PREPROCESSING,
    }
    key = {**here, **asdict(options), **asdict(located), "saved": _saved_theta(located.sha256)}

    def load() -> Encoder:
        reporter.progress("Loading the model", 0, None)
        from itae_cluster.embedding import encoder, precision

        def fast_bfloat16() -> bool:
            note = {**here, "fast": "bfloat16"}
            fast = cache.note(note)
            if fast is None:
                fast = precision.is_bfloat16_fast()
                cache.store_note(note, fast)
            return bool(fast)

        loaded = encoder.load_encoder(
            options, reporter, located=located, fast_bfloat16=fast_bfloat16
        )
        cache.store_note(key, loaded.metadata)
        return loaded

    metadata = cache.note(key)
    return load() if metadata is None else DeferredEncoder(metadata, load)


def _saved_theta(sha256: str) -> list[float | None]:
    """What `--theta auto` is by the user's own calibration, if there was one."""
    saved = thresholds.saved_theta(sha256)
    return [] if saved is None else [saved.theta]
