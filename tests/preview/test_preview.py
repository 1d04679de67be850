from __future__ import annotations

import base64
import dataclasses
import hashlib
import html
import io
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from itae_cluster.clustering.similarity import Similarity
from itae_cluster.core.errors import OutputError
from itae_cluster.core.text import printable
from itae_cluster.core.types import NOISE
from itae_cluster.drawing.layout import Box, Room, fit, to_unit_square
from itae_cluster.drawing.palette import NOISE_COLOUR, colour, ink_on
from itae_cluster.preview import (
    PreviewData,
    rows_to_show,
    write_contact_sheets,
    write_page,
    write_picture,
)
from itae_cluster.preview.atlas import Atlas, make_atlas
from itae_cluster.preview.build import draw_atlas
from itae_cluster.preview.page import SCRIPTS
from itae_cluster.preview.thumbnails import ByRow, ThumbnailFile
from support.fakes import RecordingReporter

EVIL = "</script><script>alert(1)</script><!--\u2028&.jpg"
ROOT = Path(__file__).parents[2]
VENDOR = "60681f52ee9e2005f98a0755b76faa696d68ad4c6b48a606b91623fbb8a61b35"
MAP_AREA = (0, 120, 1380, 1250)


def jpeg(rgb: tuple[int, int, int] = (10, 200, 30), size: tuple[int, int] = (80, 60)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, rgb).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def sample(n: int = 40, k: int = 4, noise: int = 0, **changes: Any) -> PreviewData:
    """`n` pictures in `k` blobs of falling size; the last `noise` belong to none."""
    random = np.random.default_rng(0)
    labels = np.sort(np.arange(n) % k).astype(np.int64)
    labels[n - noise :] = NOISE
    centres = random.uniform(-10, 10, (k, 2))
    data = PreviewData(
        coordinates=(centres[labels] + random.normal(0, 0.5, (n, 2))).astype(np.float32),
        labels=labels,
        names=tuple(f"folder/{index:03d}.jpg" for index in range(n)),
        distances=np.linspace(0, 1, n, dtype=np.float32),
        representatives={
            label: tuple(np.flatnonzero(labels == label)[:3].tolist()) for label in range(k)
        },
        folders={NOISE: "unclustered", **{label: f"cluster-{label:03d}" for label in range(k)}},
        thumbnails={index: jpeg() for index in range(n)},
        title="Holiday",
        subtitle=f"{n} pictures",
    )
    return dataclasses.replace(data, **changes)


@pytest.fixture
def picture(tmp_path):
    def draw(data: PreviewData) -> Image.Image:
        path = str(tmp_path / "preview.png")
        write_picture(data, path)
        with Image.open(path) as image:
            image.load()
            return image.convert("RGB")

    return draw


@pytest.fixture
def page(tmp_path):
    def render(data: PreviewData) -> str:
        path = str(tmp_path / "preview.html")
        write_page(data, path)
        with open(path, encoding="utf-8", newline="") as stream:
            return stream.read()

    return render


class Elements(HTMLParser):
    """The page as a browser's tokenizer sees it: tags with attributes, and raw texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append((self.tags[-1][0] if self.tags else "", data))


def payload(text: str) -> dict[str, Any]:
    found = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    assert len(found) == 1

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    value = json.loads(found[0], parse_constant=refuse)
    assert isinstance(value, dict)
    return value


def count_colour(image: Image.Image, hexadecimal: str) -> int:
    rgb = tuple(bytes.fromhex(hexadecimal[1:]))
    return int((np.asarray(image) == rgb).all(axis=2).sum())


# --- both files ---------------------------------------------------------------------------------


@pytest.mark.parametrize("write", [write_picture, write_page])
def test_same_data_same_bytes(write, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    write(sample(60, 5, 6), str(first))
    write(sample(60, 5, 6), str(second))
    assert first.read_bytes() == second.read_bytes()
    write(sample(60, 5, 7), str(second))
    assert first.read_bytes() != second.read_bytes()


@pytest.mark.parametrize("write", [write_picture, write_page])
def test_unwritable_path_is_one_line_with_a_remedy(write, tmp_path):
    with pytest.raises(OutputError, match=r"cannot write .*choose") as caught:
        write(sample(2, 1), str(tmp_path / "mis\nsing" / "preview"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("write", [write_picture, write_page])
def test_path_that_is_not_utf8(write, tmp_path):
    path = os.fsencode(tmp_path) + b"/\xff"
    write(sample(2, 1), os.fsdecode(path))
    assert os.path.getsize(path) > 1000


def test_importing_the_stage_loads_no_drawing_library():
    code = (
        "import sys, itae_cluster.preview\n"
        "print(sorted({'matplotlib', 'colorcet', 'jinja2', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


CASES = {
    "one": sample(1, 1),
    "two": sample(2, 2),
    "nine": sample(9, 3, 1),
    "no noise": sample(50, 5, 0),
    "all noise": sample(20, 1, 20),
    "no thumbnails": sample(30, 3, thumbnails={}),
    "damaged thumbnails": sample(9, 3, thumbnails=dict.fromkeys(range(9), jpeg()[:200])),
    "no representatives": sample(30, 3, representatives={}),
    "a hundred clusters": sample(300, 100, 20),
    "one place": sample(9, 2, coordinates=np.full((9, 2), 1e30, np.float32)),
    "no place": sample(9, 2, coordinates=np.full((9, 2), np.nan, np.float32)),
    "far away": sample(9, 2, coordinates=np.array([[-3e38, 3e38]] * 8 + [[3e38] * 2], "f4")),
}


@pytest.mark.parametrize("data", CASES.values(), ids=CASES.keys())
def test_any_shape_of_collection(data, picture, page):
    image = picture(data)
    assert image.size == (2000, 1250)
    for label in set(data.labels.tolist()) & set(range(-1, 10)):
        assert count_colour(image, colour(label)) > 50, label
    read = payload(page(data))
    assert sum(group["count"] for group in read["groups"]) == len(data.labels)
    assert all(0 <= value <= 1 for value in read["x"] + read["y"])


# --- preview.png --------------------------------------------------------------------------------


def test_png_says_nothing_of_when_and_with_what(tmp_path):
    path = tmp_path / "preview.png"
    write_picture(sample(), str(path))
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert set(image.info) <= {"dpi"}
        assert image.info["dpi"] == pytest.approx((144, 144), abs=0.1)  # 2× in documents


def test_points_have_the_colour_of_their_cluster(picture):
    data = sample(60, 3, 12, thumbnails={})
    area = picture(data).crop(MAP_AREA)
    # A point is some 14 px wide; noise has neither badge nor line that could be mistaken for one.
    assert count_colour(area, NOISE_COLOUR) > 12 * 60
    for label in range(3):
        assert count_colour(area, colour(label)) > 12 * 60
    assert count_colour(area, colour(3)) == 0


def test_thumbnails_are_on_the_map_and_in_the_legend(picture):
    red = jpeg((254, 0, 0), (80, 80))
    with_red = sample(40, 4, thumbnails={10: red})  # of cluster 1
    image = np.asarray(picture(with_red)).astype(int)
    is_red = (image[..., 0] > 240) & (image[..., 1] < 15) & (image[..., 2] < 15)
    assert is_red[:, 1400:].sum() > 60 * 60
    assert is_red[:, :1380].sum() > 80 * 60
    without = np.asarray(picture(sample(40, 4, thumbnails={}))).astype(int)
    assert ((without[..., 0] > 240) & (without[..., 1] < 15)).sum() == 0


def test_dollars_and_unknown_characters_are_plain_text(picture):
    odd = r"$\frac{1}{$ $a_1$ \udcff 日本 🎉 \x1b[31m"
    changed = sample(9, 2, title=odd, subtitle="$" * 3000, folders={0: "$x$", 1: odd * 9})
    image = picture(changed)
    # Typeset as mathematics "$x$" would lose its dollars, and with them width.
    plain = picture(sample(9, 2, title="x", subtitle="", folders={0: "x", 1: ""}))
    assert (np.asarray(image) < 100).sum() > (np.asarray(plain) < 100).sum()
    dollars = picture(sample(9, 2, title="$x$"))
    letters = picture(sample(9, 2, title="x"))
    assert ink_width(dollars) > 2 * ink_width(letters)


def test_name_that_is_not_utf8_in_title_and_folder(picture):
    odd = os.fsdecode(b"caf\xe9\n$")
    shown, wanted = (
        picture(sample(9, 2, title=name, subtitle=name, folders={0: name}))
        for name in (odd, printable(odd))
    )
    assert shown == wanted


def ink_width(image: Image.Image) -> int:
    title = np.asarray(image.convert("L"))[20:85]
    columns = np.flatnonzero((title < 128).any(axis=0))
    return int(columns[-1] - columns[0])


@pytest.mark.parametrize("k", [25, 60, 100])
def test_every_cluster_has_a_picture_in_the_legend(picture, k):
    red = jpeg((254, 0, 0), (80, 80))
    image = np.asarray(picture(sample(k, k, thumbnails=dict.fromkeys(range(k), red)))).astype(int)
    is_red = (image[..., 0] > 240) & (image[..., 1] < 15) & (image[..., 2] < 15)
    assert is_red[:, 1060:].sum() > k * 30 * 30


def test_clusters_without_a_place_are_counted_and_the_largest_have_one(picture):
    more = picture(sample(480, 137))
    assert count_colour(more.crop((1060, 0, 2000, 1250)), colour(99)) > 50
    assert count_colour(more, colour(100)) < count_colour(more, colour(99))
    foot = np.asarray(more.crop((1060, 1185, 1960, 1215)).convert("L"))
    assert (foot[:, :400] < 160).sum() > 50
    assert (foot[:, 500:] < 160).sum() == 0
    just = np.asarray(picture(sample(200, 100)).crop((1060, 1185, 1960, 1215)).convert("L"))
    assert (just[:, 500:] < 160).sum() > 50


def test_no_line_goes_across_the_map(picture, monkeypatch):
    """One heap of clusters: what has no room near its own is left out, or is a number alone."""
    lengths = []

    def note(axes, ink, diameter, start, end):
        lengths.append(np.hypot(start[0] - end[0], start[1] - end[1]))

    monkeypatch.setattr("itae_cluster.preview.map_view._draw_leader", note)
    heap = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    heap[0] = 100  # far away, so that the others lie close together
    for k in (20, 90):
        lengths.clear()
        picture(sample(300, k, coordinates=heap))
        assert 1 < len(lengths) < k
        assert max(lengths) < 180


def test_drawing_leaves_matplotlib_as_it_was(picture, monkeypatch):
    import matplotlib

    before = dict(matplotlib.rcParams)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it now fails
    picture(sample())
    assert dict(matplotlib.rcParams) == before


# --- layout and palette -------------------------------------------------------------------------


def test_boxes_never_overlap_or_leave_the_map():
    random = np.random.default_rng(1)
    points = random.normal(500, 40, (2000, 2))  # all clusters in one heap
    box = Box(0, 0, 1300, 1000)

    def centres(reach):
        room = Room(points, box, gap=8, clusters=24)
        return [room.take(tuple(anchor), (92.0, 70.0), reach) for anchor in points[:24]]

    found = centres(np.inf)
    assert found == centres(np.inf)
    for index, (x, y) in enumerate(found):
        assert 46 <= x <= 1254
        assert 35 <= y <= 965
        for other_x, other_y in found[:index]:
            assert abs(x - other_x) >= 100 or abs(y - other_y) >= 78
    near = centres(50)
    assert None in near
    for anchor, centre in zip(points, near, strict=False):
        assert centre is None or np.hypot(*(np.abs(anchor - centre) - (46, 35)).clip(0)) <= 50


def test_a_box_stands_beside_its_points_not_on_them():
    points = np.array([[500.0, 500.0]] * 5)
    room = Room(points, Box(0, 0, 1000, 1000), gap=10, clusters=1)
    x, y = room.take((500.0, 500.0), (100, 100))
    assert max(abs(x - 500), abs(y - 500)) >= 50
    assert max(abs(x - 500), abs(y - 500)) < 120


def test_map_keeps_its_proportions_and_stands_upright():
    coordinates = np.array([[0, 0], [4, 0], [0, 2]], np.float32)
    origin, right, up = fit(coordinates, Box(0, 0, 400, 400))
    assert right - origin == pytest.approx([400, 0])
    assert up - origin == pytest.approx([0, -200])
    assert to_unit_square(coordinates).min() == 0
    assert to_unit_square(coordinates[:1]).tolist() == [[0.5, 0.5]]


def test_colours_are_distinct_and_never_run_out():
    many = [colour(label) for label in range(1000)]
    assert all(re.fullmatch("#[0-9a-f]{6}", each) for each in many)
    assert len(set(many[:60])) == 60
    assert NOISE_COLOUR not in many
    assert colour(NOISE) == NOISE_COLOUR


def test_ink_is_readable_on_its_ground():
    assert ink_on("#ffffff") == "#000000"
    assert ink_on("#0072b2") == "#ffffff"


# --- preview.html -------------------------------------------------------------------------------


def test_policy_allows_exactly_the_scripts_and_style_of_the_page(page):
    text = page(sample())
    policy = next(
        attributes["content"]
        for tag, attributes in Elements(text).tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    scripts = re.findall(r"<script>(.*?)</script>", text, re.S)
    styles = re.findall(r"<style>(.*?)</style>", text, re.S)
    assert (len(scripts), len(styles)) == (len(SCRIPTS), 1)
    digests = " ".join(f"'{digest(script)}'" for script in scripts)
    assert policy == (
        f"default-src 'none'; img-src 'self' file: data: blob:; script-src {digests}; "
        f"style-src '{digest(styles[0])}'; base-uri 'none'; form-action 'none'"
    )
    assert text.index("Content-Security-Policy") < text.index("<style>")


def digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_an_evil_name_stays_text(page):
    harmless = page(sample(3, 1, names=("a", "b", "c")))
    text = page(sample(3, 1, names=(EVIL, "b", "c"), title=EVIL, subtitle=EVIL, folders={0: EVIL}))
    assert "<script>alert" not in text
    assert "\u2028" not in text
    read = payload(text)
    shown = EVIL.replace("\u2028", "\\u2028")
    assert read["path"][0] == EVIL
    assert read["shown"]["0"] == shown.rpartition("/")[2]
    assert read["groups"][0]["folder"] == shown
    assert Elements(text).tags == [
        (tag, attributes) for tag, attributes in Elements(harmless).tags
    ], "a name became markup"
    assert html.unescape(re.findall(r"<h1>(.*?)</h1>", text)[0]) == shown


def test_names_of_any_bytes_are_shown_escaped(page):
    raw = [b"caf\xe9.jpg", b"two\nlines\x1b[31m", "naïve 日本 🎉.jpg".encode(), b"'\"\\$&<"]
    names = tuple(os.fsdecode(name) for name in raw)
    read = payload(page(sample(4, 1, names=names)))
    assert read["shown"] == {"0": "caf\\xe9.jpg", "1": "two\\n" + "lines\\x1b[31m"}
    assert [os.fsencode(name) for name in read["path"]] == raw


def test_page_refers_to_nothing_outside_itself(page):
    text = page(sample(thumbnails={}))  # base64 may spell anything
    own = re.sub(r"<script>.*?</script>", "", text, count=1, flags=re.S)  # the first is PixiJS
    assert not re.search(r"https?:|[\"']//|@import|\burl\(", own)
    for _tag, attributes in Elements(text).tags:
        assert not {"src", "href", "srcset", "style"} & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]


def test_scripts_make_no_markup_of_data(page):
    scripts = re.findall(r"<script>(.*?)</script>", page(sample()), re.S)[1:]
    for script in scripts:
        assert script.startswith('"use strict";')
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval|Function\(", script
        )


def test_foreign_code_is_what_its_build_made():
    """`npm ci && npm run build` in assets/build/ makes this file from the locked packages."""
    assets = Path(write_page.__code__.co_filename).parent / "assets"
    built = (assets / "vendor.min.js").read_bytes()
    locked = json.loads(
        (ROOT / "itae_cluster/preview/assets/build/package-lock.json").read_bytes()
    )["packages"]
    assert hashlib.sha256(built).hexdigest() == VENDOR
    licences = (assets / "vendor.LICENSES.txt").read_text("utf-8")
    named = re.findall(r"^(\S+) (\d\S*) \((\S+)\)$", licences, re.M)
    assert {"pixi.js", "d3-zoom", "kdbush"} <= {name for name, _, _ in named}
    for name, version, licence in named:
        assert locked[f"node_modules/{name}"]["version"] == version
        assert licence in {"MIT", "ISC", "BSD-3-Clause"}


def test_distances_without_a_number_are_null(page):
    distances = np.array([0.25, np.nan, np.inf], np.float32)
    assert payload(page(sample(3, 1, distances=distances)))["distance"] == [0.25, None, None]


def test_each_picture_carries_its_own_thumbnail(page):
    thumbnails = {0: jpeg((255, 0, 0)), 2: jpeg((0, 0, 255)), 3: b"damaged"}
    text = page(sample(4, 2, thumbnails=thumbnails))
    read = payload(text)
    raw = re.findall(r'<script type="text/plain" id="sheet-0">(.*?)</script>', text)[0]
    with Image.open(io.BytesIO(base64.b64decode(raw))) as sheet:
        assert sheet.format == "WEBP"
        for row, rgb in ((0, (255, 0, 0)), (2, (0, 0, 255))):
            number, left, top, width, height = read["tile"][row]
            assert (number, width, height) == (0, 78, 58)  # 80 × 60 without the edge
            crop = np.asarray(sheet.convert("RGB").crop((left, top, left + width, top + height)))
            assert np.abs(crop.astype(int) - rgb).max() < 24
    assert (read["tile"][1], read["tile"][3], read["sheets"]) == (None, None, 1)


def painted(n: int) -> dict[int, tuple[int, int, int]]:
    """A colour for each of `n` rows, no two of them near one another."""
    return {row: (40 * (row % 7), 40 * (row // 7 % 7), 20 * (row // 49)) for row in range(n)}


def tile_colours(atlas: Atlas) -> dict[int, np.ndarray]:
    """The mean colour of every tile, by row."""
    sheets = [np.asarray(Image.open(io.BytesIO(sheet)).convert("RGB")) for sheet in atlas.sheets]
    return {
        row: sheets[tile.sheet][
            tile.top : tile.top + tile.height, tile.left : tile.left + tile.width
        ].mean(axis=(0, 1))
        for row, tile in atlas.tiles.items()
    }


def test_every_tile_shows_its_own_picture_however_threads_run(monkeypatch):
    """The kept thumbnails lie in one file, which the threads that draw sheets share."""
    monkeypatch.setattr("itae_cluster.preview.atlas.os.cpu_count", lambda: 8)
    monkeypatch.setattr("itae_cluster.preview.atlas.SHEET", 4 * 112)  # 16 tiles a sheet
    colours = painted(600)
    kept = ThumbnailFile()
    for row, rgb in colours.items():
        kept.add(str(row), jpeg(rgb, (112, 84)))
    data = sample(len(colours), 5, thumbnails=ByRow(kept, [str(row) for row in colours]))
    atlases = [make_atlas(data) for _ in range(5)]
    for atlas in atlases:
        assert atlas == atlases[0]
        assert atlas.tiles.keys() == colours.keys()
        for row, found in tile_colours(atlas).items():
            np.testing.assert_allclose(found, colours[row], atol=9, err_msg=str(row))


def test_a_damaged_thumbnail_is_told_by_its_path():
    reporter = RecordingReporter()
    data = sample(3, 1, thumbnails={0: jpeg(), 2: b"damaged"})
    atlas = draw_atlas(data, ["a.jpg", "b.jpg", "c.jpg"], reporter)
    assert atlas.tiles.keys() == {0}
    assert [warning.split()[0] for warning in reporter.warnings] == ["c.jpg"]


def test_tiles_of_an_atlas_lie_apart_and_get_smaller(monkeypatch):
    monkeypatch.setattr("itae_cluster.preview.atlas.SHEET", 300)
    monkeypatch.setattr("itae_cluster.preview.atlas._SIDES", ((10, 112),))
    few, many = make_atlas(sample(9, 3)), make_atlas(sample(80, 3))
    assert (len(few.sheets), len(many.sheets)) == (3, 3)  # 2 × 2 and 6 × 6 tiles on a sheet
    for atlas, n in ((few, 9), (many, 80)):
        places = {(tile.sheet, tile.left, tile.top) for tile in atlas.tiles.values()}
        assert len(places) == len(atlas.tiles) == n
    assert (few.tiles[0].width, many.tiles[0].width) == (78, 46)
    # One cluster after the other: a cluster's pictures are on as few sheets as can be.
    labels = sample(80, 3).labels
    assert {many.tiles[row].sheet for row in np.flatnonzero(labels == 0)} == {0}


def test_pictures_that_are_alike_are_named(page):
    like = Similarity(np.array([[1], [0], [1]]), np.array([[0.98], [0.98], [0.5]], "f4"), ((0, 1),))
    read = payload(page(sample(3, 1, similarity=like, diverse={0: (2, 0)})))
    assert read["neighbours"] == [[1], [0], [1]]
    assert read["cosines"] == [[0.98], [0.98], [0.5]]
    assert read["duplicates"] == [[0, 1]]
    assert read["groups"][0]["diverse"] == [2, 0]


def test_counts_are_those_of_the_whole_collection(page):
    read = payload(page(sample(40, 2, sizes={0: 5000, 1: 7})))
    assert ([group["count"] for group in read["groups"]], read["total"]) == ([5000, 7], 5007)


def test_groups_are_listed_largest_first_and_noise_last(page):
    read = payload(page(sample(40, 3, 5)))
    assert [group["number"] for group in read["groups"]] == [0, 1, 2, None]
    assert [group["count"] for group in read["groups"]] == [14, 13, 8, 5]
    assert [group["folder"] for group in read["groups"]][-1] == "unclustered"
    assert [group["colour"] for group in read["groups"]][1] == colour(1)
    for number, group in enumerate(read["groups"]):
        assert read["group"][group["anchor"]] == number


def test_map_on_the_page_is_upright(page):
    read = payload(page(sample(2, 1, coordinates=np.array([[0, 0], [0, 8]], np.float32))))
    assert (read["y"], read["x"]) == ([1.0, 0.0], [0.5, 0.5])


# --- too many for one page ----------------------------------------------------------------------


def test_a_sample_keeps_representatives_and_shares():
    labels = np.repeat([0, 1, 2, NOISE], [8000, 1500, 3, 497])
    preferred = np.arange(10_000) % 2 == 0
    always = [7999, 9001, 9502]
    rows = rows_to_show(labels, always, preferred, seed=3, most=1000)
    assert rows.tolist() == sorted(set(rows.tolist()))
    assert set(always) <= set(rows.tolist())
    counts = {label: int((labels[rows] == label).sum()) for label in (0, 1, 2, NOISE)}
    assert counts == {0: 800, 1: 150, 2: 1, NOISE: 49}
    assert preferred[rows].mean() > 0.99
    same = rows_to_show(labels, always, preferred, seed=3, most=1000)
    other = rows_to_show(labels, always, preferred, seed=4, most=1000)
    assert np.array_equal(rows, same)
    assert not np.array_equal(rows, other)
    assert len(rows_to_show(labels, always, preferred, seed=3, most=10_000)) == 10_000


# --- contact sheets -----------------------------------------------------------------------------


def test_contact_sheets(tmp_path):
    red, odd = jpeg((250, 0, 0), (100, 100)), {0: b"damaged"}
    thumbnails = {**dict.fromkeys(range(1, 120), jpeg()), **odd, 100: red}
    distances = np.linspace(1, 0, 120, dtype=np.float32)
    data = sample(120, 1, 10, thumbnails=thumbnails, distances=distances, names=(EVIL,) * 120)
    for folder in ("first", "second"):
        write_contact_sheets(data, str(tmp_path / folder))
    names = ["cluster-000.jpg", "unclustered.jpg"]
    assert sorted(os.listdir(tmp_path / "first")) == names
    for name in names:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    with Image.open(tmp_path / "first" / names[0]) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    is_red = (pixels[..., 0] > 200) & (pixels[..., 1] < 60)
    across = np.flatnonzero(is_red.any(axis=0))
    # Row 100 is the tenth most typical of 110: the second tile of the second line.
    assert 160 * 160 * 0.9 < is_red.sum() < 160 * 160 * 1.1
    assert 40 + 176 <= across[0] < 40 + 176 + 20
    assert pixels.shape[0] == 40 + 84 + 12 * (160 + 26 + 16) - 16 + 40


def test_a_contact_sheet_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=r"cannot make .*choose"):
        write_contact_sheets(sample(2, 1), str(tmp_path / "file"))


def test_the_page_lists_every_key_that_its_documentation_lists():
    root = Path(__file__).parents[2]
    lines = (root / "docs" / "preview.md").read_text(encoding="utf-8").splitlines()
    start = lines.index("| key | |")
    rows = [line.split("|")[1] for line in lines[start + 2 : lines.index("", start)]]
    documented = re.findall(r"[^\s`,]+", " ".join(rows).replace(" and ", " "))
    assert len(documented) > 15
    template = (root / "itae_cluster/preview/assets/page.html.j2").read_text(encoding="utf-8")
    help_table = re.search(r'<dialog id="keys".*?</dialog>', template, re.DOTALL)
    assert help_table
    cells = re.findall(r"<tr><td>(.*?)</td>", help_table[0])
    listed = re.findall(r"[^\s,]+", " ".join(cells).replace("−", "-"))
    assert set(documented) <= set(listed)
