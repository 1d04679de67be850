"""Changes of a result: moved, rejected, examples, other levels; all of them or none; undo."""

from __future__ import annotations

import contextlib
import json
import os
from collections import Counter

import jsonschema
import numpy as np
import pytest

from itae_cluster.changes.amend import inspect_result
from itae_cluster.clustering.levels import coarsen, cut, find_levels
from itae_cluster.core.errors import ItaeClusterError, OutputError, ResultError, UsageError
from itae_cluster.core.options import (
    CacheOptions,
    ClusterOptions,
    InputOptions,
    ModelOptions,
    OutputOptions,
    Reduction,
)
from itae_cluster.core.types import NOISE, REJECTED
from itae_cluster.pipeline import sort_pictures
from itae_cluster.pipeline.edit import edit_result, move_pictures
from itae_cluster.pipeline.regroup import regroup_result
from itae_cluster.preview import read_page
from itae_cluster.results import centres, levels
from itae_cluster.results.changes import read_changes
from itae_cluster.results.inventory import digest_places
from itae_cluster.results.validation import read_schema
from support.albums import Sorted, picture, without_journal
from support.command_line import run_cli
from support.fakes import KnownEncoder, RecordingReporter, a_run
from support.faults import Faults


@pytest.fixture(autouse=True)
def _no_umap(monkeypatch):
    def plain(vectors, dim, **_):
        return vectors[:, :dim]

    monkeypatch.setattr("itae_cluster.preview.build.cached_umap", plain)


@pytest.fixture
def case(album, tmp_path):
    return Sorted(album, tmp_path)


def changes(*wanted, **more):
    document = {"schema": "itae-cluster/changes", "schema_version": 1, **more}
    return {**document, "changes": list(wanted)}


def edit(case, *wanted, dry_run=False, **more):
    read = read_changes(json.dumps(changes(*wanted, **more)).encode(), "changes.json")
    run = a_run(caching=case.caching, encoder=case.encoder())
    return edit_result(str(case.out), read, ModelOptions(), run, dry_run=dry_run)


def places(case, folder):
    return sorted(f"{folder}/{name}" for name in os.listdir(case.out / folder))


def record_of(case, place):
    (found,) = (item for item in case.manifest()["pictures"] if item["destination"] == place)
    return found


def as_documents_say(case):
    """Every picture is where manifest and table say, and the manifest keeps to its schema."""
    document = case.manifest()
    schema = read_schema("manifest")
    del schema["properties"]["model"]["properties"]["weights_sha256"]  # that of the tests is short
    jsonschema.validate(document, schema)
    folders = {item["cluster"]: item["folder"] for item in document["clusters"]}
    for item in document["pictures"]:
        assert (case.out / item["destination"]).is_file()
        assert os.path.dirname(item["destination"]) == folders[item["cluster"]]
    rows = (case.out / "clusters.csv").read_text().splitlines()[1:]
    assert [row.split(",")[1] for row in rows] == [i["destination"] for i in document["pictures"]]
    return {item["folder"]: item["size"] for item in document["clusters"]}


def test_all_kinds_of_changes_in_one_that_undo_takes_back(case):
    red, blue, green = (case.folder[name] for name in ("red", "blue", "green"))
    before = without_journal(case.out)
    done = edit(
        case,
        {"regroup": 3},
        {"move": places(case, red)[:1], "to": blue},
        {"move": places(case, red)[1:2], "to": "New one"},
        {"reject": places(case, red)[2:3]},
        {"example": places(case, blue)[3:4]},
        {"rename": "New one", "name": "Lone"},
        {"rename": green, "name": "Wood"},
        {"merge": ["Wood", red], "name": "Both"},
        {"split": "Both", "k": 2},
    )
    assert as_documents_say(case) == {"rejected": 1, blue: 5, "Lone": 1, "Both": 4, "Both-2": 1}
    assert done.sizes == {"rejected": 1, blue: 5, "Lone": 1, "Both": 4, "Both-2": 1}
    assert record_of(case, "Lone/1.png")["moved"] is True
    assert record_of(case, f"{blue}/3.png")["example"] is True
    assert record_of(case, "rejected/2.png")["cluster"] == REJECTED
    assert inspect_result(str(case.out)).names.keys() == {
        item["cluster"]
        for item in case.manifest()["clusters"]
        if item["folder"] not in {blue, "rejected"}
    }
    assert case.undo().refused == ()
    assert without_journal(case.out) == before


def test_a_dry_run_changes_nothing(case):
    before = without_journal(case.out)
    red, blue = case.folder["red"], case.folder["blue"]
    wanted = [{"move": places(case, red), "to": blue}, {"rename": blue, "name": "Sea"}]
    done = edit(case, *wanted, dry_run=True)
    assert done.shifts[0] == (blue, "Sea")
    assert done.shifts[1] == (f"{red}/0.png", "Sea/0 (2).png")
    assert without_journal(case.out) == before


def test_a_name_that_is_free_by_then_can_be_given(case):
    red, blue, green = (case.folder[name] for name in ("red", "blue", "green"))
    edit(case, {"merge": [red, blue], "name": blue})
    assert as_documents_say(case)[blue] == 8
    edit(case, {"merge": [blue, green]}, {"rename": blue, "name": green})
    assert as_documents_say(case) == {green: 12}
    for _ in range(2):
        assert case.undo().refused == ()


def test_the_name_of_a_cluster_that_was_emptied_is_free(case):
    red, blue, green = (case.folder[name] for name in ("red", "blue", "green"))
    empty = {"move": places(case, red), "to": blue}
    (case.out / red / "0.txt").write_text("mine")
    before = without_journal(case.out)
    edit(case, empty, {"rename": green, "name": red}, {"move": [f"{blue}/0.png"], "to": red})
    assert as_documents_say(case) == {red: 5, blue: 7}
    # Of green; of blue, under a free name; the places of what was red were taken when it began.
    assert sorted(os.listdir(case.out / red))[:3] == ["0 (2).png", "0 (3).png", "0.txt"]
    assert (case.out / red / "0.txt").read_text() == "mine"
    assert case.undo().refused == ()
    assert without_journal(case.out) == before
    # A name that a change gave, and one that is another's but for its case.
    named = {"rename": blue, "name": "Sea"}, {"move": places(case, blue), "to": red}
    edit(case, *named, {"rename": green, "name": "sea"})
    assert as_documents_say(case) == {red: 8, "sea": 4}
    case.undo()
    edit(case, empty, {"merge": [blue, green], "name": red})
    assert as_documents_say(case) == {red: 12}
    case.undo()
    assert without_journal(case.out) == before
    # One picture that is left is reason enough.
    kept = {"move": empty["move"][1:], "to": blue}
    with pytest.raises(ResultError, match=f"change 2: {red} is there already"):
        edit(case, kept, {"rename": green, "name": red})
    assert without_journal(case.out) == before


def test_pictures_change_places(case):
    red, blue = case.folder["red"], case.folder["blue"]
    before = without_journal(case.out)
    edit(
        case,
        {"move": places(case, red), "to": blue},
        {"move": places(case, blue), "to": red},
    )
    sizes = as_documents_say(case)
    assert (sizes[red], sizes[blue]) == (4, 4)
    case.undo()
    assert without_journal(case.out) == before


def test_clusters_change_names(case):
    red, blue, green = (case.folder[name] for name in ("red", "blue", "green"))
    (case.out / red / "mine.txt").write_text("stays")
    before = without_journal(case.out)
    edit(
        case,
        {"rename": red, "name": blue},
        {"rename": blue, "name": green},
        {"rename": green, "name": red},
        {"example": places(case, red)[:1]},
    )
    assert as_documents_say(case) == {red: 4, blue: 4, green: 4}
    colours = {item["source"].split(os.sep)[-2]: item for item in case.manifest()["pictures"]}
    now = {name: os.path.dirname(item["destination"]) for name, item in colours.items()}
    assert now == {"red": blue, "blue": green, "green": red}
    assert {*inspect_result(str(case.out)).names.values()} >= {red, blue, green}
    assert (case.out / red / "mine.txt").read_text() == "stays"
    case.undo()
    assert without_journal(case.out) == before
    # One after the other, into a name that has just become free, and from the shell.
    edit(case, {"rename": red, "name": "Other"}, {"rename": blue, "name": red})
    assert as_documents_say(case) == {"Other": 4, red: 4, green: 4}
    case.undo()
    assert without_journal(case.out) == before
    run_cli("rename", case.out, f"{red}={blue}", f"{blue}={red}", code=0)
    assert as_documents_say(case) == {red: 4, blue: 4, green: 4}
    case.undo()
    assert without_journal(case.out) == before
    with pytest.raises(ResultError, match=r"change 2: .* is there already"):
        edit(case, {"rename": red, "name": "A"}, {"rename": blue, "name": green})


@pytest.mark.parametrize(
    ("wanted", "error", "says"),
    [
        ({"move": ["nowhere/0.png"], "to": "A"}, ResultError, "no picture nowhere/0.png"),
        ({"move": ["../photos/red/0.png"], "to": "A"}, ResultError, "there is no picture"),
        ({"move": ["/etc/passwd"], "to": "A"}, ResultError, "there is no picture /etc/passwd"),
        ({"move": ["RED/0.png", "RED/0.png"], "to": "A"}, UsageError, "unique items"),
        ({"move": ["RED/0.png"], "to": "../up"}, UsageError, "slash"),
        ({"move": ["RED/0.png"], "to": "manifest.json"}, UsageError, "the tool needs that name"),
        ({"move": ["RED/0.png"], "to": ".itae-cluster"}, UsageError, "begins with a dot"),
        ({"rename": "RED", "name": "BLUE"}, ResultError, "is there already"),
        ({"rename": "nowhere", "name": "A"}, ResultError, "there is no cluster nowhere"),
        ({"merge": ["RED", "RED/"]}, UsageError, "two or more different"),
        ({"split": "RED", "k": 9}, ItaeClusterError, "--k 9 asks for more clusters"),
        ({"regroup": 9}, UsageError, "change 1: --k 9: the levels of this result go from 1 to 3"),
        ({"rename": "RED"}, UsageError, r"change 1 \(rename\) lacks name"),
        ({"rename": "RED", "split": "RED"}, UsageError, "change 1 must say one of"),
        (
            {"move": ["RED/0.png"], "to": "A", "k": 3},
            UsageError,
            r"change 1 \(move\) has k, which is not known",
        ),
        ({"example": ["RED/9.png"]}, ResultError, "there is no picture"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_done(case, wanted, error, says):
    red, blue = case.folder["red"], case.folder["blue"]
    text = json.dumps(wanted).replace("RED", red).replace("BLUE", blue)
    before = without_journal(case.out)
    with pytest.raises(error, match=says):
        edit(case, json.loads(text), {"rename": case.folder["green"], "name": "Good"})
    assert without_journal(case.out) == before


def test_a_regroup_comes_first(case):
    with pytest.raises(UsageError, match="change 2 is regroup, which can only come first"):
        edit(case, {"rename": case.folder["red"], "name": "Red"}, {"regroup": 2})


def test_changes_of_an_earlier_state_are_refused(case):
    digest = digest_places(item["destination"] for item in case.manifest()["pictures"])
    move = {"move": places(case, case.folder["red"])[:1], "to": "New"}
    edit(case, move, result=digest)
    with pytest.raises(ResultError, match="has changed since these changes were made"):
        edit(case, {"rename": "New", "name": "Old"}, result=digest)


def test_numbers_that_the_page_cannot_know_are_not_guessed(case):
    """Of a folder that a person made the page knows nothing, and its number is the next."""
    red = case.folder["red"]
    digest = digest_places(item["destination"] for item in case.manifest()["pictures"])
    (case.out / "Mine").mkdir()
    os.rename(case.out / red / "0.png", case.out / "Mine" / "0.png")
    before = without_journal(case.out)
    with pytest.raises(ResultError, match="a folder that its page does not know"):
        edit(case, {"regroup": 2}, result=digest)
    assert without_journal(case.out) == before
    edit(case, {"rename": red, "name": "Red"}, result=digest)
    assert as_documents_say(case)["Red"] == 3


def test_a_file_in_the_way_of_the_rejected_is_left(case):
    (case.out / "rejected").write_text("mine")
    with pytest.raises(ResultError, match="rejected is there already"):
        edit(case, {"reject": places(case, case.folder["red"])[:1]})


def test_a_disk_that_fails_leaves_everything_as_it_was(case, monkeypatch):
    monkeypatch.setattr("itae_cluster.changes.locks.claim", lambda *_: contextlib.nullcontext(True))
    red, blue = case.folder["red"], case.folder["blue"]
    wanted = [
        {"move": places(case, red)[:2], "to": "New"},
        {"reject": places(case, red)[2:]},
        {"rename": blue, "name": "Sea"},
    ]
    before = without_journal(case.out)
    refused = 0
    for at in range(1, 60, 4):
        try:
            with Faults(at, "once")():
                edit(case, *wanted)
        except OutputError as error:
            refused += "everything is as it was" in str(error)
            if "is complete" in str(error):
                case.undo()
        else:
            case.undo()
        assert without_journal(case.out) == before, at
    assert refused > 5


def test_what_a_person_decided_outlives_an_update(case, tmp_path):
    red, blue = case.folder["red"], case.folder["blue"]
    kept = (case.out / red / "3.png").read_bytes()
    edit(
        case,
        {"move": [f"{red}/0.png"], "to": blue},
        {"example": [f"{red}/1.png"]},
        {"reject": [f"{red}/3.png"]},
    )
    twin = tmp_path / "n" / "twin.png"
    picture(twin, (220, 30, 30))
    twin.write_bytes(kept)
    case.update(tmp_path / "n", picture(tmp_path / "n" / "new.png", (220, 30, 30), seed=9))
    assert as_documents_say(case)[red] == 3  # the new one; what was rejected does not come back
    assert record_of(case, f"{blue}/0 (2).png")["moved"] is True
    assert record_of(case, f"{red}/1.png")["example"] is True
    new = record_of(case, f"{red}/new.png")
    assert new["leaf"] == record_of(case, f"{red}/1.png")["leaf"]


def test_rejected_pictures_come_back_by_hand_or_by_move(case):
    red = case.folder["red"]
    edit(case, {"reject": places(case, red)[:2]})
    os.rename(case.out / "rejected" / "0.png", case.out / red / "0.png")
    move_pictures(str(case.out), red, [str(case.out / "rejected" / "1.png")], a_run())
    assert as_documents_say(case)[red] == 4
    assert not (case.out / "rejected").exists()
    assert record_of(case, f"{red}/0.png")["moved"] is True


def test_pictures_are_moved_by_any_of_their_paths(case, tmp_path, monkeypatch):
    red, blue = case.folder["red"], case.folder["blue"]
    monkeypatch.chdir(case.out.parent)
    ways = [f"{red}/0.png", f"sorted/{red}/1.png", str(case.album) + "/red/2.png"]
    move_pictures(str(case.out), blue, ways, a_run())
    assert as_documents_say(case)[blue] == 7
    with pytest.raises(ResultError, match=r"no picture photos/red/9\.png"):
        move_pictures(str(case.out), blue, ["photos/red/9.png"], a_run())
    with pytest.raises(UsageError, match="is named twice"):
        move_pictures(str(case.out), red, [f"{red}/3.png", f"sorted/{red}/3.png"], a_run())


class Shades(Sorted):
    """Three colours, each of two shades: three clusters, six leaves."""

    encoder = KnownEncoder
    preview = True

    def __init__(self, album, root):
        self.caching = CacheOptions(str(root / "cache"))
        super().__init__(album, root)
        self.folder = {name[0]: folder for name, folder in self.folder.items()}


@pytest.fixture
def shades(tmp_path):
    for n, colour in enumerate([(200, 30, 30), (30, 200, 30), (30, 30, 200)]):
        for number in range(8):
            shade = np.array(colour) + np.roll(colour, 1) // 3 * (number % 2)
            picture(tmp_path / "photos" / "rgb"[n] / f"{number}.png", shade, seed=number)
    return Shades(str(tmp_path / "photos"), tmp_path)


def regroup(case, k, **options):
    return regroup_result(str(case.out), k, a_run(caching=case.caching), **options)


def test_the_tree_is_that_of_the_clusters(shades):
    tree = levels.load(str(shades.out))
    leaves = [item["leaf"] for item in shades.manifest()["pictures"]]
    assert len(tree.merges) + 1 == len({*leaves}) == 6
    assert tree.sizes.tolist() == [4] * 6
    page, _ = read_page((shades.out / "preview.html").read_bytes())
    assert page.levels.merges.tolist() == tree.merges.tolist()
    assert sorted(page.levels.leaves.tolist()) == sorted(leaves)
    assert page.digest == digest_places(i["destination"] for i in shades.manifest()["pictures"])


def test_regrouped_finer_coarser_and_back(shades):
    before = without_journal(shades.out)
    done = regroup(shades, 6)
    assert Counter(as_documents_say(shades).values()) == {4: 6}
    assert len(done.shifts) == 12
    pairs = {
        (os.path.dirname(i["source"])[-1], int(os.path.basename(i["source"])[0]) % 2): i["cluster"]
        for i in shades.manifest()["pictures"]
    }
    assert len({*pairs.values()}) == 6
    model = centres.load(str(shades.out))
    assert sorted(model.labels.tolist()) == list(range(6))
    assert all(item["distance"] is not None for item in shades.manifest()["pictures"])
    page, _ = read_page((shades.out / "preview.html").read_bytes())
    assert len({*page.labels.tolist()}) == 6
    regroup(shades, 1)
    assert [*as_documents_say(shades).values()] == [24]
    for _ in range(2):
        assert shades.undo().refused == ()
    assert without_journal(shades.out) == before


def test_regrouping_needs_no_embeddings(shades):
    shades.caching = CacheOptions(off=True)
    regroup(shades, 6)
    assert len(as_documents_say(shades)) == 6
    model = centres.load(str(shades.out))
    assert sorted({*model.labels.tolist()}) == list(range(6))
    vectors = model.centres
    assigned, _ = model.assign(vectors, range(6))
    assert assigned.tolist() == model.labels.tolist()


def test_names_and_what_a_person_moved_are_respected(shades):
    reporter = RecordingReporter()
    red, green, blue = (shades.folder[name] for name in "rgb")
    edit(
        shades,
        {"rename": red, "name": "Red"},
        {"move": [f"{green}/0.png"], "to": red},
        {"move": [f"{blue}/0.png", f"{blue}/1.png"], "to": "Mine"},
        {"reject": [f"{blue}/2.png"]},
        {"example": [f"{green}/1.png"]},
    )
    regroup(shades, 6)
    sizes = as_documents_say(shades)
    assert sizes["Mine"] == 2
    assert sizes["rejected"] == 1
    assert record_of(shades, "Red/0 (2).png")["moved"] is True
    regroup(shades, 1)
    assert as_documents_say(shades) == {"Red": 21, "Mine": 2, "rejected": 1}
    assert reporter.warnings == []


def test_a_result_without_levels_gets_them_from_the_cache(shades):
    path = shades.out / ".itae-cluster" / "levels.npz"
    path.unlink()
    document = shades.manifest()
    for item in document["pictures"]:
        del item["leaf"]
    (shades.out / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(ResultError, match=r"keeps no levels, .* 'itae-cluster preview"):
        regroup_result(str(shades.out), 6, a_run(caching=CacheOptions(off=True)))
    regroup(shades, 6)
    assert len(as_documents_say(shades)) == 6
    page, _ = read_page((shades.out / "preview.html").read_bytes())
    assert len(page.levels.merges) == 5
    regroup(shades, 3)
    assert len(as_documents_say(shades)) == 3


def test_a_tree_that_cannot_be_followed_is_refused(shades):
    path = shades.out / ".itae-cluster" / "levels.npz"
    tree = levels.load(str(shades.out))
    merges = tree.merges.copy()
    merges[0] = merges[1]
    np.savez(path, about=np.array("{}"), **{**vars(tree), "merges": merges})
    with pytest.raises(ResultError, match=r"levels\.npz cannot be used"):
        regroup(shades, 2)
    path.write_bytes(levels.content(tree)[:99])
    with pytest.raises(ResultError, match=r"levels\.npz cannot be used"):
        regroup(shades, 2)


def test_the_page_shows_what_was_decided(shades):
    red, green = shades.folder["r"], shades.folder["g"]
    edit(shades, {"reject": [f"{red}/0.png"]}, {"example": [f"{green}/7.png"]})
    page, _ = read_page((shades.out / "preview.html").read_bytes())
    at = {name: row for row, name in enumerate(page.names)}
    assert page.labels[at["rejected/0.png"]] == REJECTED
    assert page.examples == (at[f"{green}/7.png"],)
    label = page.labels[at[f"{green}/7.png"]]
    assert page.representatives[label][0] == at[f"{green}/7.png"]
    assert "23 pictures · 3 clusters" in page.subtitle
    assert NOISE not in page.labels


def test_the_commands(album, tmp_path, tiny_weights):
    def run(*words, code=0, stdin=None):
        return run_cli(*words, code=code, stdin=stdin)

    out, path = tmp_path / "sorted", tmp_path / "changes.json"
    options = ["--weights", tiny_weights, "--size", "28", "--reduce", "none", "--no-preview"]
    run(album, "--k", "3", "-o", out, *options)
    first = sorted(os.listdir(out / "cluster-000"))[0]
    path.write_text(json.dumps(changes({"reject": [f"cluster-000/{first}"]})))
    foreseen = run("edit", out, path, "-n")
    assert foreseen.stdout == f"move\tcluster-000/{first}\trejected/{first}\n"
    assert "1 change made; dry run, nothing was changed" in foreseen.stderr
    assert "1 change made" in run("edit", out, "-", stdin=path.read_text()).stderr
    assert f"there is no picture cluster-000/{first}" in run("edit", out, path, code=1).stderr
    path.write_text("{}")
    assert (
        "holds no changes: it is not a changes of this tool"
        in run("edit", out, path, code=2).stderr
    )
    moved = run("move", out, "New", "-", "-0", stdin=f"rejected/{first}\0")
    assert "1 picture in New" in moved.stderr
    assert "undoing the last change" in run("undo", out).stderr
    assert run("regroup", out, "--k", "2", "-n").stdout.startswith("move\t")
    assert "2 clusters, " in run("regroup", out, "-k", "2").stderr
    assert (
        "the levels of this result go from 1 to 3" in run("regroup", out, "-k", "9", code=2).stderr
    )


def test_nested_folders_are_changed_like_others(shades, tmp_path):
    out, run = tmp_path / "nested", a_run(caching=shades.caching, encoder=KnownEncoder())
    sort_pictures(
        InputOptions((shades.album,)),
        ModelOptions(size=28),
        ClusterOptions(k=6, reduce=Reduction.NONE),
        OutputOptions(str(out), nested=True, contact_sheets=True),
        run,
    )
    shades.out = out
    sizes = as_documents_say(shades)
    assert {os.path.dirname(folder) for folder in sizes} == {"group-000", "group-001"}
    assert {os.path.basename(folder) for folder in sizes} == {f"cluster-00{n}" for n in range(6)}
    groups = {(i["source"][-7], i["destination"][:9]) for i in shades.manifest()["pictures"]}
    assert len(groups) == 3  # two colours are in one group, and no colour is in both
    before = without_journal(out)
    one, two, *_ = sorted(sizes)
    edit(shades, {"rename": "cluster-005", "name": "Five"}, {"merge": [one, two]})
    assert sum(folder.endswith("/Five") for folder in as_documents_say(shades)) == 1
    shades.update(picture(tmp_path / "n" / "new.png", (200, 30, 30), seed=30))
    assert sum(as_documents_say(shades).values()) == 25
    regroup(shades, 2)
    assert len(as_documents_say(shades)) == 2
    assert len(read_page((out / "preview.html").read_bytes())[0].names) == 25
    for _ in range(3):
        assert shades.undo().refused == ()
    assert without_journal(out) == before
    assert shades.undo().refused == ()
    assert not out.exists()


def test_a_tree_is_as_scipy_numbers_it():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(5, 3)) * 9
    labels = np.repeat(np.arange(5), 30)
    points = (centres[labels] + rng.normal(size=(150, 3))).astype(np.float32)
    rows = np.arange(150)
    labels[:2] = NOISE
    found = find_levels(points, rows, rows, labels, seed=0)
    assert found.leaves[:2].tolist() == [NOISE, NOISE]
    count = len(found.merges) + 1
    assert 15 < count <= 20
    assert np.bincount(found.leaves[2:]).min() >= 3
    own = cut(found.merges, 5)[found.leaves[2:]]
    assert len({*zip(own.tolist(), labels[2:].tolist(), strict=True)}) == 5
    for k in range(1, count + 1):
        assert len({*cut(found.merges, k).tolist()}) == k
    groups = coarsen(found, labels, 2)
    assert {*groups.tolist()} == {0, 1}
    assert (groups == 0).sum() >= (groups == 1).sum()
