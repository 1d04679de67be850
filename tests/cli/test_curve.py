"""The plot of scores against k as text."""

from __future__ import annotations

import io

from rich.console import Console

from itae_cluster.cli.curve import print_curve
from itae_cluster.core.types import Choice


def printed(choice, encoding="utf-8", width=60):
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    print_curve(choice, Console(file=file, width=width))
    file.flush()
    return raw.getvalue().decode(encoding).splitlines()


def test_one_row_a_number_and_the_two_are_named():
    scores = ((2, 0.0), (3, 1.0), (4, 0.5), (10, 0.75))
    head, *rows = printed(Choice(3, None, 10, "score", 40, (3,), scores))
    assert head.split() == ["k", "score"]
    assert [row.split()[0] for row in rows] == ["2", "3", "4", "10"]
    lengths = [row.count("█") for row in rows]
    assert sorted(lengths) == [lengths[0], lengths[2], lengths[3], lengths[1]]
    assert rows[1].endswith("1.000 ◄ chosen")
    assert rows[3].endswith("0.750 ◄ finer")
    assert not rows[0].endswith("finer")


def test_of_several_searches_the_mean_is_shown():
    head, *_ = printed(Choice(3, None, None, "score", 40, (2, 3, 4), ((2, 0.0), (3, 1.0))))
    assert head.strip() == "k score, mean of 3 searches"


def test_never_more_than_20_rows_and_the_two_are_among_them():
    scores = tuple((k, 1 / k) for k in range(2, 300))
    rows = printed(Choice(97, 48, None, "score", 900, (97,), scores), encoding="ascii", width=50)[
        1:
    ]
    assert len(rows) <= 20
    named = [row.split()[0] for row in rows if "<" in row]
    assert named == ["48", "97"]
    assert max(map(len, rows)) <= 50
    assert "#" in rows[0]
