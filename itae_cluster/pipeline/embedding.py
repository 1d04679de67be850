"""Pictures to embeddings, and to a vector file."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

from itae_cluster import __version__, vectors
from itae_cluster.core.cache import Cache, open_cache
from itae_cluster.core.options import Precision, input_options
from itae_cluster.deferred import DeferredEncoder, RecipeChangedError
from itae_cluster.embed import embed
from itae_cluster.model import thresholds
from itae_cluster.model.acquire import locate
from itae_cluster.pictures.decode import PREPROCESSING
from itae_cluster.pictures.scan import find_pictures
from itae_cluster.results import manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from itae_cluster.core.options import CacheOptions, InputOptions, ModelOptions
    from itae_cluster.core.types import Embeddings, Encoder, Picture, Reporter
    from itae_cluster.encoder import TorchEncoder

__all__ = ["embed_files", "embed_pictures", "embed_to_file", "encoder_for", "load_encoder"]


def embed_pictures(
    inputs: InputOptions,
    model: ModelOptions,
    *,
    cache: Cache,
    check: Callable[[int], None] | None = None,
    out: str | None = None,
    encoder: Encoder | None = None,
    on_picture: Callable[[int, str, Picture], None] | None = None,
    reporter: Reporter,
) -> Embeddings:
    """Scan and embed; what the scan skipped is part of the result.

    Raises:
        InputError: if there is no picture that can be read, or `check` raises it, which is told
            their number before any is.
    """
    found = find_pictures(inputs, out, reporter)
    if check is not None:
        check(len(found.files))
    embeddings = embed_files(
        found.files,
        model,
        encoder or encoder_for(model, cache, reporter),
        cache=cache,
        on_picture=on_picture,
        reporter=reporter,
    )
    return replace(embeddings, skipped=found.skipped + embeddings.skipped)


def embed_files(
    files: Sequence[str],
    model: ModelOptions,
    encoder: Encoder,
    *,
    cache: Cache,
    on_picture: Callable[[int, str, Picture], None] | None = None,
    reporter: Reporter,
) -> Embeddings:
    """Embed these files; an encoder that is another than it was taken for begins again.

    Raises:
        InputError: if none can be read.
    """
    work = partial(
        embed,
        files,
        batch_size=model.batch_on(encoder.metadata.get("device", "cpu")),
        cache=cache,
        max_pixels=model.max_pixels,
        on_picture=on_picture,
        reporter=reporter,
    )
    try:
        return work(encoder)
    except RecipeChangedError as changed:
        return work(changed.encoder)


def embed_to_file(
    inputs: InputOptions,
    model: ModelOptions,
    target: str,
    reporter: Reporter,
    *,
    caching: CacheOptions | None = None,
) -> Embeddings:
    """The job of `itae-cluster embed`: scan, embed, write vectors. Paths become absolute.

    Raises:
        OutputError: if `target` exists or cannot be written.
        InputError: if there is no picture.
    """
    vectors.check_target(target)
    with open_cache(caching, reporter) as cache:
        embeddings = embed_pictures(inputs, model, cache=cache, reporter=reporter)
    options = {**input_options(inputs), "model": asdict(model)}
    absolute = tuple(os.path.abspath(path) for path in embeddings.paths)
    embeddings = replace(embeddings, paths=absolute)
    vectors.save(target, embeddings, manifest.head(embeddings.metadata, options))
    return embeddings


def load_encoder(options: ModelOptions, reporter: Reporter) -> TorchEncoder:
    """The encoder for jobs that measure the model itself: in float32, whatever the options say.

    Torch is imported here, once there is work for it.

    Raises:
        ModelError: if the model, its weights, its size or its device cannot be had.
    """
    reporter.progress("Loading the model", 0, None)
    from itae_cluster import encoder

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
        from itae_cluster import encoder, precision

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
    saved = thresholds.saved(sha256)
    return [] if saved is None else [saved.theta]
