"""Clusters put together and taken apart: folders, manifest, model, undo."""

from __future__ import annotations

import contextlib
import os

import pytest

from itae_cluster.core.errors import InputError, OutputError, ResultError, UsageError
from itae_cluster.core.options import ModelOptions
from itae_cluster.core.types import NOISE
from itae_cluster.pipeline.regroup import SplitOptions, merge_clusters, split_cluster
from itae_cluster.pipeline.rename import rename_clusters
from itae_cluster.results import centres
from support.albums import Sorted, picture, without_journal
from support.command_line import run_cli
from support.fakes import MeanColourEncoder, a_run
from support.faults import Faults


@pytest.fixture
def case(album, tmp_path):
    return Sorted(album, tmp_path)


def merge(case, *folders, **options):
    return merge_clusters(str(case.out), folders, a_run(), **options)


def split(case, folder, k, **options):
    run = a_run(encoder=MeanColourEncoder())
    return split_cluster(str(case.out), folder, SplitOptions(k=k), ModelOptions(), run, **options)


def as_documents_say(case):
    """Every picture of the manifest is where it says, in its cluster's folder; nothing else is."""
    document = case.manifest()
    places = [item["destination"] for item in document["pictures"]]
    folders = {item["cluster"]: item["folder"] for item in document["clusters"]}
    found = {
        os.path.relpath(os.path.join(where, name), case.out)
        for where, _, names in os.walk(case.out)
        for name in names
        if where != str(case.out) and ".itae-cluster" not in where
    }
    assert sorted(places) == sorted(found)
    for item in document["pictures"]:
        assert os.path.dirname(item["destination"]) == folders[item["cluster"]]
    rows = (case.out / "clusters.csv").read_text().splitlines()
    assert [row.split(",")[1] for row in rows[1:]] == places
    return {item["folder"]: item["size"] for item in document["clusters"]}


def test_merged_and_taken_back(case):
    red, blue, green = (case.folder[name] for name in ("red", "blue", "green"))
    before = without_journal(case.out)
    merge(case, red, blue)
    assert as_documents_say(case) == {red: 8, green: 4}
    assert sorted(os.listdir(case.out / red)) == sorted(
        f"{n}{twin}.png" for n in range(4) for twin in ("", " (2)")
    )
    assert not (case.out / blue).exists()
    assert all(item["distance"] is not None for item in case.manifest()["pictures"])
    assert case.undo().refused == ()
    assert without_journal(case.out) == before


def test_merged_under_a_name(case):
    red, blue, green = (case.folder[name] for name in ("red", "blue", "green"))
    before = without_journal(case.out)
    merge(case, red, blue, green, name="Colours")
    assert as_documents_say(case) == {"Colours": 12}
    assert case.manifest()["clusters"][0]["name"] == "Colours"
    case.undo()
    assert without_journal(case.out) == before


def test_both_centres_draw_new_pictures(case, tmp_path):
    red, blue = case.folder["red"], case.folder["blue"]
    merge(case, red, blue)
    case.update(picture(tmp_path / "n" / "r.png", (220, 30, 30)))
    case.update(picture(tmp_path / "n" / "b.png", (30, 40, 220)))
    assert as_documents_say(case)[red] == 10


def test_what_is_merged_into_unclustered_draws_none(case, tmp_path):
    case.update(picture(tmp_path / "n" / "y.png", (240, 240, 20)))
    red = case.folder["red"]
    merge(case, "unclustered", red)
    assert as_documents_say(case)["unclustered"] == 5
    case.update(picture(tmp_path / "n" / "r.png", (220, 30, 30)))
    assert as_documents_say(case)["unclustered"] == 6


def test_a_persons_own_file_stays_where_it_is(case):
    red, blue = case.folder["red"], case.folder["blue"]
    (case.out / blue / "notes.txt").write_text("mine")
    merge(case, red, blue)
    assert os.listdir(case.out / blue) == ["notes.txt"]


def test_split_and_taken_back(case):
    red, blue, green = (case.folder[name] for name in ("red", "blue", "green"))
    merge(case, red, blue)
    before = without_journal(case.out)
    done = split(case, red, 2)
    sizes = as_documents_say(case)
    assert sizes == {red: 4, f"{red}-2": 4, green: 4}
    assert done.sizes == {red: 4, f"{red}-2": 4}
    colours = {
        os.path.basename(os.path.dirname(item["source"]))
        for item in case.manifest()["pictures"]
        if item["destination"].startswith(f"{red}-2/")
    }
    assert len(colours) == 1
    assert case.undo().refused == ()
    assert without_journal(case.out) == before


def test_the_parts_draw_new_pictures(case, tmp_path):
    red, blue = case.folder["red"], case.folder["blue"]
    merge(case, red, blue)
    split(case, red, 2)
    new = [picture(tmp_path / "n" / "r.png", (220, 30, 30))]
    new.append(picture(tmp_path / "n" / "b.png", (30, 40, 220)))
    case.update(*new)
    sizes = as_documents_say(case)
    assert (sizes[red], sizes[f"{red}-2"]) == (5, 5)


def test_parts_of_a_named_cluster_are_named(case):
    red, blue = case.folder["red"], case.folder["blue"]
    merge(case, red, blue, name="Beach")
    (case.out / "beach-2").mkdir()
    split(case, "Beach", 2)
    assert {"Beach", "Beach-3"} <= as_documents_say(case).keys()
    names = [item.get("name") for item in case.manifest()["clusters"]]
    assert sorted(filter(None, names)) == ["Beach", "Beach-3"]


def test_unclustered_is_taken_apart_into_clusters(case, tmp_path):
    for number, colour in enumerate([(240, 240, 20), (241, 241, 20), (20, 220, 220)]):
        case.update(picture(tmp_path / "n" / f"{number}.png", colour))
    split(case, "unclustered", 2)
    sizes = as_documents_say(case)
    assert (sizes["unclustered-1"], sizes["unclustered-2"]) == (2, 1)
    assert NOISE not in {item["cluster"] for item in case.manifest()["clusters"]}


def test_the_same_seed_splits_the_same(case):
    merge(case, case.folder["red"], case.folder["blue"])
    first = split(case, case.folder["red"], 3, dry_run=True)
    assert first.shifts == split(case, case.folder["red"], 3, dry_run=True).shifts


def test_a_dry_run_changes_nothing(case, tmp_path):
    before = without_journal(case.out)
    assert len(merge(case, case.folder["red"], case.folder["blue"], dry_run=True).shifts) == 4
    assert len(split(case, case.folder["red"], 4, dry_run=True).shifts) == 3
    assert without_journal(case.out) == before


def test_a_disk_that_fails_leaves_everything_as_it_was(case, monkeypatch):
    monkeypatch.setattr("itae_cluster.changes.locks.claim", lambda *_: contextlib.nullcontext(True))
    red, blue = case.folder["red"], case.folder["blue"]
    before = without_journal(case.out)
    refused = 0
    for at in range(1, 60, 4):
        try:
            with Faults(at, "once")():
                merge(case, red, blue)
        except OutputError as error:
            refused += "everything is as it was" in str(error)
        else:
            case.undo()
        assert without_journal(case.out) == before, at
    assert refused > 5


def test_what_cannot_be_is_refused(case):
    red, blue, green = (case.folder[name] for name in ("red", "blue", "green"))
    before = without_journal(case.out)
    for folders in ([red], [red, red]):
        with pytest.raises(UsageError, match="two or more different"):
            merge(case, *folders)
    with pytest.raises(ResultError, match="there is no cluster nowhere"):
        merge(case, red, "nowhere")
    with pytest.raises(ResultError, match="is there already"):
        merge(case, red, blue, name=green)
    with pytest.raises(UsageError, match="--k 1 must be 2 or more"):
        split(case, red, 1)
    with pytest.raises(InputError, match="--k 9 asks for more clusters"):
        split(case, red, 9)
    assert without_journal(case.out) == before


def test_merging_needs_no_model(case):
    os.unlink(case.out / ".itae-cluster" / "model.npz")
    merge(case, case.folder["red"], case.folder["blue"])
    with pytest.raises(ResultError, match="make it with 'itae-cluster preview"):
        split(case, case.folder["red"], 2)


def test_a_name_that_was_given_to_what_is_merged_goes(case):
    red, blue = case.folder["red"], case.folder["blue"]
    rename_clusters(str(case.out), [(blue, None, "Sea")], a_run())
    merge(case, red, "Sea")
    assert [item.get("name") for item in case.manifest()["clusters"]] == [None, None]
    assert len(centres.load(str(case.out)).labels) == 3


def test_the_commands(album, tmp_path, tiny_weights):
    def run(*words):
        return run_cli(*words, code=0)

    out = tmp_path / "sorted"
    options = ["--weights", tiny_weights, "--size", "28", "--reduce", "none"]
    run(album, "--k", "3", "-o", out, *options)
    assert run("merge", out, "cluster-000", "cluster-001", "-n").stdout.startswith(
        "move\tcluster-0"
    )
    done = run("merge", out, "cluster-000", "cluster-001", "--name", "Both")
    assert "8 pictures in Both" in done.stderr
    assert "Both-2" in run("split", out, "Both", "--k", "2").stderr
    for _ in range(3):
        run("undo", out)
    assert not out.exists()
