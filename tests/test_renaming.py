"""Names for clusters: folders, manifest and table follow, and undo still finds everything."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from itae_cluster.cli import app
from itae_cluster.errors import InputError
from itae_cluster.renaming import check_name, read_names, rename_clusters
from results import snapshot


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def out(album, tmp_path, tiny_weights):
    """A result of three clusters."""
    made = tmp_path / "sorted"
    options = ("--weights", tiny_weights, "--size", "28", "--reduce", "none", "--no-cache")
    done = run(album, "--k", "3", "--out", made, "--action", "move", "--seed", "0", *options)
    assert done.exit_code == 0, done.output
    return made


def names_file(tmp_path, **names):
    path = tmp_path / "names.json"
    clusters = [{"cluster": 0, "folder": key, "name": value} for key, value in names.items()]
    path.write_text(
        json.dumps({"schema": "itae-cluster/names", "schema_version": 1, "clusters": clusters})
    )
    return path


def test_folders_manifest_and_table_follow(out, tmp_path):
    inside = sorted(os.listdir(out / "cluster-001"))
    done = run("rename", out, names_file(tmp_path, **{"cluster-001": "Beach – été"}))
    assert (done.exit_code, "1 folders renamed" in done.output) == (0, True)
    assert sorted(os.listdir(out / "Beach – été")) == inside
    assert not (out / "cluster-001").exists()
    document = json.loads((out / "manifest.json").read_text())
    places = [record["destination"] for record in document["pictures"]]
    assert all((out / place).is_file() for place in places)
    assert {entry.get("name") for entry in document["clusters"]} == {None, "Beach – été"}
    with open(out / "clusters.csv", encoding="utf-8", newline="") as file:
        assert sorted(row["destination"] for row in csv.DictReader(file)) == sorted(places)


def test_undo_brings_everything_back(album, out, tmp_path):
    assert run("rename", out, "cluster-000=A", "cluster-002=B").exit_code == 0
    assert run("rename", out, "A=C").exit_code == 0
    undone = run("undo", out)
    assert undone.exit_code == 0, undone.output
    assert not out.exists()
    assert len(list(Path(album).rglob("*.png"))) == 12


def test_an_interrupted_rename_is_finished_by_asking_again(out, monkeypatch):
    real, calls = os.rename, []

    def once(old, new):
        calls.append(old)
        if len(calls) == 2:
            raise OSError(5, "Input/output error")
        real(old, new)

    monkeypatch.setattr(os, "rename", once)
    with pytest.raises(OSError, match="Input"):
        rename_clusters(str(out), {"cluster-000": "A", "cluster-001": "B"})
    monkeypatch.setattr(os, "rename", real)
    assert rename_clusters(str(out), {"cluster-000": "A", "cluster-001": "B"}) == {
        "cluster-001": "B"
    }
    document = json.loads((out / "manifest.json").read_text())
    assert all((out / record["destination"]).is_file() for record in document["pictures"])
    assert run("undo", out).exit_code == 0


def test_a_document_that_was_edited_is_left_alone(out):
    (out / "clusters.csv").write_text("mine")
    assert run("rename", out, "cluster-000=A").exit_code == 0
    assert (out / "clusters.csv").read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cluster-009=A"], "no folder of the result"),
        (["cluster-000=cluster-001"], "there is a cluster-001 already"),
        (["cluster-000=A", "cluster-001=a"], "there is a a already"),
        (["cluster-000=../A"], "holds one of"),
        (["cluster-000=.A"], "begins or ends"),
        (["cluster-000=Manifest.json"], "a file the tool makes"),
        (["cluster-000=nul.x"], "a device on Windows"),
        (["..=A"], "no folder of the result"),
        ([".itae-cluster=A"], "no folder of the result"),
        (["manifest.json=A"], "no folder of the result"),
        (["cluster-000=A", "cluster-000=B"], "two names"),
        (["nowhere.json"], "cannot read"),
    ],
)
def test_what_is_refused_changes_nothing(out, words, message):
    before = snapshot(out)
    done = run("rename", out, *words)
    assert done.exit_code in (1, 2)
    assert message in " ".join(done.output.split())
    assert snapshot(out) == before


def test_a_link_is_not_followed(out, tmp_path):
    (out / "cluster-000").rename(tmp_path / "elsewhere")
    (out / "cluster-000").symlink_to(tmp_path / "elsewhere")
    assert "is a link" in run("rename", out, "cluster-000=A").output


def test_what_is_no_result_is_refused(tmp_path):
    (tmp_path / "cluster-000").mkdir()
    done = run("rename", tmp_path, "cluster-000=A")
    assert done.exit_code == 1
    assert "no journal" in done.output


@pytest.mark.parametrize("name", ["", "a/b", "a\\b", "a\nb", " a", "a.", "x" * 101, "COM1", "a:b"])
def test_names_that_are_trouble_somewhere(name):
    with pytest.raises(InputError):
        check_name(name)


@pytest.mark.parametrize("name", ["Beach 2019", "été", "日本", "a.b", "🎉", "console"])
def test_names_that_are_fine(name):
    check_name(name)


@pytest.mark.parametrize("text", ["", "[]", '{"schema": "x"}', '{"schema": "itae-cluster/names"}'])
def test_what_is_no_list_of_names_is_refused(tmp_path, text):
    path = tmp_path / "names.json"
    path.write_text(text)
    with pytest.raises(InputError, match="no list of names"):
        read_names(str(path))
