"""`itae-cluster embed`: vectors for people who bring their own clusterer."""

from __future__ import annotations

from typing import Annotated

import typer

from itae_cluster.cli import parameters as given
from itae_cluster.cli.option_groups import (
    CacheGroup,
    EmbeddingGroup,
    PictureGroup,
    with_option_groups,
)
from itae_cluster.cli.output import check_strict
from itae_cluster.cli.reporting import ConsoleReporter
from itae_cluster.core.errors import UsageError
from itae_cluster.core.options import CacheOptions, RayOptions, parse_ray
from itae_cluster.core.text import quantity

__all__ = ["embed"]


@with_option_groups
def embed(
    *,
    out: Annotated[
        str,
        typer.Option(
            "--out",
            "-o",
            "--output",
            metavar="FILE|DIR",
            help="A new file: .npz, .parquet, or .npy with the paths beside it in a .txt. With "
            "--ray: a folder, or s3://BUCKET/PREFIX, for Parquet files.",
            rich_help_panel=given.RESULT,
            show_default=False,
        ),
    ],
    pictures: PictureGroup,
    embedding: EmbeddingGroup,
    ray: given.Ray = None,
    part_size: given.PartSize = None,
    caching: CacheGroup,
    strict: given.Strict = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
) -> None:
    """Write the embeddings of pictures to a file, to use them elsewhere.

    Each picture becomes a float32 vector of length 1. 'itae-cluster --embeddings FILE' clusters
    them without the pictures. With --ray, machines of a Ray cluster do the work; a run that is
    started again goes on where it stopped.

    Examples:
        itae-cluster embed ./photos --out photos.npz
        itae-cluster embed s3://archive/photos --out s3://archive/vectors --ray
    """
    pictures.check_named()
    options = embedding.options()
    cache_options = caching.options()
    inputs = pictures.read()
    address = parse_ray(ray)
    if address is None and part_size is not None:
        raise UsageError("--part-size belongs to --ray; leave it out")
    if address is not None and cache_options != CacheOptions():
        raise UsageError("--ray keeps no cache but the folder itself; leave out --cache")
    with ConsoleReporter(quiet=quiet, verbose=verbose) as reporter:
        from itae_cluster.core.run import open_run

        if address is not None:
            from itae_cluster.pipeline.embed_parts import embed_to_parts

            cluster = RayOptions(address, part_size)
            with open_run(reporter) as run:
                parts = embed_to_parts(inputs, options, out, cluster, run)
            n, dim, lost = parts.vectors, parts.dim, parts.skipped
            told = f" in {quantity(parts.parts, 'part')}"
            told += f", {parts.kept} of them kept" if parts.kept else ""
        else:
            from itae_cluster.pipeline import embed_to_file

            with open_run(reporter, cache_options) as run:
                embeddings = embed_to_file(inputs, options, out, run)
            (n, dim), lost, told = embeddings.vectors.shape, embeddings.skipped, ""
    skipped = f", {len(lost)} skipped" if lost else ""
    reporter.summary(f"{quantity(n, 'vector')} of {dim} dimensions in {out}{told}{skipped}")
    check_strict(strict, lost)
