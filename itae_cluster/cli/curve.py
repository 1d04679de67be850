"""Scores against the number of clusters, one row a number: a small plot in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from itae_cluster.core.types import Choice

__all__ = ["print_curve"]

_MOST_ROWS = 20
_WIDEST = 60
_BLOCKS, _ASCII = ("█", "◄"), ("#", "<")


def print_curve(choice: Choice, console: Console) -> None:
    """Print at most 20 rows, small k first; the chosen k is named, and the coarser and finer.

    Rows are the best of all numbers that were tried and their surroundings: where there are more
    than fit, evenly many of the others are left out.

    Args:
        choice: the scores, two or more.
        console: where to print. Its width, its encoding and NO_COLOR are respected.
    """
    from rich.text import Text

    signs = _signs(console)
    rows = _choose_rows(choice)
    width = max(len(str(k)) for k in rows)
    bars = max(4, min(console.width, _WIDEST) - width - 20)
    searches = len(choice.found)
    score = f"{choice.criterion}, mean of {searches} searches" if searches > 1 else choice.criterion
    console.print(Text(f"{'k':>{width}} {score}", style="dim"), soft_wrap=True)
    for k in rows:
        console.print(_row(choice, k, width, bars, signs), soft_wrap=True)


def _row(choice: Choice, k: int, width: int, bars: int, signs: tuple[str, str]) -> Text:
    from rich.text import Text

    block, mark = signs
    scores = dict(choice.scores)
    low, high = min(scores.values()), max(scores.values())
    filled = 1 + round((bars - 1) * (scores[k] - low) / (high - low or 1))
    row = Text(f"{k:>{width}} ")
    row.append(block * filled, style="cyan")
    row.append(f"{' ' * (bars - filled)} {scores[k]:6.3f}")
    name = {choice.k: "chosen", choice.coarser: "coarser", choice.finer: "finer"}.get(k)
    if name:
        row.append(f" {mark} {name}", style="bold yellow")
    return row


def _choose_rows(choice: Choice) -> list[int]:
    """Numbers with a row, in order: as many as fit, those that are named among them."""
    tried = [k for k, _ in choice.scores]
    if len(tried) <= _MOST_ROWS:
        return tried
    named = {k for k in tried if k in (choice.k, choice.coarser, choice.finer)}
    steps = _MOST_ROWS - len(named)
    spread = {tried[round(i * (len(tried) - 1) / (steps - 1))] for i in range(steps)}
    return sorted(spread | named)


def _signs(console: Console) -> tuple[str, str]:
    try:
        "".join(_BLOCKS).encode(console.encoding)
    except UnicodeEncodeError:
        return _ASCII
    return _BLOCKS
