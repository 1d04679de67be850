"""Figures to tests/benchmarks/results.json, and from there to the table of docs/performance.md."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["PAGE", "RESULTS", "keep", "page_with", "page_with_table", "table"]

RESULTS = Path(__file__).with_name("results.json")
PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
BEGIN, END = "<!-- table: made by python tests/benchmarks -->", "<!-- end of table -->"


def keep(
    row: str, figures: Sequence[Figure], notes: Sequence[str], machine: Mapping[str, str]
) -> None:
    """Put a row's figures in the place of its earlier ones, and write the page anew."""
    results = _read()
    results["rows"][row] = {
        "measured": datetime.now(UTC).date().isoformat(),
        "machine": dict(machine),
        "figures": [asdict(figure) for figure in figures],
        "notes": list(notes),
    }
    RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    PAGE.write_text(page_with_table(), encoding="utf-8")


def page_with_table() -> str:
    """docs/performance.md with the table that belongs to the results."""
    return page_with(PAGE, BEGIN, table(_read()), END)


def page_with(page: Path, begin: str, text: str, end: str) -> str:
    """The page with `text` in place of what stands between two marks."""
    before, _, rest = page.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{text}{end}{after}"


def table(results: Mapping[str, Any]) -> str:
    """Markdown: what was measured, the figure, its range, its target, whether it is met."""
    lines = ["| | figure | from … to | target | met |", "|---|---|---|---|---|"]
    notes: list[str] = []
    machines: list[str] = []
    for _, row in sorted(results["rows"].items()):
        for entry in row["figures"]:
            lines.append(_line(Figure(**entry), notes))
        notes += row["notes"]
        about = [row["machine"][key] for key in ("processor", "memory", "system", "packages")]
        machines.append("; ".join([*about, f"measured {row['measured']}"]))
    said = [f"{number}. {note}" for number, note in enumerate(notes, start=1)]
    where = [f"Measured on: {text}." for text in dict.fromkeys(machines)]
    return "\n".join([*lines, "", *said, "", *where, ""])


def _line(figure: Figure, notes: list[str]) -> str:
    text = f"**{figure.row}** {figure.text}"
    if figure.remark:
        if figure.remark not in notes:
            notes.append(figure.remark)
        text += f" ({notes.index(figure.remark) + 1})"
    spread = ""
    if figure.low is not None and figure.high is not None:
        spread = f"{_number(figure.low)} … {_number(figure.high)}"
    target = ""
    if figure.target is not None:
        target = f"{'≥' if figure.at_least else '≤'} {_number(figure.target)}"
    met = {None: "", True: "yes", False: "**no**"}[figure.met]
    shown = f"{_number(figure.value)} {'×' if figure.unit == 'x' else figure.unit}"
    return f"| {text} | {shown} | {spread} | {target} | {met} |"


def _number(value: float) -> str:
    """Three digits, and as many nines as it takes to tell a share from 1."""
    if 0.99 < abs(value) < 1:
        return f"{value:.7f}".rstrip("0") if abs(value) > 0.9999 else f"{value:.4f}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def _read() -> dict[str, Any]:
    if not RESULTS.exists():
        return {"rows": {}}
    results: dict[str, Any] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return results
