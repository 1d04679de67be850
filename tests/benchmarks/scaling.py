"""One stage on synthetic embeddings; prints seconds, memory and agreement as JSON.

PYTHONPATH=tests python -m benchmarks.scaling kmeans|default|hdbscan|map N
"""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import TYPE_CHECKING

import numpy as np

from itae_cluster.clustering.recipe import cluster_vectors
from itae_cluster.clustering.reduce import umap_reduce
from itae_cluster.core.options import Algorithm, ClusterOptions, Reduction
from itae_cluster.paper.scores import score

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["blobs"]

DIM, GROUPS, SPREAD, PART = 384, 100, 1.2, 50_000
_RECIPES: dict[str, Callable[[int], ClusterOptions]] = {
    "kmeans": lambda k: ClusterOptions(k=k, reduce=Reduction.NONE),
    "default": lambda k: ClusterOptions(k=k),
    "hdbscan": lambda _: ClusterOptions(Algorithm.HDBSCAN),
}


def blobs(n: int, groups: int = GROUPS) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """N unit vectors of 384 dimensions around `groups` centres, and their groups."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(groups, DIM)).astype(np.float32)
    labels = rng.integers(0, groups, n)
    vectors = np.empty((n, DIM), dtype=np.float32)
    for start in range(0, n, PART):
        part = slice(start, min(start + PART, n))
        noise = rng.standard_normal((part.stop - start, DIM), dtype=np.float32)
        vectors[part] = centres[labels[part]] + SPREAD * noise
        vectors[part] /= np.linalg.norm(vectors[part], axis=1, keepdims=True)
    return vectors, labels


def main() -> None:
    """Make the embeddings, then time the one stage."""
    job, n = sys.argv[1], int(sys.argv[2])
    groups = 40 if job == "hdbscan" else GROUPS
    vectors, truth = blobs(n, groups)
    umap_reduce(vectors[:500], 2, seed=0)  # compiled before the clock starts
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    ari = None
    if job == "map":
        umap_reduce(vectors, 2, seed=0, min_dist=0.1)
        seconds = time.perf_counter() - start
    else:
        found = cluster_vectors(vectors, _RECIPES[job](groups))
        seconds = time.perf_counter() - start
        ari = score(truth, found.labels).ari
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        json.dumps({"seconds": seconds, "ari": ari, "extra": (peak - before) * 1024, "peak": peak})
    )


if __name__ == "__main__":
    main()
