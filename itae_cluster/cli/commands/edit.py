"""`itae-cluster edit OUT changes.json` and `itae-cluster move OUT CLUSTER FILES`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from itae_cluster.cli import parameters as given
from itae_cluster.cli.option_groups import CacheGroup, ComputeGroup, with_option_groups
from itae_cluster.cli.output import write_pairs
from itae_cluster.cli.reporting import ConsoleReporter
from itae_cluster.core.errors import UsageError
from itae_cluster.core.text import printable, quantity
from itae_cluster.pictures.scan import read_list

if TYPE_CHECKING:
    from itae_cluster.pipeline.drafts import ChangeResult

__all__ = ["edit", "move"]


@with_option_groups
def edit(
    *,
    out: given.Out,
    changes: Annotated[
        str,
        typer.Argument(
            metavar="CHANGES",
            help="A changes.json that preview.html saved; - reads it from standard input.",
            show_default=False,
        ),
    ],
    dry_run: given.DryRun = False,
    compute: ComputeGroup,
    caching: CacheGroup,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
) -> None:
    """Carry out the changes that were made in preview.html: all of them, or none.

    Pictures are moved, rejected or called examples; clusters are merged, split, renamed or made
    finer. Rejected pictures go to the folder rejected; nothing is deleted. The manifest, the table
    and the previews are brought up to date. 'itae-cluster undo' takes all of it back at once.

    Examples:
        itae-cluster edit ./sorted ~/Downloads/changes.json --dry-run
        itae-cluster edit ./sorted ~/Downloads/changes.json
    """
    given.check_result(out)
    asked = compute.result_model()
    cache_options = caching.options()
    content = _read(changes)
    with ConsoleReporter(quiet=quiet, verbose=verbose) as reporter:
        from itae_cluster.core.run import open_run
        from itae_cluster.pipeline.edit import edit_result
        from itae_cluster.results.changes import read_changes

        wanted = read_changes(content, "standard input" if changes == "-" else printable(changes))
        with open_run(reporter, cache_options) as run:
            done = edit_result(out, wanted, asked, run, dry_run=dry_run)
    _tell(done, reporter, f"{quantity(len(wanted.wanted), 'change')} made", dry_run=dry_run)


def _read(path: str) -> bytes:
    if path == "-":
        return sys.stdin.buffer.read()
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise UsageError(
            f"cannot read {printable(path)}: {error.strerror}; name a file that preview.html saved"
        ) from error


@with_option_groups
def move(
    *,
    out: given.Out,
    folder: Annotated[
        str,
        typer.Argument(
            metavar="CLUSTER",
            help="The name of its folder; a new name makes a new cluster.",
            show_default=False,
        ),
    ],
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILES",
            help="Pictures of the result, or the originals that they came from; - reads a list "
            "from standard input.",
            show_default=False,
        ),
    ],
    null: given.Null = False,
    dry_run: given.DryRun = False,
    caching: CacheGroup,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
) -> None:
    """Move pictures of a result to another cluster, or to a new one.

    They stay there: 'itae-cluster update' and 'regroup' leave them in the cluster that you chose.
    To reject pictures, move them to the cluster 'rejected'. 'itae-cluster undo' takes it back.

    Examples:
        itae-cluster move ./sorted cluster-003 -- ./sorted/cluster-001/a.jpg
        itae-cluster move ./sorted Beach -- ./photos/a.jpg ./photos/b.jpg
    """
    given.check_result(out)
    if null and "-" not in files:
        raise UsageError("--null needs a list on standard input; add - to read one")
    listed = read_list(sys.stdin.buffer, null=null) if "-" in files else []
    named = [file for file in files if file != "-"] + listed
    if not named:
        raise UsageError("the list is empty; name pictures to move")
    cache_options = caching.options()
    with ConsoleReporter(quiet=quiet, verbose=verbose) as reporter:
        from itae_cluster.core.run import open_run
        from itae_cluster.pipeline.edit import move_pictures

        with open_run(reporter, cache_options) as run:
            done = move_pictures(out, folder, named, run, dry_run=dry_run)
    sizes = ", ".join(f"{quantity(size, 'picture')} in {name}" for name, size in done.sizes.items())
    _tell(done, reporter, sizes, dry_run=dry_run)


def _tell(done: ChangeResult, reporter: ConsoleReporter, text: str, *, dry_run: bool) -> None:
    if dry_run:
        write_pairs("move", done.shifts)
    reporter.summary(f"{text}; dry run, nothing was changed" if dry_run else text)
