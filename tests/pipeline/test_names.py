"""Where suggested names come from, and where they show."""

from __future__ import annotations

import csv
import json
import os
import re
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from itae_cluster.cli import app
from itae_cluster.clustering.algorithms import measure
from itae_cluster.core.options import ModelOptions
from itae_cluster.core.types import Embeddings, Suggestion
from itae_cluster.model.vocabulary import VERSION, load_vocabulary
from itae_cluster.pipeline import names
from itae_cluster.pipeline.demo import make_album
from itae_cluster.pipeline.edit import edit_result, move_pictures
from itae_cluster.pipeline.regroup import merge_clusters
from itae_cluster.pipeline.rename import rename_as_suggested
from itae_cluster.results.changes import Changes
from support.albums import Sorted, picture
from support.fakes import a_run

LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 1])
DOG, CHURCH, TENCH = "02102040", "03028079", "01440764"  # English springer, church, tench


def shown(*offsets):
    """Embeddings of `mini` that its classifier takes for these classes, four of each."""
    known = load_vocabulary()
    place = {each.offset: number for number, each in enumerate(known.synsets)}
    rows = [known.weight[place[offset]] for offset in offsets for _ in range(4)]
    vectors = np.stack(rows)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def embeddings(vectors, **metadata):
    return Embeddings(tuple(f"{row}.jpg" for row in range(len(vectors))), vectors, metadata)


def test_with_mini_they_are_read_off_its_embeddings():
    found = embeddings(shown(DOG, CHURCH), name="mini", version=VERSION)
    suggested = names.describe_pictures(
        found, measure(found.vectors, LABELS), None, a_run()
    ).suggested
    assert [suggested[label].name for label in (0, 1)] == ["English springer", "church"]


def test_with_another_model_mini_looks_at_a_few_pictures(monkeypatch):
    asked = []

    def embed(paths, sample, model, run):
        asked.extend(paths[row] for row in sample)
        return sample, shown(DOG, CHURCH)

    monkeypatch.setattr(names, "_embed_with_mini", embed)
    found = embeddings(np.eye(8, dtype=np.float32), name="vitb14")
    clustering = measure(found.vectors, LABELS)
    suggested = names.describe_pictures(found, clustering, ModelOptions(), a_run()).suggested
    assert [suggested[label].name for label in (0, 1)] == ["English springer", "church"]
    assert sorted(asked) == sorted(found.paths)


@pytest.mark.parametrize("version", [1, None])
def test_without_pictures_or_with_an_older_mini_there_are_none(version):
    found = embeddings(shown(DOG, CHURCH), name="mini", version=version)
    described = names.describe_pictures(found, measure(found.vectors, LABELS), None, a_run())
    assert described.suggested == {}
    assert {each.tags for each in described.facts} == {None}


@pytest.fixture
def named(tmp_path, monkeypatch):
    """A result of 16 pictures in two clusters of 12 and 4: springers and a church, tenches."""
    for row in range(16):
        colour = (200, 30, 30) if row < 12 else (30, 30, 200)
        picture(str(tmp_path / "album" / f"{row:02}.png"), colour, seed=row)
    sorted_album = Sorted(str(tmp_path / "album"), tmp_path, k=2)
    path = sorted_album.out / "manifest.json"
    document = sorted_album.manifest()
    for each, name in zip(document["clusters"], ("dog", "tench"), strict=True):
        each["suggested"] = {"name": name, "tags": [], "confidence": 0.9}
    path.write_text(json.dumps(document), encoding="ascii")
    vectors = shown(DOG, DOG, CHURCH, TENCH, TENCH)
    known = list(range(16))

    def recall(held, records, run):
        rows = [int(os.path.basename(record["destination"])[:2]) for record in records]
        seen = [place for place, row in enumerate(rows) if row in known]
        return np.array(seen), vectors[[rows[place] for place in seen]]

    monkeypatch.setattr(names, "_recall", recall)
    sorted_album.known = known
    return sorted_album


def edit(case, *changes):
    run = a_run(encoder=case.encoder())
    edit_result(str(case.out), Changes(changes), ModelOptions(), run)
    return names_of(case)


def names_of(case):
    return {
        each["folder"]: (each.get("suggested") or {}).get("name")
        for each in case.manifest()["clusters"]
    }


def test_a_cluster_that_stays_nearly_the_same_keeps_its_name(named):
    move = {"move": ["cluster-000/00.png"], "to": "cluster-001"}
    assert edit(named, move) == {"cluster-000": "dog", "cluster-001": "tench"}
    new = {"move": [f"cluster-000/{row:02}.png" for row in range(1, 12)], "to": "Other"}
    assert edit(named, new) == {"Other": "dog", "cluster-001": "tench"}


def test_one_that_changed_is_looked_at_again(named):
    church = {"move": [f"cluster-000/{row:02}.png" for row in range(8, 12)], "to": "Holiday"}
    found = edit(named, church)
    assert found == {
        "cluster-000": "English springer",
        "Holiday": "church",
        "cluster-001": "tench",
    }
    # Two that are called the same are told apart; one of which too little is known has no name.
    halves = {"move": [f"cluster-000/{row:02}.png" for row in range(4)], "to": "Half"}
    assert edit(named, halves)["Half"] == "English springer 2"
    named.undo()
    named.known[:] = range(2, 16)
    assert edit(named, halves)["Half"] is None


def test_so_it_is_whatever_changed_it(named, tmp_path):
    out, first, later = str(named.out), "cluster-000", range(16, 20)
    merge_clusters(out, ["cluster-001", first], a_run())  # three quarters of it were the dogs
    assert names_of(named) == {"cluster-001": "dog"}
    named.undo()
    move_pictures(
        out, "New", [f"{named.out}/{first}/{row:02}.png" for row in range(8, 12)], a_run()
    )
    assert names_of(named) == {first: "English springer", "New": "church", "cluster-001": "tench"}
    merge_clusters(out, [first, "New"], a_run())
    assert names_of(named) == {first: "English springer", "cluster-001": "tench"}
    named.known.extend(later)
    for row in later:
        picture(str(tmp_path / "more" / f"{row}.png"), (30, 30, 200), seed=row, spread=1)
    named.update(tmp_path / "more")
    assert names_of(named) == {first: "English springer", "cluster-001": "tench"}
    # By hand: what the documents suggested is right no longer, and `rename` does not go by it.
    (named.out / "By hand").mkdir()
    for row in range(8, 12):
        os.rename(named.out / first / f"{row:02}.png", named.out / "By hand" / f"{row:02}.png")
    rename_as_suggested(out, a_run())
    assert names_of(named) == {
        "English-springer": "English springer",
        "By hand": "church",
        "tench": "tench",
    }


@pytest.fixture
def album(tmp_path, monkeypatch):
    """The demo album, whose clusters are called what the test says."""
    make_album(str(tmp_path / "demo"))
    suggested = {0: Suggestion("garbage truck", ("truck",), 0.9, "03417042")}
    describe = names.describe_pictures

    def described(*arguments, by_name=True):
        found = describe(*arguments, by_name=by_name)
        return replace(found, suggested=suggested if by_name else {})

    monkeypatch.setattr("itae_cluster.pipeline.sort.describe_pictures", described)
    return tmp_path / "demo/album"


def sort(album, *words):
    command = ["cluster", str(album), "--model", "mini", "--k", "2", "-o", str(album / "../out")]
    result = CliRunner().invoke(app, [*command, *words])
    assert result.exit_code == 0, result.stderr
    return album.parent / "out", result.stderr


def table_names(out):
    with open(out / "clusters.csv", encoding="utf-8-sig", newline="") as file:
        return {row["cluster"]: row["name"] for row in csv.DictReader(file)}


@pytest.mark.slow
def test_names_show_in_manifest_table_page_and_closing_words(album):
    out, told = sort(album)
    assert re.search(r"^\d+ garbage truck$", told, re.MULTILINE)
    first, second = json.loads((out / "manifest.json").read_text())["clusters"]
    assert first["suggested"] == {
        "name": "garbage truck",
        "tags": ["truck"],
        "confidence": 0.9,
        "wordnet": "03417042",
    }
    assert "suggested" not in second
    assert table_names(out) == {"0": "garbage truck", "1": "cluster-001"}
    assert '"name":"garbage truck"' in (out / "preview.html").read_text(encoding="utf-8")
    assert {"cluster-000", "cluster-001"} <= set(os.listdir(out))
    # At another level the cache knows what `mini` sees in the new clusters.
    result = CliRunner().invoke(app, ["regroup", str(out), "--k", "8"])
    assert result.exit_code == 0, result.stderr
    clusters = json.loads((out / "manifest.json").read_text())["clusters"]
    found = {each["suggested"]["name"] for each in clusters if "suggested" in each} - {None}
    assert found
    assert f'"name":"{found.pop()}"' in (out / "preview.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_folders_bear_them_where_that_is_asked_for(album):
    out, _ = sort(album, "--name-folders", "--no-preview")
    assert {"garbage-truck", "cluster-001"} <= set(os.listdir(out))


@pytest.mark.slow
def test_no_names_leaves_them_out(album):
    out, told = sort(album, "--no-names", "--no-preview")
    assert "garbage" not in told + (out / "manifest.json").read_text()
