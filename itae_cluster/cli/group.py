"""The root command: falls back to `cluster`, and turns every ending into an exit code.

Exit codes: 0 done, 1 error, 2 usage, 3 `--strict` and something was skipped, 4 another process is
at work there, 130 interrupted.
"""

from __future__ import annotations

import inspect
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

from itae_cluster.cli.interrupts import exit_code
from itae_cluster.cli.libraries import explain
from itae_cluster.cli.mistakes import ClickUsageError, check_command, nearest, reword
from itae_cluster.core.errors import ItaeClusterError, UsageError
from itae_cluster.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DEFAULT_COMMAND", "GENERAL", "Command", "Group", "RootGroup", "exit_codes"]

DEFAULT_COMMAND = "cluster"
GENERAL = "General"
"""The help panel of what every command takes."""
_RAY = "--ray"
_INTERRUPTED = "interrupted; nothing was left half done"


class _Readable:
    """Help whose paragraphs flow; mistakes on the command line as one line.

    Contexts are `Any`: newer Typer vendors Click, older takes it from its own package.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.help = _reflow(getattr(self, "help", None))

    def get_params(self, ctx: Any) -> list[Any]:
        """Those of the command; flags have no type, arguments their name alone.

        `--help` stands with the general options, where there are some.
        """
        params: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        panels = {getattr(param, "rich_help_panel", None) for param in params}
        for param in params:
            if getattr(param, "is_flag", False) and param.metavar is None:
                param.metavar = ""
            if param.param_type_name == "argument":
                param.display_type_rich = _no_type  # <list[str]> is a word for programmers
            if param.name == "help" and GENERAL in panels:
                param.rich_help_panel = GENERAL
        return params

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As Click does it, but for the words of an error."""
        with _reword_mistakes(ctx):
            parsed: list[str] = super().parse_args(ctx, _fill_ray(args))  # type: ignore[misc]
            return parsed


def _fill_ray(args: list[str]) -> list[str]:
    """`--ray` without an address as `--ray=auto`: Typer knows no option with or without a value."""
    filled = list(args)
    for place, (word, after) in enumerate(zip(args, [*args[1:], ""], strict=False)):
        if word == "--":
            break
        if word == _RAY and after != "auto" and not after.startswith("ray://"):
            filled[place] = f"{_RAY}=auto"
    return filled


def _no_type(ctx: Any) -> None:
    """The type beside the name of an argument: none."""


@contextmanager
def _reword_mistakes(ctx: Any) -> Iterator[None]:
    try:
        yield
    except ClickUsageError as mistake:
        if type(mistake).__name__ == "NoArgsIsHelpError":  # the help itself
            raise
        parents = [] if ctx.parent is None else ctx.parent.command.get_params(ctx.parent)
        options = [name for param in parents for name in param.opts]
        raise reword(mistake, ctx, options) from None


def _reflow(text: str | None) -> str | None:
    """Without the line breaks of the source, but for those of the examples at its end."""
    if text is None:
        return None
    blocks = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(
        block.replace(":\n", ":\n\n").replace("\n    ", "\n")
        if block.startswith("Examples:")
        else " ".join(block.split())
        for block in blocks
    )


class Command(_Readable, TyperCommand):
    """A command whose help flows and whose mistakes are told in our words."""


class Group(_Readable, TyperGroup):
    """The same with commands of its own, such as `cache`; a mistyped one is told."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the first word names; a mistyped one is an error of one line."""
        if args[0] not in self.commands and not args[0].startswith("-"):
            meant = nearest(args[0], self.commands)
            hint = f"see '{ctx.command_path} --help'"
            if meant is not None:
                hint = f"did you mean '{ctx.command_path} {meant}'?"
            raise UsageError(f"no such command: {printable(args[0])}; {hint}")
        with _reword_mistakes(ctx):
            return super().resolve_command(ctx, args)


class RootGroup(Group):
    """`itae-cluster PHOTOS …` means `itae-cluster cluster PHOTOS …`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default command in front of anything that is no command or own option."""
        own = {option for param in self.get_params(ctx) for option in param.opts}
        with exit_codes():
            if args and args[0].partition("=")[0] not in own | self.commands.keys():
                check_command(args[0], self.commands)
                args = [DEFAULT_COMMAND, *args]
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; an error becomes one line and an exit code."""
        with exit_codes():
            return super().invoke(ctx)


@contextmanager
def exit_codes() -> Iterator[None]:
    """The one place where errors become exit codes, and one line on standard error."""
    try:
        yield
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
    except (ValueError, ImportError, MemoryError, OSError) as error:
        line = explain(error)
        if line is None:
            raise
        _say(f"error: {line}")
        raise typer.Exit(ItaeClusterError.exit_code) from None


def _say(message: str) -> None:
    print(printable(message), file=sys.stderr)
