"""`itae-cluster plan PATHS… --k 20 --out ./sorted > plan.json`: what would be done, to the byte."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from itae_cluster.cli import parameters as given
from itae_cluster.cli.reporting import ConsoleReporter
from itae_cluster.options import (
    CacheOptions,
    ClusterOptions,
    DeviceName,
    ModelOptions,
    OutputOptions,
    parse_k,
)

__all__ = ["plan"]


def plan(
    out: Annotated[
        str,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="The new folder that the plan is for.",
            rich_help_panel=given.RESULT,
            show_default=False,
        ),
    ],
    paths: given.Paths = None,
    k: given.K = given.AUTO_K,
    action: given.Action = OutputOptions.action,
    with_sidecars: given.WithSidecars = OutputOptions.sidecars,
    algorithm: given.Algorithm = ClusterOptions.algorithm,
    reduce: given.Reduce = ClusterOptions.reduce,
    reduce_dim: given.ReduceDim = ClusterOptions.reduce_dim,
    neighbors: given.Neighbors = ClusterOptions.neighbors,
    linkage: given.Linkage = ClusterOptions.linkage,
    min_cluster_size: given.MinClusterSize = ClusterOptions.min_cluster_size,
    assign_noise: given.AssignNoise = ClusterOptions.assign_noise,
    restarts: given.Restarts = ClusterOptions.restarts,
    seed: given.Seed = ClusterOptions.seed,
    embeddings: given.VectorFile = None,
    exclude: given.Exclude = None,
    only: given.Only = None,
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
    """Print what would be done with every picture, as JSON for 'itae-cluster apply'.

    Takes the options of the main command, and writes nothing but standard output. The plan holds
    source, destination, size, time and SHA-256 of every file.
    """
    given.check_given(paths, embeddings, only)
    number, k_range = parse_k(k)
    output = OutputOptions(out, action, sidecars=with_sidecars)
    with ConsoleReporter(quiet=quiet, verbose=verbose) as reporter:
        from itae_cluster import plan as plans
        from itae_cluster.manifest import to_json
        from itae_cluster.pipeline import plan_pictures

        made = plan_pictures(
            given.read_inputs(paths, null, exclude, only),
            ModelOptions(
                model,
                weights,
                theta,
                size,
                device,
                batch_size,
                offline,
                precision,
                given.parse_size("--max-pixels", max_pixels),
            ),
            ClusterOptions(
                algorithm,
                number,
                restarts,
                min_cluster_size,
                assign_noise,
                seed,
                k_range,
                reduce,
                reduce_dim,
                neighbors,
                linkage,
            ),
            output,
            embeddings_file=embeddings,
            caching=CacheOptions(cache, no_cache),
            reporter=reporter,
        )
    sys.stdout.write(to_json(plans.document(made), indent=2) + "\n")
    sys.stdout.flush()
    reporter.summary(f"{len(made.entries)} files planned; carry it out with 'itae-cluster apply'")
    given.check_strict(strict, made.skipped)
