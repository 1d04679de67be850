"""What version 0.1.0 wrote is read, changed and taken back.

`made_by_0_1_0.tar.xz` was made by that version: nine pictures in `/tmp/compat/photos`, sorted into
three clusters of which one was renamed, a plan, vectors, and the cache.
"""

from __future__ import annotations

import json
import os
import sqlite3
import tarfile
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from itae_cluster.changes.amend import inspect_result
from itae_cluster.changes.undo import undo_result
from itae_cluster.cli import app
from itae_cluster.core.cache import Cache
from itae_cluster.embedding import vector_files
from itae_cluster.pipeline.regroup import merge_clusters
from itae_cluster.pipeline.rename import rename_clusters
from itae_cluster.preview import read_page
from itae_cluster.results import plan as plans
from support.fakes import RecordingReporter, a_run
from support.results import snapshot

ARCHIVE = Path(__file__).with_name("made_by_0_1_0.tar.xz")
JOURNAL = ".itae-cluster/journal.jsonl"


@pytest.fixture
def made(tmp_path):
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def test_a_result_is_read_as_it_was(made):
    found = inspect_result(str(made / "sorted"))
    assert len(found.pictures) == 9
    assert sorted(found.folders.values()) == ["Beach", "cluster-001", "cluster-002"]
    assert found.names == {0: "Beach"}


def test_a_result_is_renamed_merged_and_taken_back(made):
    out, reporter = str(made / "sorted"), RecordingReporter()
    first = snapshot(out)
    rename_clusters(out, [("cluster-001", None, "Wood")], a_run(reporter))
    assert sorted(os.listdir(made / "sorted" / "Wood")) == ["0.jpg", "1.jpg", "2.jpg"]
    page, _ = read_page((made / "sorted/preview.html").read_bytes())
    assert "Wood" in page.folders.values()
    assert b"/tmp/compat" not in (made / "sorted/preview.html").read_bytes()
    merge_clusters(out, ["Wood", "cluster-002"], a_run(reporter))
    assert len(os.listdir(made / "sorted" / "Wood")) == 6
    assert reporter.warnings == []
    for _ in range(2):
        assert undo_result(out, reporter).refused == ()
    assert snapshot(out) | {JOURNAL: 0} == first | {JOURNAL: 0}


def test_a_result_is_edited_and_only_its_levels_are_lacking(made):
    out = str(made / "sorted")
    first = snapshot(out)
    wanted = [
        {"move": ["Beach/0.jpg"], "to": "Dune"},
        {"reject": ["cluster-001/0.jpg"]},
        {"rename": "cluster-001", "name": "Wood"},
    ]
    document = {"schema": "itae-cluster/changes", "schema_version": 1, "changes": wanted}
    (made / "changes.json").write_text(json.dumps(document))
    done = CliRunner().invoke(app, ["edit", out, str(made / "changes.json")])
    assert done.exit_code == 0, done.stderr
    sizes = {name: len(os.listdir(made / "sorted" / name)) for name in ("Beach", "Dune", "Wood")}
    assert sizes == {"Beach": 2, "Dune": 1, "Wood": 2}
    assert os.listdir(made / "sorted/rejected") == ["0.jpg"]
    page, _ = read_page((made / "sorted/preview.html").read_bytes())
    assert {"Dune", "Wood", "rejected"} <= set(page.folders.values())
    done = CliRunner().invoke(app, ["undo", out])
    assert done.exit_code == 0, done.stderr
    assert snapshot(out) | {JOURNAL: 0} == first | {JOURNAL: 0}
    done = CliRunner().invoke(app, ["regroup", out, "--k", "2"])
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert "keeps no levels" in line
    assert "itae-cluster preview" in line
    assert snapshot(out) | {JOURNAL: 0} == first | {JOURNAL: 0}


def test_both_changes_of_that_version_can_be_undone(made):
    out, reporter = str(made / "sorted"), RecordingReporter()
    assert undo_result(out, reporter).refused == ()
    assert (made / "sorted/cluster-000").is_dir()
    rest = undo_result(out, reporter, dry_run=True)  # would restore /tmp/compat/photos
    assert rest.refused == ()
    assert len(rest.restored) == 9


def test_an_update_says_what_has_changed_and_changes_nothing(made):
    before = snapshot(made / "sorted")
    done = CliRunner().invoke(app, ["update", str(made / "sorted"), str(made / "photos")])
    assert done.exit_code == 0, done.stderr  # nothing is new
    extra = made / "more"
    extra.mkdir()
    (extra / "new.jpg").write_bytes((made / "photos/red/0.jpg").read_bytes() + b"\0")
    done = CliRunner().invoke(app, ["update", str(made / "sorted"), str(extra)])
    assert done.exit_code == 1
    assert "the model has changed: the result was made with mini 1" in done.stderr
    assert snapshot(made / "sorted") == before


def test_a_plan_is_carried_out(made, monkeypatch):
    record = json.loads((made / "plan.json").read_text())
    text = json.dumps(record).replace("/tmp/compat", str(made))
    plan = plans.read(text.encode())
    assert (len(plan.entries), plan.out) == (9, str(made / "planned"))
    (made / "mine.json").write_text(text)
    done = CliRunner().invoke(app, ["apply", str(made / "mine.json")])
    assert done.exit_code == 0, done.stderr
    assert len(list((made / "planned").glob("cluster-*/*.jpg"))) == 9


def test_vectors_and_the_cache_are_read(made):
    vectors = vector_files.load(str(made / "vectors.npz"))
    assert vectors.vectors.shape == (9, 384)
    assert vectors.metadata["preprocessing"] == 2
    np.testing.assert_allclose(np.linalg.norm(vectors.vectors, axis=1), 1, atol=1e-5)
    path = str(made / "embeddings.sqlite")
    with sqlite3.connect(path) as db:
        (text,) = db.execute("SELECT fingerprint FROM recipes").fetchone()
        digests = [row[0] for row in db.execute("SELECT content FROM entries ORDER BY id")]
    db.close()
    reporter = RecordingReporter()
    with Cache(path, reporter) as cache:
        out = np.zeros((9, 384), dtype=np.float32)
        assert cache.fill(cache.recipe(json.loads(text)), digests, out).all()
        assert cache.info().vectors == 9
    assert reporter.warnings == []
