"""The main command on a folder of vectors in parts: labels to Parquet or to standard output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from itae_cluster.cli.output import Format, write_placements
from itae_cluster.core.errors import UsageError
from itae_cluster.core.text import quantity
from itae_cluster.core.types import NOISE

if TYPE_CHECKING:
    from itae_cluster.cli.reporting import ConsoleReporter
    from itae_cluster.core.options import (
        CacheOptions,
        ClusterOptions,
        LabelOptions,
        StoredVectors,
    )

__all__ = ["cluster_parts"]


def cluster_parts(
    stored: StoredVectors,
    clustering: ClusterOptions,
    output: LabelOptions,
    caching: CacheOptions,
    chosen: Format | None,
    reporter: ConsoleReporter,
) -> None:
    """Find clusters, write or print them, and say how many.

    Raises:
        ItaeClusterError: of the job.
        UsageError: if the format is one that needs all pictures at once.
    """
    if chosen in {Format.JSON, Format.PATHS0}:
        raise UsageError(f"a folder of vectors prints tsv or jsonl, not {chosen}")
    from itae_cluster.core.run import open_run
    from itae_cluster.pipeline.cluster_shards import cluster_shards

    with open_run(reporter, caching) as run:
        clusters = cluster_shards(stored, clustering, output, run)
    sizes = clusters.sizes
    if output.out is None or chosen is not None:
        write_placements(clusters.placements(), chosen or Format.TSV)
    noise = sizes.pop(NOISE, 0)
    found = f"{quantity(sizes.total(), 'picture')} in {quantity(len(sizes), 'cluster')}"
    if noise:
        found += f", {noise} in none"
    if clusters.duplicates is not None:
        found += f", {int((clusters.duplicates >= 0).sum())} of them with near-duplicates"
    reporter.summary(found if output.out is None else f"{found}; labels in {output.out}")
