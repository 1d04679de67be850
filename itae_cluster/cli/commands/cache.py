"""`itae-cluster cache`: what earlier runs left behind, to look at and to throw away."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from itae_cluster.cli import parameters as given
from itae_cluster.cli.group import Command, Group
from itae_cluster.cli.reporting import ConsoleReporter
from itae_cluster.core.errors import OutputError
from itae_cluster.core.options import theta_text
from itae_cluster.core.text import printable

if TYPE_CHECKING:
    from itae_cluster.core.cache import Cache, CacheInfo

__all__ = ["cache"]

cache = typer.Typer(
    cls=Group, no_args_is_help=True, help="Look at or empty the cache of embeddings."
)


def _opened(folder: str | None, reporter: ConsoleReporter) -> Cache:
    from itae_cluster.core.cache import Cache, file_in

    path = file_in(folder)
    return Cache(path if os.path.exists(path) else None, reporter)


@cache.command(cls=Command)
def info(
    folder: given.CacheFolder = None,
    json_: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Show what the cache holds: vectors of which models, thumbnails, maps, and its size."""
    from itae_cluster.core.cache import file_in

    with ConsoleReporter(quiet=False, verbose=False) as reporter:
        opened = _opened(folder, reporter)
        found = opened.info()
        opened.close()
    if json_:
        record = {**asdict(found), "path": file_in(folder)}
        record["recipes"] = [{**recipe, "vectors": n} for recipe, n in found.recipes]
        print(json.dumps(record, indent=2))
        return
    _show(found, file_in(folder))


def _show(found: CacheInfo, path: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, show_header=False)
    rows: list[tuple[str, Any]] = [
        ("file", printable(path)),
        ("size", f"{found.bytes / 1e6:.1f} MB"),
        ("vectors", found.vectors),
        ("thumbnails", found.thumbnails),
        ("maps", found.maps),
        ("files known", found.files),
        ("oldest use", f"{found.days} days ago"),
    ]
    for recipe, number in found.recipes:
        theta = theta_text(recipe["theta"])
        rows.append(
            (
                "of these",
                f"{number} by weights {recipe['weights_sha256'][:12]}…, theta {theta}, "
                f"{recipe['size']} pixels, {recipe['precision']}",
            )
        )
    for name, value in rows:
        table.add_row(name, str(value))
    Console(highlight=False, soft_wrap=True).print(table)


@cache.command(cls=Command)
def prune(
    max_size: Annotated[
        str,
        typer.Option(metavar="SIZE", help="What may be left, such as 500M or 2G."),
    ],
    folder: given.CacheFolder = None,
    quiet: given.Quiet = False,
) -> None:
    """Drop what was not used for longest until the cache is no larger than SIZE."""
    wanted = given.parse_size("--max-size", max_size)
    with ConsoleReporter(quiet=quiet, verbose=False) as reporter:
        opened = _opened(folder, reporter)
        dropped = opened.prune(wanted)
        left = opened.info()
        opened.close()
        reporter.summary(
            f"{dropped} vectors dropped, {left.vectors} left in {left.bytes / 1e6:.1f} MB"
        )


@cache.command(cls=Command)
def clear(folder: given.CacheFolder = None, quiet: given.Quiet = False) -> None:
    """Remove the cache of embeddings. Model weights and pictures are left alone."""
    from itae_cluster.core.cache import file_in

    path = file_in(folder)
    with ConsoleReporter(quiet=quiet, verbose=False) as reporter:
        opened = _opened(folder, reporter)
        vectors = opened.info().vectors
        opened.close()
        for file in (path, f"{path}-wal", f"{path}-shm"):
            try:
                os.unlink(file)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise OutputError(
                    f"cannot remove {printable(file)}: {error.strerror}; check its permissions"
                ) from error
        reporter.summary(f"{vectors} vectors removed")


@cache.command(cls=Command)
def path(folder: given.CacheFolder = None) -> None:
    """Print where the cache is or would be."""
    from itae_cluster.core.cache import file_in

    print(file_in(folder))
