"""Writes docs/cli.md from the command line itself.

python docs/generate_cli.py           writes the file
python docs/generate_cli.py --check   exits with 1 where the file is out of date
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from typer.main import get_command

from itae_cluster.cli import app

TARGET = Path(__file__).with_name("cli.md")
HEAD = """\
# Command line reference

Made by `docs/generate_cli.py` from the program itself; a test keeps it up to date. The same text
is in `itae-cluster COMMAND --help`. Exit codes: [exit-codes.md](exit-codes.md).

`itae-cluster PATHS... OPTIONS` is short for `itae-cluster cluster PATHS... OPTIONS`. A folder that
bears the name of a command is reached as `./cluster`.
"""


def render() -> str:
    """The whole page."""
    sections = [HEAD]
    root = get_command(app)
    for words, command in walk(root, ["itae-cluster"]):
        sections.append(section(words, command))
    return "\n".join(sections)


def walk(command: Any, words: list[str]) -> list[tuple[list[str], Any]]:
    """The command and everything below it, parents first."""
    found = [(words, command)]
    for name, child in getattr(command, "commands", {}).items():
        found += walk(child, [*words, name])
    return found


def section(words: list[str], command: Any) -> str:
    """One command: usage, description, arguments, options."""
    parameters = [p for p in command.params if p.name not in {"install_completion"}]
    arguments = [p for p in parameters if p.param_type_name == "argument"]
    options = [p for p in parameters if p.param_type_name == "option"]
    usage = [*words, *map(argument, arguments)]
    if options:
        usage.append("[OPTIONS]")
    if getattr(command, "commands", None):
        usage += ["COMMAND", "..."]
    lines = [f"## `{' '.join(words)}`", "", f"    {' '.join(usage)}", "", f"{explained(command)}\n"]
    if arguments or options:
        lines += ["| parameter | meaning | default |", "|---|---|---|"]
        lines += [row(p) for p in [*arguments, *options]]
        lines.append("")
    return "\n".join(lines)


def explained(command: Any) -> str:
    """The help text, its examples as a block of code."""
    text, _, examples = command.help.partition("Examples:\n\n")
    indented = "\n".join(f"    {line}" for line in examples.splitlines())
    return f"{text}{indented}"


def argument(parameter: Any) -> str:
    """How an argument is written."""
    return f"{parameter.metavar}{'...' if parameter.nargs == -1 else ''}"


def row(parameter: Any) -> str:
    """One table row."""
    if parameter.param_type_name == "argument":
        name = argument(parameter)
    else:
        name = ", ".join([*parameter.opts, *parameter.secondary_opts])
        if not parameter.is_flag:
            name = f"{name} {parameter.metavar}"
    default = parameter.default
    empty = default is None or default is False or default in ((), []) or callable(default)
    shown = "" if empty else f"`{default}`"
    cells = [f"`{name}`", " ".join((parameter.help or "").split()), shown]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    page = render()
    if "--check" in sys.argv:
        sys.exit(TARGET.read_text(encoding="utf-8") != page)
    TARGET.write_text(page, encoding="utf-8")
