"""A plan carried out with all that the main job makes: previews and centres, too."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster.changes.apply import apply_plan
from itae_cluster.core.errors import ItaeClusterError
from itae_cluster.core.options import OutputOptions
from itae_cluster.core.text import printable
from itae_cluster.core.types import Embeddings
from itae_cluster.embedding import vector_files
from itae_cluster.embedding.vector_cache import VectorCache
from itae_cluster.preview.build import write_previews
from itae_cluster.preview.collection import collect
from itae_cluster.results import centres, levels
from itae_cluster.results import plan as plans

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from itae_cluster.changes.apply import ApplyResult
    from itae_cluster.core.run import Run
    from itae_cluster.core.types import Placement
    from itae_cluster.preview.collection import Collection
    from itae_cluster.results.plan import Plan

__all__ = ["apply_and_draw", "apply_saved_plan"]

_MOST_DIMENSIONS = 1 << 16


def apply_and_draw(
    plan: Plan, collection: Collection, output: OutputOptions, run: Run
) -> ApplyResult:
    """Make OUT: pictures, manifest, table, previews, centres; then, for `move`, remove originals.

    Args:
        plan: which file goes where.
        collection: what the previews show and later pictures are sorted by.
        output: whether there are a preview and contact sheets.
        run: told of progress and of sources that vanished; knows thumbnails and the map.

    Raises:
        OutputError: if OUT cannot be made; it does not exist then, and nothing is lost.
        BusyError: if another process is at work there.
    """

    def draw(staging: str, placed: Sequence[Placement]) -> None:
        if output.preview:
            shown = replace(collection, placements=placed)
            write_previews(staging, shown, run, contact_sheets=output.contact_sheets)
        model = collection.centres()
        centres.write(model, staging)
        if (tree := collection.tree(model)) is not None:
            levels.write(tree, staging)

    return apply_plan(plan, run.reporter, draw=draw)


def apply_saved_plan(plan: Plan, run: Run) -> ApplyResult:
    """Carry out a plan that was made before, perhaps elsewhere, perhaps edited since.

    The result is that of the main job where the vectors are known still: to the cache, or in the
    vector file that the plan was made from. Else it has neither previews nor centres.

    Args:
        plan: as `results.plan.read` checked it.
        run: its cache is looked into; it is told of progress and of what cannot be made.

    Raises:
        OutputError: if OUT cannot be made; it does not exist then, and nothing is lost.
        BusyError: if another process is at work there.
    """
    embeddings = _recall_embeddings(plan, run)
    if embeddings is None:
        applied = apply_plan(plan, run.reporter)
        shown = printable(plan.out)
        run.reporter.warn(
            "the vectors of this plan are no longer in the cache, so there is no preview, and "
            f"update cannot add pictures; 'itae-cluster preview {shown}' makes both later"
        )
        return applied
    placements = plans.placements_of(plan.entries)
    collection = replace(
        collect(embeddings, placements, plan.metadata["options"], plan.merges),
        suggested=plan.suggested,
    )
    recorded = plan.metadata["options"].get("output")
    asked: Mapping[str, Any] = recorded if isinstance(recorded, dict) else {}
    output = OutputOptions(
        plan.out,
        plan.action,
        contact_sheets=asked.get("contact_sheets") is True,
        preview=asked.get("preview") is not False,
    )
    return apply_and_draw(plan, collection, output, run)


def _recall_embeddings(plan: Plan, run: Run) -> Embeddings | None:
    """The vectors of the plan's pictures, in its order; None where one of them is not known."""
    pictures = [entry for entry in plan.entries if entry.sidecar_of is None]
    file = plan.metadata["options"].get("embeddings")
    if isinstance(file, str):
        vectors = _read_vectors(file, [entry.source for entry in pictures])
    else:
        contents = [bytes.fromhex(entry.sha256) for entry in pictures]
        vectors = _cached_vectors(contents, plan.metadata["model"], run)
    if vectors is None:
        return None
    paths = tuple(entry.source_to_tell() for entry in pictures)
    return Embeddings(paths, vectors, plan.metadata["model"])


def _cached_vectors(
    contents: Sequence[bytes], model: Mapping[str, Any], run: Run
) -> NDArray[np.float32] | None:
    dim = model.get("dim")
    if type(dim) is not int or not 0 < dim <= _MOST_DIMENSIONS:  # a plan may say anything
        return None
    vectors = np.empty((len(contents), dim), dtype=np.float32)
    try:
        known = VectorCache(run.cache, model, dim).fill_contents(contents, vectors)
    except KeyError:  # the plan does not say all of the model that shapes a vector
        return None
    return vectors if known.all() else None


def _read_vectors(file: str, sources: Sequence[str]) -> NDArray[np.float32] | None:
    try:
        saved = vector_files.load(file)
    except (ItaeClusterError, OSError):
        return None  # it has gone since the plan was made
    rows = {os.path.abspath(path): row for row, path in enumerate(saved.paths)}
    if not all(source in rows for source in sources):
        return None
    return saved.vectors[[rows[source] for source in sources]]
