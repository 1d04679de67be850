"""A finished run → what its previews are drawn from, and the previews."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster import preview
from itae_cluster.clustering import algorithms, similarity
from itae_cluster.clustering.reduce import cached_umap
from itae_cluster.core.options import ClusterOptions, theta_text
from itae_cluster.core.text import printable, quantity
from itae_cluster.core.types import NOISE, Clustering
from itae_cluster.preview.thumbnails import complete_thumbnails
from itae_cluster.results.placements import folder_name
from itae_cluster.results.plan import CONTACT_FOLDER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from itae_cluster.core.cache import Cache
    from itae_cluster.core.types import Embeddings, Placement, Reporter

__all__ = ["DIVERSE", "TYPICAL", "make_atlas", "subtitle", "write_previews"]

TYPICAL = 3
"""Pictures that stand for a cluster."""
DIVERSE = 8
"""Pictures that show how far it reaches."""
_MAP_MIN_DIST = 0.5


def subtitle(pictures: int, clusters: int, model: Mapping[str, Any]) -> str:
    """What stands below the title: how many pictures, and which model saw them."""
    theta = model.get("theta")
    counts = f"{quantity(pictures, 'picture')} · {quantity(clusters, 'cluster')}"
    return f"{counts} · {model.get('name')}, θ {theta_text(theta)}"


def write_previews(
    folder: str,
    embeddings: Embeddings,
    found: Clustering,
    placements: Sequence[Placement],
    *,
    title: str,
    seed: int,
    thumbnails: Mapping[str, bytes],
    contact_sheets: bool,
    sources: Mapping[str, str],
    cache: Cache,
    reporter: Reporter,
) -> None:
    """Draw `preview.png` and `preview.html`, and contact sheets where they are asked for.

    Args:
        folder: where they go.
        embeddings: of the whole collection.
        found: its clusters.
        placements: where pictures lie in the folder.
        title: heads both.
        seed: of the map, and of the sample where there are too many pictures for a page.
        thumbnails: JPEG bytes by path, as far as they were kept.
        contact_sheets: whether `contact/` is made.
        sources: path of a picture → the absolute path at which it will be found.
        cache: where other thumbnails and the map may be known from.
        reporter: told of progress.
    """
    reporter.progress("Drawing the map", 0, None)
    coordinates = cached_umap(
        embeddings.vectors,
        2,
        seed=seed,
        neighbours=ClusterOptions().graph,  # those by which clusters are found by default
        min_dist=_MAP_MIN_DIST,
        cache=cache,
    )
    rows = _rows_to_show(embeddings.paths, found, thumbnails, seed)
    paths = [embeddings.paths[row] for row in rows]
    vectors = embeddings.vectors[rows]
    shown = Clustering(found.labels[rows], found.centres, found.distances[rows])
    typical_first = algorithms.representatives(shown, len(rows))
    typical = {label: members[:TYPICAL] for label, members in typical_first.items()}
    diverse = {
        label: similarity.diverse(vectors, np.array(members, dtype=np.intp), DIVERSE)
        for label, members in typical_first.items()
    }
    destinations = {item.source: item.destination for item in placements}
    clusters = len(found.centres)
    reporter.progress("Comparing pictures", 0, None)
    data = preview.PreviewData(
        coordinates=coordinates[rows],
        labels=shown.labels,
        names=tuple(destinations.get(path, path) for path in paths),
        distances=shown.distances,
        representatives=typical,
        folders={label: folder_name(label, clusters) for label in range(NOISE, clusters)},
        thumbnails=complete_thumbnails(
            thumbnails,
            {key: typical[key] + diverse[key] for key in typical},
            paths,
            cache,
            reporter,
        ),
        title=title,
        subtitle=subtitle(len(embeddings.paths), clusters, embeddings.metadata),
        sources=tuple(sources[path] for path in paths),
        diverse=diverse,
        likeness=similarity.find_similar(vectors),
        sizes={
            int(label): int(size)
            for label, size in zip(*np.unique(found.labels, return_counts=True), strict=True)
        },
    )
    reporter.progress("Drawing the preview", 0, None)
    preview.write_picture(data, os.path.join(folder, "preview.png"))
    atlas = make_atlas(data, paths, reporter)
    preview.write_page(data, os.path.join(folder, "preview.html"), atlas)
    if contact_sheets:
        preview.write_contact_sheets(data, os.path.join(folder, CONTACT_FOLDER))


def make_atlas(
    data: preview.PreviewData, paths: Sequence[str], reporter: Reporter
) -> preview.Atlas:
    """The thumbnails on sheets; a damaged one, which has no tile, is told by its path."""
    atlas = preview.make_atlas(data)
    for row in sorted(data.thumbnails.keys() - atlas.tiles.keys()):
        reporter.warn(
            f"{printable(paths[row])} has no thumbnail in the preview: the one that was kept is "
            "damaged; 'itae-cluster cache clear' drops it"
        )
    return atlas


def _rows_to_show(
    paths: Sequence[str], found: Clustering, thumbnails: Mapping[str, bytes], seed: int
) -> NDArray[np.intp]:
    typical = algorithms.representatives(found, TYPICAL)
    always = [row for members in typical.values() for row in members]
    has_thumbnail = np.fromiter((path in thumbnails for path in paths), dtype=np.bool_)
    return preview.rows_to_show(found.labels, always, has_thumbnail, seed=seed)
