"""Pictures to embeddings, and to a vector file."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from itae_cluster.core.options import input_options
from itae_cluster.embedding import vector_files
from itae_cluster.embedding.deferred import encoder_for
from itae_cluster.embedding.embed import embed_files
from itae_cluster.pictures.scan import find_pictures
from itae_cluster.results import manifest

if TYPE_CHECKING:
    from collections.abc import Callable

    from itae_cluster.core.options import InputOptions, ModelOptions
    from itae_cluster.core.run import Run
    from itae_cluster.core.types import Embeddings, Picture

__all__ = ["embed_pictures", "embed_to_file"]


def embed_pictures(
    inputs: InputOptions,
    model: ModelOptions,
    run: Run,
    *,
    out: str | None = None,
    check: Callable[[int], None] | None = None,
    on_picture: Callable[[int, str, Picture], None] | None = None,
) -> Embeddings:
    """Scan and embed; what the scan skipped is part of the result.

    Args:
        inputs: which pictures.
        model: how they are embedded.
        run: whom it tells, what it knows already, and perhaps an encoder in place of `model`.
        out: a folder that is left out of the scan, because the result goes there.
        check: called with the number of pictures before the first is embedded.
        on_picture: called with each decoded file's number, its path and its pixels, in order.

    Raises:
        InputError: if there is no picture that can be read, or `check` raises it.
    """
    found = find_pictures(inputs, out, run.reporter)
    if check is not None:
        check(len(found.files))
    embeddings = embed_files(
        found.files,
        model,
        run.encoder or encoder_for(model, run.cache, run.reporter),
        cache=run.cache,
        on_picture=on_picture,
        reporter=run.reporter,
    )
    skipped = found.skipped + embeddings.skipped
    return replace(embeddings, skipped=skipped, passed_over=found.passed_over)


def embed_to_file(inputs: InputOptions, model: ModelOptions, target: str, run: Run) -> Embeddings:
    """The job of `itae-cluster embed`: scan, embed, write vectors. Paths become absolute.

    Raises:
        OutputError: if `target` exists or cannot be written.
        InputError: if there is no picture.
    """
    vector_files.check_target(target)
    embeddings = embed_pictures(inputs, model, run)
    options = {**input_options(inputs), "model": model.record()}
    absolute = tuple(os.path.abspath(path) for path in embeddings.paths)
    embeddings = replace(embeddings, paths=absolute)
    head = manifest.head(embeddings.metadata, options, embeddings.passed_over)
    vector_files.save(target, embeddings, head)
    return embeddings
