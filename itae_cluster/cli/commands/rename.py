"""`itae-cluster rename OUT names.json`: clusters get the names that a person gave them."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from itae_cluster.cli import parameters as given
from itae_cluster.cli.option_groups import CacheGroup, with_option_groups
from itae_cluster.cli.output import write_pairs
from itae_cluster.cli.reporting import ConsoleReporter
from itae_cluster.core.errors import UsageError
from itae_cluster.core.text import printable, quantity

__all__ = ["rename"]


@with_option_groups
def rename(
    *,
    out: given.Out,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAMES",
            help="Pairs such as cluster-003=Beach, or a names.json that preview.html saved.",
            show_default=False,
        ),
    ] = None,
    suggested: Annotated[
        bool,
        typer.Option(
            "--suggested",
            help="Take the suggested names, for clusters that have none yet.",
        ),
    ] = False,
    dry_run: given.DryRun = False,
    caching: CacheGroup,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
) -> None:
    """Give clusters names: to their folders, in manifest.json, in clusters.csv, in the previews.

    Either all clusters are renamed or none. 'itae-cluster undo' takes it back.

    Examples:
        itae-cluster rename ./sorted cluster-003=Beach cluster-007="Aunt Vera"
        itae-cluster rename ./sorted --suggested
    """
    given.check_result(out)
    names = names or []
    if bool(names) == suggested:
        raise UsageError(
            "name a file such as names.json, or pairs such as cluster-003=Beach, or --suggested"
        )
    one = len(names) == 1 and "=" not in names[0]
    if one and not os.path.lexists(names[0]):
        raise UsageError(
            f"cannot read {printable(names[0])}: no such file; to name a cluster, write "
            f"{printable(names[0])}=Name"
        )
    cache_options = caching.options()
    with ConsoleReporter(quiet=quiet, verbose=verbose) as reporter:
        from itae_cluster.core.run import open_run
        from itae_cluster.pipeline.rename import rename_as_suggested, rename_clusters
        from itae_cluster.results.cluster_names import read_names, read_words

        wishes = read_names(names[0]) if one else read_words(names)
        with open_run(reporter, cache_options) as run:
            if suggested:
                renamed = rename_as_suggested(out, run, dry_run=dry_run)
            else:
                renamed = rename_clusters(out, wishes, run, dry_run=dry_run)
    if dry_run:
        write_pairs("rename", renamed)
    for old, new in renamed:
        reporter.info(f"{old} is {new} now")
    end = "; dry run, nothing was changed" if dry_run else ""
    reporter.summary(f"{quantity(len(renamed), 'cluster')} renamed{end}")
