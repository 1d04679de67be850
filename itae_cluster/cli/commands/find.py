"""`itae-cluster find OUT WORD…`: which pictures show something."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from itae_cluster.cli import parameters as given
from itae_cluster.cli.output import write_found
from itae_cluster.core.errors import InputError, UsageError
from itae_cluster.core.text import printable

__all__ = ["find"]


def find(
    out: Annotated[
        str,
        typer.Argument(
            metavar="OUT", help="A result, or a vector file of mini's that 'embed' wrote."
        ),
    ],
    words: Annotated[
        list[str],
        typer.Argument(metavar="WORD…", help="What is looked for: dog, garbage truck, vehicle."),
    ],
    perhaps: Annotated[
        bool,
        typer.Option("--perhaps", "-p", help="Also pictures that are less sure than not."),
    ] = False,
    null: Annotated[bool, typer.Option("--null", "-0", help="End each path with NUL.")] = False,
    json_: given.JSON = False,
) -> None:
    """Print the paths of pictures that show something, the surest first.

    The bundled mini knows a thousand things, and the words above them: 'vehicle' finds trucks and
    bicycles. Several things must all be there. The exit code is 1 where nothing is found.

    Examples:
        itae-cluster find ./sorted dog
        itae-cluster find ./sorted vehicle -0 | xargs -0 ls -l
    """
    if not os.path.exists(out):
        raise UsageError(f"no such folder or file: {printable(out)}; name a result of this tool")
    from itae_cluster.pipeline.find import find_shown

    text = " ".join(words)
    found = find_shown(out, text, perhaps=perhaps)
    write_found(found, null=null, json=json_)
    if not found:
        more = "try a wider word" if perhaps else "--perhaps lists the less sure ones"
        raise InputError(f"no picture seems to show {printable(text)!r}; {more}")
