"""What clusters may be called: from the embeddings of `mini`, or from `mini` on a few pictures."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster.clustering import names
from itae_cluster.core.errors import ItaeClusterError
from itae_cluster.core.options import ModelOptions
from itae_cluster.embedding.deferred import encoder_for
from itae_cluster.embedding.embed import embed_files
from itae_cluster.model.registry import MINI
from itae_cluster.model.vocabulary import VERSION, load_vocabulary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from itae_cluster.core.run import Run
    from itae_cluster.core.types import Clustering, Embeddings, Suggestion

__all__ = ["suggest_names"]


def suggest_names(
    embeddings: Embeddings, clustering: Clustering, model: ModelOptions | None, run: Run
) -> dict[int, Suggestion]:
    """What each cluster may be called; empty where nothing can be said.

    Args:
        embeddings: of the pictures.
        clustering: their clusters.
        model: what made `embeddings`, whose device is used where that is not `mini` and a few
            pictures of each cluster are embedded again; None where they cannot be.
        run: knows vectors, and is told of progress.
    """
    vectors, labels = embeddings.vectors, clustering.labels
    if not _is_mini(embeddings.metadata):
        if model is None:
            return {}
        rows = names.pick_sample(labels, clustering.distances)
        paths = [embeddings.paths[row] for row in rows.tolist()]
        try:
            found = _embed_with_mini(paths, model, run)
        except ItaeClusterError as error:
            run.reporter.info(f"clusters have no suggested names: {error}")
            return {}
        place = dict(zip(paths, rows.tolist(), strict=True))
        labels = labels[np.array([place[path] for path in found.paths], dtype=np.intp)]
        vectors = found.vectors
    run.reporter.progress("Naming", 0, None)
    return names.suggest_names(vectors, labels, load_vocabulary())


def _is_mini(metadata: Mapping[str, Any]) -> bool:
    return metadata.get("name") == MINI and metadata.get("version") == VERSION


def _embed_with_mini(paths: list[str], model: ModelOptions, run: Run) -> Embeddings:
    options = replace(
        ModelOptions(model=MINI),
        device=model.device,
        batch_size=model.batch_size,
        max_pixels=model.max_pixels,
    )
    encoder = encoder_for(options, run.cache, run.reporter)
    return embed_files(paths, options, encoder, cache=run.cache, reporter=run.reporter)
