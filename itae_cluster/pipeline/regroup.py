"""Clusters of a result put together, or one taken apart."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from itae_cluster.changes.amend import Amendment, amend, inspect_result
from itae_cluster.clustering import algorithms, recipe
from itae_cluster.core.errors import InputError, UsageError
from itae_cluster.core.options import ClusterOptions, Reduction, check_seed
from itae_cluster.core.text import printable
from itae_cluster.core.types import NOISE
from itae_cluster.embedding.embed import embed_files
from itae_cluster.embedding.provenance import matching_encoder, recall_options
from itae_cluster.pipeline.rename import follow_folders
from itae_cluster.preview.redraw import redraw_previews
from itae_cluster.results import centres, cluster_names, inventory
from itae_cluster.results.filenames import Namer, fold_name
from itae_cluster.results.journal import Shift
from itae_cluster.results.plan import MODEL_FILE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from itae_cluster.core.options import ModelOptions
    from itae_cluster.core.run import Run
    from itae_cluster.core.types import Embeddings, Reporter
    from itae_cluster.results.centres import Centres
    from itae_cluster.results.inventory import HeldPicture, Inventory

__all__ = ["RegroupResult", "SplitOptions", "merge_clusters", "split_cluster"]


@dataclass(frozen=True)
class RegroupResult:
    """Which files, or folders, went where, and how many pictures each folder concerned holds."""

    shifts: tuple[tuple[str, str], ...]
    sizes: Mapping[str, int]


def merge_clusters(
    out: str,
    folders: Sequence[str],
    reporter: Reporter,
    *,
    name: str | None = None,
    dry_run: bool = False,
) -> RegroupResult:
    """Put the pictures of several clusters into the folder of the first.

    Args:
        out: the result.
        folders: the clusters, two or more.
        reporter: told of progress.
        name: what the cluster is to be called; None for what the first is called.
        dry_run: change nothing.

    Raises:
        UsageError: if there are fewer than two clusters, or the name is none.
        ResultError: if there is no such cluster.
        OutputError: if it cannot be done; everything is as it was.
    """
    held = inspect_result(out)
    labels = [cluster_names.label_of(held, folder) for folder in folders]
    if len(set(labels)) < 2 or len(set(labels)) < len(labels):
        raise UsageError("name two or more different clusters to put together")
    # The folder of the first is renamed before pictures come into it, so it has its new name there.
    into, others = labels[0], set(labels[1:])
    first, place = held.folders[into], held.folders[into]
    shifts: list[Shift] = []
    if name is not None:
        place = cluster_names.check_free(held, first, name)
        shifts += [Shift(first, place)] if place != first else []
    folders_now = {label: folder for label, folder in held.folders.items() if label not in others}
    folders_now[into] = place
    names = {label: known for label, known in held.names.items() if label not in others}
    if name is not None:
        names[into] = os.path.basename(place)
    namer = Namer(os.listdir(os.path.join(held.root, first)))
    records = []
    for item in held.pictures:
        record, steps = _join_picture(item, into, others, first, place, namer)
        records.append(record)
        shifts += steps
    if not dry_run:
        contents = inventory.result_documents(held, records, folders_now, names)
        model = _load_centres(held)
        if model is not None:
            contents[MODEL_FILE] = centres.content(model.merge(into, others))
        changed = contents | redraw_previews(held, records, folders_now, reporter)
        amend(held, Amendment("merge", lambda *_: changed, tuple(shifts)), reporter)
    size = sum(record["cluster"] == into for record in records)
    return RegroupResult(_pairs(shifts), {place: size})


def _join_picture(
    item: HeldPicture, into: int, others: set[int], first: str, place: str, namer: Namer
) -> tuple[dict[str, Any], list[Shift]]:
    """What the manifest says of a picture after a merge, and what moves."""
    steps: list[Shift] = []
    if item.cluster in others:
        item, steps = _move_picture(item, place, namer)
    elif place != first:
        item = follow_folders(item, {first: place})
    record = item.as_record()
    if item.cluster in others:
        record["cluster"] = into  # its distance stays: its centre stands for the cluster now
    return record, steps


def _move_picture(item: HeldPicture, folder: str, namer: Namer) -> tuple[HeldPicture, list[Shift]]:
    """A picture and its sidecars in another folder, under names that are free there."""
    old = os.path.splitext(item.destination)[0]
    tails = [place[len(old) :] for _, place in item.sidecars]
    name = namer.unique(os.path.basename(item.destination), tails)
    destination = f"{folder}/{name}"
    new = os.path.splitext(destination)[0]
    followers = tuple(
        (source, new + tail) for (source, _), tail in zip(item.sidecars, tails, strict=True)
    )
    steps = [Shift(item.destination, destination)]
    steps += [
        Shift(before, after)
        for (_, before), (_, after) in zip(item.sidecars, followers, strict=True)
    ]
    return replace(item, destination=destination, sidecars=followers), steps


def _load_centres(held: Inventory) -> Centres | None:
    """The model, where the result has one."""
    if not os.path.lexists(os.path.join(held.root, MODEL_FILE)):
        return None
    return centres.load(held.root)


@dataclass(frozen=True, kw_only=True)
class SplitOptions:
    """How a cluster is taken apart: `k` parts, 2 or more; `seed` of the starts of K-Means.

    Raises:
        UsageError: if a number is out of its range.
    """

    k: int
    seed: int = 0

    def __post_init__(self) -> None:
        if self.k < 2:
            raise UsageError(f"--k {self.k} must be 2 or more")
        check_seed(self.seed)


def split_cluster(
    out: str,
    folder: str,
    options: SplitOptions,
    asked: ModelOptions,
    run: Run,
    *,
    dry_run: bool = False,
) -> RegroupResult:
    """Take a cluster apart with K-Means; the largest part stays in its folder.

    Args:
        out: the result.
        folder: the cluster.
        options: into how many parts, and from which starts.
        asked: what is said of the model, which must be that of the result.
        run: whom it tells, what it knows already, and perhaps an encoder in place of the model.
        dry_run: change nothing.

    Raises:
        ItaeClusterError: of the stage that failed; the result is as it was then.
    """
    held = inspect_result(out)
    label = cluster_names.label_of(held, folder)
    model = centres.load(held.root)
    members = [item for item in held.pictures if item.cluster == label]
    algorithms.check_k(options.k, len(members))
    paths = [os.path.join(held.root, item.destination) for item in members]
    embeddings = _embed(paths, model, asked, run)
    algorithms.check_k(options.k, len(embeddings.paths))
    parting = ClusterOptions(k=options.k, seed=options.seed, reduce=Reduction.NONE)
    found = recipe.cluster_vectors(embeddings.vectors, parting, reporter=run.reporter)
    if len(found.centres) < 2:
        raise InputError(
            f"the pictures of {printable(folder)} are identical; there is nothing to split"
        )
    # The largest part is the cluster from now on, so that most pictures stay where they are.
    numbers, folders = _number_parts(held, label, len(found.centres))
    parts = np.array([numbers[part] for part in found.labels], dtype=np.int64)
    went = {
        path: (int(part), float(distance))
        for path, part, distance in zip(embeddings.paths, parts, found.distances, strict=True)
    }
    records, shifts = _move_parts(held, label, went, folders)
    names = {
        **held.names,
        **({n: os.path.basename(folders[n]) for n in numbers} if label in held.names else {}),
    }
    if not dry_run:
        folders_now = {**held.folders, **folders}
        contents = inventory.result_documents(held, records, folders_now, names)
        contents[MODEL_FILE] = centres.content(model.split(label, embeddings.vectors, parts))
        changed = contents | redraw_previews(held, records, folders_now, run.reporter)
        amend(held, Amendment("split", lambda *_: changed, tuple(shifts)), run.reporter)
    sizes = {folders[n]: sum(record["cluster"] == n for record in records) for n in numbers}
    return RegroupResult(_pairs(shifts), sizes)


def _embed(paths: Sequence[str], model: Centres, asked: ModelOptions, run: Run) -> Embeddings:
    """Vectors by the encoder that made the result, or none."""
    options = recall_options(model.encoder, asked)
    same = matching_encoder(model.encoder, options, run.cache, run.reporter, run.encoder)
    return embed_files(paths, options, same, cache=run.cache, reporter=run.reporter)


def _number_parts(held: Inventory, label: int, count: int) -> tuple[list[int], dict[int, str]]:
    """The number of each part, the largest first, and their folders: `Beach`, `Beach-2`, ….

    No part keeps the number of noise, so that of it each gets a folder of its own.
    """
    folder, free = held.folders[label], held.free_label()
    numbers = list(range(free, free + count))
    folders: dict[int, str] = {}
    if label != NOISE:
        numbers = [label, *numbers[:-1]]
        folders[label] = folder
    taken = {
        fold_name(name) for name in os.listdir(os.path.join(held.root, os.path.dirname(folder)))
    }
    suffix = 1 if label == NOISE else 2
    for number in numbers:
        while number not in folders:
            name = f"{folder}-{suffix}"
            suffix += 1
            if fold_name(os.path.basename(name)) not in taken:
                folders[number] = name
    return numbers, folders


def _move_parts(
    held: Inventory,
    label: int,
    went: Mapping[str, tuple[int, float]],
    folders: Mapping[int, str],
) -> tuple[list[dict[str, Any]], list[Shift]]:
    namers = {number: Namer() for number in folders}
    records: list[dict[str, Any]] = []
    shifts: list[Shift] = []
    for item in held.pictures:
        part = went.get(os.path.join(held.root, item.destination))
        if part is None:
            records.append(item.as_record())
            continue
        number, distance = part
        if number != label:
            item, steps = _move_picture(item, folders[number], namers[number])
            shifts += steps
        record = item.as_record()
        records.append(
            {**record, "cluster": number, "distance": round(distance, 6), "membership": None}
        )
    return records, shifts


def _pairs(shifts: Sequence[Shift]) -> tuple[tuple[str, str], ...]:
    return tuple((step.origin, step.destination) for step in shifts)
