"""The Typer app: which commands there are."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from itae_cluster.cli.commands.apply import apply
from itae_cluster.cli.commands.attention import attention
from itae_cluster.cli.commands.cache import cache
from itae_cluster.cli.commands.calibrate import calibrate
from itae_cluster.cli.commands.cluster import cluster
from itae_cluster.cli.commands.demo import demo
from itae_cluster.cli.commands.edit import edit, move
from itae_cluster.cli.commands.embed import embed
from itae_cluster.cli.commands.evaluate import evaluate
from itae_cluster.cli.commands.find import find
from itae_cluster.cli.commands.info import info
from itae_cluster.cli.commands.models import models
from itae_cluster.cli.commands.plan import plan
from itae_cluster.cli.commands.preview import preview
from itae_cluster.cli.commands.regroup import merge, regroup, split
from itae_cluster.cli.commands.rename import rename
from itae_cluster.cli.commands.undo import undo
from itae_cluster.cli.commands.update import update
from itae_cluster.cli.group import Command, RootGroup, exit_codes
from itae_cluster.cli.interrupts import exit_code, leave, watch
from itae_cluster.cli.streams import flush_output, guard_streams
from itae_cluster.core import __version__

__all__ = ["app", "main"]

app = typer.Typer(
    name="itae-cluster",
    cls=RootGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
_SORT, _LOOK, _CHANGE = "Sort pictures", "Look", "Change a result"
_PAPER, _MODELS = "As in the paper", "Models and cache"
app.command(cls=Command, rich_help_panel=_SORT)(cluster)
app.command(cls=Command, rich_help_panel=_SORT)(plan)
app.command(cls=Command, rich_help_panel=_SORT)(apply)
app.command(cls=Command, rich_help_panel=_SORT)(update)
app.command(cls=Command, rich_help_panel=_SORT)(undo)
app.command(cls=Command, rich_help_panel=_LOOK)(preview)
app.command(cls=Command, rich_help_panel=_LOOK)(find)
app.command(cls=Command, rich_help_panel=_LOOK)(demo)
app.command(cls=Command, rich_help_panel=_LOOK)(attention)
app.command(cls=Command, rich_help_panel=_LOOK)(embed)
app.command(cls=Command, rich_help_panel=_CHANGE)(edit)
app.command(cls=Command, rich_help_panel=_CHANGE)(move)
app.command(cls=Command, rich_help_panel=_CHANGE)(rename)
app.command(cls=Command, rich_help_panel=_CHANGE)(merge)
app.command(cls=Command, rich_help_panel=_CHANGE)(split)
app.command(cls=Command, rich_help_panel=_CHANGE)(regroup)
app.command(cls=Command, rich_help_panel=_PAPER)(calibrate)
app.command("eval", cls=Command, rich_help_panel=_PAPER)(evaluate)
app.command(cls=Command, rich_help_panel=_MODELS)(info)
app.add_typer(models, name="models", rich_help_panel=_MODELS)
app.add_typer(cache, name="cache", rich_help_panel=_MODELS)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"itae-cluster {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            "-V",
            help="Print the version; 'itae-cluster info' tells more.",
            callback=_print_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Sort a folder of pictures into clusters of pictures that look alike.

    'cluster' is the default command; you can leave out its name.

    Examples:
        itae-cluster ./photos --k 20 --out ./sorted
        itae-cluster cluster --help
    """


def main() -> None:
    """Entry point of the command `itae-cluster`."""
    try:
        guard_streams()
        watch()
        _run()
    except KeyboardInterrupt:
        sys.exit(exit_code())  # before or after the command itself
    finally:
        leave()


def _run() -> None:
    """The command; then what it printed is on its way, or the exit code tells that it is not."""
    try:
        app()
    except SystemExit as ending:
        try:
            with exit_codes():
                flush_output()
        except typer.Exit as failed:
            sys.exit(ending.code or failed.exit_code)
        raise
