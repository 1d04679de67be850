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
            metavar="FILE",
            help="A new file: .npz, .parquet, or .npy with the paths beside it in a .txt.",
            rich_help_panel=given.RESULT,
            show_default=False,
        ),
    ],
    pictures: PictureGroup,
    embedding: EmbeddingGroup,
    caching: CacheGroup,
    strict: given.Strict = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
) -> None:
    """Write the embeddings of pictures to a file, to use them elsewhere.

    Each picture becomes a float32 vector of length 1. 'itae-cluster --embeddings FILE' clusters
    them without the pictures.

    Examples:
        itae-cluster embed ./photos --out photos.npz
        itae-cluster --embeddings photos.npz --k 20
    """
    pictures.check_named()
    options = embedding.options()
    cache_options = caching.options()
    inputs = pictures.read()
    with ConsoleReporter(quiet=quiet, verbose=verbose) as reporter:
        from itae_cluster.core.run import open_run
        from itae_cluster.pipeline import embed_to_file

        with open_run(reporter, cache_options) as run:
            embeddings = embed_to_file(inputs, options, out, run)
    n, dim = embeddings.vectors.shape
    skipped = f", {len(embeddings.skipped)} skipped" if embeddings.skipped else ""
    reporter.summary(f"{quantity(n, 'vector')} of {dim} dimensions in {out}{skipped}")
    check_strict(strict, embeddings.skipped)
