"""Every recipe on a large collection: does it end, and does it still see the groups?

    PYTHONPATH=tests python -m benchmarks.quality.limits RECIPE N

is one recipe on `n` synthetic embeddings, in a process of its own; prints JSON.
"""

from __future__ import annotations

import json
import resource
import sys
from dataclasses import replace
from typing import Any

from benchmarks.quality.grid import RECIPES, named, numbers
from benchmarks.scaling import blobs
from benchmarks.timing import child, seconds
from itae_cluster.clustering.recipe import cluster_vectors
from itae_cluster.clustering.reduce import umap_reduce
from itae_cluster.core.errors import ItaeClusterError
from itae_cluster.core.options import Algorithm, ClusterOptions
from itae_cluster.paper.scores import score

__all__ = ["AUTO", "measure", "measure_all"]

AUTO = f"{named(ClusterOptions(Algorithm.KMEANS))}, k auto"
_GROUPS = 40


def measure_all(n: int) -> list[dict[str, Any]]:
    """What became of each recipe with `n` pictures, and of the search for k."""
    found = []
    for recipe in (*RECIPES, AUTO):
        print(f"{n} pictures: {recipe}", flush=True)
        found.append(child(__name__, recipe, n))
    return found


def measure(recipe: str, n: int) -> dict[str, Any]:
    name = recipe.removesuffix(", k auto")
    known = recipe == name and numbers(name) != ("found",)
    options = replace(RECIPES[name], k=_GROUPS if known else None)
    vectors, truth = blobs(n, _GROUPS)
    umap_reduce(vectors[:500], 2, seed=0)  # compiled before the clock starts
    entry: dict[str, Any] = {"recipe": recipe, "pictures": n, "groups": _GROUPS}

    def run() -> None:
        result = cluster_vectors(vectors, options)
        entry["clusters"] = len(result.centres)
        entry["ari"] = round(score(truth, result.labels).ari, 4)

    try:
        entry["seconds"] = round(seconds(run), 1)
    except ItaeClusterError as error:
        entry["refused"] = str(error)
    entry["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return entry


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2])), ensure_ascii=False))
