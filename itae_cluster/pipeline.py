"""The whole job: the only module that knows the order of the stages.

Each step checks what can be checked before the slow ones begin.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from itae_cluster import cluster, manifest, organize, preview, vectors
from itae_cluster.embed import embed
from itae_cluster.errors import InputError, OutputError, UsageError
from itae_cluster.options import (
    Action,
    Algorithm,
    ClusterOptions,
    InputOptions,
    ModelOptions,
    OutputOptions,
)
from itae_cluster.scan import scan
from itae_cluster.thumbnails import Thumbnails, completed
from itae_cluster.types import NOISE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from itae_cluster.types import (
        Clustering,
        Embeddings,
        Encoder,
        Picture,
        Placement,
        Reporter,
        Skipped,
    )

__all__ = [
    "Result",
    "cluster_embeddings",
    "embed_pictures",
    "embed_to_file",
    "organize_result",
    "run_demo",
    "sort_pictures",
]

_REPRESENTATIVES = 3


@dataclass(frozen=True)
class Result:
    """A finished run. `placed` tells whether the destinations exist in OUT.

    `kept` are the originals that `--action move` could not remove.
    """

    embeddings: Embeddings
    clustering: Clustering
    placements: tuple[Placement, ...]
    skipped: tuple[Skipped, ...]
    options: Mapping[str, Any]
    placed: bool = False
    kept: tuple[Skipped, ...] = ()

    def document(self) -> dict[str, Any]:
        """The manifest of this run."""
        metadata = manifest.run_metadata(self.embeddings.metadata, self.options)
        return manifest.document(metadata, self.placements, self.skipped, placed=self.placed)


def sort_pictures(
    inputs: InputOptions,
    model: ModelOptions,
    clustering: ClusterOptions,
    output: OutputOptions,
    *,
    embeddings_file: str | None = None,
    encoder: Encoder | None = None,
    reporter: Reporter,
) -> Result:
    """The main job: scan, embed, cluster and, where OUT is given, organize.

    Args:
        inputs: which pictures.
        model: how they are embedded.
        clustering: how they are clustered.
        output: where the result goes; without `out` nothing is written.
        embeddings_file: vectors made by `embed`, in place of pictures and model.
        encoder: used in place of the model that `model` names.
        reporter: told of progress, skips and warnings.

    Raises:
        ItaeClusterError: of the stage that failed; nothing of the user's is changed then.
    """
    if output.out is not None:
        organize.check_output(output.out)
    thumbnails = Thumbnails()
    if embeddings_file is not None:
        _check_no_pictures(inputs, model)
        embeddings = vectors.load(embeddings_file)
    else:
        embeddings = embed_pictures(
            inputs,
            model,
            at_least=clustering.k or 1,
            out=output.out,
            encoder=encoder,
            on_picture=thumbnails.keep if output.out and not output.dry_run else None,
            reporter=reporter,
        )
    found = cluster_embeddings(embeddings, clustering, reporter)
    result = Result(
        embeddings,
        found,
        organize.plan(embeddings.paths, found),
        embeddings.skipped,
        _options(inputs, model, clustering, output, embeddings_file),
    )
    if output.out is None or output.dry_run:
        return result
    return organize_result(result, output.out, output.action, thumbnails.kept, reporter)


def embed_pictures(
    inputs: InputOptions,
    model: ModelOptions,
    *,
    at_least: int = 1,
    out: str | None = None,
    encoder: Encoder | None = None,
    on_picture: Callable[[int, Picture], None] | None = None,
    reporter: Reporter,
) -> Embeddings:
    """Scan and embed; what the scan skipped is part of the result.

    Raises:
        InputError: if there are fewer than `at_least` pictures, or none that can be read.
    """
    found = scan(inputs.paths, excludes=inputs.excludes, output=out, listed=inputs.listed)
    for skipped in found.skipped:
        reporter.skip(skipped)
    for note in found.notes:
        reporter.warn(note)
    reporter.info(f"{len(found.files)} pictures found, {found.ignored} other files ignored")
    if not found.files:
        raise InputError(_no_pictures(found.ignored))
    cluster.check_k(at_least, len(found.files))
    encoder = encoder or _load_encoder(model, reporter)
    embeddings = embed(
        found.files,
        encoder,
        batch_size=model.batch_size,
        on_picture=on_picture,
        reporter=reporter,
    )
    return replace(embeddings, skipped=found.skipped + embeddings.skipped)


def embed_to_file(
    inputs: InputOptions, model: ModelOptions, target: str, reporter: Reporter
) -> Embeddings:
    """The job of `itae-cluster embed`: scan, embed, write vectors. Paths become absolute.

    Raises:
        OutputError: if `target` exists or cannot be written.
        InputError: if there is no picture.
    """
    vectors.check_target(target)
    embeddings = embed_pictures(inputs, model, reporter=reporter)
    options = {**_input_options(inputs), "model": asdict(model)}
    absolute = tuple(os.path.abspath(path) for path in embeddings.paths)
    embeddings = replace(embeddings, paths=absolute)
    vectors.save(target, embeddings, manifest.run_metadata(embeddings.metadata, options))
    return embeddings


def run_demo(folder: str, model: ModelOptions, reporter: Reporter) -> tuple[Result, float]:
    """Make the demo album in `folder`, sort it into `folder/sorted`, and compare with the truth.

    Returns:
        The result, and the clustering accuracy (ACC, 0 to 1).

    Raises:
        OutputError: if `folder` exists and is not empty.
    """
    from itae_cluster import demo
    from itae_cluster.evaluate import clustering_accuracy

    truth = demo.make_album(folder)
    result = sort_pictures(
        InputOptions(paths=(os.path.join(folder, demo.ALBUM),)),
        model,
        ClusterOptions(k=demo.CLASSES),
        OutputOptions(out=os.path.join(folder, "sorted")),
        reporter=reporter,
    )
    labels = [truth[path] for path in result.embeddings.paths]
    return result, clustering_accuracy(labels, result.clustering.labels)


def _no_pictures(ignored: int) -> str:
    others = f" among {ignored} other files" if ignored else ""
    return f"no picture found{others}; name a file or folder that holds some, or check --exclude"


def _load_encoder(options: ModelOptions, reporter: Reporter) -> Encoder:
    reporter.progress("Loading the model", 0, None)
    from itae_cluster.encoder import load_encoder  # torch, only once there is work for it

    return load_encoder(options, reporter)


def cluster_embeddings(
    embeddings: Embeddings, options: ClusterOptions, reporter: Reporter
) -> Clustering:
    """Cluster with the algorithm asked for.

    Raises:
        InputError: if there are fewer pictures than clusters.
    """
    reporter.progress("Clustering", 0, None)
    if options.algorithm is Algorithm.HDBSCAN:
        return cluster.hdbscan(
            embeddings.vectors,
            min_cluster_size=options.min_cluster_size,
            seed=options.seed,
            assign_noise=options.assign_noise,
            reporter=reporter,
        )
    assert options.k is not None  # ClusterOptions sees to it
    return cluster.kmeans(
        embeddings.vectors,
        options.k,
        seed=options.seed,
        restarts=options.restarts,
        reporter=reporter,
    )


def organize_result(
    result: Result,
    out: str,
    action: Action,
    thumbnails: Mapping[int, bytes],
    reporter: Reporter,
) -> Result:
    """Write OUT: pictures, manifest, table and preview; then, for `move`, remove originals.

    Args:
        result: what to write.
        out: the folder to make.
        action: how pictures come there.
        thumbnails: JPEG bytes by row, as far as they were kept.
        reporter: told of progress and of sources that vanished.

    Raises:
        OutputError: if OUT cannot be made; it does not exist then, and nothing is lost.
    """
    with organize.staged(out) as staging:
        placed, lost = organize.place(result.placements, staging, action, reporter)
        if not placed:
            raise OutputError("every picture has gone since it was embedded; nothing was written")
        result = replace(result, placements=placed, skipped=result.skipped + lost, placed=True)
        manifest.write_json(result.document(), os.path.join(staging, "manifest.json"))
        manifest.write_csv(placed, os.path.join(staging, "clusters.csv"))
        _write_preview(result, staging, thumbnails, reporter)
    if action is not Action.MOVE:
        return result
    return replace(result, kept=organize.remove_originals(placed, out, reporter))


def _write_preview(
    result: Result, staging: str, thumbnails: Mapping[int, bytes], reporter: Reporter
) -> None:
    from itae_cluster.reduce import umap_reduce

    reporter.progress("Drawing the map", 0, None)
    found, embeddings = result.clustering, result.embeddings
    chosen = cluster.representatives(found, _REPRESENTATIVES)
    destinations = {item.source: item.destination for item in result.placements}
    clusters = len(found.centres)
    seed = int(result.options["clustering"]["seed"])
    data = preview.PreviewData(
        coordinates=umap_reduce(embeddings.vectors, 2, seed=seed, min_dist=0.1),
        labels=found.labels,
        names=tuple(destinations.get(path, path) for path in embeddings.paths),
        distances=found.distances,
        representatives=chosen,
        folders={label: organize.folder_name(label, clusters) for label in range(NOISE, clusters)},
        thumbnails=completed(thumbnails, chosen, embeddings.paths),
        title="itae-cluster",
        subtitle=_subtitle(result),
    )
    preview.write_picture(data, os.path.join(staging, "preview.png"))
    preview.write_page(data, os.path.join(staging, "preview.html"))


def _subtitle(result: Result) -> str:
    model = result.embeddings.metadata
    theta = model.get("theta")
    counts = f"{len(result.embeddings.paths)} pictures · {len(result.clustering.centres)} clusters"
    return f"{counts} · {model.get('name')}, θ {'off' if theta is None else theta}"


def _check_no_pictures(inputs: InputOptions, model: ModelOptions) -> None:
    if inputs.paths or inputs.listed or inputs.excludes:
        raise UsageError("--embeddings takes the place of PATHS and --exclude; leave one out")
    if model != ModelOptions():
        raise UsageError("--embeddings holds finished vectors; leave out the options of the model")


def _options(
    inputs: InputOptions,
    model: ModelOptions,
    clustering: ClusterOptions,
    output: OutputOptions,
    embeddings_file: str | None,
) -> dict[str, Any]:
    return {
        **_input_options(inputs),
        "embeddings": embeddings_file,
        "model": asdict(model),
        "clustering": asdict(clustering),
        "output": asdict(output),
    }


def _input_options(inputs: InputOptions) -> dict[str, Any]:
    return {
        "paths": list(inputs.paths),
        "listed": len(inputs.listed),
        "excludes": list(inputs.excludes),
    }
