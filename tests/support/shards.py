"""Folders of vectors in parts, as `embed --ray` makes them."""

from __future__ import annotations

import numpy as np

from itae_cluster.core.places import open_place
from itae_cluster.embedding import shards
from itae_cluster.results import manifest
from support.fakes import RECIPE


def write_parts(folder, vectors, rows, *, skip=(), name="/photos/{:06d}.jpg"):
    """The vectors in parts of so many rows; pictures of the numbers in `skip` have none."""
    place = open_place(str(folder))
    model = {"name": "mini", **RECIPE, "dim": vectors.shape[1]}
    sizes = []
    for number, start in enumerate(range(0, len(vectors), rows)):
        part = range(start, min(start + rows, len(vectors)))
        kept = [row for row in part if row not in skip]
        files = shards.Reasons(
            tuple(name.format(row) for row in part),
            tuple("empty file" if row in skip else None for row in part),
            (None,) * len(part),
        )
        shards.write_shard(place, number, files, vectors[kept], {"content": str(number)})
        sizes.append((len(kept), len(part) - len(kept)))
    shards.write_manifest(place, manifest.head(model, {}), sizes)
    return str(folder)


def groups_of(n, groups=4, dim=16, seed=0):
    """(n, dim) vectors around so many directions, and the group of each."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(groups, dim))
    labels = rng.integers(groups, size=n)
    vectors = centres[labels] + 0.4 * rng.normal(size=(n, dim))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), labels
