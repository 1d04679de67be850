"""`itae-cluster models`: which models there are, and getting their weights."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from itae_cluster.cli import parameters as given
from itae_cluster.cli.group import Command, Group
from itae_cluster.cli.reporting import ConsoleReporter
from itae_cluster.core.options import theta_text

__all__ = ["models"]

models = typer.Typer(cls=Group, no_args_is_help=True, help="List models and get their weights.")

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="A model's name, such as vitb14.", autocompletion=given.complete_model
    ),
]


@models.command("list", cls=Command)
def list_(
    json_: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """List every model: width, depth, published theta, and where its weights are."""
    rows = _rows()
    if json_:
        print(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("model", "width", "depth", "registers", "theta", "weights", box=None)
    for row in rows:
        theta = theta_text(row["theta"])
        cells = [row[key] for key in ("name", "width", "depth", "registers")]
        table.add_row(*map(str, cells), theta, row["weights"] or "not here")
    Console(highlight=False).print(table)


def _rows() -> list[dict[str, Any]]:
    from itae_cluster.model.registry import VARIANTS
    from itae_cluster.model.store import find_checkpoint

    rows = []
    for variant in VARIANTS.values():
        found = find_checkpoint(variant)
        rows.append(
            {
                "name": variant.name,
                "width": variant.config.embed_dim,
                "depth": variant.config.depth,
                "registers": variant.config.registers,
                "theta": variant.theta,
                "weights": found.origin if found else None,
                "path": found.path if found else None,
            }
        )
    return rows


@models.command(cls=Command)
def fetch(
    name: Name,
    offline: given.Offline = False,
    quiet: given.Quiet = False,
    verbose: given.Verbose = False,
) -> None:
    """Download a model's weights into the cache, unless they are here; print their path."""
    from itae_cluster.model import acquire

    with ConsoleReporter(quiet=quiet, verbose=verbose) as reporter:
        found = acquire.fetch(name, offline=offline, reporter=reporter)
    print(found.path)


@models.command("import", cls=Command)
def import_(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="A checkpoint: official, transformers or timm layout."),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The model it is; found out where not given.",
            autocompletion=given.complete_model,
        ),
    ] = None,
    quiet: given.Quiet = False,
) -> None:
    """Take a checkpoint file that came another way into the cache; print where it is now."""
    from itae_cluster.model import acquire

    with ConsoleReporter(quiet=quiet, verbose=False) as reporter:
        reporter.progress("Importing", 0, None)
        variant, path = acquire.import_checkpoint(file, model)
        reporter.summary(f"imported as {variant.name}")
    print(path)


@models.command(cls=Command)
def path(name: Name) -> None:
    """Print where a model's weights are; an error where they are not here."""
    from itae_cluster.core.errors import WeightsError
    from itae_cluster.model.registry import variant
    from itae_cluster.model.store import find_checkpoint

    found = find_checkpoint(variant(name))
    if found is None:
        raise WeightsError(f"{name} is not here; get it with 'itae-cluster models fetch {name}'")
    print(found.path)
