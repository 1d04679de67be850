"""New pictures into a result: each to its nearest cluster, or beyond all to `unclustered`."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from itae_cluster.changes.amend import Amendment, amend, inspect_result
from itae_cluster.changes.planning import make_plan
from itae_cluster.core.documents import skipped_record
from itae_cluster.core.errors import DecodeError
from itae_cluster.core.types import NOISE, Clustering, Embeddings, Levels
from itae_cluster.embedding.embed import embed_files
from itae_cluster.embedding.provenance import matching_encoder, recall_options
from itae_cluster.pictures import sidecars
from itae_cluster.pictures.decoders import Decoders
from itae_cluster.pictures.scan import find_pictures
from itae_cluster.pipeline.names import (
    asks_for_names,
    describe_pictures,
    suggest_again,
    with_facts,
)
from itae_cluster.pipeline.sort import SortResult
from itae_cluster.preview.extend import Arrivals, extend_previews
from itae_cluster.preview.thumbnails import Thumbnails
from itae_cluster.results import centres, inventory, levels, manifest
from itae_cluster.results import plan as plans
from itae_cluster.results.placements import folder_name, place_pictures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from itae_cluster.core.options import InputOptions, ModelOptions, OutputOptions
    from itae_cluster.core.run import Run
    from itae_cluster.core.types import Placement, Skipped
    from itae_cluster.results.centres import Centres
    from itae_cluster.results.inventory import Inventory
    from itae_cluster.results.plan import Entry, Plan

__all__ = ["UpdateOptions", "UpdateResult", "advise", "update_result"]

_FEWEST = 10  # new pictures from which on their share beyond all clusters says something
_DRIFTED = 0.2  # that share, where 0.01 is expected
_GROWN = 2.0  # times the pictures that were sorted at first


@dataclass(frozen=True, kw_only=True)
class UpdateOptions:
    """What an update was asked for: `first` are the options of the run that made the result."""

    first: Mapping[str, Any]
    output: OutputOptions

    def as_record(self, found: Clustering) -> dict[str, Any]:
        """What the manifest says of them; an update looks for no number of clusters."""
        assert found.choice is None
        return {**self.first, "output": {"action": str(self.output.action)}}


@dataclass(frozen=True, kw_only=True)
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
    run: Run,
) -> UpdateResult:
    """Add what is new among the inputs to the result that `output` names.

    Args:
        inputs: which pictures.
        asked: what is said of the model, which must be that of the result.
        output: the result, and how pictures come there.
        run: whom it tells, what it knows already, and perhaps an encoder in place of the model.

    Raises:
        ItaeClusterError: of the stage that failed; the result is as it was then.
    """
    held = inspect_result(output.out)
    model = centres.load(held.root)
    options = recall_options(model.encoder, asked)
    files = find_pictures(inputs, output.out, run.reporter)
    new = _find_new(files.files, held, run)
    known = len(files.files) - len(new)
    if not new:
        nothing = _result(_no_embeddings(model), files.skipped, held, output)
        return UpdateResult(result=nothing, known=known, beyond=0)
    # New pictures must be embedded as those were that the centres are made of.
    encoder = matching_encoder(model.encoder, options, run.cache, run.reporter, run.encoder)
    thumbnails = Thumbnails()
    embeddings = embed_files(
        new,
        options,
        encoder,
        cache=run.cache,
        on_picture=thumbnails.keep,
        reporter=run.reporter,
    )
    labels, distances = model.assign(embeddings.vectors, held.folders)
    skipped = files.skipped + embeddings.skipped
    clustering = Clustering(
        labels, model.centres, distances, levels=_levels(held, embeddings.vectors, labels)
    )
    result = _result(embeddings, skipped, held, output, clustering)
    by_name = asks_for_names(held)
    pictures = None if run.encoder else options
    described = describe_pictures(embeddings, clustering, pictures, run, by_name=by_name)
    result = replace(result, placements=with_facts(result.placements, described.facts))
    beyond = int((labels == NOISE).sum())
    advice = advise(len(labels), beyond, len(held.pictures), model.pictures)
    if not output.dry_run:
        plan = make_plan(result.placements, skipped, {}, replace(output, out=held.root), run)
        result = _add(result, held, plan, thumbnails.kept, run)
    return UpdateResult(result=result, known=known, beyond=beyond, advice=advice)


def _levels(
    held: Inventory, vectors: NDArray[np.float32], labels: NDArray[np.int64]
) -> Levels | None:
    """The leaves of new pictures, each among those of its cluster; None where there are none."""
    tree = levels.load(held.root)
    if tree is None:
        return None
    leaves: dict[int, set[int]] = {}
    for item in held.pictures:
        leaf = int(item.record.get("leaf", len(tree.merges) + 1))
        if leaf <= len(tree.merges):
            leaves.setdefault(item.cluster, set()).add(leaf)
    return Levels(tree.assign(vectors, labels, leaves), tree.merges)


def _find_new(files: Sequence[str], held: Inventory, run: Run) -> list[str]:
    """The files whose content is not, and never was, in the result; of equal ones the first."""
    seen = held.digests()
    new, read = [], []
    with Decoders(run.reporter) as decoders:
        pairs = zip(files, run.cache.digests(files), strict=True)
        for done, (path, digest) in enumerate(pairs, start=1):
            if digest is None:
                try:
                    known = decoders.digest(path)
                except (DecodeError, OSError):
                    new.append(path)  # what cannot be read is told by the one who decodes it
                    continue
                read.append(known)
                digest = known.digest
            if digest.hex() not in seen:
                seen.add(digest.hex())
                new.append(path)
            run.reporter.progress("Comparing", done, len(files))
    run.cache.remember(read)
    return new


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
        _names_in_folders(held, {*found.labels.tolist()}),
    )
    return SortResult(
        embeddings=embeddings,
        clustering=found,
        placements=placements,
        skipped=skipped,
        options=UpdateOptions(first=held.head["options"], output=output),
    )


def _names_in_folders(held: Inventory, labels: set[int]) -> Mapping[int, list[str]]:
    """What is in the folders of clusters, the person's own files too."""
    names = {}
    for label in labels:
        folder = held.folders.get(label) or folder_name(label, 0)
        path = os.path.join(held.root, folder)
        names[label] = os.listdir(path) if os.path.isdir(path) else []
    return names


def _with_damaged(held: Inventory, damaged: Sequence[Skipped]) -> Inventory:
    """The result before, as if it had named the damaged pictures that come to it."""
    if not damaged:
        return held
    records = [*held.head.get("damaged", ()), *(skipped_record(item) for item in damaged)]
    return replace(held, head={**held.head, "damaged": records})


def _add(
    result: SortResult, held: Inventory, plan: Plan, thumbnails: Mapping[str, bytes], run: Run
) -> SortResult:
    """Bring the new pictures into the result; manifest, table and previews follow."""

    def documents(placed: Sequence[Entry], lost: Sequence[Skipped]) -> Mapping[str, bytes | None]:
        new = plans.placements_of(placed)
        records = [item.as_record() for item in held.pictures] + _records(new, placed)
        folders = {item.cluster: os.path.dirname(item.destination) for item in new}
        folders |= held.folders  # a cluster that is there keeps its own
        skipped = [skipped_record(item) for item in (*plan.skipped, *lost)]
        named = _with_damaged(held, result.embeddings.damaged)
        suggested = suggest_again(held, records, run)
        contents = inventory.result_documents(
            named, records, folders, held.names, skipped, suggested=suggested
        )
        arrivals = Arrivals(placements=new, embeddings=result.embeddings, thumbnails=thumbnails)
        return contents | extend_previews(held, records, folders, suggested, arrivals, run)

    done = amend(held, Amendment("update", documents, plan=plan), run.reporter)
    return replace(
        result,
        placements=plans.placements_of(done.placed),
        skipped=plan.skipped + done.lost,
        placed=True,
        kept=done.kept,
    )


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


def advise(new: int, beyond: int, before: int, at_first: int) -> str | None:
    """Why a fresh run is worth it: see docs/update.md."""
    if new >= _FEWEST and beyond > _DRIFTED * new:
        return "the new pictures are of other kinds than the clusters; a fresh run is worth it"
    if before + new > _GROWN * at_first:
        return (
            f"the result began with {at_first} pictures and holds {before + new}; a fresh run is "
            "worth it"
        )
    return None
