"""The Typer app: which commands there are."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from itae_cluster import __version__
from itae_cluster.cli.commands.apply import apply
from itae_cluster.cli.commands.attention import attention
from itae_cluster.cli.commands.cache import cache
from itae_cluster.cli.commands.calibrate import calibrate
from itae_cluster.cli.commands.cluster import cluster
from itae_cluster.cli.commands.demo import demo
from itae_cluster.cli.commands.embed import embed
from itae_cluster.cli.commands.evaluate import evaluate
from itae_cluster.cli.commands.models import models
from itae_cluster.cli.commands.plan import plan
from itae_cluster.cli.commands.preview import preview
from itae_cluster.cli.commands.regroup import merge, split
from itae_cluster.cli.commands.rename import rename
from itae_cluster.cli.commands.undo import undo
from itae_cluster.cli.commands.update import update
from itae_cluster.cli.group import Command, RootGroup
from itae_cluster.cli.interrupts import exit_code, leave, watch

__all__ = ["app", "main"]

app = typer.Typer(
    name="itae-cluster",
    cls=RootGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(cls=Command)(cluster)
app.command(cls=Command)(plan)
app.command(cls=Command)(apply)
app.command(cls=Command)(undo)
app.command(cls=Command)(update)
app.command(cls=Command)(rename)
app.command(cls=Command)(merge)
app.command(cls=Command)(split)
app.command(cls=Command)(preview)
app.command(cls=Command)(embed)
app.command(cls=Command)(calibrate)
app.command("eval", cls=Command)(evaluate)
app.command(cls=Command)(attention)
app.command(cls=Command)(demo)
app.add_typer(models, name="models")
app.add_typer(cache, name="cache")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"itae-cluster {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Sort a folder of pictures into clusters.

    The main job, whose options 'itae-cluster cluster --help' explains:

        itae-cluster ./photos --k 20 --out ./sorted
    """


def main() -> None:
    """Entry point of the command `itae-cluster`."""
    try:
        watch()
        app()
    except KeyboardInterrupt:
        sys.exit(exit_code())  # before or after the command itself
    finally:
        leave()
