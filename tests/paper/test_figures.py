"""Figures as their reader sees them: words and lines of the SVG, pixels of the PNG."""

from __future__ import annotations

import os
import re

import matplotlib
import numpy as np
import pytest
from PIL import Image

from itae_cluster.core.errors import OutputError, UsageError
from itae_cluster.paper.figures import TokenMap, TokenSample, draw_attention, draw_norms, draw_sweep
from itae_cluster.paper.figures.attention import OUTLINE
from itae_cluster.paper.figures.chart import ARTIFACTS, PATCHES, REGISTERS, THETA
from itae_cluster.paper.figures.maps import outline
from itae_cluster.paper.sweep import SweepPoint

RNG = np.random.default_rng(0)
NORMS = {
    "query_norms": np.concatenate([RNG.normal(4.4, 0.3, 2000), RNG.normal(2.1, 0.2, 90)]),
    "output_norms": RNG.normal(50, 9, 2090),
    "register_query_norms": RNG.normal(2.3, 0.2, 40),
    "register_output_norms": RNG.normal(80, 5, 40),
    "attention_artifacts": RNG.beta(2, 60, 130),
    "attention_normal": RNG.beta(1, 400, 2000),
}
NONE = np.zeros(0, np.float32)


def norms(path, theta=3.0, valley=2.75, **tokens):
    tokens = TokenSample(**{**NORMS, **tokens})
    draw_norms(path, tokens, theta=theta, valley=valley, title="vitb14")


def words(path):
    """The lines of text in an SVG: matplotlib draws outlines and names them in comments."""
    with open(path, encoding="utf-8") as file:
        return [text.strip() for text in re.findall(r"<!--(.*?)-->", file.read(), re.S)]


def source(path):
    with open(path, "rb") as file:
        return file.read()


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def has(array, colour):
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return (array == wanted).all(axis=-1)


def panel(path="photos/a.png", registers=0, width=40, height=30, marked=((1, 1), (1, 2))):
    """A picture of 4 × 4 patches; the marked ones hold 40 % of the attention, then nothing."""
    artifacts = np.zeros((4, 4), bool)
    for place in marked:
        artifacts[place] = True
    attention = np.full((4, 4), 0.02, np.float32)
    attention[artifacts] = 0.2
    after = np.where(artifacts, np.float32(0), attention)
    extra = np.full(1 + registers, 0.01, np.float32)
    return TokenMap(
        path=path,
        pixels=np.full((8, 8, 3), (200, 30, 90), np.uint8),
        width=width,
        height=height,
        attention=np.concatenate([extra, attention.ravel()]),
        attenuated=np.concatenate([extra, after.ravel()]),
        artifacts=np.concatenate([np.zeros(1 + registers, bool), artifacts.ravel()]),
        registers=registers,
    )


DRAWINGS = {
    "norms": norms,
    "sweep": lambda path: draw_sweep(path, [point(1, acc=0.5), point(2, acc=0.6)], "t"),
    "attention": lambda path: draw_attention(path, [panel(registers=4)], 3.0),
}


@pytest.mark.parametrize("suffix", ["png", "svg"])
@pytest.mark.parametrize("name", DRAWINGS)
def test_the_same_data_give_the_same_bytes(tmp_path, name, suffix):
    first, second = (str(tmp_path / f"{i}.{suffix}") for i in range(2))
    DRAWINGS[name](first)
    with matplotlib.rc_context({"font.size": 31, "axes.edgecolor": "red", "axes.grid": True}):
        DRAWINGS[name](second)  # a user's own matplotlibrc changes nothing
    assert source(first) == source(second)
    assert sorted(os.listdir(tmp_path)) == [f"0.{suffix}", f"1.{suffix}"]


@pytest.mark.parametrize("name", DRAWINGS)
def test_where_a_figure_cannot_go(tmp_path, name):
    there = tmp_path / "there.png"
    there.write_bytes(b"mine")
    for path, error, message in (
        (there, OutputError, "there.png exists; choose another name or remove it first"),
        (tmp_path / "a.pdf", UsageError, "a picture file that ends in .png or .svg"),
        (tmp_path / "a", UsageError, "a picture file that ends in .png or .svg"),
        (tmp_path / "no" / "a.png", OutputError, "is not a folder you can write to"),
    ):
        with pytest.raises(error, match=message):
            DRAWINGS[name](str(path))
    assert there.read_bytes() == b"mine"
    assert os.listdir(tmp_path) == ["there.png"]


def test_a_dangling_link_is_not_written_through(tmp_path):
    os.symlink(tmp_path / "elsewhere.png", tmp_path / "link.png")
    with pytest.raises(OutputError, match="exists"):
        DRAWINGS["sweep"](str(tmp_path / "link.png"))
    assert os.listdir(tmp_path) == ["link.png"]


def test_an_svg_refers_only_to_what_it_defines(tmp_path):
    for name, draw in DRAWINGS.items():
        path = str(tmp_path / f"{name}.svg")
        draw(path)
        text = source(path).decode()
        defined = re.findall(r'\bid="([^"]+)"', text)
        used = set(re.findall(r'(?:href="|url\()#([^")]+)', text))
        assert used <= set(defined)
        assert len(defined) == len(set(defined))
        assert used


# Fig. 2 and 3 --------------------------------------------------------------------------------


def test_norms_say_what_they_show(tmp_path):
    path = str(tmp_path / "norms.svg")
    norms(path)
    shown = words(path)
    for text in (
        "vitb14",
        "patches (2,090)",
        "registers (40)",
        "θ = 3",
        "valley = 2.75",
        "artifact tokens (130)",
        "normal tokens (2,000)",
    ):
        assert text in shown
    text = source(path).decode()
    assert all(f"stroke: {ink}" in text for ink in (PATCHES, REGISTERS, ARTIFACTS, THETA))


def test_theta_stands_where_it_belongs(tmp_path):
    """The line's share of the axis, read off the pixels, is θ's."""
    path = str(tmp_path / "norms.png")
    norms(path, valley=None, register_query_norms=NONE)
    columns = has(pixels(path)[190:660, 150:960], THETA).sum(axis=0)
    low, high = NORMS["query_norms"].min(), NORMS["query_norms"].max()
    margin = 0.02 * (high - low)
    expected = (3.0 - low + margin) / (high - low + 2 * margin)
    assert np.argmax(columns) / 810 == pytest.approx(expected, abs=0.004)
    assert columns.max() > 440


def test_without_artifacts_the_panel_says_so(tmp_path):
    nothing = {"attention_artifacts": NONE, "valley": None}
    off, none = str(tmp_path / "off.svg"), str(tmp_path / "none.svg")
    norms(off, theta=None, **nothing)
    norms(none, theta=9.0, **nothing)
    assert "no artifact tokens: θ is off" in words(off)
    assert THETA not in source(off).decode()
    assert ARTIFACTS not in source(off).decode()
    assert "no artifact tokens: all tokens lie on one side of θ = 9" in words(none)
    assert "θ = 9 (outside)" in words(none)


def test_norms_without_registers_and_of_few_or_equal_values(tmp_path):
    for number, values in enumerate([NONE, np.ones(1), np.full(9, 2.0), np.array([np.nan, 1.0])]):
        path = str(tmp_path / f"{number}.svg")
        few = {key: values for key in NORMS if key.endswith("norms")}
        norms(path, **few, attention_normal=NONE, attention_artifacts=NONE)
        assert ("no tokens" in words(path)) == (not len(values))
    path = str(tmp_path / "plain.svg")
    norms(path, register_query_norms=NONE, register_output_norms=NONE)
    assert not any("registers" in text for text in words(path))
    assert REGISTERS not in source(path).decode()


# Fig. 5 --------------------------------------------------------------------------------------


def point(theta, share=0.0, **scores):
    return SweepPoint(theta=theta, share=share, pictures=0.0, **scores)


def test_a_sweep_has_a_line_for_each_score_that_is_there(tmp_path):
    path = str(tmp_path / "sweep.svg")
    points = [
        point(t, t / 8, silhouette=-0.1 * t, acc=1 - abs(t - 3) / 5) for t in (1.0, 2.0, 3.0, 4.0)
    ]
    draw_sweep(path, points, "Fig. 5")
    shown = words(path)
    assert {"Fig. 5", "θ", "tokens attenuated", "silhouette", "ACC", "−0.4"} <= set(shown)
    assert not {"stability", "ARI", "NMI", "off"} & set(shown)


def test_a_sweep_rings_the_best_and_keeps_its_order(tmp_path):
    path, shuffled = str(tmp_path / "0.png"), str(tmp_path / "1.png")
    points = [point(float(t), acc=acc) for t, acc in ((1, 0.2), (2, 0.9), (3, 0.4))]
    draw_sweep(path, points, "t")
    draw_sweep(shuffled, points[::-1], "t")
    assert source(path) == source(shuffled)
    blue = has(pixels(path)[130:970, 130:1600], PATCHES)

    def ringed(x, y):
        above = blue[y - 14 : y - 9, x - 1 : x + 2]  # 17 points across are 12 pixels up
        return bool(above.any())

    assert ringed(735, 104)  # θ = 2, ACC 0.9
    assert not ringed(1428, 504)  # θ = 3, ACC 0.4
    assert blue[504, 1428]


def test_theta_off_stands_alone(tmp_path):
    path = str(tmp_path / "sweep.svg")
    draw_sweep(path, [point(None, 0.0, acc=0.5), point(1.0, 0.1, acc=0.6)], "t")
    assert "off" in words(path)
    empty = str(tmp_path / "empty.svg")
    draw_sweep(empty, [], "t")
    assert "nothing was swept" in words(empty)


# Fig. 4 --------------------------------------------------------------------------------------


def test_attention_says_what_it_shows(tmp_path):
    path = str(tmp_path / "a.svg")
    draw_attention(path, [panel(registers=2)], 2.5, subtitle="vitb14")
    shown = words(path)
    assert "θ = 2.5 · vitb14" in shown
    assert "photos/a.png" in shown
    facts = "θ = 2.5 · 2 artifacts of 18 tokens · share of attention 40.00% before, 0.00% after"
    assert facts in shown
    assert shown.count("reg") == 2
    assert {"picture", "before ITAE", "after ITAE", "20.00%"} <= set(shown)


def test_without_a_theta_or_artifacts_the_map_is_drawn_and_says_why(tmp_path):
    off, none = str(tmp_path / "off.svg"), str(tmp_path / "none.svg")
    draw_attention(off, [panel(marked=())], None)
    draw_attention(none, [panel(marked=())], 9.0)
    assert "θ is off: no token is marked" in words(off)
    assert "0 artifacts: every token lies on one side of θ = 9 (Eq. 3)" in words(none)
    assert source(off).count(b"<image") >= 1


def test_both_maps_share_one_scale_and_outline_the_artifacts(tmp_path):
    path = str(tmp_path / "a.png")
    draw_attention(path, [panel(width=30, height=30)], 2.5)
    array = pixels(path)
    side, step, left, top = 480, 502, 48, 244
    assert has(array[top : top + side, left : left + side], "#c81e5a").mean() > 0.95
    before = array[top : top + side, left + step : left + step + side]
    after = array[top : top + side, left + 2 * step : left + 2 * step + side]
    viridis = matplotlib.colormaps["viridis"]
    cell = side // 4

    def seen(where, row, column):
        return tuple(where[row * cell + cell // 2, column * cell + cell // 2])

    def expected(share):
        return viridis(np.sqrt([share / 0.2]), bytes=True)[0, :3]

    assert seen(before, 1, 1) == pytest.approx(expected(0.2), abs=1)
    assert seen(after, 1, 1) == pytest.approx(expected(0.0), abs=1)
    for where in (before, after):
        assert seen(where, 3, 0) == pytest.approx(expected(0.02), abs=2)
        rows, columns = np.nonzero(has(where, OUTLINE))
        assert (rows.min() / cell, rows.max() / cell) == pytest.approx((1, 2), abs=0.03)
        assert (columns.min() / cell, columns.max() / cell) == pytest.approx((1, 3), abs=0.03)
        # One outline around both, and none between them.
        assert not has(where, OUTLINE)[cell + 20 : 2 * cell - 20, 2 * cell - 9 : 2 * cell + 9].any()


def test_registers_have_a_strip_and_their_own_outline(tmp_path):
    item = panel(registers=4, width=30, height=30, marked=())
    item.artifacts[1] = True
    path = str(tmp_path / "a.png")
    draw_attention(path, [item], 2.5)
    array = has(pixels(path)[244:724], OUTLINE)
    left = 48 + 480 + 22 + 480  # the end of the first map
    assert array[:45, left : left + 55].any()
    assert not array[60:, :].any()
    assert not array[:, : left - 5].any()


def test_many_pictures_make_two_columns_in_their_own_shapes(tmp_path):
    path = str(tmp_path / "a.png")
    shapes = [(30, 30), (90, 30), (30, 90), (1000, 1), (1, 1000)]
    draw_attention(path, [panel(width=w, height=h) for w, h in shapes], 2.5)
    array = has(pixels(path), "#c81e5a")
    width = 2272
    assert array.shape[1] == width
    left = array[:, : width // 2].any(axis=0).sum()
    right = array[:, width // 2 :].any(axis=0).sum()
    assert left == pytest.approx(300, abs=2)  # square pictures and the first column
    assert right == pytest.approx(300, abs=2)


EVIL = ["$x_1$ \\frac.png", "a\x1b[31m\n\u202e.png", "bad\udcff\U000e0001漢.png", "--><script>.png"]


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_names_are_shown_and_do_nothing(tmp_path, suffix):
    path = str(tmp_path / f"a.{suffix}")
    draw_attention(path, [panel(name) for name in [*EVIL, "x/" * 400 + "end.png"]], 2.5)
    if suffix == "svg":
        from xml.etree import ElementTree

        ElementTree.parse(path)
        shown = words(path)
        assert "$x_1$ \\frac.png" in shown
        assert "a\\x1b[31m\\n\\u202e.png" in shown
        assert "bad\\xff\\U000e0001\ufffd.png" in shown
        assert "end.png" in shown
        assert b"<script>" not in re.sub(rb"<!--.*?-->", b"", source(path), flags=re.S)
    else:
        assert pixels(path).std() > 10


@pytest.mark.parametrize("count", [1, 12, 24])
def test_sheets_of_every_size(tmp_path, count):
    path = str(tmp_path / "a.png")
    draw_attention(path, [panel(f"{i}.png", width=30, height=30) for i in range(count)], 2.5)
    shown = has(pixels(path), "#c81e5a")
    side = 480 if count == 1 else 300
    assert shown.sum() == pytest.approx(count * side**2, rel=0.02)


def test_the_outline_of_a_mask():
    assert len(outline(np.zeros((3, 3)))) == 0
    assert len(outline(np.ones((2, 3)))) == 2 * (2 + 3)
    one = {tuple(map(tuple, segment)) for segment in outline(np.array([[0, 1]])).tolist()}
    assert one == {((1, 0), (2, 0)), ((1, 1), (2, 1)), ((1, 0), (1, 1)), ((2, 0), (2, 1))}
