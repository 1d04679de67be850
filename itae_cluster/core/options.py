"""What a run can be asked for, with every default in its one place."""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, asdict, dataclass
from enum import StrEnum
from math import isinf, isnan, nan
from typing import Any, Literal

from itae_cluster.core.errors import UsageError

__all__ = [
    "MAX_PIXELS",
    "Action",
    "Algorithm",
    "CacheOptions",
    "CalibrationOptions",
    "ClusterOptions",
    "DeviceName",
    "Engine",
    "InputOptions",
    "LabelOptions",
    "Linkage",
    "ModelOptions",
    "NoiseRule",
    "OutputOptions",
    "Precision",
    "RayOptions",
    "Reduction",
    "StoredVectors",
    "Theta",
    "check_reduction",
    "check_seed",
    "check_theta",
    "input_options",
    "parse_k",
    "parse_range",
    "parse_ray",
    "parse_theta",
    "theta_text",
]

Theta = float | None | Literal["auto"]
"""A threshold on query norms, None for no ITAE, or what is usual for the weights."""

MAX_PIXELS = 400_000_000
"""Largest picture that is decoded, width × height: phones make 200 megapixels today."""

_MOST_VALUES = 200  # of a sweep
_FEWEST_NEIGHBORS = 3
_MOST_NEIGHBORS = 15


class Algorithm(StrEnum):
    """How embeddings become clusters; `auto` is K-Means, or what parts fewer neighbours."""

    AUTO = "auto"
    KMEANS = "kmeans"
    HDBSCAN = "hdbscan"
    AGGLOMERATIVE = "agglomerative"
    SPECTRAL = "spectral"


class Reduction(StrEnum):
    """What embeddings become before they are clustered."""

    NONE = "none"
    PCA = "pca"
    UMAP = "umap"


class Linkage(StrEnum):
    """Which two clusters agglomerative clustering joins next."""

    AVERAGE = "average"
    WARD = "ward"


_DIMENSIONS = {Reduction.NONE: 0, Reduction.PCA: 50, Reduction.UMAP: 10}


class NoiseRule(StrEnum):
    """Where pictures go that HDBSCAN finds in no dense group."""

    KEEP = "keep"
    NEAREST = "nearest"
    SOFT = "soft"


class Action(StrEnum):
    """How a picture comes into the result folder."""

    COPY = "copy"
    HARDLINK = "hardlink"
    SYMLINK = "symlink"
    MOVE = "move"


class DeviceName(StrEnum):
    """Where to compute."""

    AUTO = "auto"
    CUDA = "cuda"
    MPS = "mps"
    CPU = "cpu"


class Precision(StrEnum):
    """In which floating-point format the model computes; embeddings are always float32."""

    AUTO = "auto"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"
    MIXED = "mixed"
    """bfloat16, and float32 once more for pictures with a query norm near ITAE's θ."""


class Engine(StrEnum):
    """What computes the model."""

    AUTO = "auto"
    TORCH = "torch"
    OPENVINO = "openvino"


_SIDE = 224  # as in the paper
_SMALL_BATCH = 16  # the fastest on a CPU, see docs/performance.md
_LARGE_BATCH = 128


@dataclass(frozen=True)
class InputOptions:
    """Which pictures.

    `listed` are the entries of a list of inputs · `only`, where it is not None, those of a list
    that picks some of the pictures found.
    """

    paths: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    only: tuple[str, ...] | None = None


@dataclass(frozen=True)
class ModelOptions:
    """How a picture becomes an embedding.

    `theta` "auto" is the user's calibrated θ, else the published one · `size` is in pixels; None is
    what the result was made with, where pictures are added to one, else 224.

    Raises:
        UsageError: if a number is out of its range.
    """

    model: str = "auto"
    _: KW_ONLY
    weights: str | None = None
    theta: Theta = "auto"
    size: int | None = None
    device: DeviceName = DeviceName.AUTO
    batch_size: int | None = None
    offline: bool = False
    precision: Precision = Precision.AUTO
    engine: Engine = Engine.AUTO
    max_pixels: int = MAX_PIXELS

    def __post_init__(self) -> None:
        check_theta(self.theta)
        if self.max_pixels < 1:
            raise UsageError(f"--max-pixels {self.max_pixels} is too small; use 1 or more")
        if self.batch_size is not None and self.batch_size < 1:
            raise UsageError(f"--batch-size {self.batch_size} is too small; use 1 or more")
        if self.engine is Engine.OPENVINO and self.device in {DeviceName.CUDA, DeviceName.MPS}:
            raise UsageError(
                f"--engine openvino computes on the CPU, not on {self.device}; leave one out"
            )

    @property
    def side(self) -> int:
        """Of the square in pixels that pictures are resized to."""
        return _SIDE if self.size is None else self.size

    def batch_on(self, device: str) -> int:
        """Pictures a forward pass: as asked for, else what suits the device.

        An encoder that has no memory for so many takes fewer.
        """
        return self.batch_size or (_SMALL_BATCH if device == "cpu" else _LARGE_BATCH)

    @property
    def small_batch(self) -> int:
        """Pictures a pass that measures attention, which takes memory on every device."""
        return self.batch_size or _SMALL_BATCH

    def record(self) -> dict[str, Any]:
        """As documents and the notes of the cache have it: θ in words, the size in pixels."""
        return {**asdict(self), "theta": theta_text(self.theta), "size": self.side}


@dataclass(frozen=True)
class ClusterOptions:
    """How embeddings become clusters.

    `k` None is found out, within `k_range`. `reduce_dim` and `neighbors` None are the defaults that
    `dim` and `graph` tell; `assign_noise` None is that of `density.hdbscan`.

    Raises:
        UsageError: if options contradict each other or a number is out of its range.
    """

    algorithm: Algorithm = Algorithm.AUTO
    k: int | None = None
    _: KW_ONLY
    restarts: int = 10
    min_cluster_size: int | None = None
    assign_noise: NoiseRule | None = None
    seed: int = 0
    k_range: tuple[int, int] | None = None
    reduce: Reduction = Reduction.UMAP
    reduce_dim: int | None = None
    neighbors: int | None = None
    linkage: Linkage = Linkage.WARD

    def __post_init__(self) -> None:
        self._check_number()
        check_reduction(self.algorithm, self.reduce, self.reduce_dim, self.neighbors)
        is_agglomerative = self.algorithm is Algorithm.AGGLOMERATIVE
        if self.linkage is not ClusterOptions.linkage and not is_agglomerative:
            raise UsageError("--linkage belongs to --algorithm agglomerative; leave it out")
        if self.restarts < 1:
            raise UsageError(f"--restarts {self.restarts} must be 1 or more")
        check_seed(self.seed)

    def _check_number(self) -> None:
        """Options of one algorithm are not for another: HDBSCAN finds its number itself."""
        if self.algorithm is Algorithm.HDBSCAN:
            if self.k is not None or self.k_range is not None:
                raise UsageError("hdbscan finds the number of clusters itself; leave out --k")
            if self.min_cluster_size is not None and self.min_cluster_size < 2:
                raise UsageError(f"--min-cluster-size {self.min_cluster_size} must be 2 or more")
            return
        if self.k is not None and self.k < 1:
            raise UsageError(f"--k {self.k} must be 1 or more")
        if self.min_cluster_size is not None or self.assign_noise is not None:
            raise UsageError(
                "--min-cluster-size and --assign-noise belong to --algorithm hdbscan; "
                "leave them out or change the algorithm"
            )

    @property
    def dim(self) -> int:
        """Dimensions of the reduction."""
        return self.reduce_dim or _DIMENSIONS[self.reduce]

    @property
    def is_kmeans(self) -> bool:
        """Whether it is K-Means and nothing else: `auto` has others in UMAP's space alone."""
        plain = self.algorithm is Algorithm.AUTO and self.reduce is not Reduction.UMAP
        return plain or self.algorithm is Algorithm.KMEANS

    @property
    def has_graph(self) -> bool:
        """Whether the recipe makes a graph of neighbours."""
        return _has_graph(self.algorithm, self.reduce)

    def graph(self, n: int) -> int:
        """Neighbours of each of `n` pictures, itself among them, for UMAP and spectral clustering.

        By default as many as a cluster has pictures on average, 3 at least and 15 at most: fewer
        tear large groups, more draw small ones into others. Where `k` is not known, 15.
        """
        if self.neighbors is not None or self.k is None:
            return self.neighbors or _MOST_NEIGHBORS
        return min(_MOST_NEIGHBORS, max(_FEWEST_NEIGHBORS, round(n / self.k)))


@dataclass(frozen=True)
class OutputOptions:
    """The folder that the result goes to, and how. A run that writes nothing has none of these."""

    out: str
    action: Action = Action.COPY
    dry_run: bool = False
    sidecars: bool = False
    contact_sheets: bool = False
    preview: bool = True
    names: bool = True
    name_folders: bool = False
    nested: bool = False


@dataclass(frozen=True)
class StoredVectors:
    """Vectors that `embed` wrote: a file, or a folder of parts.

    Of a folder no more than `memory` bytes of vectors are held at once.
    """

    path: str
    memory: int = 2 * 10**9


@dataclass(frozen=True)
class LabelOptions:
    """What becomes of the clusters of a folder of parts.

    `out` names a new folder for the labels, None where they are printed · `near_duplicates`:
    whether to look for them · `ray`: the cluster of machines that helps; None for this one alone.
    """

    out: str | None = None
    near_duplicates: bool = False
    ray: str | None = None


@dataclass(frozen=True)
class RayOptions:
    """A cluster of machines, as `--ray` names it, and the pictures in a part of its work.

    Raises:
        UsageError: if a part would be empty.
    """

    address: str
    part_size: int | None = None

    def __post_init__(self) -> None:
        if self.part_size is not None and self.part_size < 1:
            raise UsageError(f"--part-size {self.part_size} is too small; use 1 or more")


@dataclass(frozen=True)
class CacheOptions:
    """Where embeddings are kept between runs: the user's cache folder where `folder` is None.

    Raises:
        UsageError: if a folder is given and none is wanted.
    """

    folder: str | None = None
    off: bool = False

    def __post_init__(self) -> None:
        if self.off and self.folder is not None:
            raise UsageError("--cache and --no-cache contradict each other; leave one out")


@dataclass(frozen=True, kw_only=True)
class CalibrationOptions:
    """How θ is looked for: `sample` pictures at most, and the θs of a sweep.

    Raises:
        UsageError: if a number is out of its range.
    """

    sample: int = 512
    seed: int = 0
    thetas: tuple[float, ...] = ()
    rule: Literal["minority", "low"] = "minority"
    labels: bool = False
    k: int | None = None

    def __post_init__(self) -> None:
        if self.sample < 1:
            raise UsageError(f"--sample {self.sample} must be 1 or more")
        if self.k is not None and self.k < 1:
            raise UsageError(f"--k {self.k} must be 1 or more")
        for theta in self.thetas:
            check_theta(theta)
        if not self.thetas and (self.labels or self.k is not None):
            raise UsageError("--labels and --k belong to --sweep; add --sweep 1:8:0.5")
        check_seed(self.seed)


def check_reduction(
    algorithm: Algorithm, reduce: Reduction, reduce_dim: int | None, neighbors: int | None
) -> None:
    """Raise `UsageError` where numbers belong to another reduction, or are too small."""
    if reduce_dim is not None and reduce is Reduction.NONE:
        raise UsageError("--reduce-dim needs --reduce pca or umap; leave it out or add one")
    if reduce_dim is not None and reduce_dim < 2:
        raise UsageError(f"--reduce-dim {reduce_dim} must be 2 or more")
    if neighbors is None:
        return
    if not _has_graph(algorithm, reduce):
        raise UsageError(
            "--neighbors belongs to --reduce umap and to --algorithm spectral; leave it out"
        )
    if neighbors < 2:
        raise UsageError(f"--neighbors {neighbors} must be 2 or more")


def _has_graph(algorithm: Algorithm, reduce: Reduction) -> bool:
    return reduce is Reduction.UMAP or algorithm is Algorithm.SPECTRAL


def parse_k(text: str | None) -> tuple[int | None, tuple[int, int] | None]:
    """`20` → (20, None), `10..60` → (None, (10, 60)), `auto` or nothing → (None, None).

    Raises:
        UsageError: if it is none of them.
    """
    given = (text or "auto").strip()
    if given == "auto":
        return None, None
    numbers = given.split("..")
    if not all(re.fullmatch(r"-?\d{1,9}", number, re.ASCII) for number in numbers):
        raise UsageError(f"--k {text!r}: give a number, a range such as 10..60, or auto")
    if len(numbers) == 1:
        return int(numbers[0]), None
    if len(numbers) > 2 or not 2 <= int(numbers[0]) <= int(numbers[1]):
        raise UsageError(f"--k {text}: give a range from 2 on, such as 10..60")
    return None, (int(numbers[0]), int(numbers[1]))


def check_seed(seed: int) -> None:
    """Raise `UsageError` where `seed` is none that random generators take."""
    if not 0 <= seed < 2**32:
        raise UsageError(f"--seed {seed} must lie between 0 and {2**32 - 1}")


def parse_theta(text: str) -> Theta:
    """`auto` → "auto", `off` → None, else the number; infinity, which leaves no group, is None too.

    Raises:
        UsageError: if it is none of them.
    """
    if text == "auto":
        return "auto"
    if text == "off":
        return None
    try:
        value = float(text)
    except ValueError:
        value = nan
    if isinf(value):
        return None
    if isnan(value):
        raise UsageError(f"--theta {text!r}: give a number (typically 2 to 5), 'off' or 'auto'")
    check_theta(value)
    return value


def check_theta(theta: Theta) -> None:
    """Raise `UsageError` where no norm could be so small."""
    if theta is not None and theta != "auto" and not theta >= 0:
        raise UsageError(
            f"--theta {theta:g}: norms are never negative; give a number (typically 2 to 5), "
            "'off' or 'auto'"
        )


def theta_text(theta: Theta) -> str:
    """As `parse_theta` reads it: `auto`, `off` or the number."""
    if theta is None or theta == "auto":
        return theta or "off"
    short = f"{theta:g}"
    return short if float(short) == theta else str(theta)


def parse_range(text: str) -> tuple[float, ...]:
    """`1:8:0.5` → 1, 1.5, …, 8.

    Raises:
        UsageError: if it is no such range, or has more than 200 values.
    """
    try:
        start, stop, step = map(float, text.split(":"))
        count = int((stop - start) / step + 1e-9) + 1
    except (ValueError, ZeroDivisionError, OverflowError):
        count = 0
    if not 0 < count <= _MOST_VALUES or step <= 0:
        raise UsageError(
            f"--sweep {text!r}: give START:STOP:STEP with at most {_MOST_VALUES} values, such as "
            "1:8:0.5"
        )
    return tuple(round(start + step * i, 10) for i in range(count))


def parse_ray(text: str | None) -> str | None:
    """The address of a cluster of machines, or `auto`.

    Raises:
        UsageError: if it is neither.
    """
    if text is None or text == "auto" or re.fullmatch(r"ray://[^/\s]+:\d+", text):
        return text
    raise UsageError(f"--ray {text}: give auto, or an address such as ray://head:10001")


def input_options(inputs: InputOptions) -> dict[str, Any]:
    """Which pictures were asked for, as manifests tell it."""
    return {
        "paths": list(inputs.paths),
        "listed": len(inputs.listed),
        "excludes": list(inputs.excludes),
        "only": None if inputs.only is None else len(inputs.only),
    }
