"""Mistyped words: an error of Click's becomes one line that names what was probably meant.

Typer vendors Click from 0.27 on, and takes it from its own package before. So Click's classes are
reached through the one that Typer has always given out, and their details by name.
"""

from __future__ import annotations

import os
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import typer

from itae_cluster.core.errors import UsageError
from itae_cluster.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ClickUsageError", "check_command", "nearest", "reword"]

ClickUsageError: Any = typer.BadParameter.__base__
"""What Click raises for every mistake on the command line."""

_CLOSE = 0.6  # of difflib; clutser and cluster have 0.86, mvoe and move 0.75


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The one of `known` that is most like `word`; None where none is like it."""
    by_letters = {each.lower(): each for each in known}
    found = get_close_matches(word.lower(), by_letters, n=1, cutoff=_CLOSE)
    return by_letters[found[0]] if found else None


def check_command(word: str, commands: Iterable[str]) -> None:
    """Raise `UsageError` where a word that is no path is nearly the name of a command."""
    if os.path.lexists(word):
        return
    meant = nearest(word, commands)
    if meant is not None:
        raise UsageError(
            f"no such command, file or folder: {printable(word)}; "
            f"did you mean 'itae-cluster {meant}'?"
        )


def reword(mistake: Any, context: Any, options: Iterable[str] = ()) -> UsageError:
    """Click's error as ours.

    Args:
        mistake: what Click raised.
        context: Click's context of the command.
        options: more options that may have been meant.
    """
    kind = type(mistake).__name__
    help_line = f"see '{context.command_path} --help'"
    if kind == "NoSuchOption":
        return UsageError(_no_such_option(mistake, context, options, help_line))
    if kind == "MissingParameter" and mistake.param is not None:
        return UsageError(f"{_name(mistake.param)} is missing; {help_line}")
    if kind == "BadOptionUsage":
        return UsageError(_without_value(mistake, context, help_line))
    if getattr(mistake, "param", None) is not None:
        return UsageError(_bad_value(mistake, help_line))
    return UsageError(f"{_plain(mistake.format_message())}; {help_line}")


def _no_such_option(mistake: Any, context: Any, options: Iterable[str], help_line: str) -> str:
    own = [name for param in context.command.get_params(context) for name in param.opts]
    given = printable(mistake.option_name)
    meant = nearest(given, [name for name in (*own, *options) if name.startswith("--")])
    hint = help_line if meant is None else f"did you mean {meant}?"
    return f"no such option: {given}; {hint}"


def _without_value(mistake: Any, context: Any, help_line: str) -> str:
    for param in context.command.get_params(context):
        if mistake.option_name in param.opts and param.metavar:
            return f"{mistake.option_name} needs a value: {mistake.option_name} {param.metavar}"
    return f"{_plain(mistake.format_message())}; {help_line}"


def _bad_value(mistake: Any, help_line: str) -> str:
    name = _name(mistake.param)
    choices = re.search(r"'(.*?)' is not one of (.+)", mistake.message, re.DOTALL)
    if choices:
        known = re.findall(r"'([^']+)'", choices[2])
        given, meant = printable(choices[1]), nearest(choices[1], known)
        question = "" if meant is None else f"did you mean {meant}? "
        return (
            f"{name} {given}: {question}{'C' if question else 'c'}hoose one of {_join_words(known)}"
        )
    if "valid integer" in mistake.message:
        return f"{name} takes a whole number; {help_line}"
    return f"{name}: {_plain(mistake.message)}; {help_line}"


def _join_words(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _name(param: Any) -> str:
    """`--out` or `OUT`: what a user would write."""
    if param.param_type_name == "argument":
        return str(param.metavar or param.name.upper())
    return next((str(name) for name in param.opts if name.startswith("--")), str(param.opts[0]))


def _plain(message: str) -> str:
    """One line without its full stop, and without a capital where it goes on after a colon."""
    line = " ".join(printable(message.replace("\n", " ")).split()).removesuffix(".")
    return line[:1].lower() + line[1:]
