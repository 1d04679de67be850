"""What later pictures of a result are sorted by, in `OUT/.itae-cluster/model.npz`.

Each row is a centre, the mean embedding of a cluster's pictures whatever algorithm found them, with
the cluster's number and its reach: how far from it a picture may lie and still belong. A cluster
that was put together from others keeps the centres of all. Nothing in the file is a pickle.

The reach is the 0.99 quantile of the distances of the cluster's own pictures, times √((n+1)/(n−1)):
the centre is their own mean, so a picture that it was not made from lies so much farther off.
Clusters of fewer than ten pictures say little of their own spread; theirs is at least the median
reach of the larger ones.
"""

from __future__ import annotations

import io
import json
import os
import stat
import zipfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster.core.batches import slices
from itae_cluster.core.documents import to_json
from itae_cluster.core.errors import ResultError
from itae_cluster.core.text import printable
from itae_cluster.core.types import NOISE
from itae_cluster.results.plan import MODEL_FILE

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from itae_cluster.core.types import Clustering, Embeddings

__all__ = ["Centres", "content", "load", "measure_centres", "write"]

SCHEMA = "itae-cluster/model"
SCHEMA_VERSION = 1
QUANTILE = 0.99
_FEW = 10
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class Centres:
    """`centres` (M, D) float32, `reach` (M,) float32, `labels` (M,) int64: clusters of the centres.

    `encoder` is the metadata of what made the embeddings, `pictures` how many were sorted at first.
    """

    encoder: Mapping[str, Any]
    pictures: int
    centres: NDArray[np.float32]
    reach: NDArray[np.float32]
    labels: NDArray[np.int64]

    def assign(
        self, vectors: NDArray[np.float32], there: Collection[int]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The cluster of the nearest centre, `NOISE` beyond its reach, and the distance to it.

        Args:
            vectors: (n, D) embeddings.
            there: the clusters that take pictures.

        Returns:
            (n,) labels and (n,) distances, NaN where there is no centre.
        """
        rows = np.flatnonzero(np.isin(self.labels, list(there)))
        labels = np.full(len(vectors), NOISE, dtype=np.int64)
        distances = np.full(len(vectors), np.nan, dtype=np.float32)
        if not len(rows):
            return labels, distances
        from scipy.spatial.distance import cdist

        for part in slices(len(vectors), _ROWS_AT_ONCE):
            apart = cdist(vectors[part], self.centres[rows])
            nearest = apart.argmin(axis=1)
            distances[part] = apart.min(axis=1)
            within = distances[part] <= self.reach[rows][nearest]
            labels[part] = np.where(within, self.labels[rows][nearest], NOISE)
        return labels, distances

    def merge(self, into: int, others: Collection[int]) -> Centres:
        """The centres of `others` stand for `into` too; those of noise stand for nothing."""
        labels = np.where(np.isin(self.labels, list(others)), into, self.labels)
        return self._select(labels != NOISE, labels)

    def split(
        self, labels: Collection[int], vectors: NDArray[np.float32], parts: NDArray[np.int64]
    ) -> Centres:
        """In place of the centres of clusters, those of what their pictures are in now.

        Args:
            labels: the clusters.
            vectors: (n, D) embeddings of their pictures, n ≥ 1.
            parts: (n,) the cluster of each from now on.
        """
        kept = self._select(~np.isin(self.labels, list(labels)), self.labels)
        numbers = np.unique(parts)
        centres = np.stack([vectors[parts == number].mean(axis=0) for number in numbers])
        apart = np.linalg.norm(vectors - centres[np.searchsorted(numbers, parts)], axis=1)
        reach = _reach(apart, parts, numbers, kept.reach)
        return replace(
            kept,
            centres=np.concatenate([kept.centres, centres.astype(np.float32)]),
            reach=np.concatenate([kept.reach, reach]),
            labels=np.concatenate([kept.labels, numbers]),
        )

    def replace(
        self, labels: Collection[int], new: Sequence[tuple[NDArray[np.float32], float, int]]
    ) -> Centres:
        """In place of the centres of clusters, others: of each centre, reach and cluster."""
        kept = self._select(~np.isin(self.labels, list(labels)), self.labels)
        return replace(
            kept,
            centres=np.stack([*kept.centres, *(centre for centre, _, _ in new)]),
            reach=np.array([*kept.reach, *(reach for _, reach, _ in new)], dtype=np.float32),
            labels=np.array([*kept.labels, *(label for _, _, label in new)], dtype=np.int64),
        )

    def _select(self, rows: NDArray[np.bool_], labels: NDArray[np.int64]) -> Centres:
        return replace(
            self, centres=self.centres[rows], reach=self.reach[rows], labels=labels[rows]
        )


def measure_centres(embeddings: Embeddings, found: Clustering) -> Centres:
    """Centre and reach of each cluster of a finished run."""
    labels = np.arange(len(found.centres), dtype=np.int64)
    reach = _reach(found.distances, found.labels, labels, np.empty(0, np.float32))
    return Centres(embeddings.metadata, len(found.labels), found.centres, reach, labels)


def _reach(
    distances: NDArray[np.floating[Any]],
    members: NDArray[np.int64],
    labels: NDArray[np.int64],
    others: NDArray[np.float32],
) -> NDArray[np.float32]:
    """How far each of `labels` reaches; `others` are known reaches that small clusters go by."""
    counts = np.array([(members == label).sum() for label in labels])
    own = np.zeros(len(labels), dtype=np.float32)
    for row, label in enumerate(labels):
        n = int(counts[row])
        farther = np.sqrt((n + 1) / (n - 1)) if n > 1 else 1.0
        own[row] = np.quantile(distances[members == label], QUANTILE) * farther
    usual = np.concatenate([own[counts >= _FEW], others])
    if not len(usual):
        usual = own
    if len(usual):
        own = np.where(counts < _FEW, np.maximum(own, np.median(usual)), own)
    return own.astype(np.float32)


def content(model: Centres) -> bytes:
    """The file's bytes; the same model, the same bytes."""
    about = {
        "schema": SCHEMA,
        "schema_version": SCHEMA_VERSION,
        "encoder": dict(model.encoder),
        "pictures": model.pictures,
        "quantile": QUANTILE,
    }
    file = io.BytesIO()
    np.savez(
        file,
        about=np.array(to_json(about)),
        centres=model.centres,
        reach=model.reach,
        labels=model.labels,
    )
    return file.getvalue()


def write(model: Centres, root: str) -> None:
    """The model as a new file of the result, or staging folder, `root`."""
    with open(os.path.join(root, MODEL_FILE), "xb") as file:
        file.write(content(model))


def load(root: str) -> Centres:
    """The model of the result `root`.

    Raises:
        ResultError: if there is none, or none that can be followed.
    """
    path = os.path.join(root, MODEL_FILE)
    shown = printable(path)
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise ValueError("it is a link or a folder")
        with open(path, "rb") as file:
            return _read(np.load(file, allow_pickle=False))
    except FileNotFoundError:
        raise ResultError(
            f"{shown} is missing, and new pictures cannot be sorted without it; make it with "
            f"'itae-cluster preview {printable(root)}'"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise ResultError(f"{shown} cannot be used: {error}; nothing was changed") from error


def _read(arrays: Any) -> Centres:
    about = json.loads(str(arrays["about"]))
    if about["schema"] != SCHEMA or about["schema_version"] != SCHEMA_VERSION:
        raise ValueError("it was made by another version of this tool")
    centres, reach, labels = arrays["centres"], arrays["reach"], arrays["labels"]
    if (centres.dtype, reach.dtype, labels.dtype) != (np.float32, np.float32, np.int64):
        raise ValueError("its numbers are of other kinds")
    if centres.ndim != 2 or reach.shape != labels.shape or reach.shape != centres.shape[:1]:
        raise ValueError("its parts do not fit together")
    if not (np.isfinite(centres).all() and np.isfinite(reach).all() and (labels >= 0).all()):
        raise ValueError("a number is out of its range")
    if not isinstance(about["encoder"], dict):
        raise TypeError("it does not tell which model made it")
    return Centres(about["encoder"], int(about["pictures"]), centres, reach, labels)
