"""Clusters of a result put together or taken apart: some of them, or all by another level."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from itae_cluster.clustering import algorithms, recipe
from itae_cluster.clustering.levels import cut, find_levels
from itae_cluster.core.errors import InputError, ResultError, UsageError
from itae_cluster.core.options import ClusterOptions, Reduction, check_seed
from itae_cluster.core.text import printable
from itae_cluster.core.types import NOISE
from itae_cluster.embedding.embed import embed_files
from itae_cluster.embedding.provenance import matching_encoder, recall_options
from itae_cluster.embedding.vector_cache import VectorCache
from itae_cluster.pipeline.drafts import carry_out, open_draft
from itae_cluster.results import centres, levels
from itae_cluster.results.inventory import FIXED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from itae_cluster.core.options import ModelOptions
    from itae_cluster.core.run import Run
    from itae_cluster.core.types import Embeddings
    from itae_cluster.pipeline.drafts import ChangeResult
    from itae_cluster.results.centres import Centres
    from itae_cluster.results.draft import Draft
    from itae_cluster.results.levels import Tree

__all__ = [
    "SplitOptions",
    "merge_clusters",
    "recut",
    "regroup_result",
    "split_cluster",
    "take_apart",
]


def merge_clusters(
    out: str,
    folders: Sequence[str],
    run: Run,
    *,
    name: str | None = None,
    dry_run: bool = False,
) -> ChangeResult:
    """Put the pictures of several clusters into the folder of the first.

    Args:
        out: the result.
        folders: the clusters, two or more.
        run: whom it tells, and what it knows already.
        name: what the cluster is to be called; None for what the first is called.
        dry_run: change nothing.

    Raises:
        UsageError: if there are fewer than two clusters, or the name is none.
        ResultError: if there is no such cluster.
        OutputError: if it cannot be done; everything is as it was.
    """
    draft = open_draft(out)
    labels = [draft.label_of(folder) for folder in folders]
    draft.merge(labels, name)
    return carry_out(draft, "merge", run, concerned=labels[:1], dry_run=dry_run)


@dataclass(frozen=True, kw_only=True)
class SplitOptions:
    """How a cluster is taken apart: `k` parts, 2 or more; `seed` of the starts of K-Means.

    Raises:
        UsageError: if a number is out of its range.
    """

    k: int
    seed: int = 0

    def __post_init__(self) -> None:
        if self.k < 2:
            raise UsageError(f"--k {self.k} must be 2 or more")
        check_seed(self.seed)


def split_cluster(
    out: str,
    folder: str,
    options: SplitOptions,
    asked: ModelOptions,
    run: Run,
    *,
    dry_run: bool = False,
) -> ChangeResult:
    """Take a cluster apart with K-Means; the largest part stays in its folder.

    Args:
        out: the result.
        folder: the cluster.
        options: into how many parts, and from which starts.
        asked: what is said of the model, which must be that of the result.
        run: whom it tells, what it knows already, and perhaps an encoder in place of the model.
        dry_run: change nothing.

    Raises:
        ItaeClusterError: of the stage that failed; the result is as it was then.
    """
    draft = open_draft(out)
    numbers = take_apart(draft, draft.label_of(folder), options, asked, run)
    return carry_out(draft, "split", run, concerned=numbers, dry_run=dry_run)


def take_apart(
    draft: Draft, label: int, options: SplitOptions, asked: ModelOptions, run: Run
) -> list[int]:
    """Split a cluster of a draft; the numbers of its parts, the largest first.

    Raises:
        ItaeClusterError: of the stage that failed.
    """
    root, pictures = draft.held.root, draft.held.pictures
    model = draft.model if draft.model is not None else centres.load(root)
    rows = {os.path.join(root, pictures[row].destination): row for row in draft.members(label)}
    algorithms.check_k(options.k, len(rows))
    embeddings = _embed(list(rows), model, asked, run)
    algorithms.check_k(options.k, len(embeddings.paths))
    parting = ClusterOptions(k=options.k, seed=options.seed, reduce=Reduction.NONE)
    found = recipe.cluster_vectors(embeddings.vectors, parting, reporter=run.reporter)
    if len(found.centres) < 2:
        raise InputError(
            f"the pictures of {printable(draft.folders[label])} are identical; there is nothing "
            "to split"
        )
    went = {
        rows[path]: (int(part), float(distance))
        for path, part, distance in zip(
            embeddings.paths, found.labels, found.distances, strict=True
        )
    }
    # The largest part is the cluster from now on, so that most pictures stay where they are.
    numbers = draft.part(label, went, len(found.centres))
    parts = np.array(numbers, dtype=np.int64)[found.labels]
    draft.remodel(model.split({label}, embeddings.vectors, parts))
    return numbers


def _embed(paths: Sequence[str], model: Centres, asked: ModelOptions, run: Run) -> Embeddings:
    """Vectors by the encoder that made the result, or none."""
    options = recall_options(model.encoder, asked)
    same = matching_encoder(model.encoder, options, run.cache, run.reporter, run.encoder)
    return embed_files(paths, options, same, cache=run.cache, reporter=run.reporter)


def regroup_result(out: str, k: int, run: Run, *, dry_run: bool = False) -> ChangeResult:
    """Make the folders of another level: more clusters, or fewer.

    Args:
        out: the result.
        k: how many clusters the tree is cut into; those that a person made are beside them.
        run: its cache may know the embeddings; it is told of progress.
        dry_run: change nothing.

    Raises:
        UsageError: if the tree has no such level.
        ResultError: if the result keeps no levels, and none can be made.
        OutputError: if it cannot be done; everything is as it was.
    """
    draft = open_draft(out)
    tree = recut(draft, k, run)
    there = sorted({record["cluster"] for record in draft.records if record["cluster"] >= 0})
    return carry_out(draft, "regroup", run, concerned=there, tree=tree, dry_run=dry_run)


def recut(draft: Draft, k: int, run: Run) -> Tree | None:
    """Cut the tree of a draft at `k` clusters; the tree, where the result had none.

    Raises:
        UsageError: if the tree has no such level.
        ResultError: if the result keeps no levels, and none can be made.
    """
    vectors = _known_vectors(draft, run)
    kept = levels.load(draft.held.root)
    tree = kept or _grow_tree(draft, vectors)
    finest = len(tree.merges) + 1
    if not 1 <= k <= finest:
        raise UsageError(f"--k {k}: the levels of this result go from 1 to {finest} clusters")
    groups = cut(tree.merges, k)
    leaves = {
        row: int(record["leaf"])
        for row, record in enumerate(draft.records)
        if record["cluster"] >= 0 and not record.keys() & FIXED
        if record.get("leaf", finest) < finest
    }
    changed = draft.regroup({row: int(groups[leaf]) for row, leaf in leaves.items()})
    if vectors is not None:
        _measure(draft, changed, vectors)
    elif draft.model is not None:
        labels = {leaf: draft.records[row]["cluster"] for row, leaf in leaves.items()}
        new = [
            (tree.centres[leaf], float(tree.reach[leaf]), label)
            for leaf, label in sorted(labels.items())
            if label in changed
        ]
        draft.remodel(draft.model.replace(changed, new))
    return None if kept else tree


def _known_vectors(draft: Draft, run: Run) -> NDArray[np.float32] | None:
    """(n, D) embeddings of all pictures, from the cache alone; None where one is not known."""
    model = draft.held.head["model"]
    contents = [bytes.fromhex(record.get("sha256", "")) for record in draft.records]
    vectors = np.empty((len(contents), int(model["dim"])), dtype=np.float32)
    try:
        known = VectorCache(run.cache, model, vectors.shape[1]).fill_contents(contents, vectors)
    except KeyError:  # the manifest does not say all of the model that shapes a vector
        return None
    return vectors if known.all() else None


def _grow_tree(draft: Draft, vectors: NDArray[np.float32] | None) -> Tree:
    """The levels of a result of an earlier version, in the space of the embeddings."""
    given = np.array([record["cluster"] for record in draft.records], dtype=np.int64)
    numbers = np.unique(given[given >= 0])
    labels = np.where(given < 0, NOISE, np.searchsorted(numbers, given))
    rows = np.arange(len(labels))
    shown = printable(draft.held.root)
    if vectors is None:
        raise ResultError(
            f"{shown} keeps no levels, and the cache not its embeddings; 'itae-cluster preview "
            f"{shown}' makes both"
        )
    found = find_levels(vectors, rows, rows, labels, seed=0)
    if found is None:
        raise ResultError(f"{shown} has no clusters, or too many for levels; sort it anew")
    for record, leaf in zip(draft.records, found.leaves.tolist(), strict=True):
        if leaf != NOISE:
            record["leaf"] = leaf
    model = draft.model if draft.model is not None else centres.load(draft.held.root)
    return levels.measure_tree(vectors, given, found, model)


def _measure(draft: Draft, changed: set[int], vectors: NDArray[np.float32]) -> None:
    """Centres, and distances to them, of clusters that changed, but for pictures moved by hand."""
    rows = [
        row
        for row, record in enumerate(draft.records)
        if record["cluster"] in changed and "moved" not in record
    ]
    if not rows:
        return
    parts = np.array([draft.records[row]["cluster"] for row in rows], dtype=np.int64)
    labels = np.unique(parts, return_inverse=True)[1].ravel()
    found = algorithms.measure(vectors[rows], labels)
    for row, distance in zip(rows, found.distances.tolist(), strict=True):
        draft.place(row, draft.records[row]["cluster"], distance)
    if draft.model is not None:
        draft.remodel(draft.model.split(changed, vectors[rows], parts))
