"""The histogram as text: exact rows, marks, registers, encodings, widths."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from itae_cluster.cli.histogram import print_histogram

SAMPLE = np.repeat([1.0, 1.5, 3.0, 3.5, 4.0], [3, 1, 20, 100, 7]).astype(np.float32)


def printed(norms, *, registers=None, lines=None, width=60, encoding="utf-8", **console):
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    print_histogram(
        np.asarray(norms),
        registers=registers,
        lines=lines or {},
        console=Console(file=file, width=width, **console),
    )
    file.flush()
    return raw.getvalue().decode(encoding)


def test_exact_rows():
    assert printed(SAMPLE, lines={"θ": 3.0, "valley": 2.25}) == (
        "1.0 █▎                                            3\n"
        "1.2                                               0\n"
        "1.4 ▍                                             1\n"
        "1.6                                               0\n"
        "1.8                                               0\n"
        "2.0                                               0\n"
        "2.2                                               0 ◄ valley\n"
        "2.4                                               0\n"
        "2.6                                               0\n"
        "2.8                                               0\n"
        "3.0 ████████▋                                    20 ◄ θ\n"
        "3.2                                               0\n"
        "3.4 ███████████████████████████████████████████ 100\n"
        "3.6                                               0\n"
        "3.8                                               0\n"
        "4.0 ███                                           7\n"
    )


def test_registers_are_set_apart():
    registers = SAMPLE < 1.2
    registers[-1] = True  # one of seven at 4.0
    assert printed(SAMPLE, registers=registers, width=40) == (
        "1.0 ░                                  3\n"
        "1.2                                    0\n"
        "1.4 ▍                                  1\n"
        "1.6                                    0\n"
        "1.8                                    0\n"
        "2.0                                    0\n"
        "2.2                                    0\n"
        "2.4                                    0\n"
        "2.6                                    0\n"
        "2.8                                    0\n"
        "3.0 ██████▍                           20\n"
        "3.2                                    0\n"
        "3.4 ████████████████████████████████ 100\n"
        "3.6                                    0\n"
        "3.8                                    0\n"
        "4.0 ██░                                7\n"
        "█ patches  ░ registers\n"
    )


def test_a_bell_looks_like_a_bell():
    norms = np.random.default_rng(0).normal(4, 0.3, 50_000)
    rows = printed(norms, width=80).splitlines()
    counts = [int(row.split()[-1]) for row in rows]
    eighths = {sign: size for size, sign in enumerate("▏▎▍▌▋▊▉█", start=1)}
    lengths = [sum(eighths.get(sign, 0) for sign in row) for row in rows]
    assert np.allclose(lengths, np.array(counts) * max(lengths) / max(counts), atol=1)
    assert sum(length > max(lengths) / 2 for length in lengths) < len(rows) / 2


def test_marks_stand_in_their_rows():
    rows = printed(SAMPLE, lines={"θ": 2.0, "valley": 2.34, "off": 9.0, "same": 9.1}).splitlines()
    marked = {row.split()[0]: row.split("◄ ")[1] for row in rows if "◄" in row}
    assert marked == {"2.0": "θ, valley", "9.0": "off, same"}


def test_a_mark_on_an_edge_stands_in_the_row_above_it():
    rows = printed(np.linspace(0, 1.5, 100), lines={"θ": 0.3}).splitlines()  # 0.3 / 0.1 < 3
    assert [row.split()[0] for row in rows if "◄ θ" in row] == ["0.3"]


def test_every_norm_is_counted_once_even_beyond_the_rows():
    norms = np.concatenate([np.random.default_rng(0).normal(4, 0.3, 50_000), [-90.0, 1000.0]])
    rows = printed(norms).splitlines()
    assert len(rows) <= 23
    assert sum(int(row.split()[-1]) for row in rows) == norms.size


@pytest.mark.parametrize("width", [20, 30, 60, 80, 200])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 12345.0])
def test_never_more_than_24_rows_nor_wider_than_80_columns(width, scale):
    norms = scale * np.random.default_rng(0).normal(4, 0.3, 5000)
    registers = norms < norms[0]
    rows = printed(norms, registers=registers, lines={"θ": 3.0 * scale}, width=width).splitlines()
    assert 8 <= len(rows) <= 24
    assert max(map(len, rows)) <= min(width, 80)


def test_ascii_where_blocks_cannot_be_shown():
    registers = SAMPLE < 1.2
    text = printed(SAMPLE, registers=registers, lines={"θ": 3.0, "Täler": 1.5}, encoding="ascii")
    assert text.isascii()
    assert "< theta" in text
    assert "< T?ler" in text
    assert "#" in text
    assert "o" in text.splitlines()[0]


def test_colour_on_a_terminal_only_and_none_with_no_color(monkeypatch):
    plain = printed(SAMPLE)
    assert "\x1b" not in plain
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[36m" in printed(SAMPLE, force_terminal=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[36m" not in printed(SAMPLE, force_terminal=True)


def test_names_are_no_markup():
    assert "◄ [red]" in printed(SAMPLE, lines={"[red]": 3.0})


def test_one_value_is_one_row_and_none_is_nothing():
    assert len(printed(np.full(9, 2.0)).splitlines()) == 1
    assert printed(np.array([])) == ""
