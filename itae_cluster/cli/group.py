"""The root command: falls back to `cluster`, and turns every ending into an exit code.

Exit codes: 0 done, 1 error, 2 usage, 3 `--strict` and something was skipped, 4 another process is
at work there, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from itae_cluster.errors import ItaeClusterError
from itae_cluster.names import printable

__all__ = ["DEFAULT_COMMAND", "INTERRUPTED", "RootGroup"]

DEFAULT_COMMAND = "cluster"
INTERRUPTED = 130
_INTERRUPTED = "interrupted; nothing was left half done"


class RootGroup(TyperGroup):
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
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # The reader has seen enough. What is still buffered goes nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None


def _say(message: str) -> None:
    print(printable(message), file=sys.stderr)
