"""Clusters renamed by file or by words; names that no folder can have; undo."""

from __future__ import annotations

import json
import os
import re

import jsonschema
import pytest

from itae_cluster.results.filenames import folder_fault
from itae_cluster.results.validation import read_schema
from support.command_line import run_cli
from support.results import collection, organized, snapshot

JOURNAL = ".itae-cluster/journal.jsonl"


@pytest.fixture
def out(tmp_path):
    paths = collection(str(tmp_path / "photos"))
    organized(paths, tmp_path / "sorted", "copy", [0, 1, -1])
    return tmp_path / "sorted"


def run(*words, code=0):
    return run_cli(*words, code=code)


def saved(path, **fields):
    names = {"schema": "itae-cluster/names", "schema_version": 1, **fields}
    path.write_text(json.dumps(names), encoding="utf-8")
    return path


def manifest(out):
    document = json.loads((out / "manifest.json").read_text(encoding="ascii"))
    schema = read_schema("manifest")
    del schema["properties"]["options"]["required"]  # those of the tests are shorter
    jsonschema.validate(document, schema)
    return document


def without_journal(out):
    return {name: what for name, what in snapshot(out).items() if name != JOURNAL}


def is_renamed(out):
    assert sorted(os.listdir(out / "Beach")) == ["img.jpg"]
    document = manifest(out)
    assert [
        (item["cluster"], item["folder"], item.get("name")) for item in document["clusters"]
    ] == [(-1, "unclustered", None), (0, "Beach", "Beach"), (1, "Two cats", "Two cats")]
    assert [item["destination"] for item in document["pictures"]] == [
        "Beach/img.jpg",
        "Two cats/img.jpg",
        "unclustered/other.jpg",
    ]
    assert b",Beach/img.jpg,0," in (out / "clusters.csv").read_bytes()


def test_pairs_rename_folders_and_documents(out):
    before = without_journal(out)
    result = run("rename", out, "cluster-000=Beach", "cluster-001=Two cats")
    assert "2 clusters renamed" in result.stderr
    is_renamed(out)
    assert "nothing to resume in " in run("apply", "--resume", out).stderr
    assert f"undoing the last change of {out} (rename); " in run("undo", out).stderr
    assert without_journal(out) == before
    assert "last change" not in run("undo", out).stderr
    assert not out.exists()


def test_a_file_of_the_page_renames(out, tmp_path):
    clusters = [
        {"cluster": 0, "folder": "cluster-000", "name": "Beach"},
        {"cluster": 1, "folder": "cluster-001", "name": "Two cats"},
    ]
    path = saved(tmp_path / "names.json", clusters=clusters)
    jsonschema.validate(json.loads(path.read_text()), read_schema("names"))
    run("rename", out, path)
    is_renamed(out)


def test_a_file_written_by_hand_renames(out, tmp_path):
    names = {"cluster-000": "Beach", "cluster-001": "Two cats"}
    run("rename", out, saved(tmp_path / "n.json", names=names))
    is_renamed(out)


def test_a_page_that_knows_the_first_names_renames_again(out, tmp_path):
    run("rename", out, "cluster-000=Sea", "cluster-001=Two cats")
    clusters = [{"cluster": 0, "folder": "cluster-000", "name": "Beach"}]
    run("rename", out, saved(tmp_path / "names.json", clusters=clusters))
    is_renamed(out)
    run("undo", out)
    assert (out / "Sea").is_dir()


def test_a_folder_that_a_person_renamed_is_known(out):
    os.rename(out / "cluster-000", out / "mine")
    run("rename", out, "mine=Beach", "cluster-001=Two cats")
    is_renamed(out)


def test_a_folder_swapped_for_a_link_is_not_followed(out, tmp_path):
    (out / "cluster-000").rename(tmp_path / "elsewhere")
    (out / "cluster-000").symlink_to(tmp_path / "elsewhere")
    assert "is a link" in run("rename", out, "cluster-001=A", code=1).stderr


def test_what_is_no_result_is_refused(tmp_path):
    (tmp_path / "cluster-000").mkdir()
    assert "no journal" in run("rename", tmp_path, "cluster-000=A", code=1).stderr


def test_unclustered_has_a_name_too(out):
    run("rename", out, "unclustered=Rest")
    assert manifest(out)["clusters"][0]["name"] == "Rest"


def test_a_name_it_has_already_changes_nothing(out):
    run("rename", out, "cluster-000=Beach")
    before = snapshot(out)
    assert "0 clusters renamed" in run("rename", out, "Beach=Beach").stderr
    assert snapshot(out) == before


def test_a_dry_run_prints_and_changes_nothing(out):
    before = snapshot(out)
    result = run("rename", out, "cluster-000=Beach", "--dry-run")
    assert result.stdout == "rename\tcluster-000\tBeach\n"
    assert snapshot(out) == before


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (
            ["cluster-007=x"],
            1,
            "no cluster cluster-007; choose one of unclustered, cluster-000",
        ),
        (["cluster-000=cluster-001"], 1, "is there already; .* merge"),
        (["cluster-000=CLUSTER-001"], 1, "is there already"),
        (["cluster-000=a", "cluster-001=A"], 2, "two clusters cannot both be 'A'"),
        (["cluster-000=a", "cluster-000=b"], 2, "given two names"),
        (["cluster-000=Manifest.json"], 2, "the tool needs that name"),
        (["cluster-000=contact"], 2, "the tool needs that name"),
        (["cluster-000="], 2, "it is empty"),
        (["cluster-000=../x"], 2, "it holds a slash"),
        (["no-such-file"], 2, "cluster-003=Beach|cannot read"),
        (["cluster-000", "cluster-001=x"], 2, "pairs such as"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_changes(out, words, code, message):
    before = snapshot(out)
    result = run("rename", out, *words, code=code)
    assert len(result.stderr.strip().splitlines()) == 1

    assert re.search(message, result.stderr)
    assert snapshot(out) == before


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        "[]",
        "nonsense",
        '{"schema": "itae-cluster/names", "schema_version": 2, "names": {}}',
        '{"schema": "itae-cluster/names", "schema_version": 1}',
        '{"schema": "itae-cluster/names", "schema_version": 1, "names": {"cluster-000": 3}}',
        '{"schema": "itae-cluster/names", "schema_version": 1, "clusters": [{"folder": "a"}]}',
    ],
)
def test_another_file_is_refused(out, tmp_path, content):
    path = tmp_path / "names.json"
    path.write_text(content, encoding="utf-8")
    assert "holds no names" in run("rename", out, path, code=2).stderr


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", ".", "..", ".hidden", "a/b", "a\\b", "a\0b", "a\nb", "a\x1bb", "a.", "a ", " a"),
        *(
            "con",
            "a:b",
            "why?",
            "NUL.txt",
            "Com1",
            "a" * 101,
            "👩" * 64,
            "\udcff",
            "a\u202eb",
            "a\u2028b",
        ),
    ],
)
def test_no_folder_can_be_called_so(name):
    assert folder_fault(name)


@pytest.mark.parametrize("name", ["a", "Two cats", "Übung…", "консоль", "a.b", "concert", "👩‍👧"])
def test_a_folder_can_be_called_so(name):
    assert folder_fault(name) is None


def suggest(out, *names):
    """Put suggestions into the manifest, as a run with names leaves them."""
    path = out / "manifest.json"
    document = json.loads(path.read_text(encoding="ascii"))
    clusters = [each for each in document["clusters"] if each["cluster"] >= 0]
    for each, name in zip(clusters, names, strict=True):
        each["suggested"] = {"name": name, "tags": ["animal"], "confidence": 0.9}
    path.write_text(json.dumps(document), encoding="ascii")


def test_suggested_names_are_given_and_taken_back(out):
    suggest(out, "garbage truck", None)
    before = without_journal(out)
    run("rename", out, "--suggested")
    assert sorted(os.listdir(out / "garbage-truck")) == ["img.jpg"]
    assert (out / "cluster-001").is_dir()
    document = manifest(out)
    assert document["clusters"][1]["name"] == "garbage-truck"
    assert document["clusters"][1]["suggested"]["name"] == "garbage truck"
    run("undo", out)
    assert without_journal(out) == before


def test_a_name_that_a_person_gave_wins(out):
    suggest(out, "dog", "dog 2")
    run("rename", out, "cluster-000=Rex")
    table = (out / "clusters.csv").read_text(encoding="utf-8-sig").splitlines()
    assert {line.rsplit(",", 1)[1] for line in table[1:]} == {"Rex", "dog 2", "unclustered"}
    run("rename", out, "--suggested")
    assert (out / "Rex").is_dir()
    assert (out / "dog-2").is_dir()


def test_without_suggestions_there_is_nothing_to_take(out):
    assert "suggests no names" in run("rename", out, "--suggested", code=1).stderr
    assert "--suggested" in run("rename", out, code=2).stderr
    assert "--suggested" in run("rename", out, "--suggested", "cluster-000=Rex", code=2).stderr


def test_a_name_that_no_folder_can_have_is_passed_over(out):
    suggest(out, "con", "Contact")
    run("rename", out, "--suggested")
    assert (out / "cluster-000").is_dir()
    assert (out / "cluster-001").is_dir()


def test_a_cluster_that_changed_much_keeps_no_suggestion(out):
    suggest(out, "dog", "cat")
    run("merge", out, "cluster-000", "cluster-001")
    assert not [each for each in manifest(out)["clusters"] if "suggested" in each]
