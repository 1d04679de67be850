"""Many synthetic vectors in parts, and their clusters; for docs/scale.md.

PYTHONPATH=tests python -m benchmarks.many make N DIR
PYTHONPATH=tests python -m benchmarks.many cluster DIR MEMORY none|umap LABELS
"""

from __future__ import annotations

import json
import resource
import sys
import time

import numpy as np

from benchmarks.scaling import DIM, GROUPS, SPREAD
from itae_cluster.core.options import ClusterOptions, LabelOptions, Reduction, StoredVectors
from itae_cluster.core.places import open_place
from itae_cluster.core.run import open_run
from itae_cluster.embedding import shards
from itae_cluster.paper.scores import score
from itae_cluster.pipeline.cluster_shards import cluster_shards
from itae_cluster.results import manifest
from support.fakes import RECIPE, RecordingReporter

__all__ = ["cluster", "make"]

_ROWS = 10_000  # of a part
_SCORED = 10  # every tenth picture is compared with the group it was made for


def make(n: int, folder: str) -> None:
    """N vectors of 384 dimensions around 100 centres, in float16 to halve the disk."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(GROUPS, DIM)).astype(np.float32)
    place = open_place(folder)
    sizes = []
    for number, start in enumerate(range(0, n, _ROWS)):
        groups = _groups(number, min(_ROWS, n - start))
        vectors = centres[groups]
        vectors += SPREAD * rng.standard_normal(vectors.shape, dtype=np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        paths = tuple(f"/archive/{number:05d}/{row:05d}.jpg" for row in range(len(groups)))
        files = shards.Reasons(paths, (None,) * len(paths), (None,) * len(paths))
        shards.write_shard(place, number, files, vectors.astype(np.float16), {"content": ""})
        sizes.append((len(paths), 0))
    model = {"name": "synthetic", **RECIPE, "dim": DIM}
    shards.write_manifest(place, manifest.head(model, {}), sizes)


def _groups(number: int, rows: int) -> np.ndarray:
    return np.random.default_rng([1, number]).integers(0, GROUPS, rows)


def cluster(folder: str, memory: int, reduce: str, labels: str) -> dict[str, float]:
    """Seconds, peak memory in GB, and agreement with the groups planted."""
    recipe = ClusterOptions(k=GROUPS, reduce=Reduction(reduce))
    start = time.perf_counter()
    with open_run(RecordingReporter()) as run:
        found = cluster_shards(StoredVectors(folder, memory), recipe, LabelOptions(labels), run)
    seconds = time.perf_counter() - start
    sizes = [count for _, count in found.folder.parts]
    truth = np.concatenate([_groups(number, size) for number, size in enumerate(sizes)])
    return {
        "n": found.folder.n,
        "sampled": found.sampled,
        "seconds": seconds,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
        "ari": score(truth[::_SCORED], found.labels[::_SCORED].astype(np.int64)).ari,
    }


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(int(sys.argv[2]), sys.argv[3])
    else:
        print(json.dumps(cluster(sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5])))
