"""What travels between the stages: frozen records and two protocols, no behaviour.

Axis key, used in every shape comment of this package:
    n pictures · B images of one batch · N patch tokens · R register tokens ·
    T = 1 + R + N tokens · H heads · d head dimension · D = H·d embedding dimension · K clusters

Picture paths are `str`, exactly as the user gave them or as they were found below a folder they
gave; bytes that are not UTF-8 are carried by surrogate escapes (PEP 383, `os.fsencode`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "NOISE",
    "REJECTED",
    "Choice",
    "Clustering",
    "Embeddings",
    "Encoder",
    "Facts",
    "Levels",
    "Picture",
    "Placement",
    "Reporter",
    "ScanResult",
    "Skipped",
    "Suggestion",
    "Synset",
    "TokenMeasures",
    "Vocabulary",
]

NOISE = -1
"""The label of a picture that belongs to no cluster."""

REJECTED = -2
"""The label of a picture that a person does not want; it belongs to no cluster either."""


class Reporter(Protocol):
    """Where a stage says what happens. Stages never print."""

    def progress(
        self, stage: str, done: int, total: int | None, unit: Literal["", "bytes"] = ""
    ) -> None:
        """`done` of `total` units of `stage` are finished (`total` None where unknown)."""

    def warn(self, message: str) -> None:
        """Something the user should know; shown unless they asked for quiet."""

    def note(self, message: str) -> None:
        """Something that went as it should but is worth knowing; shown as a warning is."""

    def info(self, message: str) -> None:
        """A detail; shown with `--verbose`."""

    def skip(self, skipped: Skipped) -> None:
        """An input was passed over; shown as a warning is."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """An input that was passed over, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class ScanResult:
    """The pictures to read, sorted by path, each file once.

    `passed_over` counts the files found in folders that are no pictures by name and content, by
    their kind: a suffix, `no suffix`, `pipe`, …, the most frequent first. `notes` are lines the
    user should read about folders left out on purpose, which are no failure.
    """

    files: tuple[str, ...]
    skipped: tuple[Skipped, ...] = ()
    passed_over: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def ignored(self) -> int:
        """How many files were passed over."""
        return sum(self.passed_over.values())


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture: `pixels` (size, size, 3) uint8 RGB, and the size it had, upright.

    `damage` says what is wrong with a damaged file that could still be read. `thumbnail` is a small
    JPEG of it, of `decode.THUMBNAIL_SIDE`; None where nobody asked for one.
    """

    pixels: NDArray[np.uint8]
    width: int
    height: int
    damage: str | None = None
    thumbnail: bytes | None = None


class Encoder(Protocol):
    """Turns model-sized pixels into embeddings."""

    @property
    def dim(self) -> int:
        """D, the length of an embedding."""

    @property
    def size(self) -> int:
        """Side of the square input in pixels."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the manifest says of the model: name, θ, weights digest, device, size."""

    def encode(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(B, size, size, 3) uint8 RGB → (B, D) float32, rows of length 1."""


@dataclass(frozen=True, slots=True)
class TokenMeasures:
    """Of every token, CLS first, then `registers`, then patches; each (B, T) float32.

    `query_norms`: Eq. 4 · `output_norms`: ‖x‖₂ of the last block's output · `attention`,
    `attenuated`: CLS attention averaged over heads, before and after ITAE, 0 to 1.
    """

    query_norms: NDArray[np.float32]
    output_norms: NDArray[np.float32]
    attention: NDArray[np.float32]
    attenuated: NDArray[np.float32]
    registers: int


@dataclass(frozen=True, slots=True)
class Embeddings:
    """`vectors` (n, D) float32, L2-normalised rows in the order of `paths`.

    `metadata` says which model made them, with which θ, size and weights digest. `passed_over` is
    that of the scan which found the pictures, None where there was none. `damaged` are pictures
    that were read all the same, as far as they go, and what is wrong with each.
    """

    paths: tuple[str, ...]
    vectors: NDArray[np.float32]
    metadata: Mapping[str, Any]
    skipped: tuple[Skipped, ...] = ()
    passed_over: Mapping[str, int] | None = None
    damaged: tuple[Skipped, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """A number of clusters that was found out, by `criterion`, on `sample` of the pictures.

    `scores` are pairs of k and score, the mean over several searches and over like numbers, k
    ascending; `k` has the highest, but for `apart` clusters more, without which what is clearly
    different would share one. `found` are the answers that each search gives alone, ascending.
    `coarser` is the best k of at most half of it, `finer` of at least twice it; None where there is
    none. The sample is of different pictures: copies and near-duplicates count once.
    """

    k: int
    coarser: int | None
    finer: int | None
    criterion: str
    sample: int
    found: tuple[int, ...]
    scores: tuple[tuple[int, float], ...]
    apart: int = 0


@dataclass(frozen=True, slots=True)
class Levels:
    """A clustering as a tree, which can be cut into more or fewer clusters.

    `leaves` (n,) int64, the leaf of each picture, `NOISE` for none · `merges` (L − 1, 2) int64:
    leaves are 0 to L − 1, and the i-th merge makes node L + i of two nodes, as SciPy numbers them.
    The first L − k merges leave k clusters; where k is that of the clustering, its own.
    """

    leaves: NDArray[np.int64]
    merges: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Clustering:
    """Cluster 0 is the largest; `NOISE` marks pictures of no cluster.

    `labels` (n,) int64 · `centres` (K, D) float32, the mean embedding of each cluster ·
    `distances` (n,) float32, Euclidean distance to the own centre (noise: to the nearest one,
    NaN where there is none) · `membership` (n,) float32, probability of the own cluster (noise:
    of the likeliest), 0 to 1; None where the algorithm knows of none · `choice` tells how K was
    found out, None where it was given or found by the algorithm itself · `neighbours` that each
    picture had in the graph of UMAP or spectral clustering, None where there was none · `levels`
    are finer and coarser clusters, where they were asked for · `partition` that was taken where
    several were compared, None where one was made.
    """

    labels: NDArray[np.int64]
    centres: NDArray[np.float32]
    distances: NDArray[np.float32]
    membership: NDArray[np.float32] | None = None
    choice: Choice | None = None
    neighbours: int | None = None
    levels: Levels | None = None
    partition: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of a picture beside its place.

    `tags` say what it shows: pairs of an offset in WordNet 3.0 and a share of the class
    probability, 0 to 1, the surest first; None where nobody has looked · `taken` is when, as
    `2019-07-03T14:22:10` of the camera's own clock · `camera` is its maker and model.
    """

    tags: tuple[tuple[str, float], ...] | None = None
    taken: str | None = None
    camera: str | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """One picture's way into the result: `destination` is relative to OUT, with `/`.

    `sidecars` are the files that follow it, each source and destination · `leaf` its own in
    `Levels`, None where there are none or it has none.
    """

    source: str
    destination: str
    cluster: int
    distance: float
    sidecars: tuple[tuple[str, str], ...] = ()
    membership: float | None = None
    leaf: int | None = None
    facts: Facts = Facts()


@dataclass(frozen=True, slots=True)
class Synset:
    """A thing that words mean: `offset` in WordNet 3.0, `parents` by their place in the vocabulary.

    `said` is the word that people use for it, None where it is no name for a cluster.
    """

    offset: str
    words: tuple[str, ...]
    parents: tuple[int, ...]
    said: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """What can be seen in a picture. The classes are the first C of the synsets.

    `weight` (C, D) and `bias` (C,) float32: logits of an embedding e are `weight @ e + bias`.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    synsets: tuple[Synset, ...]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What a cluster may be called: `name` where that is sure, up to three `tags`, likeliest first.

    `confidence` is that of the name, or of the first tag where there is none; 0 to 1. `offset` is
    the synset of the name in WordNet 3.0.
    """

    name: str | None
    tags: tuple[str, ...]
    confidence: float
    offset: str | None = None
