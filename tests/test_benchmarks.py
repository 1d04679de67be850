"""The table in docs/performance.md is the one that the results make, and the harness is honest."""

from __future__ import annotations

import hashlib
import importlib
import json
from pathlib import Path

import pytest

from benchmarks import report, timing
from benchmarks.__main__ import NAMES, main
from benchmarks.figure import Figure
from benchmarks.pictures import small_photos, sources
from benchmarks.timing import Ratio


def test_the_page_holds_the_table_of_the_results():
    assert report.PAGE.read_text(encoding="utf-8") == report.page_with_table()


def test_what_was_measured_belongs_to_a_row_and_says_where():
    results = json.loads(report.RESULTS.read_text(encoding="utf-8"))
    rows = {importlib.import_module(f"benchmarks.rows.{name}").ROW for name in NAMES}
    assert results["rows"].keys() <= rows
    for row in results["rows"].values():
        assert row["figures"]
        assert {"processor", "memory", "system", "packages"} <= row["machine"].keys()


@pytest.mark.parametrize(
    ("value", "target", "at_least", "met"),
    [(3.3, 3.2, True, True), (3.1, 3.2, True, False), (7, 8, False, True), (9, 8, False, False)],
)
def test_a_target_is_met_or_not(value, target, at_least, met):
    assert Figure("row", "text", value, target=target, at_least=at_least).met is met
    assert Figure("row", "text", value).met is None


def test_a_figure_becomes_a_line_with_its_remark_once():
    figure = Figure("Row", "what", 2.0, low=1.5, high=2.5, target=3, remark="why")
    row = {
        "figures": [vars(figure)] * 2,
        "notes": [],
        "machine": dict.fromkeys(("processor", "memory", "system", "packages"), "x"),
        "measured": "d",
    }
    lines = report.table({"rows": {"Row": row}}).splitlines()
    assert lines[2] == "| **Row** what (1) | 2 × | 1.5 … 2.5 | ≥ 3 | **no** |"
    assert lines.count("1. why") == 1


def test_pairs_change_places_and_the_median_is_taken(monkeypatch):
    calls = []
    clock = iter([0, 6, 0, 2, 0, 1, 0, 4, 0, 9, 0, 1])  # other/ours, ours/other, other/ours
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(clock))
    ratio = timing.paired(lambda: calls.append("o"), lambda: calls.append("u"), 3)
    assert "".join(calls) == "ou" + "ou" + "uo" + "ou"
    assert ratio == Ratio(4, 3, 9)


def test_made_pictures_all_differ(tmp_path):
    folder = small_photos(sources(None, str(tmp_path)), 70, str(tmp_path / "small"))
    files = [path for path in Path(folder).rglob("*") if path.is_file()]
    assert len({hashlib.sha256(path.read_bytes()).digest() for path in files}) == 70


def test_a_child_that_fails_is_no_measurement():
    with pytest.raises(RuntimeError, match="ended with 1"):
        timing.child("benchmarks.scaling", "nonsense", 10)


def test_an_unknown_row_is_named(capsys):
    with pytest.raises(SystemExit):
        main(["nonsense"])
    assert "nonsense" in capsys.readouterr().err


@pytest.mark.slow
def test_a_row_runs(capsys):
    before = report.RESULTS.read_bytes()
    main(["sweep", "--quick"])
    assert "cost of a plain pass" in capsys.readouterr().out
    assert report.RESULTS.read_bytes() == before
