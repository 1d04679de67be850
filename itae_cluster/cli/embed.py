"""`itae-cluster embed`: vectors for people who bring their own clusterer."""

from __future__ import annotations

from typing import Annotated

import typer

from itae_cluster.cli import parameters as given
from itae_cluster.cli.reporting import ConsoleReporter
from itae_cluster.errors import UsageError
from itae_cluster.options import CacheOptions, DeviceName, ModelOptions

__all__ = ["embed"]


def embed(
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where to: .npz, .parquet, or .npy with the paths beside it in .txt.",
            show_default=False,
        ),
    ],
    paths: given.Paths = None,
    exclude: given.Exclude = None,
    null: given.Null = False,
    max_pixels: given.MaxPixels = given.MAX_PIXELS,
    model: given.Model = ModelOptions.model,
    weights: given.Weights = ModelOptions.weights,
    theta: given.Theta = ModelOptions.theta,
    size: given.Size = ModelOptions.size,
    device: given.Device = DeviceName.AUTO,
    batch_size: given.BatchSize = ModelOptions.batch_size,
    precision: given.Precision = ModelOptions.precision,
    offline: given.Offline = ModelOptions.offline,
    cache: given.CacheFolder = CacheOptions.folder,
    no_cache: given.NoCache = CacheOptions.off,
    strict: given.Strict = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
) -> None:
    """Write the embeddings of pictures to a file, and cluster them elsewhere.

    The rows are float32 vectors of length 1. 'itae-cluster --embeddings FILE' reads them back.
    """
    if not paths:
        raise UsageError("name pictures or folders, or - for a list")
    options = ModelOptions(
        model,
        weights,
        theta,
        size,
        device,
        batch_size,
        offline,
        precision,
        given.parse_size("--max-pixels", max_pixels),
    )
    caching = CacheOptions(cache, no_cache)
    inputs = given.read_inputs(paths, null, exclude)
    with ConsoleReporter(quiet=quiet, verbose=verbose) as reporter:
        from itae_cluster.pipeline import embed_to_file

        embeddings = embed_to_file(inputs, options, output, reporter, caching=caching)
    n, dim = embeddings.vectors.shape
    skipped = f", {len(embeddings.skipped)} skipped" if embeddings.skipped else ""
    reporter.summary(f"{n} vectors of {dim} dimensions in {output}{skipped}")
    given.check_strict(strict, embeddings.skipped)
