"""The root command: falls back to `cluster`, and turns every ending into an exit code.

Exit codes: 0 done, 1 error, 2 usage, 3 `--strict` and something was skipped, 4 another process is
at work there, 130 interrupted.
"""

from __future__ import annotations

import inspect
import os
import sys
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from itae_cluster.cli.interrupts import exit_code
from itae_cluster.core.errors import ItaeClusterError
from itae_cluster.core.text import printable

__all__ = ["DEFAULT_COMMAND", "Command", "Group", "RootGroup"]

DEFAULT_COMMAND = "cluster"
_INTERRUPTED = "interrupted; nothing was left half done"


class _Readable:
    """Help whose paragraphs flow, and whose options that take no value have no type beside them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.help = _flowing(getattr(self, "help", None))

    def get_params(self, ctx: Any) -> list[Any]:
        """Those of the command, flags with nothing to stand for a value."""
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for param in params:
            if getattr(param, "is_flag", False) and param.metavar is None:
                param.metavar = ""
        return params


def _flowing(text: str | None) -> str | None:
    """Without the line breaks of the source, but for those of an example, which is indented."""
    if text is None:
        return None
    blocks = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(
        block if block.startswith(" ") else " ".join(block.split()) for block in blocks
    )


class Command(_Readable, TyperCommand):
    """A command."""


class Group(_Readable, TyperGroup):
    """A command of commands."""


class RootGroup(Group):
    """`itae-cluster PHOTOS …` means `itae-cluster cluster PHOTOS …`.

    Contexts are `Any`: newer Typer vendors Click, older takes it from its own package.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default command in front of anything that is no command or own option."""
        own = {option for param in self.get_params(ctx) for option in param.opts}
        if args and args[0].partition("=")[0] not in own | self.commands.keys():
            args = [DEFAULT_COMMAND, *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; the one place where errors become exit codes."""
        try:
            return super().invoke(ctx)
        except ItaeClusterError as error:
            _say(f"error: {error}")
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt as interrupt:
            _say(f"interrupted; {interrupt}" if interrupt.args else _INTERRUPTED)
            raise typer.Exit(exit_code()) from None
        except BrokenPipeError:
            # The reader has seen enough. What is still buffered goes nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None


def _say(message: str) -> None:
    print(printable(message), file=sys.stderr)
