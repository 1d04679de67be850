"""`itae-cluster plan PATHS… --k 20 --out ./sorted > plan.json`: what would be done, to the byte."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from itae_cluster.cli import parameters as given
from itae_cluster.cli.option_groups import (
    CacheGroup,
    ClusterGroup,
    EmbeddingGroup,
    PictureGroup,
    StoredGroup,
    with_option_groups,
)
from itae_cluster.cli.output import check_strict
from itae_cluster.cli.reporting import ConsoleReporter
from itae_cluster.core.options import OutputOptions
from itae_cluster.core.text import quantity

__all__ = ["plan"]


@with_option_groups
def plan(
    *,
    k: given.K = given.AUTO_K,
    out: Annotated[
        str,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="The new folder that the plan is to make.",
            rich_help_panel=given.RESULT,
            show_default=False,
        ),
    ],
    action: given.Action = OutputOptions.action,
    with_sidecars: given.WithSidecars = OutputOptions.sidecars,
    nested: given.Nested = OutputOptions.nested,
    pictures: PictureGroup,
    vectors: StoredGroup,
    embedding: EmbeddingGroup,
    clustering: ClusterGroup,
    caching: CacheGroup,
    strict: given.Strict = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
) -> None:
    """Print what would be done with every picture, as JSON for 'itae-cluster apply'.

    Takes the options of the main command, and writes nothing. The plan lists the source,
    destination, size, modification time and SHA-256 of every file.

    Examples:
        itae-cluster plan ./photos --k 20 --out ./sorted > plan.json
        itae-cluster plan ./photos --action move --out ./sorted | itae-cluster apply -
    """
    pictures.check_given(vectors.embeddings)
    cluster_options = clustering.options(k)
    output = OutputOptions(out, action, sidecars=with_sidecars, nested=nested)
    model_options = embedding.options_beside(vectors.embeddings)
    stored = vectors.options()
    cache_options = caching.options()
    inputs = pictures.read()
    with ConsoleReporter(quiet=quiet, verbose=verbose) as reporter:
        from itae_cluster.core.documents import to_json
        from itae_cluster.core.run import open_run
        from itae_cluster.pipeline import plan_pictures
        from itae_cluster.results import plan as plans

        with open_run(reporter, cache_options) as run, pictures.explain_too_few():
            made = plan_pictures(inputs, model_options, cluster_options, output, run, stored=stored)
    sys.stdout.write(to_json(plans.document(made), indent=2) + "\n")
    sys.stdout.flush()
    reporter.summary(
        f"{quantity(len(made.entries), 'file')} planned; carry it out with 'itae-cluster apply'"
    )
    check_strict(strict, made.skipped)
