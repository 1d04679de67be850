"""What the verbs return."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster.api.log import LogReporter
from itae_cluster.changes.undo import UndoResult, undo_result
from itae_cluster.core import types
from itae_cluster.core.text import quantity
from itae_cluster.core.types import NOISE, Skipped
from itae_cluster.results import manifest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import DTypeLike, NDArray

__all__ = ["AnyPath", "Calibration", "Cluster", "Embeddings", "Labels", "Result"]

AnyPath = str | os.PathLike[str]
"""As text or as a `pathlib.Path`."""


@dataclass(frozen=True, slots=True)
class Embeddings(types.Embeddings):
    """`vectors` (n, D) float32, rows of length 1 in the order of `paths`; and what was `skipped`.

    `metadata` says which model made them, with which θ, size and weights digest.
    """

    def __len__(self) -> int:
        return len(self.paths)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return _as_array(self.vectors, dtype, copy)

    def __repr__(self) -> str:
        n, dim = self.vectors.shape
        return f"Embeddings({quantity(n, 'picture')}, {dim} dimensions{_skips(self.skipped)})"

    def save(self, path: AnyPath) -> None:
        """Write a new `.npz`, `.npy` or `.parquet` file, as `itae-cluster embed` does.

        Raises:
            ItaeClusterError: if the file exists or cannot be written.
        """
        from itae_cluster.embedding import vector_files

        target = os.fspath(path)
        vector_files.check_target(target)
        vector_files.save(target, self, manifest.head(self.metadata, {"paths": list(self.paths)}))

    @classmethod
    def of(cls, record: types.Embeddings) -> Embeddings:
        """The same embeddings; nothing is copied."""
        return cls(**{field.name: getattr(record, field.name) for field in fields(record)})

    @classmethod
    def load(cls, path: AnyPath) -> Embeddings:
        """Read such a file.

        Raises:
            InputError: if it holds no embeddings.
        """
        from itae_cluster.embedding import vector_files

        return cls.of(vector_files.load(os.fspath(path)))


@dataclass(frozen=True, slots=True)
class Labels:
    """A cluster for each row: 0 is the largest, −1 none. An array of labels wherever one is wanted.

    `labels` (n,) int64 · `centres` (K, D) float32, mean vectors · `distances` (n,) float32,
    Euclidean, to the own centre · `membership` (n,) float32, 0 to 1, with HDBSCAN only.
    """

    labels: NDArray[np.int64]
    centres: NDArray[np.float32]
    distances: NDArray[np.float32]
    membership: NDArray[np.float32] | None = None

    @property
    def k(self) -> int:
        """Number of clusters."""
        return len(self.centres)

    def groups(self) -> dict[int, NDArray[np.intp]]:
        """Rows of each cluster, those nearest to its centre first."""
        order = np.argsort(np.nan_to_num(self.distances, nan=np.inf), kind="stable")
        labels = self.labels[order]
        return {int(label): order[labels == label] for label in np.unique(labels)}

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[int]:
        return iter(self.labels.tolist())

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return _as_array(self.labels, dtype, copy)

    def __repr__(self) -> str:
        noise = int((self.labels == NOISE).sum())
        none = f", {noise} in none" if noise else ""
        return f"Labels({quantity(len(self), 'row')} in {quantity(self.k, 'cluster')}{none})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One folder of a result: its number, −1 for pictures of no cluster; paths, nearest first.

    `suggested` is what it may be called: a `name` or None, `tags`, and how sure (`confidence`);
    None where nothing can be said.
    """

    number: int
    folder: str
    pictures: tuple[str, ...]
    suggested: types.Suggestion | None = None

    def __len__(self) -> int:
        return len(self.pictures)

    def __repr__(self) -> str:
        return f"Cluster({self.number}, {self.folder!r}, {quantity(len(self), 'picture')})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A result folder as `sort` made it.

    `clusters` largest first · `skipped` pictures that could not be read, with reasons · `kept`
    originals that `action="move"` could not remove · `manifest` all that was found, as in
    `manifest.json`.
    """

    out: str
    clusters: tuple[Cluster, ...]
    skipped: tuple[Skipped, ...]
    kept: tuple[Skipped, ...]
    manifest: Mapping[str, Any]

    def undo(self) -> UndoResult:
        """Take the last change of the folder back: see `itae_cluster.undo`."""
        return undo_result(self.out, LogReporter())

    def __len__(self) -> int:
        return sum(map(len, self.clusters))

    def __repr__(self) -> str:
        groups = sum(item.number != NOISE for item in self.clusters)
        counts = f"{quantity(len(self), 'picture')} in {quantity(groups, 'cluster')}"
        return f"Result({self.out!r}: {counts}{_skips(self.skipped)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What the query norms (Eq. 4) of a sample say.

    `theta` is the recommendation, None where the norms are not bimodal · `published` the paper's
    value for the model, None for off · `reason` the finding in a line · `evidence` histogram,
    test and shares, as `itae-cluster calibrate --json` prints them.
    """

    theta: float | None
    published: float | None
    reason: str
    pictures: int
    skipped: tuple[Skipped, ...]
    evidence: Mapping[str, Any]

    @property
    def bimodal(self) -> bool:
        """Whether the norms fall into two groups."""
        return bool(self.evidence["finding"]["bimodal"])

    def __repr__(self) -> str:
        return (
            f"Calibration(theta={self.theta}, {quantity(self.pictures, 'picture')}: {self.reason})"
        )


def _as_array(values: NDArray[Any], dtype: DTypeLike | None, copy: bool | None) -> NDArray[Any]:
    result = np.asarray(values, dtype=dtype)
    if copy is False and result is not values:
        raise ValueError("another dtype needs a copy")
    return result.copy() if copy else result


def _skips(skipped: Sequence[Skipped]) -> str:
    return f", {len(skipped)} skipped" if skipped else ""
