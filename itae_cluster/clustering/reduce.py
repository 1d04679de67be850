"""Embeddings to fewer dimensions: principal components, or UMAP (McInnes et al. 2018).

UMAP (arXiv:1802.03426) takes seconds to minutes, so what it finds is kept in the cache.
"""

from __future__ import annotations

import functools
import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster.clustering.sampling import sample_rows
from itae_cluster.clustering.similarity import nearest_among, nearest_rows
from itae_cluster.core.batches import slices
from itae_cluster.core.compiled import choose_numba_cache
from itae_cluster.core.warning_filters import ignore_warnings_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from typing import Self

    from numpy.typing import NDArray

    from itae_cluster.core.cache import Cache

__all__ = ["UmapThread", "cached_umap", "pca_reduce", "place_among", "umap_reduce"]

_VERSION = 3  # counts the changes to the reduction that move points

_EPOCHS = 200  # UMAP would take 500 below 10,000 points, for clusters that are no better
_USUAL_NEIGHBOURS = 15  # UMAP's own default
_MOST_FITTED = 20_000
_PLACED_AMONG = 5
_FEWEST_FOR_A_GRAPH = 4096  # UMAP's own limit, below which it compares all pairs
_SMALLEST_DISTANCE = 1e-4  # float32 rounding of a distance of 0 between rows of length 1
_ROWS_AT_ONCE = 16_384
_WARNING = "umap"  # modules that give advice, at import too: on parallelism, on transforming
_FEWEST_FOR_UMAP = 12  # below, a neighbour graph says nothing that the points do not


def cached_umap(
    vectors: NDArray[np.float32],
    dim: int,
    *,
    seed: int,
    neighbours: int = _USUAL_NEIGHBOURS,
    min_dist: float = 0.0,
    cache: Cache | None,
    progress: Callable[[int, int], None] | None = None,
    thread: UmapThread | None = None,
) -> NDArray[np.float32]:
    """`umap_reduce`, found in the cache where the same was asked for before, or in a thread."""
    key = _key(vectors, dim, seed, neighbours, min_dist)
    found = _known(cache, key, (len(vectors), dim))
    if found is not None:
        return found
    found = thread.result(key) if thread else None
    if found is None:
        found = umap_reduce(
            vectors, dim, seed=seed, neighbours=neighbours, min_dist=min_dist, progress=progress
        )
    if cache is not None:
        cache.store_coordinates(key, found)
    return found


class UmapThread:
    """A reduction that goes on beside another one; nobody waits for one that is not asked for.

    UMAP keeps to one core, and holds no lock of Python's while it moves points. It cannot be
    stopped: tqdm, which counts its epochs, keeps a lock for good if its writer raises.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="umap")
        self._found: Future[NDArray[np.float32]] | None = None
        self._key = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=False)

    def begin(
        self,
        vectors: NDArray[np.float32],
        dim: int,
        *,
        seed: int,
        neighbours: int,
        min_dist: float,
        cache: Cache,
    ) -> None:
        """Begin what `cached_umap` will be asked for, unless the cache has it."""
        key = _key(vectors, dim, seed, neighbours, min_dist)
        if _known(cache, key, (len(vectors), dim)) is None:
            reduce = partial(umap_reduce, seed=seed, neighbours=neighbours, min_dist=min_dist)
            with ignore_warnings_of(_WARNING):  # a filter that a thread sets may not last
                self._found = self._pool.submit(reduce, vectors, dim)
            self._key = key

    def result(self, key: str) -> NDArray[np.float32] | None:
        """What was begun, once it is there; None where that was not this."""
        return self._found.result() if self._found and self._key == key else None


def _key(
    vectors: NDArray[np.float32], dim: int, seed: int, neighbours: int, min_dist: float
) -> str:
    parameters = f"umap {_VERSION} {vectors.shape} {dim} {seed} {neighbours} {min_dist}"
    digest = hashlib.sha256(parameters.encode())
    digest.update(np.ascontiguousarray(vectors).data)
    return digest.hexdigest()


def _known(cache: Cache | None, key: str, shape: tuple[int, int]) -> NDArray[np.float32] | None:
    found = None if cache is None else cache.coordinates(key, shape[1])
    return found if found is not None and found.shape == shape else None


def pca_reduce(vectors: NDArray[np.float32], dim: int) -> NDArray[np.float32]:
    """The first principal components, each row then brought to length 1.

    Length 1 about the mean makes distances those of the centred cosine, which matters more than
    the number of dimensions: pictures far from the mean no longer outweigh the others.

    Args:
        vectors: (n, D) embeddings.
        dim: dimensions of the result, less where n or D is.

    Returns:
        (n, at most dim) float32; a row at the mean stays 0.
    """
    from sklearn.decomposition import PCA

    most = min(dim, *vectors.shape)
    if len(vectors) < _FEWEST_FOR_UMAP:
        found = _principal_components(vectors, most)
    else:
        with np.errstate(invalid="ignore"):  # pictures that are all the same have no variance
            found = PCA(most, svd_solver="covariance_eigh").fit_transform(vectors)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(found / np.maximum(lengths, _SMALLEST_DISTANCE), dtype=np.float32)


def umap_reduce(
    vectors: NDArray[np.float32],
    dim: int,
    *,
    seed: int,
    neighbours: int = _USUAL_NEIGHBOURS,
    min_dist: float = 0.0,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """UMAP with Euclidean distance; the principal components where there are too few points.

    Above 20,000 points UMAP is fitted to a random sample of so many and the others are placed among
    their nearest neighbours in it, so time grows with the number of points and no faster.

    On rows of length 1 Euclidean distance orders pairs as cosine does. The same seed gives the
    same result on the same machine.

    Args:
        vectors: (n, D) embeddings.
        dim: dimensions of the result.
        seed: of UMAP's random numbers.
        neighbours: size of the neighbourhood whose structure is kept.
        min_dist: how close points may come; 0 packs clusters, 0.1 spreads a map.
        progress: told of the epochs that are done, and of all.

    Returns:
        (n, dim) float32.
    """
    if len(vectors) < max(_FEWEST_FOR_UMAP, dim + 3):
        return _principal_components(vectors, dim)
    if len(vectors) > _MOST_FITTED:
        sample = vectors[sample_rows(len(vectors), _MOST_FITTED, seed)]
        fitted = _umap(sample, dim, seed, neighbours, min_dist, progress)
        return place_among(vectors, sample, fitted)
    return _umap(vectors, dim, seed, neighbours, min_dist, progress)


def _umap(
    vectors: NDArray[np.float32],
    dim: int,
    seed: int,
    neighbours: int,
    min_dist: float,
    progress: Callable[[int, int], None] | None,
) -> NDArray[np.float32]:
    neighbours = min(neighbours, len(vectors) - 1)
    with ignore_warnings_of(_WARNING):
        reducer = _umap_class()(
            n_components=dim,
            n_neighbors=neighbours,
            min_dist=min_dist,
            n_epochs=_EPOCHS,
            random_state=seed,
            n_jobs=1,
            precomputed_knn=_neighbours(vectors, neighbours),
            tqdm_kwds=_bar(progress) if progress else None,
        )
        return np.asarray(reducer.fit_transform(vectors), dtype=np.float32)


def _bar(progress: Callable[[int, int], None]) -> dict[str, Any]:
    """The bar that UMAP draws of its epochs, led to `progress` in place of standard error."""

    class Counter(io.StringIO):
        def write(self, text: str) -> int:
            epoch = text.strip()
            if epoch.isdecimal():
                progress(int(epoch), _EPOCHS)
            return len(text)

    shown = {"disable": False, "file": Counter(), "bar_format": "{n_fmt}"}
    return {**shown, "mininterval": 0, "miniters": 1}


@functools.cache
def _umap_class() -> Any:
    """UMAP, imported; its compiled code is kept, and runs without Python's lock."""
    choose_numba_cache()
    import umap
    from numba.core.dispatcher import Dispatcher
    from umap import distances, layouts, umap_, utils

    for module in (distances, layouts, umap_, utils):
        for function in vars(module).values():
            if isinstance(function, Dispatcher):
                function.targetoptions["nogil"] = True
                function.enable_caching()
    return umap.UMAP


def _neighbours(
    vectors: NDArray[np.float32], neighbours: int
) -> tuple[NDArray[np.int32] | None, NDArray[np.float32] | None, None]:
    """The exact neighbour graph, each point its own first neighbour; none below 4,096 points.

    UMAP would look for an approximate one, whose code alone takes half a minute to compile in each
    process. Below 4,096 UMAP makes its own.
    """
    if len(vectors) < _FEWEST_FOR_A_GRAPH:
        return None, None, None
    nearest, distances = nearest_rows(vectors, neighbours)
    return nearest.astype(np.int32), distances, None


def place_among(
    vectors: NDArray[np.float32], sample: NDArray[np.float32], fitted: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Every row among its nearest rows of a sample: the mean of their places by 1/distance².

    Linear in the number of rows. A row of the sample keeps its
    place. UMAP's own `transform` does the same first, then moves each point once more.

    Args:
        vectors: (n, D), rows of length 1.
        sample: (m, D), rows of length 1, m of 1 or more.
        fitted: (m, d) places of the sample.

    Returns:
        (n, d) float32.
    """
    nearest, distances = nearest_among(vectors, sample, min(_PLACED_AMONG, len(sample)))
    placed = np.empty((len(vectors), fitted.shape[1]), dtype=np.float32)
    for rows in slices(len(vectors), _ROWS_AT_ONCE):
        weights = 1 / np.maximum(distances[rows], _SMALLEST_DISTANCE) ** 2  # (B, 5)
        weights /= weights.sum(axis=1, keepdims=True)
        placed[rows] = (weights[:, :, None] * fitted[nearest[rows]]).sum(axis=1)
    return placed


def _principal_components(vectors: NDArray[np.float32], dim: int) -> NDArray[np.float32]:
    centred = vectors - vectors.mean(axis=0)
    u, scale, _ = np.linalg.svd(centred, full_matrices=False)
    kept = (u * scale)[:, :dim]
    return np.pad(kept, ((0, 0), (0, dim - kept.shape[1]))).astype(np.float32)
