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
from itae_cluster.core.text import printable, quantity

if TYPE_CHECKING:
    from itae_cluster.core.cache import Cache, CacheInfo
    from itae_cluster.model.graph_store import KeptGraph

__all__ = ["cache"]

_HELP = """Look at the cache of embeddings, or empty it.

Examples:
    itae-cluster cache info
    itae-cluster cache prune --max-size 2G
"""
cache = typer.Typer(cls=Group, no_args_is_help=True, help=_HELP)


def _open_existing(folder: str | None, reporter: ConsoleReporter) -> Cache:
    from itae_cluster.core.cache import Cache, file_in

    path = file_in(folder)
    return Cache(path if os.path.exists(path) else None, reporter)


@cache.command(cls=Command)
def info(
    folder: given.CacheFolder = None,
    json_: given.JSON = False,
) -> None:
    """Show how large the cache is, and what it holds: vectors of which models, thumbnails, maps.

    Without --cache also the models that are kept in OpenVINO's format.

    Examples:
        itae-cluster cache info
        itae-cluster cache info --json
    """
    from itae_cluster.core.cache import file_in

    with ConsoleReporter(quiet=False, verbose=False) as reporter:
        store = _open_existing(folder, reporter)
        found = store.info()
        store.close()
    if json_:
        record = {**asdict(found), "path": file_in(folder)}
        record["recipes"] = [{**recipe, "vectors": n} for recipe, n in found.recipes]
        record["graphs"] = [{"path": kept.path, "bytes": kept.bytes} for kept in _graphs(folder)]
        print(json.dumps(record, indent=2))
        return
    _show(found, file_in(folder), _graphs(folder))


def _graphs(folder: str | None) -> list[KeptGraph]:
    """Of models for OpenVINO: they lie in the user's cache folder and in no other."""
    from itae_cluster.model.graph_store import list_graphs

    return list_graphs() if folder is None else []


def _show(found: CacheInfo, path: str, graphs: list[KeptGraph]) -> None:
    from rich.console import Console
    from rich.table import Table

    from itae_cluster.model.registry import MINI, MINI_VERSIONS

    table = Table(box=None, show_header=False)
    rows: list[tuple[str, Any]] = [
        ("file", printable(path)),
        ("size", f"{found.bytes / 1e6:.1f} MB"),
        ("vectors", found.vectors),
        ("thumbnails", found.thumbnails),
        ("maps", found.maps),
        ("files known", found.files),
        ("oldest use", f"{quantity(found.days, 'day')} ago"),
    ]
    for recipe, number in found.recipes:
        theta = theta_text(recipe["theta"])
        version = MINI_VERSIONS.get(recipe["weights_sha256"])
        weights = f"{recipe['weights_sha256'][:12]}…" + (f" ({MINI} {version})" if version else "")
        rows.append(
            (
                "of these",
                f"{number} by weights {weights}, theta {theta}, "
                f"{recipe['size']} pixels, {recipe['precision']}",
            )
        )
    for kept in graphs:
        weights, size = os.path.basename(kept.path).split("-")[:2]
        text = f"weights {weights[:12]}…, {size} pixels, {kept.bytes / 1e6:.1f} MB"
        rows.append(("for OpenVINO", text))
    for name, value in rows:
        table.add_row(name, str(value))
    Console(highlight=False, soft_wrap=True).print(table)


@cache.command(cls=Command)
def prune(
    max_size: Annotated[
        str,
        typer.Option(metavar="SIZE", help="How large the cache may be, such as 500M or 2G."),
    ],
    folder: given.CacheFolder = None,
    quiet: given.Quiet = False,
) -> None:
    """Drop what has not been used for longest, until the cache is no larger than SIZE.

    Examples:
        itae-cluster cache prune --max-size 2G
        itae-cluster cache prune --max-size 500M --quiet
    """
    wanted = given.parse_size("--max-size", max_size)
    with ConsoleReporter(quiet=quiet, verbose=False) as reporter:
        store = _open_existing(folder, reporter)
        dropped = store.prune(wanted)
        left = store.info()
        store.close()
        reporter.summary(
            f"{quantity(dropped, 'vector')} dropped, {left.vectors} left in "
            f"{left.bytes / 1e6:.1f} MB"
        )


@cache.command(cls=Command)
def clear(folder: given.CacheFolder = None, quiet: given.Quiet = False) -> None:
    """Remove the cache of embeddings; the weights of models and your pictures are left alone.

    Without --cache also the models that are kept in OpenVINO's format; they are made again.

    Examples:
        itae-cluster cache clear
        itae-cluster cache clear --cache ./my-cache
    """
    from itae_cluster.core.cache import file_in

    path = file_in(folder)
    with ConsoleReporter(quiet=quiet, verbose=False) as reporter:
        store = _open_existing(folder, reporter)
        vectors = store.info().vectors
        store.close()
        for file in (path, f"{path}-wal", f"{path}-shm"):
            try:
                os.unlink(file)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise OutputError(
                    f"cannot remove {printable(file)}: {error.strerror}; check its permissions"
                ) from error
        _remove_graphs(_graphs(folder))
        reporter.summary(f"{quantity(vectors, 'vector')} removed")


def _remove_graphs(graphs: list[KeptGraph]) -> None:
    from itae_cluster.model.graph_store import remove_graph

    for kept in graphs:
        remove_graph(kept.path)


@cache.command(cls=Command)
def path(folder: given.CacheFolder = None) -> None:
    """Print where the cache is, or would be.

    Examples:
        itae-cluster cache path
        du -h "$(itae-cluster cache path)"
    """
    from itae_cluster.core.cache import file_in

    print(file_in(folder))
