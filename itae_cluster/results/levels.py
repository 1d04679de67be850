"""The tree of a result's clustering, in `OUT/.itae-cluster/levels.npz`, for `regroup`.

The leaf of each picture is in the manifest; the file says how leaves come together, and what later
pictures are given a leaf by. Nothing in it is a pickle.
"""

from __future__ import annotations

import io
import json
import os
import stat
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster.core.documents import to_json
from itae_cluster.core.errors import ResultError
from itae_cluster.core.text import printable
from itae_cluster.core.types import NOISE
from itae_cluster.results.plan import LEVELS_FILE, check_merges

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from itae_cluster.core.types import Levels
    from itae_cluster.results.centres import Centres

__all__ = ["Tree", "content", "load", "measure_tree", "write"]

SCHEMA = "itae-cluster/levels"
SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Tree:
    """`merges` (L − 1, 2) int64 as in `core.types.Levels`.

    `centres` (L, D) float32 mean embeddings · `sizes` (L,) int64 pictures at first · `reach` (L,)
    float32, that of the cluster that the leaf was part of.
    """

    merges: NDArray[np.int64]
    centres: NDArray[np.float32]
    sizes: NDArray[np.int64]
    reach: NDArray[np.float32]

    def assign(
        self,
        vectors: NDArray[np.float32],
        labels: NDArray[np.int64],
        clusters: Mapping[int, set[int]],
    ) -> NDArray[np.int64]:
        """The leaf of each new picture: (n,), `NOISE` where its cluster has none.

        Args:
            vectors: (n, D) embeddings.
            labels: (n,) their clusters.
            clusters: the leaves that the pictures of each cluster are in.
        """
        found = np.full(len(vectors), NOISE, dtype=np.int64)
        for label in np.unique(labels[labels != NOISE]).tolist():
            leaves = np.array(sorted(clusters.get(label, ())), dtype=np.int64)
            rows = np.flatnonzero(labels == label)
            if len(leaves):
                from scipy.spatial.distance import cdist

                found[rows] = leaves[cdist(vectors[rows], self.centres[leaves]).argmin(axis=1)]
        return found


def measure_tree(
    vectors: NDArray[np.float32], labels: NDArray[np.int64], levels: Levels, model: Centres
) -> Tree:
    """The tree with what only the embeddings tell.

    Args:
        vectors: (n, D) embeddings.
        labels: (n,) numbers of their clusters.
        levels: of the same pictures.
        model: knows the reach of each cluster.
    """
    count = len(levels.merges) + 1
    centres = np.zeros((count, vectors.shape[1]), dtype=np.float32)
    reach = np.zeros(count, dtype=np.float32)
    reaches = dict(zip(model.labels.tolist(), model.reach.tolist(), strict=True))
    order = np.argsort(levels.leaves, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(levels.leaves[order])) + 1):
        leaf = int(levels.leaves[rows[0]])
        if leaf != NOISE:
            centres[leaf] = vectors[rows].mean(axis=0, dtype=np.float64)
            reach[leaf] = reaches.get(int(labels[rows[0]]), 0.0)
    sizes = np.bincount(levels.leaves[levels.leaves != NOISE], minlength=count)
    return Tree(levels.merges, centres, sizes, reach)


def content(tree: Tree) -> bytes:
    """The file's bytes; the same tree, the same bytes."""
    file = io.BytesIO()
    about = to_json({"schema": SCHEMA, "schema_version": SCHEMA_VERSION})
    np.savez(file, about=np.array(about), **vars(tree))
    return file.getvalue()


def write(tree: Tree, root: str) -> None:
    """The tree as a new file of the result, or staging folder, `root`."""
    with open(os.path.join(root, LEVELS_FILE), "xb") as file:
        file.write(content(tree))


def load(root: str) -> Tree | None:
    """The tree of the result `root`; None where it has none.

    Raises:
        ResultError: if there is one that cannot be followed.
    """
    path = os.path.join(root, LEVELS_FILE)
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise ValueError("it is a link or a folder")
        with open(path, "rb") as file:
            return _read(np.load(file, allow_pickle=False))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ResultError(
            f"{printable(path)} cannot be used: {error}; nothing was changed; remove that file, "
            "and run this again"
        ) from error


def _read(arrays: Any) -> Tree:
    about = json.loads(str(arrays["about"]))
    if about["schema"] != SCHEMA or about["schema_version"] != SCHEMA_VERSION:
        raise ValueError("it was made by another version of this tool")
    tree = Tree(*(arrays[key] for key in ("merges", "centres", "sizes", "reach")))
    if [str(each.dtype) for each in vars(tree).values()] != [
        "int64",
        "float32",
        "int64",
        "float32",
    ]:
        raise ValueError("its numbers are of other kinds")
    count = len(tree.merges) + 1
    shapes = [each.shape for each in vars(tree).values()]
    if shapes != [(count - 1, 2), (count, *tree.centres.shape[1:2]), (count,), (count,)]:
        raise ValueError("its parts do not fit together")
    check_merges(tree.merges.tolist())
    if not (np.isfinite(tree.centres).all() and np.isfinite(tree.reach).all()):
        raise ValueError("a number is out of its range")
    return tree
