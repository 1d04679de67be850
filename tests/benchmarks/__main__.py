"""Measures and writes the table of docs/performance.md.

    python tests/benchmarks [ROW…] [--folder DIR] [--scratch DIR] [--peers DIR] [--quick] [--cuda]

Each row takes the place of its earlier figures in results.json beside this file; rows that are
not named keep theirs. `--render` only writes the page; `--quick` measures little, keeps nothing.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a folder, not as a module

from benchmarks import machine, report, rows
from benchmarks.context import Context

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = tuple(sorted(info.name for info in pkgutil.iter_modules(rows.__path__)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the rows asked for, one after the other."""
    parser = argparse.ArgumentParser(prog="python tests/benchmarks", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"all of: {', '.join(NAMES)}")
    parser.add_argument("--folder", help="photographs; made pictures by default")
    parser.add_argument("--scratch", help="a folder for files that may be kept for the next time")
    parser.add_argument("--peers", help="where environments of other tools are, or are made")
    parser.add_argument("--quick", action="store_true", help="see whether it runs; keep nothing")
    parser.add_argument("--render", action="store_true", help="write the page anew, and no more")
    parser.add_argument("--cuda", action="store_true", help="measure the row on CUDA alone")
    asked = parser.parse_args(arguments)
    if asked.cuda:
        asked.rows.append("cuda")
    unknown = set(asked.rows) - set(NAMES)
    if unknown:
        parser.error(f"no row {', '.join(sorted(unknown))}; choose from {', '.join(NAMES)}")
    if asked.render:
        report.PAGE.write_text(report.page_with_table(), encoding="utf-8")
        return
    with tempfile.TemporaryDirectory() as temporary:
        context = Context(asked.folder, asked.scratch or temporary, asked.peers, asked.quick)
        for name in asked.rows or NAMES:
            if name == "peers" and asked.peers is None and not asked.rows:
                print("peers: left out, since --peers DIR is not given")
                continue
            if name == "cuda" and not asked.rows:
                continue
            row = importlib.import_module(f"benchmarks.rows.{name}")
            figures, notes = row.measure(context)
            for figure in figures:
                print(f"{figure.row}: {figure.text}: {figure.value:.4g} {figure.unit}", flush=True)
            for note in notes:
                print(note, flush=True)
            if not asked.quick:
                report.keep(row.ROW, figures, notes, machine.describe())


if __name__ == "__main__":
    main()
