"""New pictures into a result: each to its nearest cluster, or beyond all to `unclustered`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from itae_cluster.changes.amend import Amendment, amend, inspect_result
from itae_cluster.changes.planning import make_plan
from itae_cluster.core.cache import open_cache
from itae_cluster.core.documents import skipped_record
from itae_cluster.core.files import read_digest
from itae_cluster.core.options import Action
from itae_cluster.core.types import NOISE, Clustering, Embeddings
from itae_cluster.embedding.embed import embed_files
from itae_cluster.embedding.provenance import matching_encoder, recall_options
from itae_cluster.pictures import sidecars
from itae_cluster.pictures.scan import find_pictures
from itae_cluster.pipeline.sort import SortResult
from itae_cluster.preview.extend import extend_previews
from itae_cluster.preview.thumbnails import Thumbnails
from itae_cluster.results import centres, inventory, manifest
from itae_cluster.results import plan as plans
from itae_cluster.results.placements import folder_name, place_pictures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from itae_cluster.core.cache import Cache
    from itae_cluster.core.options import CacheOptions, InputOptions, ModelOptions, OutputOptions
    from itae_cluster.core.types import Encoder, Placement, Reporter, Skipped
    from itae_cluster.results.centres import Centres
    from itae_cluster.results.inventory import Inventory
    from itae_cluster.results.plan import Entry, Plan

__all__ = ["UpdateResult", "update_result"]

_FEWEST = 10  # new pictures from which on their share beyond all clusters says something
_DRIFTED = 0.2  # that share, where 0.01 is expected
_GROWN = 2.0  # times the pictures that were sorted at first


@dataclass(frozen=True)
class UpdateResult:
    """What an update added: `result` is about the new pictures alone.

    `known` pictures were in the result before, `beyond` of the new ones lie beyond every cluster.
    `advice` says why a fresh run is worth it, where it is.
    """

    result: SortResult
    known: int
    beyond: int
    advice: str | None = None


def update_result(
    inputs: InputOptions,
    asked: ModelOptions,
    output: OutputOptions,
    *,
    encoder: Encoder | None = None,
    caching: CacheOptions | None = None,
    reporter: Reporter,
) -> UpdateResult:
    """Add what is new among the inputs to the result that `output` names.

    Args:
        inputs: which pictures.
        asked: what is said of the model, which must be that of the result.
        output: the result, and how pictures come there.
        encoder: used in place of the model of the result.
        caching: where embeddings are kept between runs; None for nowhere.
        reporter: told of progress, skips and warnings.

    Raises:
        ItaeClusterError: of the stage that failed; the result is as it was then.
    """
    assert output.out is not None  # the command line requires it
    held = inspect_result(output.out)
    model = centres.load(held.root)
    options = recall_options(model.encoder, asked)
    found = find_pictures(inputs, output.out, reporter)
    with open_cache(caching, reporter) as cache:
        fresh = _fresh(found.files, held, cache, reporter)
        known = len(found.files) - len(fresh)
        if not fresh:
            return UpdateResult(
                _result(_no_embeddings(model), found.skipped, held, output), known, 0
            )
        same = matching_encoder(model.encoder, options, cache, reporter, encoder)
        thumbnails = Thumbnails()
        embeddings = embed_files(
            fresh, options, same, cache=cache, on_picture=thumbnails.keep, reporter=reporter
        )
        labels, distances = model.assign(embeddings.vectors, held.folders)
        skipped = found.skipped + embeddings.skipped
        sorted_ = Clustering(labels, model.centres, distances)
        result = _result(embeddings, skipped, held, output, sorted_)
        beyond = int((labels == NOISE).sum())
        advice = _advice(len(labels), beyond, len(held.pictures), model.pictures)
        if output.dry_run:
            return UpdateResult(result, known, beyond, advice)
        plan = make_plan(
            result.placements,
            skipped,
            {},
            out=held.root,
            action=output.action,
            cache=cache,
            reporter=reporter,
        )
        added = _added(result, held, plan, thumbnails.kept, cache, reporter)
        return UpdateResult(added, known, beyond, advice)


def _fresh(files: Sequence[str], held: Inventory, cache: Cache, reporter: Reporter) -> list[str]:
    """The files whose content is not, and never was, in the result; of equal ones the first."""
    seen = held.digests()
    fresh, read = [], []
    for done, (path, digest) in enumerate(zip(files, cache.digests(files), strict=True), start=1):
        if digest is None:
            try:
                known = read_digest(path)
            except OSError:
                fresh.append(path)  # what cannot be read is told by the one who decodes it
                continue
            read.append(known)
            digest = known.digest
        if digest.hex() not in seen:
            seen.add(digest.hex())
            fresh.append(path)
        reporter.progress("Comparing", done, len(files))
    cache.remember(read)
    return fresh


def _no_embeddings(model: Centres) -> Embeddings:
    nothing = np.empty((0, model.centres.shape[1]), dtype=np.float32)
    return Embeddings((), nothing, model.encoder)


def _result(
    embeddings: Embeddings,
    skipped: tuple[Skipped, ...],
    held: Inventory,
    output: OutputOptions,
    found: Clustering | None = None,
) -> SortResult:
    if found is None:
        nothing = np.empty(0, dtype=np.float32)
        found = Clustering(np.empty(0, dtype=np.int64), embeddings.vectors, nothing)
    paths = embeddings.paths
    placements = place_pictures(
        paths,
        found,
        sidecars.find(paths) if output.sidecars else None,
        held.folders,
        _taken(held, {*found.labels.tolist()}),
    )
    options = {**held.head["options"], "output": {"action": str(output.action)}}
    return SortResult(embeddings, found, placements, skipped, options)


def _taken(held: Inventory, labels: set[int]) -> Mapping[int, list[str]]:
    """What is in the folders of clusters, the person's own files too."""
    names = {}
    for label in labels:
        folder = held.folders.get(label) or folder_name(label, 0)
        path = os.path.join(held.root, folder)
        names[label] = os.listdir(path) if os.path.isdir(path) else []
    return names


def _added(
    result: SortResult,
    held: Inventory,
    plan: Plan,
    thumbnails: Mapping[str, bytes],
    cache: Cache,
    reporter: Reporter,
) -> SortResult:
    def documents(placed: Sequence[Entry], lost: Sequence[Skipped]) -> Mapping[str, bytes | None]:
        new = plans.placements_of(placed)
        records = [item.as_record() for item in held.pictures] + _records(new, placed)
        made = {item.cluster: os.path.dirname(item.destination) for item in new}
        folders = {**made, **held.folders}
        skipped = [skipped_record(item) for item in (*plan.skipped, *lost)]
        return inventory.result_documents(
            held, records, folders, held.names, skipped
        ) | extend_previews(
            held,
            records,
            folders,
            new,
            result.embeddings,
            sources={item.source: _found_at(item, plan) for item in new},
            thumbnails=thumbnails,
            cache=cache,
            reporter=reporter,
        )

    done = amend(held, Amendment("update", documents, plan=plan), reporter)
    return SortResult(
        result.embeddings,
        result.clustering,
        plans.placements_of(done.placed),
        plan.skipped + done.lost,
        result.options,
        placed=True,
        kept=done.kept,
    )


def _found_at(item: Placement, plan: Plan) -> str:
    """Where a picture lies when the update is over."""
    moves = plan.action is Action.MOVE
    return os.path.join(plan.out, item.destination) if moves else os.path.abspath(item.source)


def _records(new: Sequence[Placement], placed: Sequence[Entry]) -> list[dict[str, Any]]:
    contents = {entry.destination: entry for entry in placed}
    return [
        {
            **manifest.to_record(item, placed=True),
            "size": contents[item.destination].size,
            "sha256": contents[item.destination].sha256,
        }
        for item in new
    ]


def _advice(new: int, beyond: int, before: int, at_first: int) -> str | None:
    """Why a fresh run is worth it: see docs/update.md."""
    if new >= _FEWEST and beyond > _DRIFTED * new:
        return "the new pictures are of other kinds than the clusters; a fresh run is worth it"
    if before + new > _GROWN * at_first:
        return (
            f"the result began with {at_first} pictures and holds {before + new}; a fresh run is "
            "worth it"
        )
    return None
