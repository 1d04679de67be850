"""The main job: pictures to folders."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from itae_cluster import cluster, manifest, organize, vectors
from itae_cluster.errors import OutputError, UsageError
from itae_cluster.options import (
    Action,
    Algorithm,
    ClusterOptions,
    InputOptions,
    ModelOptions,
    OutputOptions,
)
from itae_cluster.pipeline.embedding import embed_pictures, input_options, open_cache
from itae_cluster.pipeline.previewing import write_previews
from itae_cluster.thumbnails import Thumbnails

if TYPE_CHECKING:
    from collections.abc import Mapping

    from itae_cluster.cache import Cache
    from itae_cluster.options import CacheOptions
    from itae_cluster.types import (
        Clustering,
        Embeddings,
        Encoder,
        Placement,
        Reporter,
        Skipped,
    )

__all__ = [
    "Result",
    "cluster_embeddings",
    "organize_result",
    "sort_pictures",
]


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
    caching: CacheOptions | None = None,
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
        caching: where embeddings are kept between runs; None for nowhere.
        reporter: told of progress, skips and warnings.

    Raises:
        ItaeClusterError: of the stage that failed; nothing of the user's is changed then.
    """
    if output.out is not None:
        organize.check_output(output.out)
    with open_cache(caching, reporter) as cache:
        return _sort(inputs, model, clustering, output, embeddings_file, encoder, cache, reporter)


def _sort(
    inputs: InputOptions,
    model: ModelOptions,
    clustering: ClusterOptions,
    output: OutputOptions,
    embeddings_file: str | None,
    encoder: Encoder | None,
    cache: Cache,
    reporter: Reporter,
) -> Result:
    thumbnails = Thumbnails()
    if embeddings_file is not None:
        _check_no_pictures(inputs, model)
        embeddings = vectors.load(embeddings_file)
    else:
        embeddings = embed_pictures(
            inputs,
            model,
            cache=cache,
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
    return organize_result(result, output.out, output.action, thumbnails.kept, cache, reporter)


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
    thumbnails: Mapping[str, bytes],
    cache: Cache,
    reporter: Reporter,
) -> Result:
    """Write OUT: pictures, manifest, table and preview; then, for `move`, remove originals.

    Args:
        result: what to write.
        out: the folder to make.
        action: how pictures come there.
        thumbnails: JPEG bytes by path, as far as they were kept.
        cache: where other thumbnails and the map may be known from.
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
        _write_previews(result, staging, out, action, thumbnails, cache, reporter)
    if action is not Action.MOVE:
        return result
    return replace(result, kept=organize.remove_originals(placed, out, reporter))


def _write_previews(
    result: Result,
    staging: str,
    out: str,
    action: Action,
    thumbnails: Mapping[str, bytes],
    cache: Cache,
    reporter: Reporter,
) -> None:
    write_previews(
        staging,
        result.embeddings,
        result.clustering,
        result.placements,
        title=_title(result),
        subtitle=_subtitle(result),
        seed=int(result.options["clustering"]["seed"]),
        thumbnails=thumbnails,
        contact_sheets=bool(result.options["output"]["contact_sheets"]),
        sources=_found_at(result, out, action),
        cache=cache,
        reporter=reporter,
    )


def _found_at(result: Result, out: str, action: Action) -> dict[str, str]:
    """Where each picture lies when the run is over: `move` leaves none where it was."""
    places = {path: os.path.abspath(path) for path in result.embeddings.paths}
    if action is Action.MOVE:
        root = os.path.abspath(out)
        places |= {item.source: os.path.join(root, item.destination) for item in result.placements}
    return places


def _title(result: Result) -> str:
    """The name of the folder where it is one."""
    paths = result.options["paths"]
    name = os.path.basename(os.path.abspath(paths[0])) if len(paths) == 1 else ""
    return name or "itae-cluster"


def _subtitle(result: Result) -> str:
    model = result.embeddings.metadata
    theta = model.get("theta")
    counts = f"{len(result.embeddings.paths)} pictures · {len(result.clustering.centres)} clusters"
    return f"{counts} · {model.get('name')}, θ {'off' if theta is None else theta}"


def _check_no_pictures(inputs: InputOptions, model: ModelOptions) -> None:
    if inputs != InputOptions():
        raise UsageError(
            "--embeddings takes the place of PATHS, --only and --exclude; leave one out"
        )
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
        **input_options(inputs),
        "embeddings": embeddings_file,
        "model": asdict(model),
        "clustering": asdict(clustering),
        "output": asdict(output),
    }
