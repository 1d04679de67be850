"""`itae-cluster models`: which models there are, and getting their weights."""

from __future__ import annotations

import json
import os
from typing import Annotated, Any

import typer

from itae_cluster.cli import parameters as given
from itae_cluster.cli.group import Command, Group
from itae_cluster.cli.reporting import ConsoleReporter
from itae_cluster.core.errors import UsageError
from itae_cluster.core.options import theta_text
from itae_cluster.core.text import printable

__all__ = ["models"]

_HELP = """List the models, and get their weights.

Examples:
    itae-cluster models list
    itae-cluster models fetch vitb14
"""
models = typer.Typer(cls=Group, no_args_is_help=True, help=_HELP)

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="A model's name, such as vitb14.", autocompletion=given.complete_model
    ),
]


@models.command("list", cls=Command)
def list_(
    json_: given.JSON = False,
) -> None:
    """List every model: its width, depth and published theta, and where its weights are.

    Examples:
        itae-cluster models list
        itae-cluster models list --json
    """
    rows = _rows()
    if json_:
        print(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("model", "width", "depth", "registers", "theta", "weights", box=None)
    for row in rows:
        theta = theta_text(row["theta"])
        name = " ".join(str(row[key]) for key in ("name", "version") if row[key])
        cells = [row[key] for key in ("width", "depth", "registers")]
        table.add_row(name, *map(str, cells), theta, row["weights"] or "not here")
    Console(highlight=False).print(table)


def _rows() -> list[dict[str, Any]]:
    from itae_cluster.model.registry import MINI, MINI_VERSIONS, VARIANTS
    from itae_cluster.model.store import find_checkpoint

    rows = []
    for variant in VARIANTS.values():
        found = find_checkpoint(variant)
        rows.append(
            {
                "name": variant.name,
                "version": max(MINI_VERSIONS.values()) if variant.name == MINI else None,
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
    """Download the weights of a model, unless they are here already, and print their path.

    Examples:
        itae-cluster models fetch vitb14
        itae-cluster models fetch vitl14-reg --quiet
    """
    from itae_cluster.model import acquire

    with ConsoleReporter(quiet=quiet, verbose=verbose) as reporter:
        found = acquire.fetch(name, offline=offline, reporter=reporter)
    print(found.path)


@models.command("import", cls=Command)
def import_(
    file: Annotated[
        str,
        typer.Argument(metavar="FILE", help="A file in the official, transformers or timm layout."),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Which model it is. Default: recognised by its shape.",
            autocompletion=given.complete_model,
            show_default=False,
        ),
    ] = None,
    quiet: given.Quiet = False,
) -> None:
    """Add a checkpoint file that you downloaded yourself, and print where it is now.

    Examples:
        itae-cluster models import dinov2_vitb14_pretrain.pth
        itae-cluster models import model.safetensors --model vitl14
    """
    if not os.path.isfile(file):
        raise UsageError(f"no such file: {printable(file)}; check the path")
    from itae_cluster.model import acquire

    with ConsoleReporter(quiet=quiet, verbose=False) as reporter:
        reporter.progress("Importing", 0, None)
        variant, path = acquire.import_checkpoint(file, model)
        reporter.summary(f"imported as {variant.name}")
    print(path)


@models.command(cls=Command)
def path(name: Name) -> None:
    """Print where the weights of a model are; fails if they are not on this machine.

    Examples:
        itae-cluster models path mini
        itae-cluster --weights "$(itae-cluster models path vitb14)" ./photos
    """
    from itae_cluster.core.errors import WeightsError
    from itae_cluster.model.registry import variant
    from itae_cluster.model.store import find_checkpoint

    found = find_checkpoint(variant(name))
    if found is None:
        raise WeightsError(f"{name} is not here; get it with 'itae-cluster models fetch {name}'")
    print(found.path)
