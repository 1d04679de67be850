"""Previews follow what is done to a result, and come back with undo."""

from __future__ import annotations

import io
import json
import os
import re
import threading

import numpy as np
import pytest
from PIL import Image

from itae_cluster import preview
from itae_cluster.clustering import reduce
from itae_cluster.clustering.similarity import find_similar
from itae_cluster.core.options import (
    Algorithm,
    CacheOptions,
    ClusterOptions,
    InputOptions,
    ModelOptions,
    OutputOptions,
)
from itae_cluster.pipeline.regroup import SplitOptions, merge_clusters, split_cluster
from itae_cluster.pipeline.rename import rename_clusters
from itae_cluster.pipeline.sort import sort_pictures
from support.albums import Sorted, picture, without_journal
from support.fakes import KnownEncoder, RecordingReporter, a_run

RED = (220, 30, 30)


@pytest.fixture(autouse=True)
def _no_umap(monkeypatch):
    def plain(vectors, dim, **_):
        return vectors[:, :dim]

    monkeypatch.setattr("itae_cluster.preview.build.cached_umap", plain)


class Drawn(Sorted):
    """The album with all previews, whose embeddings are in a cache."""

    encoder = KnownEncoder
    contact_sheets = True
    preview = True

    def __init__(self, album, root, action="copy"):
        self.caching = CacheOptions(str(root / "cache"))
        super().__init__(album, root, action)

    def page(self):
        return preview.read_page((self.out / "preview.html").read_bytes())[0]

    def sheets(self):
        return sorted(os.listdir(self.out / "contact"))


@pytest.fixture
def case(album, tmp_path):
    return Drawn(album, tmp_path)


def test_the_map_has_as_many_neighbours_as_clusters_have_pictures(album, tmp_path, monkeypatch):
    used = []

    def plain(vectors, dim, **given):
        used.append(given["neighbours"])
        return vectors[:, :dim]

    monkeypatch.setattr("itae_cluster.preview.build.cached_umap", plain)
    Drawn(album, tmp_path)
    assert used == [4]


@pytest.mark.parametrize("algorithm", [Algorithm.AUTO, Algorithm.HDBSCAN])
def test_the_map_is_made_once_and_beside_the_clusters(album, tmp_path, monkeypatch, algorithm):
    made = []

    def noted(vectors, dim, **_):
        made.append((dim, threading.current_thread() is threading.main_thread()))
        return vectors[:, :dim]

    monkeypatch.setattr("itae_cluster.preview.build.cached_umap", reduce.cached_umap)
    monkeypatch.setattr(reduce, "umap_reduce", noted)
    sort_pictures(
        InputOptions((album,)),
        ModelOptions("mini"),
        ClusterOptions(k=3 if algorithm is Algorithm.AUTO else None, algorithm=algorithm),
        OutputOptions(str(tmp_path / "out")),
        a_run(RecordingReporter(), encoder=KnownEncoder()),
    )
    assert made.count((2, False)) == 1
    assert (2, True) not in made
    assert (10, True) in made


def check_page(case, n=12):
    """The page says of every picture what the manifest says, and its files are there."""
    page, records = case.page(), case.manifest()["pictures"]
    assert len(page.names) == len(records) == n
    by_name = {record["destination"]: record for record in records}
    for name, label in zip(page.names, page.labels, strict=True):
        assert by_name[name]["cluster"] == label
        assert (case.out / name).exists()
        assert page.folders[label] == os.path.dirname(name)
    sizes = {item["cluster"]: item["size"] for item in case.manifest()["clusters"]}
    assert {label: page.sizes[label] for label in sizes} == sizes
    for label, rows in page.representatives.items():
        assert {page.labels[row] for row in rows} == {label}
    return page


def test_a_page_reads_back_as_it_was_written():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(9, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    jpegs = {}
    for row in range(8):
        stream = io.BytesIO()
        Image.new("RGB", (60, 40), (row * 30, 90, 200 - row * 20)).save(stream, "JPEG")
        jpegs[row] = stream.getvalue()
    data = preview.PreviewData(
        coordinates=rng.normal(size=(9, 2)).astype(np.float32),
        labels=np.array([0, 0, 0, 0, 1, 1, 2, 2, -1]),
        names=tuple(f"cluster-00{n}/\udcff</script>{n}.jpg" for n in range(9)),
        distances=np.array([0.1] * 8 + [np.nan], dtype=np.float32),
        representatives={0: (1, 0), 1: (4,), 2: (7,), -1: ()},
        folders={0: "Beach", 1: "cluster-001", 2: "cluster-002", -1: "unclustered"},
        thumbnails=jpegs,
        title="<b>",
        subtitle="s",
        diverse={0: (1, 3), 1: (5,), 2: (6,), -1: ()},
        similarity=find_similar(vectors, neighbours=2),
        sizes={0: 40, 1: 2, 2: 2, -1: 1},
    )
    atlas = preview.make_atlas(data)
    content = preview.render_page(data, atlas)
    read, same = preview.read_page(content)
    assert same == atlas
    for field in ("names", "representatives", "folders", "title", "subtitle", "diverse"):
        assert getattr(read, field) == getattr(data, field), field
    assert read.sizes == data.sizes
    np.testing.assert_array_equal(read.labels, data.labels)
    np.testing.assert_allclose(read.distances, data.distances)
    np.testing.assert_array_equal(read.similarity.neighbours, data.similarity.neighbours)
    shape = read.coordinates - read.coordinates.mean(axis=0)
    wanted = data.coordinates - data.coordinates.mean(axis=0)
    scale = np.ptp(wanted, axis=0).max() / np.ptp(shape, axis=0).max()
    np.testing.assert_allclose(shape * scale, wanted, atol=1e-3)
    for row, jpeg in jpegs.items():
        with (
            Image.open(io.BytesIO(jpeg)) as before,
            Image.open(io.BytesIO(read.thumbnails[row])) as after,
        ):
            middles = [np.array(i.convert("RGB").getpixel((30, 20))) for i in (before, after)]
            assert abs(middles[0] - middles[1]).max() < 12
    assert preview.read_page(preview.render_page(read, same))[0].names == data.names


def test_a_page_holds_no_path_of_the_disk(case, album, tmp_path):
    for content in ((case.out / "preview.html").read_bytes(), *case.page().names):
        for place in (album, str(tmp_path)):
            assert place not in (content if isinstance(content, str) else content.decode())


def test_a_page_with_absolute_paths_of_an_earlier_version_is_drawn_without_them(case):
    path = case.out / "preview.html"
    now = path.read_text(encoding="utf-8")
    names = case.page().names
    old = {"folders": ["/home/me/"], "folder": [0] * len(names), "file": [f"{n}" for n in names]}
    path.write_text(now.replace('"distance":', json.dumps(old)[1:-1] + ',"distance":', 1))
    assert "/home/me" in path.read_text(encoding="utf-8")
    data, atlas = preview.read_page(path.read_bytes())
    assert data.names == names
    assert b"/home/me" not in preview.render_page(data, atlas)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.pop("tile"),
        lambda data: data["group"].__setitem__(0, 99),
        lambda data: data["tile"].__setitem__(0, [99, 0, 0, 5, 5]),
        lambda data: data["tile"].__setitem__(0, [0, 0, 0, -5, 5]),
        lambda data: data["neighbours"].__setitem__(0, [10**9]),
        lambda data: data["x"].append(1.0),
        lambda data: data["groups"][0].__setitem__("typical", "no list of numbers"),
    ],
)
def test_a_page_that_does_not_fit_together_is_refused(case, change):
    content = (case.out / "preview.html").read_text()
    found = re.search(r'id="data">([^<]*)<', content)
    data = json.loads(found[1])
    change(data)
    edited = content[: found.start(1)] + json.dumps(data) + content[found.end(1) :]
    with pytest.raises(ValueError, match=r"."):
        preview.read_page(edited.encode())
    with pytest.raises(ValueError, match="holds no data"):
        preview.read_page(b"<html></html>")


@pytest.mark.parametrize("action", ["copy", "move"])
def test_rename_is_followed_and_undone(album, tmp_path, action):
    case = Drawn(album, tmp_path, action)
    before = without_journal(case.out)
    rename_clusters(str(case.out), [("cluster-000", None, "A & b")], a_run())
    page = check_page(case)
    assert page.folders[0] == "A & b"
    assert case.sheets() == ["A & b.jpg", "cluster-001.jpg", "cluster-002.jpg"]
    now = without_journal(case.out)
    assert now["contact/cluster-001.jpg"] == before["contact/cluster-001.jpg"]
    assert now["preview.png"] != before["preview.png"]
    assert case.undo().refused == ()
    assert without_journal(case.out) == before


def test_merge_and_split_are_followed_and_undone(case):
    first = without_journal(case.out)
    merge_clusters(str(case.out), ["cluster-000", "cluster-002"], a_run())
    page = check_page(case)
    assert sorted(set(page.labels)) == [0, 1]
    assert "12 pictures · 2 clusters" in page.subtitle
    assert case.sheets() == ["cluster-000.jpg", "cluster-001.jpg"]
    second = without_journal(case.out)
    run = a_run(encoder=KnownEncoder())
    split_cluster(str(case.out), "cluster-000", SplitOptions(k=2), ModelOptions(), run)
    page = check_page(case)
    assert len(set(page.labels)) == 3
    assert case.sheets() == ["cluster-000-2.jpg", "cluster-000.jpg", "cluster-001.jpg"]
    case.undo()
    assert without_journal(case.out) == second
    case.undo()
    assert without_journal(case.out) == first


def test_a_new_picture_appears_beside_its_like(case, tmp_path):
    before = without_journal(case.out)
    new = picture(tmp_path / "new" / "r.png", RED)
    reporter = RecordingReporter()
    case.update(new, reporter=reporter)
    assert reporter.notes == []
    page = check_page(case, n=13)
    row = page.names.index(next(name for name in page.names if name.endswith("r.png")))
    own = (page.labels == page.labels[row]) & (np.arange(13) != row)
    near = np.linalg.norm(page.coordinates - page.coordinates[row], axis=1)
    assert near[own].max() < near[page.labels != page.labels[row]].min()
    assert {page.labels[other] for other in page.similarity.neighbours[row][:4]} == {
        page.labels[row]
    }
    assert row in page.thumbnails
    case.undo()
    assert without_journal(case.out) == before


def test_without_the_cache_a_new_picture_is_not_on_the_map(case, tmp_path):
    new = picture(tmp_path / "new" / "r.png", RED)
    reporter = RecordingReporter()
    case.update(new, caching=CacheOptions(off=True), reporter=reporter)
    assert "do not show the new pictures" in reporter.notes[0]
    assert len(case.page().names) == 12
    assert len(case.manifest()["pictures"]) == 13


def test_what_a_person_edited_is_left_alone(case):
    path, sheet = case.out / "preview.html", case.out / "contact" / "cluster-000.jpg"
    path.write_text(path.read_text().replace("<title>", "<title>Mine: "))
    sheet.write_bytes(b"mine")
    before = without_journal(case.out)
    reporter = RecordingReporter()
    rename_clusters(str(case.out), [("cluster-000", None, "Beach")], a_run(reporter))
    assert "preview.html is left as it is" in reporter.warnings[0]
    assert (case.out / "Beach").is_dir()
    now = without_journal(case.out)
    for name in ("preview.html", "preview.png", "contact/cluster-000.jpg"):
        assert now[name] == before[name]


def test_a_sheet_that_a_person_edited_is_left_alone(case):
    sheet = case.out / "contact" / "cluster-000.jpg"
    sheet.write_bytes(b"mine")
    rename_clusters(str(case.out), [("cluster-000", None, "Beach")], a_run())
    assert sheet.read_bytes() == b"mine"
    assert case.sheets()[0] == "Beach.jpg"
    check_page(case)


def test_a_result_without_previews_gets_none(album, tmp_path):
    case = Sorted(album, tmp_path)
    rename_clusters(str(case.out), [("cluster-000", None, "Beach")], a_run())
    assert not (case.out / "preview.html").exists()
    assert not (case.out / "contact").exists()


def test_a_picture_moved_by_hand_is_shown_where_it_is(case):
    moved = sorted(os.listdir(case.out / "cluster-001"))[0]
    os.rename(case.out / "cluster-001" / moved, case.out / "cluster-002" / "mine.png")
    rename_clusters(str(case.out), [("cluster-000", None, "Beach")], a_run())
    page = check_page(case)
    assert page.labels[page.names.index("cluster-002/mine.png")] == 2
    assert page.sizes[1] == 3
