"""An encoder that is loaded once a picture must be embedded, and not before.

Where the cache knows every picture, neither torch nor the weights are read.
"""

from __future__ import annotations

import platform
from dataclasses import asdict
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from itae_cluster.core import __version__
from itae_cluster.embedding import precision
from itae_cluster.embedding.engines import open_encoder
from itae_cluster.model import thresholds
from itae_cluster.model.acquire import locate
from itae_cluster.pictures.decode import PREPROCESSING
from itae_cluster.pictures.decoders import warm_up

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from itae_cluster.core.cache import Cache
    from itae_cluster.core.options import Engine, ModelOptions
    from itae_cluster.core.types import Encoder, Reporter
    from itae_cluster.embedding.encoder import TorchEncoder
    from itae_cluster.model.acquire import ModelFile

__all__ = ["DeferredEncoder", "encoder_for", "load_deferred", "load_float32_encoder"]


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

    def load(self) -> Encoder:
        """The encoder itself, which is another than `metadata` says where the machine has changed.

        Raises:
            ItaeClusterError: as loading raises it.
        """
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded

    def encode(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """(B, size, size, 3) uint8 RGB → (B, D) float32, rows of length 1."""
        return self.load().encode(pixels)


def load_deferred(encoder: Encoder) -> Encoder:
    """What a `DeferredEncoder` stands for, loaded now; any other encoder as it is."""
    return encoder.load() if isinstance(encoder, DeferredEncoder) else encoder


def load_float32_encoder(options: ModelOptions, reporter: Reporter) -> TorchEncoder:
    """The encoder for jobs that measure the model itself: in float32, whatever the options say.

    Torch is imported here, once there is work for it.

    Raises:
        ModelError: if the model, its weights, its size or its device cannot be had.
    """
    reporter.progress("Loading the model", 0, None)
    from itae_cluster.embedding import encoder

    return encoder.load_exact_encoder(options, reporter)


def encoder_for(options: ModelOptions, cache: Cache, reporter: Reporter) -> Encoder:
    """The encoder that the options ask for, deferred if an earlier run noted what it is."""
    located = locate(
        options.model, weights=options.weights, offline=options.offline, reporter=reporter
    )
    saved = thresholds.load(located.sha256)
    key = {
        **_machine(),
        **options.record(),
        **asdict(located),
        "saved": [saved.theta] if saved else [],
    }
    load = partial(_load_and_note, options, located, key, cache, reporter)
    metadata = cache.note(key)
    return load() if metadata is None else DeferredEncoder(metadata, load)


def _load_and_note(
    options: ModelOptions,
    located: ModelFile,
    key: Mapping[str, Any],
    cache: Cache,
    reporter: Reporter,
) -> Encoder:
    reporter.progress("Loading the model", 0, None)
    warm_up()
    loaded = open_encoder(
        options, reporter, located=located, fast_bfloat16=partial(_is_bfloat16_fast, cache)
    )
    cache.store_note(key, loaded.metadata)
    return loaded


def _is_bfloat16_fast(cache: Cache, engine: Engine) -> bool:
    """As `precision.is_bfloat16_fast`, timed once a machine."""
    key = {**_machine(), "fast": "bfloat16", "engine": engine.value}
    fast = cache.note(key)
    if fast is None:
        fast = precision.is_bfloat16_fast(engine)
        cache.store_note(key, fast)
    return bool(fast)


def _machine() -> dict[str, Any]:
    """What a note holds for: a change of any of these asks for a fresh look."""
    return {
        "host": platform.node(),
        "torch": version("torch"),
        "tool": __version__,
        "preprocessing": PREPROCESSING,
    }
