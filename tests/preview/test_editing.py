"""The page as somebody corrects a result: tick, send, save, `edit`, and back.

Skipped where no Chromium is installed, or Playwright for Python is not.
"""

from __future__ import annotations

import json
import os
import shutil

import jsonschema
import numpy as np
import pytest

from itae_cluster.clustering.similarity import find_similar
from itae_cluster.core.options import ModelOptions
from itae_cluster.core.types import NOISE
from itae_cluster.pipeline.edit import edit_result, move_pictures
from itae_cluster.pipeline.preview import draw_preview
from itae_cluster.pipeline.regroup import regroup_result
from itae_cluster.preview import read_page
from itae_cluster.results.changes import read_changes
from itae_cluster.results.validation import read_schema
from support.albums import Sorted, picture, without_journal
from support.fakes import a_run

sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]
ARGUMENTS = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
LAST_GRID = "#details .grid >> nth=-1"


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield running
        running.close()


class Pictured(Sorted):
    preview = True


@pytest.fixture
def case(album, tmp_path, monkeypatch):
    """Three clusters, red, green and blue, with levels and a page."""

    def plain(vectors, dim, **_):
        return vectors[:, :dim]

    monkeypatch.setattr("itae_cluster.preview.build.cached_umap", plain)
    for number in range(4, 8):  # orange ones, so that finer levels take something apart
        picture(os.path.join(album, "red", f"{number}.png"), (230, 125, 40), seed=number)
    return Pictured(album, tmp_path)


@pytest.fixture
def page(browser, case):
    """The page of `case`; it must have complained of nothing."""
    complaints: list[str] = []
    context = browser.new_context(viewport={"width": 1200, "height": 800}, reduced_motion="reduce")
    opened = context.new_page()
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    show(opened, case)
    yield opened
    context.close()
    assert complaints == []


def show(page, case):
    page.goto((case.out / "preview.html").as_uri())
    page.wait_for_selector("html[data-ready]")


def counts(page):
    """Folder → how many pictures, as the list says."""
    return page.evaluate("Object.fromEntries(groups.map(g => [g.key, g.count]))")


def group_of(page, folder):
    return page.evaluate("folder => groups.findIndex(g => g.key === folder)", folder)


def open_cluster(page, folder):
    page.click(f"#list button[data-group='{group_of(page, folder)}']")
    return page.query_selector_all(f"{LAST_GRID} >> .tile")


def saved_changes(page, folder):
    page.click("#changes")
    with page.expect_download() as waiting:
        page.click("#save-changes")
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    document = json.loads(path.read_bytes())
    jsonschema.validate(document, read_schema("changes"))
    return document


def carry_out(case, document):
    read = read_changes(json.dumps(document).encode(), "changes.json")
    run = a_run(caching=case.caching, encoder=case.encoder())
    return edit_result(str(case.out), read, ModelOptions(), run)


def test_from_ticks_to_folders_and_back(page, case, tmp_path):
    before = without_journal(case.out)
    red, green, blue = (case.folder[name] for name in ("red", "green", "blue"))
    # Three reds by a click and one with Shift, to a new cluster.
    tiles = open_cluster(page, red)
    chosen = [page.evaluate("r => data.path[r]", int(t.get_attribute("data-row"))) for t in tiles]
    tiles[1].query_selector(".tick").click()
    tiles[3].query_selector(".tick").click(modifiers=["Shift"])
    assert page.inner_text("#bar-count") == "3 selected"
    page.keyboard.press("m")
    page.keyboard.type("Sunsets")
    page.keyboard.press("Enter")
    assert counts(page) == {red: 5, green: 4, blue: 4, "Sunsets": 3}
    assert "Sunsets" in page.inner_text("#list")
    assert "Sunsets" in page.text_content("#captions")
    # A fourth by the keyboard alone: Space ticks it, the new cluster is the first that is offered.
    page.focus(f"{LAST_GRID} >> .tile >> nth=1 >> button")
    page.keyboard.press("Space")
    page.keyboard.press("m")
    page.keyboard.press("Enter")
    assert counts(page)["Sunsets"] == 4
    # One green is not wanted, one blue an example; back and forth once.
    open_cluster(page, green)[0].query_selector(".tick").click()
    page.keyboard.press("x")
    open_cluster(page, blue)[0].query_selector(".tick").click()
    page.keyboard.press("e")
    assert counts(page)["rejected"] == 1
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    assert "rejected" not in counts(page)
    page.keyboard.press("Control+Shift+z")
    page.click("#redo")
    # One more dragged onto a cluster of the list, and that dropped from the changes.
    dragged = open_cluster(page, blue)[-1]
    source = f"#details .tile[data-row='{dragged.get_attribute('data-row')}'] >> nth=-1"
    page.drag_and_drop(source, f"#list button[data-group='{group_of(page, green)}']")
    assert counts(page)[green] == 4
    page.click("#changes")
    assert page.locator(".change").count() == 4
    page.click(".change >> nth=-1 >> .drop")
    assert counts(page)[green] == 3
    # A name, and all of it once more after a visit elsewhere.
    open_cluster(page, blue)
    page.fill("#details input.name", "Sea")
    page.press("#details input.name", "Enter")
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert counts(page) == {red: 4, green: 3, blue: 4, "Sunsets": 4, "rejected": 1}
    document = saved_changes(page, tmp_path)
    moves, *others = document["changes"]
    assert set(chosen[1:4]) < set(moves["move"])
    assert moves["to"] == "Sunsets"
    assert [next(iter(change)) for change in others] == ["reject", "example", "rename"]
    assert others[2] == {"rename": blue, "name": "Sea"}
    assert f"itae-cluster edit {case.out} changes.json" in page.inner_text("#details code")
    # Carried out: folders, the page again, and back byte for byte.
    carry_out(case, document)
    there = {red: 4, green: 3, "Sea": 4, "Sunsets": 4, "rejected": 1}
    assert {name: len(os.listdir(case.out / name)) for name in there} == there
    assert not (case.out / blue).exists()
    show(page, case)
    assert counts(page) == there
    assert page.is_hidden("#changes")
    assert case.undo().refused == ()
    assert without_journal(case.out) == before
    show(page, case)
    assert counts(page)["Sunsets"] == 4  # what was changed in this page is still kept for it


def test_merge_and_split(page, case, tmp_path):
    red, green, blue = (case.folder[name] for name in ("red", "green", "blue"))
    open_cluster(page, green)
    page.click("text=Merge into…")
    page.keyboard.type(blue)
    page.keyboard.press("Enter")
    assert counts(page) == {red: 8, blue: 8}
    open_cluster(page, red)
    page.click("text=Split…")
    page.fill("#details .parts", "2")
    page.keyboard.press("Enter")
    assert f"to {red}-2" in page.inner_text("#details")
    guessed = [int(text) for text in page.locator("#details .part .count").all_inner_texts()]
    document = saved_changes(page, tmp_path)
    assert document["changes"] == [{"merge": [blue, green]}, {"split": red, "k": 2}]
    done = carry_out(case, document)
    assert done.sizes[blue] == 8
    assert sum(done.sizes.values()) == 16
    assert len(done.sizes) == 3
    assert guessed == [done.sizes[red], done.sizes[f"{red}-2"]]  # an easy case: both are right


def test_two_clusters_change_names(page, case, tmp_path):
    red, blue = case.folder["red"], case.folder["blue"]
    for folder, name in ((red, blue), (red, "Other"), (blue, red), (red, blue)):
        page.evaluate("key => openCluster(groups.findIndex(group => group.key === key))", folder)
        page.fill("#details input.name", name)
        page.press("#details input.name", "Enter")
        refused = (folder, name) == (red, blue) and not page.evaluate("operations.length")
        assert bool(page.inner_text("#details .fault")) == refused
    document = saved_changes(page, tmp_path)
    assert document["changes"] == [{"rename": blue, "name": red}, {"rename": red, "name": blue}]
    done = carry_out(case, document)
    assert (done.sizes[red], done.sizes[blue]) == (4, 8)


def test_the_name_of_an_emptied_cluster_is_free(page, case, tmp_path):
    red, green, blue = (case.folder[name] for name in ("red", "green", "blue"))
    before = without_journal(case.out)
    page.evaluate("([from, to]) => moveAndSay(members[from], to)", [group_of(page, red), blue])
    open_cluster(page, green)
    page.fill("#details input.name", red)
    page.press("#details input.name", "Enter")
    document = saved_changes(page, tmp_path)
    assert document["changes"][1] == {"rename": green, "name": red}
    done = carry_out(case, document)
    assert (done.sizes[red], done.sizes[blue]) == (4, 12)
    assert case.undo().refused == ()
    assert without_journal(case.out) == before
    # Without the move the name is taken, so the renaming goes with it.
    page.click("#changes")
    page.click(".change >> nth=0 >> .drop")
    assert page.evaluate("operations.length") == 0
    assert "another cluster is called" in page.inner_text("#status")


def test_the_slider_shows_what_regroup_makes(page, case, tmp_path):
    red, blue = case.folder["red"], case.folder["blue"]
    colours = "Object.fromEntries(groups.map(g => [g.key, g.colour]))"
    before = page.evaluate(colours)
    finest = page.evaluate("leafCount")
    assert finest > 3
    for k in range(1, finest + 1):
        page.evaluate("k => tryLevel(k)", k)
        made = regroup_result(str(case.out), k, a_run(caching=case.caching), dry_run=True)
        shown = counts(page)
        assert sum(shown.values()) == 16
        assert len(shown) == k
        assert shown.items() >= {f: n for f, n in made.sizes.items() if n}.items(), k
        after = page.evaluate(colours)
        assert all(after[folder] == before[folder] for folder in after.keys() & before.keys())
    # In a narrow window its words keep apart.
    page.set_viewport_size({"width": 1024, "height": 700})
    words = [box.bounding_box() for box in page.query_selector_all("#levels .ends > *")]
    coarse, now, fine = sorted(words, key=lambda box: box["x"])
    assert now["y"] + now["height"] <= coarse["y"] or coarse["x"] + coarse["width"] <= now["x"]
    assert now["y"] + now["height"] <= fine["y"] or now["x"] + now["width"] <= fine["x"]
    # By keyboard: one step back from the finest, kept; a picture moved before it comes along.
    page.evaluate("tryLevel(3)")
    row = page.evaluate("folder => members[groups.findIndex(g => g.key === folder)][0]", red)
    page.evaluate("([row, folder]) => { moveAndSay([row], folder); }", [row, blue])
    page.focus("#level")
    page.keyboard.press("End")
    page.wait_for_function("k => levelNow() === k", arg=finest)
    page.click("#level-keep")
    document = saved_changes(page, tmp_path)
    assert document["changes"][0] == {"regroup": finest}
    assert document["changes"][1]["to"] == blue
    shown = counts(page)
    carry_out(case, document)
    show(page, case)
    assert counts(page) == shown
    # A cluster that is gone at a coarser level takes what was moved to it along, and says so.
    assert page.evaluate("tryLevel(1), keepLevel(), operations.length") == 1


def leaves(case):
    data, _ = read_page((case.out / "preview.html").read_bytes())
    return dict(zip(data.names, data.levels.leaves.tolist(), strict=True))


def test_folders_of_any_bytes_and_numbers_of_new_clusters(page, case, tmp_path):
    """A person gave a folder a name that is not UTF-8, and emptied the last cluster."""
    red, green, blue = (case.folder[name] for name in ("red", "green", "blue"))
    odd = os.fsdecode(b"caf\xe9")
    last = max(red, green, blue)
    renamed = red if last != red else green
    os.rename(case.out / renamed, case.out / odd)
    places = [f"{last}/{name}" for name in os.listdir(case.out / last)]
    run = a_run(caching=case.caching)
    move_pictures(str(case.out), renamed, [str(case.out / place) for place in places], run)
    show(page, case)
    assert "caf\\xe9" in page.inner_text("#list")
    kept = leaves(case)
    assert sorted(kept.values())[:4] == [NOISE] * 4
    draw_preview(str(case.out), ModelOptions(), a_run(encoder=case.encoder()))
    assert leaves(case) == kept
    counts_before = counts(page)
    finest = page.evaluate("leafCount")
    page.evaluate("k => { tryLevel(k); keepLevel(); }", finest)
    shown = counts(page)
    made = regroup_result(str(case.out), finest, run, dry_run=True)
    assert {folder: size for folder, size in made.sizes.items() if size} == shown
    # A picture of another cluster goes to it, and one of it to a cluster that this level makes.
    part = last  # whose number is free again
    assert part in shown.keys() - counts_before.keys()
    row = "key => members[groups.findIndex(group => group.key === key)][0]"
    inside, outside = (page.evaluate(row, key) for key in (odd, part))
    page.evaluate("([row, key]) => { moveAndSay([row], key); }", [outside, odd])
    page.evaluate("([row, key]) => { moveAndSay([row], key); }", [inside, part])
    document = saved_changes(page, tmp_path)
    assert [change.get("to") for change in document["changes"]] == [None, odd, part]
    shown = counts(page)
    done = carry_out(case, document)
    assert {folder: size for folder, size in done.sizes.items() if size} == shown
    assert len(os.listdir(os.fsencode(case.out / odd))) == shown[odd]


def test_near_duplicates_keep_the_best(page, case, tmp_path):
    vectors = np.array([[1, 0], [1, 0.1], [1, 0.25], [0, 1]], np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = find_similar(vectors, neighbours=2)
    assert found.pairs.tolist() == [[0, 1], [1, 2], [0, 2]]
    data, _ = read_page((case.out / "preview.html").read_bytes())
    assert set(data.similarity.pairs.ravel().tolist()) == data.measures.keys()
    assert {(m.width, m.height) for m in data.measures.values()} <= {(30, 40)}
    page.click("#tab-duplicates")
    page.focus("#likeness")
    page.keyboard.press("Home")
    groups = page.evaluate("duplicateGroups()")
    pairs = {tuple(pair) for pair in data.similarity.pairs.tolist()}
    for rows in groups:
        sizes = [data.measures[row].size for row in rows]
        assert sizes[0] == max(sizes)
        assert all((min(a, b), max(a, b)) in pairs for a in rows for b in rows if a != b)
    extra = sum(len(rows) - 1 for rows in groups)
    assert extra > 0
    page.click("#keep-best")
    assert counts(page)["rejected"] == extra
    assert page.evaluate("duplicateGroups()") == []
    (change,) = saved_changes(page, tmp_path)["changes"]
    assert len(change["reject"]) == extra


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 1200), ("light", 375)])
def test_nothing_serious_for_people_who_cannot_see_or_point(page, case, scheme, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 740})

    def serious():
        found = axe.run(page).response["violations"]
        return [
            (one["id"], node["html"])
            for one in found
            if one["impact"] in {"serious", "critical"}
            for node in one["nodes"]
        ]

    assert serious() == []
    open_cluster(page, case.folder["red"])[0].query_selector(".tick").click()
    assert serious() == []
    # The panel hides what is below it, even where it lies over the map.
    page.evaluate("closeDetails(), openCluster(0)")
    box = page.query_selector("#details").bounding_box()
    top = page.evaluate(
        "([x, y]) => document.elementFromPoint(x, y).closest('#details')?.id",
        [box["x"] + box["width"] / 2, min(box["y"] + box["height"], 740) - 150],
    )
    assert top == "details"
    style = "getComputedStyle(find('#details')).backgroundColor"
    assert width > 720 or page.evaluate(style) == "rgb(255, 255, 255)"
    page.keyboard.press("m")
    assert serious() == []
    page.keyboard.press("Enter")
    page.click("#changes")
    assert serious() == []
    page.click("#tab-duplicates")
    assert serious() == []


def test_thumbnails_are_those_of_their_pictures(page, case):
    wanted = {"red": 0, "green": 1, "blue": 2}
    for name, channel in wanted.items():
        for tile in open_cluster(page, case.folder[name]):
            canvas = tile.query_selector("canvas")
            page.wait_for_function("it => it.width > 60", arg=canvas)
            page.wait_for_timeout(30)
            seen = canvas.evaluate("it => [...it.getContext('2d').getImageData(9, 9, 1, 1).data]")
            assert int(np.argmax(seen[:3])) == channel
