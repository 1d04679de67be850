"""A finished run → what its previews are drawn from, and the previews."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from itae_cluster.clustering import algorithms, similarity
from itae_cluster.clustering.reduce import cached_umap
from itae_cluster.core.options import ClusterOptions, theta_text
from itae_cluster.core.text import printable, quantity
from itae_cluster.core.types import NOISE, Clustering, Facts, Levels
from itae_cluster.preview.atlas import make_atlas
from itae_cluster.preview.contact import write_contact_sheets
from itae_cluster.preview.data import PreviewData
from itae_cluster.preview.measures import measure_alike
from itae_cluster.preview.page import write_page
from itae_cluster.preview.picture import write_picture
from itae_cluster.preview.subset import rows_to_show
from itae_cluster.preview.thumbnails import complete_thumbnails
from itae_cluster.results import manifest
from itae_cluster.results.placements import folder_name
from itae_cluster.results.plan import CONTACT_FOLDER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from itae_cluster.clustering.reduce import UmapThread
    from itae_cluster.core.run import Run
    from itae_cluster.core.types import Reporter
    from itae_cluster.preview.atlas import Atlas
    from itae_cluster.preview.collection import Collection

__all__ = ["DIVERSE", "TYPICAL", "begin_map", "draw_atlas", "lay_out", "subtitle", "write_previews"]

TYPICAL = 3
"""Pictures that stand for a cluster."""
DIVERSE = 8
"""Pictures that show how far it reaches."""
_MAP_MIN_DIST = 0.5


class _MapOptions(TypedDict):
    seed: int
    neighbours: int
    min_dist: float


def subtitle(pictures: int, clusters: int, model: Mapping[str, Any]) -> str:
    """What stands below the title: how many pictures, and which model saw them."""
    theta = model.get("theta")
    counts = f"{quantity(pictures, 'picture')} · {quantity(clusters, 'cluster')}"
    name = " ".join(str(model[key]) for key in ("name", "version") if key in model)
    return f"{counts} · {name}, θ {theta_text(theta)}"


def write_previews(folder: str, collection: Collection, run: Run, *, contact_sheets: bool) -> None:
    """Draw `preview.png` and `preview.html`, and contact sheets where they are asked for.

    Args:
        folder: where they go.
        collection: what they show.
        run: told of progress; other thumbnails and the map may be known to its cache.
        contact_sheets: whether `contact/` is made.
    """
    data, paths = lay_out(collection, run)
    run.reporter.progress("Drawing the preview", 0, None)
    with ThreadPoolExecutor(1) as beside:  # Matplotlib keeps to one core, Pillow does not
        drawn = beside.submit(draw_atlas, data, paths, run.reporter)
        write_picture(data, os.path.join(folder, "preview.png"))
        atlas = drawn.result()
    write_page(data, os.path.join(folder, "preview.html"), atlas)
    if contact_sheets:
        write_contact_sheets(data, os.path.join(folder, CONTACT_FOLDER))


def lay_out(collection: Collection, run: Run) -> tuple[PreviewData, Sequence[str]]:
    """What the previews show, and the path of each picture shown.

    Args:
        collection: a whole result.
        run: told of progress; other thumbnails and the map may be known to its cache.
    """
    embeddings, clustering = collection.embeddings, collection.clustering
    levels = clustering.levels
    run.reporter.progress("Drawing the map", 0, None)
    # The map is made of all pictures, those that are not shown too: it is the same for every sample
    # and known to the cache.
    coordinates = cached_umap(
        embeddings.vectors,
        2,
        **_map_options(len(embeddings.paths), len(clustering.centres), collection.seed),
        cache=run.cache,
        progress=partial(run.reporter.progress, "Drawing the map"),
        thread=collection.map_thread,
    )
    rows = _rows_to_show(collection)
    paths = [embeddings.paths[row] for row in rows]
    vectors = embeddings.vectors[rows]
    # From here on a picture is a row of what is shown, no longer of the whole collection.
    shown = Clustering(clustering.labels[rows], clustering.centres, clustering.distances[rows])
    examples = tuple(row for row, path in enumerate(paths) if path in collection.examples)
    typical, diverse = _representatives(shown, vectors, examples)
    needed = {label: typical[label] + diverse[label] for label in typical}
    thumbnails = complete_thumbnails(collection.thumbnails, needed, paths, run)
    places = {item.source: item for item in collection.placements}
    run.reporter.progress("Comparing pictures", 0, None)
    alike = similarity.find_similar(vectors)
    labels, sizes = np.unique(clustering.labels, return_counts=True)
    number = {NOISE: NOISE, **dict(enumerate(collection.numbers))}
    data = PreviewData(
        coordinates=coordinates[rows],
        labels=np.array([number[label] for label in shown.labels.tolist()], dtype=np.int64),
        names=tuple(places[path].destination if path in places else path for path in paths),
        distances=shown.distances,
        representatives={number[label]: members for label, members in typical.items()},
        folders=_folders(collection),
        thumbnails=thumbnails,
        title=collection.title,
        subtitle=subtitle(len(embeddings.paths), len(number) - 1, embeddings.metadata),
        diverse={number[label]: members for label, members in diverse.items()},
        similarity=alike,
        measures=measure_alike(alike, paths, run.reporter),
        suggested=collection.suggested,
        facts=tuple(places[path].facts if path in places else Facts() for path in paths),
        sizes={
            number[label]: size for label, size in zip(labels.tolist(), sizes.tolist(), strict=True)
        },
        digest=collection.digest,
        levels=levels and Levels(_leaves(levels.leaves[rows], paths, collection), levels.merges),
        examples=examples,
    )
    return data, paths


def begin_map(
    thread: UmapThread, vectors: NDArray[np.float32], clusters: int | None, seed: int, run: Run
) -> None:
    """Begin the map that `lay_out` asks for, which takes the thread in its collection.

    Args:
        thread: where.
        vectors: (n, D) of all pictures.
        clusters: how many there will be; None where that is not known yet.
        seed: of the map.
        run: the map may be known to its cache.
    """
    thread.begin(vectors, 2, **_map_options(len(vectors), clusters, seed), cache=run.cache)


def _map_options(pictures: int, clusters: int | None, seed: int) -> _MapOptions:
    neighbours = ClusterOptions(k=clusters or None).graph(pictures)
    return {"seed": seed, "neighbours": neighbours, "min_dist": _MAP_MIN_DIST}


def _leaves(
    leaves: NDArray[np.int64], paths: Sequence[str], collection: Collection
) -> NDArray[np.int64]:
    """The leaf of each picture shown; none of one that a person put where it is."""
    kept = collection.moved | collection.examples
    return np.where([path in kept for path in paths], NOISE, leaves)


def _representatives(
    shown: Clustering, vectors: NDArray[np.float32], examples: Sequence[int]
) -> tuple[dict[int, tuple[int, ...]], dict[int, tuple[int, ...]]]:
    """Rows that stand for each cluster, examples first, and rows that show how far it reaches."""
    chosen = {*examples}
    typical_first = {
        label: tuple(sorted(members, key=lambda row: row not in chosen))
        for label, members in algorithms.representatives(shown, len(vectors)).items()
    }
    typical = {label: members[:TYPICAL] for label, members in typical_first.items()}
    diverse = {
        label: similarity.diverse(vectors, np.array(members, dtype=np.intp), DIVERSE)
        for label, members in typical_first.items()
    }
    return typical, diverse


def _folders(collection: Collection) -> dict[int, str]:
    """The folder of each cluster: in a plan that a person edited it may bear another name."""
    clusters = len(collection.numbers)
    folders = {label: folder_name(label, clusters) for label in (NOISE, *collection.numbers)}
    return folders | manifest.most_common_folders(collection.placements)


def draw_atlas(data: PreviewData, paths: Sequence[str], reporter: Reporter) -> Atlas:
    """The thumbnails on sheets; a damaged one, which has no tile, is told by its path."""
    atlas = make_atlas(data)
    for row in sorted(data.thumbnails.keys() - atlas.tiles.keys()):
        reporter.warn(
            f"{printable(paths[row])} has no thumbnail in the preview: the one that was kept is "
            "damaged; 'itae-cluster cache clear' drops it"
        )
    return atlas


def _rows_to_show(collection: Collection) -> NDArray[np.intp]:
    """All rows, or where they are too many a sample that keeps examples and has thumbnails."""
    typical = algorithms.representatives(collection.clustering, TYPICAL)
    always = [row for members in typical.values() for row in members]
    paths = collection.embeddings.paths
    if collection.examples:
        always += [row for row, path in enumerate(paths) if path in collection.examples]
    has_thumbnail = np.fromiter((path in collection.thumbnails for path in paths), dtype=np.bool_)
    return rows_to_show(collection.clustering.labels, always, has_thumbnail, seed=collection.seed)
