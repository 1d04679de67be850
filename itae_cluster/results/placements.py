"""Clusters → where each picture goes in the result: its folder, and a name of its own there."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from itae_cluster.core.types import NOISE, REJECTED, Placement
from itae_cluster.results.filenames import Namer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itae_cluster.core.types import Clustering

__all__ = ["NOISE_FOLDER", "REJECTED_FOLDER", "folder_name", "is_unnamed", "place_pictures"]


NOISE_FOLDER = "unclustered"
REJECTED_FOLDER = "rejected"


def folder_name(label: int, clusters: int) -> str:
    """`cluster-007`, wide enough for `clusters` folders to sort; `unclustered`, `rejected`."""
    if label == NOISE:
        return NOISE_FOLDER
    if label == REJECTED:
        return REJECTED_FOLDER
    return f"cluster-{label:0{max(3, len(str(clusters - 1)))}d}"


def is_unnamed(folder: str) -> bool:
    """Whether the folder of a cluster, or the last part of it, is as `folder_name` makes it."""
    return re.fullmatch(r"cluster-\d{3,}", folder) is not None


def place_pictures(
    paths: Sequence[str],
    clustering: Clustering,
    sidecars: Mapping[str, tuple[str, ...]] | None = None,
    folders: Mapping[int, str] | None = None,
    taken: Mapping[int, Sequence[str]] | None = None,
) -> tuple[Placement, ...]:
    """Where each picture goes: its own name in its cluster's folder, made unique there.

    Args:
        paths: the pictures.
        clustering: their clusters.
        sidecars: what follows a picture, as `sidecars.find` says; under its new stem.
        folders: those of clusters that are there already.
        taken: the names that those hold.

    Returns:
        In the order of `paths`; destinations are relative to OUT.
    """
    clusters = len(clustering.centres)
    namers = {label: Namer(names) for label, names in (taken or {}).items()}
    found = []
    membership, levels = clustering.membership, clustering.levels
    for path, label, distance, own, leaf in zip(
        paths,
        clustering.labels.tolist(),
        clustering.distances.tolist(),
        [None] * len(paths) if membership is None else membership.tolist(),
        [NOISE] * len(paths) if levels is None else levels.leaves.tolist(),
        strict=True,
    ):
        tails = (sidecars or {}).get(path, ())
        name = namers.setdefault(label, Namer()).unique(os.path.basename(path), tails)
        folder = (folders or {}).get(label) or folder_name(label, clusters)
        destination = f"{folder}/{name}"
        old, new = os.path.splitext(path)[0], os.path.splitext(destination)[0]
        followers = tuple((old + tail, new + tail) for tail in tails)
        known = None if leaf == NOISE else leaf
        found.append(Placement(path, destination, label, distance, followers, own, known))
    return tuple(found)
