"""Clusters of a folder of embeddings in parts, whether or not memory holds them all at once."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster.clustering import duplicates, recipe, stream
from itae_cluster.clustering.algorithms import centre_distances
from itae_cluster.clustering.sampling import sample_rows
from itae_cluster.core.errors import OutputError
from itae_cluster.core.files import explain_write_errors
from itae_cluster.core.options import Reduction
from itae_cluster.core.places import open_place
from itae_cluster.core.text import printable
from itae_cluster.core.types import Placement
from itae_cluster.embedding import shards
from itae_cluster.pipeline.vectors import Parts, for_each
from itae_cluster.results import manifest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from itae_cluster.clustering.stream import Prototypes, Tally
    from itae_cluster.core.options import ClusterOptions, LabelOptions, StoredVectors
    from itae_cluster.core.places import Place
    from itae_cluster.core.run import Run
    from itae_cluster.core.types import Choice, Clustering
    from itae_cluster.embedding.shards import LabelRows, ShardFolder
    from itae_cluster.pipeline.vectors import ForEach

__all__ = ["ShardClusters", "cluster_shards"]

_ROUNDS = 3  # of Lloyd's algorithm over all vectors, after a start that a sample found
_COPIES = 3  # of the vectors of a cluster while near-duplicates are looked for


@dataclass(frozen=True, kw_only=True)
class ShardClusters:
    """What was found: `labels` (n,) int32 and `centres` (K, D) float32, as `Clustering` has them.

    `duplicates` (n,) is the number of the first picture of the same group of near-duplicates, −1
    for a picture of none; None where they were not looked for. So many as `sampled` were clustered,
    the others follow them.
    """

    folder: ShardFolder
    labels: NDArray[np.int32]
    centres: NDArray[np.float32]
    choice: Choice | None
    sampled: int
    duplicates: NDArray[np.int64] | None = None

    def rows(self, number: int) -> LabelRows:
        """A part's pictures with their clusters and distances."""
        start, end = self.folder.starts[number : number + 2]
        labels = self.labels[start:end]
        vectors = self.folder.vectors(number)
        return shards.LabelRows(
            paths=tuple(self.folder.paths(number)),
            labels=labels,
            distances=centre_distances(vectors, labels.astype(np.int64), self.centres),
            duplicates=None if self.duplicates is None else self.duplicates[start:end],
        )

    def placements(self) -> Iterator[Placement]:
        """All pictures in order, as a run that places none has them."""
        for rows in for_each(self.rows, range(len(self.folder.parts))):
            for path, label, distance in zip(
                rows.paths, rows.labels.tolist(), rows.distances.tolist(), strict=True
            ):
                yield Placement(path, "", label, distance)

    @property
    def sizes(self) -> Counter[int]:
        """Pictures by cluster."""
        names, counts = np.unique(self.labels, return_counts=True)
        return Counter(dict(zip(names.tolist(), counts.tolist(), strict=True)))


def cluster_shards(
    stored: StoredVectors, clustering: ClusterOptions, output: LabelOptions, run: Run
) -> ShardClusters:
    """Find the clusters: of all vectors where they fit, else of a sample that all others follow.

    Args:
        stored: which folder, and how much of it is held at once.
        clustering: the recipe.
        output: what becomes of the labels; those that are to be printed are returned only.
        run: whom it tells, and what it knows already.

    Raises:
        InputError: if the folder cannot be read, or holds too few pictures for the recipe.
        OutputError: if there is something already where the labels shall go.
    """
    folder = shards.open_shards(stored.path)
    target = None if output.out is None else _new_place(output.out)
    with _helpers(output.ray) as each:
        parts = Parts(folder, each, run.reporter)
        if folder.size <= stored.memory:
            vectors = parts.take(np.arange(folder.n), "Reading")
            found = recipe.cluster_vectors(
                vectors, clustering, cache=run.cache, reporter=run.reporter
            )
            clusters = _of_all(folder, found)
            del vectors
        else:
            clusters = _by_sample(parts, clustering, stored.memory, run)
        if output.near_duplicates:
            most = max(1, folder.n * stored.memory // (_COPIES * folder.size))
            groups = _find_duplicates(parts, clusters.labels, most)
            clusters = replace(clusters, duplicates=groups)
        if target is not None:
            _write(clusters, target, _head(clusters, stored, clustering), parts)
    return clusters


def _new_place(name: str) -> Place:
    place = open_place(name)
    if place.names():
        raise OutputError(
            f"{printable(name)} exists and holds something; choose another name or remove it first"
        )
    return place


@contextlib.contextmanager
def _helpers(ray: str | None) -> Iterator[ForEach]:
    """What works on parts: threads of this process, or a cluster of machines."""
    if ray is None:
        yield for_each
        return
    from itae_cluster.distributed import connect, for_each_part

    with connect(ray):
        yield for_each_part


def _of_all(folder: ShardFolder, found: Clustering) -> ShardClusters:
    return ShardClusters(
        folder=folder,
        labels=found.labels.astype(np.int32),
        centres=found.centres,
        choice=found.choice,
        sampled=folder.n,
    )


def _by_sample(parts: Parts, clustering: ClusterOptions, memory: int, run: Run) -> ShardClusters:
    """A sample is clustered; the others go with its prototypes, in rounds where those are centres.

    As in `algorithms.kmeans`, an empty cluster keeps its centre from round to round, and the end
    is where centres rest.
    """
    folder = parts.folder
    size = stream.sample_size(folder.n, clustering.k, folder.n * memory // folder.size)
    run.reporter.note(
        f"--memory holds fewer than these {folder.n} vectors: {size} of them are clustered, and "
        "the others follow"
    )
    sample = parts.take(sample_rows(folder.n, size, clustering.seed), "Sampling")
    found = recipe.cluster_vectors(sample, clustering, cache=run.cache, reporter=run.reporter)
    is_plain = clustering.is_kmeans and clustering.reduce is Reduction.NONE
    prototypes = (
        stream.centre_prototypes(found)
        if is_plain
        else stream.place_prototypes(sample, found.labels, clustering.seed)
    )
    rest = stream.rest(sample)
    del sample
    for _ in range(_ROUNDS if is_plain else 1):
        labels, sums, counts = _follow(parts, prototypes, len(found.centres))
        centres = found.centres.astype(np.float64)
        centres[counts > 0] = sums[counts > 0] / counts[counts > 0, None]
        if not is_plain or float(((centres - prototypes.points) ** 2).sum()) <= rest:
            break
        prototypes = replace(prototypes, points=centres.astype(np.float32))
    numbered, order = stream.number_by_size(labels)
    return ShardClusters(
        folder=folder,
        labels=numbered,
        centres=centres[order].astype(np.float32),
        choice=found.choice,
        sampled=size,
    )


def _follow(
    parts: Parts, prototypes: Prototypes, clusters: int
) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.int64]]:
    """Labels (n,) of all, and sums (K, D) and numbers (K,) of what each cluster got."""
    labels = np.empty(parts.folder.n, dtype=np.int32)
    sums = np.zeros((clusters, parts.folder.dim))
    counts = np.zeros(clusters, dtype=np.int64)
    work = partial(_tally_part, parts.folder, prototypes, clusters)
    for rows, part in parts.map("Assigning", work):
        labels[rows] = part.labels
        sums += part.sums
        counts += part.counts
    return labels, sums, counts


def _tally_part(folder: ShardFolder, prototypes: Prototypes, clusters: int, number: int) -> Tally:
    return stream.tally(folder.vectors(number), prototypes, clusters)


def _find_duplicates(parts: Parts, labels: NDArray[np.int32], most: int) -> NDArray[np.int64]:
    """Groups of near-duplicates within each cluster: the number of the first of them, or −1.

    Clusters are read together as far as `most` vectors allow; a larger one comes in several pieces,
    which may split a group and never joins one.
    """
    first = np.full(len(labels), -1, dtype=np.int64)
    order = np.argsort(labels, kind="stable")
    for rows in stream.bundles(labels[order], most):
        members = np.sort(order[rows])
        vectors = parts.take(members, "Comparing")
        for name in np.unique(labels[members]):
            inside = np.flatnonzero(labels[members] == name)
            for group in duplicates.find_near_duplicates(vectors[inside]):
                found = members[inside[list(group)]]
                first[found] = found.min()
    return first


def _write(clusters: ShardClusters, place: Place, head: dict[str, Any], parts: Parts) -> None:
    """The labels as Parquet: a file for each part, row for row, and a manifest last."""
    with explain_write_errors(place.name):
        for _ in parts.map("Writing", partial(_write_part, place, clusters)):
            pass
        shards.write_labels_manifest(place, head)


def _write_part(place: Place, clusters: ShardClusters, number: int) -> None:
    shards.write_labels(place, clusters.folder.parts[number][0], clusters.rows(number))


def _head(
    clusters: ShardClusters, stored: StoredVectors, clustering: ClusterOptions
) -> dict[str, Any]:
    """What a folder of labels says of itself."""
    choice = asdict(clusters.choice) if clusters.choice else None
    options = {
        "embeddings": stored.path,
        "memory": stored.memory,
        "sampled": clusters.sampled,
        "clustering": {**asdict(clustering), "choice": choice},
    }
    sizes = sorted(clusters.sizes.items())
    return {
        **manifest.head(clusters.folder.model, options),
        "clusters": [{"cluster": label, "size": size} for label, size in sizes],
    }
