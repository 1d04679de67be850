"""New pictures on the previews of a result: each among those that it is most like.

The map stays as it was. The embeddings of the pictures on it come from the cache alone; where it
has forgotten them, new pictures stay off the map.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster.clustering import similarity
from itae_cluster.clustering.reduce import place_among
from itae_cluster.core.documents import path_of
from itae_cluster.core.text import printable
from itae_cluster.core.types import NOISE, Levels
from itae_cluster.embedding.vector_cache import VectorCache
from itae_cluster.preview.build import draw_atlas
from itae_cluster.preview.measures import measure_alike
from itae_cluster.preview.redraw import choose_examples, draw_files, find_preview, move_on_page
from itae_cluster.preview.subset import MOST_SHOWN
from itae_cluster.preview.thumbnails import complete_thumbnails

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from itae_cluster.core.cache import Cache
    from itae_cluster.core.run import Run
    from itae_cluster.core.types import Embeddings, Placement
    from itae_cluster.preview.data import PreviewData
    from itae_cluster.preview.redraw import DrawnPreview
    from itae_cluster.results.inventory import Inventory

__all__ = ["Arrivals", "extend_previews"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """New pictures of a result.

    `placements` are those that came into it, `embeddings` may hold more · `thumbnails` JPEG bytes
    by path, as far as they were kept.
    """

    placements: Sequence[Placement]
    embeddings: Embeddings
    thumbnails: Mapping[str, bytes]


def extend_previews(
    held: Inventory,
    records: Sequence[Mapping[str, Any]],
    folders: Mapping[int, str],
    suggested: Mapping[int, Mapping[str, Any]],
    new: Arrivals,
    run: Run,
) -> dict[str, bytes | None]:
    """The previews of a result as they are after an update; nothing where there are none.

    Args:
        held: the result before.
        records: what the manifest is to say of every picture, those of `held` first.
        folders: of each cluster from now on.
        suggested: what clusters may be called from now on.
        new: what came into it.
        run: its cache knows the embeddings of the other pictures; it is told of a page that cannot
            show the new ones.

    Returns:
        Bytes by place in the result.
    """
    drawn = find_preview(held.root, run.reporter)
    if drawn is None:
        return {}
    shown = move_on_page(drawn, held, records, folders, suggested)
    known = _known_vectors(drawn, held, new.embeddings, run.cache)
    if known is None:
        run.reporter.note(
            f"{printable(held.root)}: the previews do not show the new pictures, because the cache "
            "does not have the embeddings of the others; 'itae-cluster preview' draws all"
        )
        return draw_files(drawn, shown, drawn.atlas)
    room = max(0, MOST_SHOWN - len(shown.names))
    arrivals = new.placements[:room]
    rows = {path: row for row, path in enumerate(new.embeddings.paths)}
    fresh = new.embeddings.vectors[[rows[item.source] for item in arrivals]]
    paths = [item.source for item in arrivals]
    jpegs = complete_thumbnails(new.thumbnails, {0: range(len(paths))}, paths, run)
    alone, after = _add_rows(shown, known, arrivals, fresh, jpegs)
    assert after.similarity is not None
    every = [*(os.path.join(held.root, name) for name in shown.names), *paths]
    measures = measure_alike(after.similarity, every, run.reporter, shown.measures)
    after = replace(after, measures=measures)
    atlas = drawn.atlas.join(draw_atlas(alone, paths, run.reporter), len(shown.names))
    vectors = np.concatenate([known, fresh])
    return draw_files(drawn, choose_examples(drawn.data, after, vectors), atlas)


def _known_vectors(
    drawn: DrawnPreview, held: Inventory, embeddings: Embeddings, cache: Cache
) -> NDArray[np.float32] | None:
    """(n, D) embeddings of the pictures on the page; None where one is not known."""
    digests = {
        path_of(item.record, "destination"): item.record.get("sha256", "") for item in held.pictures
    }
    dim = embeddings.vectors.shape[1]
    vectors = np.empty((len(drawn.data.names), dim), dtype=np.float32)
    known = VectorCache(cache, embeddings.metadata, dim)
    contents = [bytes.fromhex(digests.get(name, "")) for name in drawn.data.names]
    return vectors if known.fill_contents(contents, vectors).all() else None


def _add_rows(
    shown: PreviewData,
    known: NDArray[np.float32],
    arrivals: Sequence[Placement],
    fresh: NDArray[np.float32],
    jpegs: Mapping[int, bytes],
) -> tuple[PreviewData, PreviewData]:
    """What is new alone, and what is shown with it."""
    places = place_among(fresh, known, shown.coordinates)
    alone = replace(
        shown,
        coordinates=places,
        labels=np.array([item.cluster for item in arrivals], dtype=np.int64),
        thumbnails=jpegs,
    )
    levels = shown.levels
    if levels is not None:
        leaves = [NOISE if item.leaf is None else item.leaf for item in arrivals]
        joined = np.concatenate([levels.leaves, np.array(leaves, dtype=np.int64)])
        levels = Levels(joined, levels.merges)
    after = replace(
        shown,
        coordinates=np.concatenate([shown.coordinates, places]),
        labels=np.concatenate([shown.labels, alone.labels]),
        names=(*shown.names, *(item.destination for item in arrivals)),
        distances=np.concatenate(
            [shown.distances, np.array([item.distance for item in arrivals], dtype=np.float32)]
        ),
        facts=(*shown.facts, *(item.facts for item in arrivals)),
        thumbnails=_ThumbnailChain(shown.thumbnails, jpegs, len(shown.names)),
        similarity=similarity.find_similar(np.concatenate([known, fresh])),
        levels=levels,
    )
    return alone, after


class _ThumbnailChain(Mapping[int, bytes]):
    """Thumbnails of two pages in one, read when they are looked at; rows of `new` come later."""

    def __init__(self, old: Mapping[int, bytes], new: Mapping[int, bytes], shift: int) -> None:
        self._old, self._new, self._shift = old, new, shift

    def __getitem__(self, row: int) -> bytes:
        return self._old[row] if row < self._shift else self._new[row - self._shift]

    def __iter__(self) -> Iterator[int]:
        return chain(self._old, (row + self._shift for row in self._new))

    def __len__(self) -> int:
        return len(self._old) + len(self._new)
