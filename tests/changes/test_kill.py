"""A few real kills in every test run; `python tests/support/kill.py --times 200` for many."""

from __future__ import annotations

from support.kill import hits, kill


def test_no_kill_loses_a_picture():
    assert hits(kill(10)) >= 10
