"""What belongs to a picture follows it, under its new stem, and comes back with it."""

from __future__ import annotations

import os

import pytest

from itae_cluster.changes.apply import apply_plan
from itae_cluster.changes.undo import undo_result
from itae_cluster.core.errors import PlanError
from itae_cluster.core.options import Action
from itae_cluster.pictures import sidecars
from itae_cluster.results import plan as plans
from itae_cluster.results.filenames import Namer
from itae_cluster.results.placements import place_pictures
from support.fakes import RecordingReporter
from support.results import clustering, collection, pictures, planned, snapshot, touch_while_placed


def find(tmp_path, *names):
    """The sidecars of the pictures among `names` (jpg, heic), by base name."""
    paths = collection(str(tmp_path / "photos"), names)
    chosen = [path for path in paths if path.endswith((".jpg", ".heic", ".JPG"))]
    return {
        os.path.basename(path): [
            os.path.splitext(os.path.basename(path))[0] + tail for tail in tails
        ]
        for path, tails in sidecars.find(chosen).items()
    }


@pytest.mark.parametrize(
    "name",
    ["A.xmp", "A.jpg.xmp", "A.aae", "A.AAE", "A.mov", "A.MOV", "A.cr3", "A.NEF", "A.jpg.XMP"],
)
def test_each_kind_is_found(tmp_path, name):
    assert find(tmp_path, "A.jpg", name) == {"A.jpg": [name]}


@pytest.mark.parametrize(
    "name", ["B.xmp", "A.txt", "A.png.xmp", "a.xmp", "A2.mov", "A", "A.jpg.mov"]
)
def test_what_only_looks_like_one_is_not(tmp_path, name):
    assert find(tmp_path, "A.jpg", name) == {}


def test_one_file_belongs_to_one_picture(tmp_path):
    found = find(tmp_path, "A.heic", "A.jpg", "A.xmp", "A.jpg.xmp", "A.mov")
    assert found == {"A.heic": ["A.mov", "A.xmp"], "A.jpg": ["A.jpg.xmp"]}


def test_a_picture_of_the_run_is_no_sidecar(tmp_path):
    paths = collection(str(tmp_path), ["A.jpg", "A.dng"])
    assert sidecars.find(paths) == {}
    assert sidecars.find(paths[:1]) == {paths[0]: (".dng",)}


def test_raw_files_beside_pictures():
    paths = [
        "a/A.jpg",
        "a/A.CR3",
        "a/B.dng",
        "b/A.nef",
        "a/C.heic",
        "a/C.dng",
        "a/D.raf",
        "a/D.orf",
    ]
    assert sidecars.raws_beside(paths) == {"a/A.CR3", "a/C.dng"}


def test_a_folder_of_that_name_is_no_sidecar(tmp_path):
    path = collection(str(tmp_path), ["A.jpg"])[0]
    (tmp_path / "A.mov").mkdir()
    assert sidecars.find([path]) == {}


def test_names_are_found_in_the_current_folder_too(tmp_path, monkeypatch):
    collection(str(tmp_path), ["A.jpg", "A.xmp"])
    monkeypatch.chdir(tmp_path)
    assert sidecars.find(["A.jpg"]) == {"A.jpg": (".xmp",)}


def test_a_group_gets_one_number_that_is_free_for_all():
    namer = Namer()
    assert namer.unique("A.jpg") == "A.jpg"
    assert namer.unique("A.png", (".xmp",)) == "A.png"
    assert namer.unique("A.heic", (".XMP", ".heic.xmp")) == "A (2).heic"
    assert namer.unique("A (2).xmp") == "A (2) (2).xmp"
    long = namer.unique("x" * 251 + ".jpg", (".jpg.xmp",))
    again = namer.unique("x" * 251 + ".jpg", (".jpg.xmp",))
    assert (len(long), len(os.path.splitext(again)[0] + ".jpg.xmp")) == (255, 255)


def album(tmp_path, action):
    names = ("a/A.jpg", "b/A.jpg", "b/A.jpg.xmp", "b/A.mov", "a/A.xmp", "b/other.txt")
    paths = collection(str(tmp_path / "photos"), names)
    chosen = paths[:2]
    found = place_pictures(chosen, clustering([0, 0]), sidecars.find(chosen))
    return paths, planned(chosen, tmp_path / "sorted", action, placements=found)


@pytest.mark.parametrize("action", Action)
def test_they_follow_and_come_back(tmp_path, action):
    paths, plan = album(tmp_path, action)
    first = snapshot(tmp_path)
    done = apply_plan(plan, RecordingReporter())
    assert set(pictures(tmp_path / "sorted")) == {
        *("cluster-000/A.jpg", "cluster-000/A.xmp"),
        *("cluster-000/A (2).jpg", "cluster-000/A (2).jpg.xmp", "cluster-000/A (2).mov"),
    }
    assert [len(item.sidecars) for item in done.placed] == [1, 2]
    assert os.path.exists(paths[5])
    assert os.path.exists(paths[4]) == (action is not Action.MOVE)
    undo_result(str(tmp_path / "sorted"), RecordingReporter())
    assert snapshot(tmp_path) == first


def test_without_its_picture_none_is_moved(tmp_path):
    paths, plan = album(tmp_path, Action.MOVE)
    os.unlink(paths[1])
    done = apply_plan(plan, RecordingReporter())
    assert sorted(item.path for item in done.lost) == sorted(paths[1:4])
    assert all(map(os.path.exists, paths[2:4]))


def test_none_is_moved_where_its_picture_changes_meanwhile(tmp_path, monkeypatch):
    paths, plan = album(tmp_path, Action.MOVE)
    touch_while_placed(paths[1], monkeypatch)
    done = apply_plan(plan, RecordingReporter())
    assert sorted(item.path for item in done.lost) == sorted(paths[1:4])
    assert all(map(os.path.exists, paths[1:4]))


def test_a_plan_keeps_them_together(tmp_path):
    _, plan = album(tmp_path, Action.COPY)
    record = plans.document(plan)
    assert plans.read(str.encode(plans_json(record))).entries == plan.entries
    record["files"] = [item for item in record["files"] if not item["source"].endswith("b/A.jpg")]
    with pytest.raises(PlanError, match="belongs to no picture"):
        plans.read(str.encode(plans_json(record)))


def plans_json(record):
    from itae_cluster.core.documents import to_json

    return to_json(record)
