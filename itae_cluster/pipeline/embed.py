"""Pictures to embeddings, and to a vector file."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from itae_cluster.core.cache import Cache, open_cache
from itae_cluster.core.options import input_options
from itae_cluster.embedding import vector_files
from itae_cluster.embedding.deferred import encoder_for
from itae_cluster.embedding.embed import embed_files
from itae_cluster.pictures.scan import find_pictures
from itae_cluster.results import manifest

if TYPE_CHECKING:
    from collections.abc import Callable

    from itae_cluster.core.options import CacheOptions, InputOptions, ModelOptions
    from itae_cluster.core.types import Embeddings, Encoder, Picture, Reporter

__all__ = ["embed_pictures", "embed_to_file"]


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
    vector_files.check_target(target)
    with open_cache(caching, reporter) as cache:
        embeddings = embed_pictures(inputs, model, cache=cache, reporter=reporter)
    options = {**input_options(inputs), "model": model.record()}
    absolute = tuple(os.path.abspath(path) for path in embeddings.paths)
    embeddings = replace(embeddings, paths=absolute)
    vector_files.save(target, embeddings, manifest.head(embeddings.metadata, options))
    return embeddings
