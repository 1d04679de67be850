"""`itae-cluster rename OUT names.json`: names for the clusters of a result."""

from __future__ import annotations

from typing import Annotated

import typer

from itae_cluster.cli import parameters as given
from itae_cluster.cli.reporting import ConsoleReporter
from itae_cluster.errors import UsageError

__all__ = ["rename"]


def rename(
    out: Annotated[str, typer.Argument(metavar="OUT", help="A result of this tool.")],
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAMES.json|FOLDER=NAME...",
            help="The file that preview.html saves, or folders and the names they shall have.",
        ),
    ],
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
) -> None:
    """Give clusters names: their folders are renamed, manifest and table follow.

    No folder takes the place of another. 'itae-cluster undo' finds the pictures under their new
    names, and to go back to a number is one more rename.
    """
    with ConsoleReporter(quiet=quiet, verbose=verbose) as reporter:
        from itae_cluster.pipeline.renaming import rename_result

        renamed = rename_result(out, _wanted(names), reporter)
        for old, new in renamed.items():
            reporter.info(f"{old} is {new} now")
        reporter.summary(f"{len(renamed)} folders renamed")


def _wanted(words: list[str]) -> dict[str, str]:
    from itae_cluster.renaming import read_names

    wanted: dict[str, str] = {}
    for word in words:
        folder, equals, name = word.partition("=")
        found = {folder: name} if equals else read_names(word)
        repeated = sorted(wanted.keys() & found)
        if repeated:
            raise UsageError(f"{repeated[0]} is given two names; leave one out")
        wanted |= found
    return wanted
