"""Amended results: nothing is lost, whatever call fails; undo leads back, one change at a time."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import tempfile

import pytest

from itae_cluster.changes import locks, transfer
from itae_cluster.changes.amend import Amendment, amend, inspect_result
from itae_cluster.changes.apply import resume
from itae_cluster.changes.undo import undo_result
from itae_cluster.core.errors import (
    BusyError,
    ItaeClusterError,
    JournalError,
    OutputError,
    ResultError,
)
from itae_cluster.core.options import Action, ModelOptions
from itae_cluster.core.types import Placement
from itae_cluster.pipeline.edit import edit_result
from itae_cluster.pipeline.rename import rename_clusters
from itae_cluster.results import inventory
from itae_cluster.results.changes import Changes
from itae_cluster.results.journal import Journal, Shift
from support.fakes import RecordingReporter, a_run
from support.faults import Faults, KilledError
from support.results import collection, organized, planned, snapshot

JOURNAL = "sorted/.itae-cluster/journal.jsonl"
SOME = [(Action.COPY, True), (Action.SYMLINK, True), (Action.MOVE, False)]
WAYS = [*((action, True) for action in Action), (Action.COPY, False), (Action.MOVE, False)]


@pytest.fixture
def unlocked(monkeypatch):
    @contextlib.contextmanager
    def claim(*_args):
        yield True

    monkeypatch.setattr(locks, "claim", claim)


def state(root):
    """All that is there but the journal, which only grows."""
    return {name: what for name, what in snapshot(root).items() if name != JOURNAL}


class Case:
    """A result of three pictures in two clusters, and two new pictures."""

    def __init__(self, root, action=Action.COPY, links=True):
        self.root, self.links, self.action = str(root), links, Action(action)
        self.out = os.path.join(self.root, "sorted")
        photos = collection(os.path.join(self.root, "photos"))
        self.new = collection(os.path.join(self.root, "new"), ["n/1.jpg", "n/2.jpg"])
        self.before_all = snapshot(root)
        with Faults(links=links)():
            organized(photos, self.out, self.action, [0, 0, 1])
        self.first = state(root)
        self.path = os.path.join(self.out, "cluster-000", "img.jpg")

    def amendment(self):
        """A folder renamed, a picture moved, two added, a document written anew, one gone."""
        added = [Placement(path, f"cluster-001/{n}.jpg", 1, 0.5) for n, path in enumerate(self.new)]
        plan = planned(self.new, self.out, self.action, placements=added)
        return Amendment(
            "update",
            lambda placed, _: {"manifest.json": b"%d" % len(placed), "clusters.csv": None},
            (
                Shift("cluster-000", "Beach"),
                Shift("Beach/img.jpg", "cluster-001/img.jpg"),
            ),
            plan,
        )

    def amend(self, faults=None):
        held = inspect_result(self.out)
        change = self.amendment()
        with (faults or Faults(links=self.links))():
            return amend(held, change, RecordingReporter())

    def undo(self, faults=None):
        with (faults or Faults(links=self.links))():
            return undo_result(self.out, RecordingReporter())

    def every_picture_is_somewhere(self):
        now = {what[0] for what in snapshot(self.root).values()}
        return {what[0] for what in self.before_all.values()} <= now


def all_calls(attempt, action, links):
    for at in itertools.count(1):
        with tempfile.TemporaryDirectory() as root:
            if not attempt(Case(root, action, links), at):
                break
    assert at > 10


@pytest.mark.parametrize(("action", "links"), WAYS)
def test_a_change_and_its_undo(tmp_path, action, links):
    case = Case(tmp_path, action, links)
    done = case.amend()
    assert len(done.placed) == 2
    assert sorted(os.listdir(os.path.join(case.out, "Beach"))) == ["img (2).jpg"]
    held = sorted(os.listdir(os.path.join(case.out, "cluster-001")))
    assert held == ["0.jpg", "1.jpg", "img.jpg", "other.jpg"]
    assert all(os.path.lexists(path) == (action is not Action.MOVE) for path in case.new)
    assert not Journal(case.out).read()[-1].is_open()
    case.undo()
    assert state(case.root) == case.first
    case.undo()
    assert snapshot(case.root) == case.before_all


@pytest.mark.parametrize(("action", "links"), WAYS)
def test_an_amendment_killed_at_any_call_can_be_undone(unlocked, action, links):
    def attempt(case, at):
        reached = False
        try:
            case.amend(Faults(at, links=links))
        except KilledError:
            reached = True
        assert case.every_picture_is_somewhere()
        if len(Journal(case.out).read()) > 1:
            case.undo()
        assert state(case.root) == case.first, at
        case.undo()
        assert snapshot(case.root) == case.before_all, at
        return reached

    all_calls(attempt, action, links)


class EditCase(Case):
    """An edit: a picture is rejected, others move, and a name goes to another cluster."""

    def amend(self, faults=None):
        wanted = Changes(
            (
                {"move": ["cluster-000/img.jpg"], "to": "New"},
                {"reject": ["cluster-000/img (2).jpg"]},
                {"move": ["cluster-001/other.jpg"], "to": "cluster-000"},
                {"rename": "cluster-000", "name": "Sea"},
                {"rename": "New", "name": "cluster-000"},
            )
        )
        with (faults or Faults(links=self.links))():
            return edit_result(self.out, wanted, ModelOptions(), a_run())


@pytest.mark.parametrize(("action", "links"), SOME)
def test_an_edit_and_its_undo_can_be_killed_at_any_call(unlocked, action, links):
    def attempt(root, at, *, undoing):
        case = EditCase(root, action, links)
        reached = False
        try:
            case.amend(None if undoing else Faults(at, links=links))
            if undoing:
                case.undo(Faults(at, links=links))
        except KilledError:
            reached = True
        assert case.every_picture_is_somewhere()
        last = Journal(case.out).read()[-1]
        if last.kind == "edit" and "undone" not in last.marks:
            case.undo()
        assert state(case.root) == case.first, at
        return reached

    for undoing in (False, True):
        for at in itertools.count(1):
            with tempfile.TemporaryDirectory() as root:
                if not attempt(root, at, undoing=undoing):
                    break
        assert at > 10


@pytest.mark.parametrize(("action", "links"), SOME)
def test_undoing_an_amendment_can_be_killed_at_any_call(unlocked, action, links):
    def attempt(case, at):
        case.amend()
        reached = False
        try:
            case.undo(Faults(at, links=links))
        except KilledError:
            reached = True
        assert case.every_picture_is_somewhere()
        if "undone" not in Journal(case.out).read()[-1].marks:
            case.undo()
        assert state(case.root) == case.first, at
        return reached

    all_calls(attempt, action, links)


@pytest.mark.parametrize("kind", ["full", "once"])
@pytest.mark.parametrize(("action", "links"), SOME)
def test_a_disk_that_fails_an_amendment_leaves_what_undo_understands(unlocked, action, links, kind):
    def attempt(case, at):
        faults = Faults(at, kind, links)
        with contextlib.suppress(OutputError):
            case.amend(faults)
        assert case.every_picture_is_somewhere()
        last = Journal(case.out).read()[-1]
        if last.kind == "update" and "undone" not in last.marks:
            case.undo()
        assert state(case.root) == case.first, at
        return faults.calls >= at

    all_calls(attempt, action, links)


def test_a_failed_amendment_takes_itself_back(tmp_path):
    case = Case(tmp_path)
    os.mkdir(os.path.join(case.out, "Beach"))
    with pytest.raises(OutputError, match=r"Beach.*everything is as it was"):
        case.amend()
    os.rmdir(os.path.join(case.out, "Beach"))
    assert state(case.root) == case.first
    case.amend()


def test_a_picture_in_the_way_is_never_overwritten(tmp_path):
    case = Case(tmp_path)
    with open(os.path.join(case.out, "cluster-001", "1.jpg"), "wb") as file:
        file.write(b"a person's own")
    before = state(case.root)
    with pytest.raises(OutputError, match="cannot be changed: File exists"):
        case.amend()
    assert state(case.root) == before


def test_an_unfinished_change_is_refused_with_its_remedy(unlocked, tmp_path):
    case = Case(tmp_path)
    with pytest.raises(KilledError):
        case.amend(Faults(12))
    with pytest.raises(ResultError, match="cut off; take it back first, with 'itae-cluster undo"):
        inspect_result(case.out)
    with pytest.raises(JournalError, match=r"\(update\) was cut off"):
        resume(case.out, RecordingReporter())
    case.undo()
    inspect_result(case.out)


def test_a_result_whose_originals_remain_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "is_other_name", lambda *_: False)  # as if changed meanwhile
    case = Case(tmp_path, Action.MOVE)
    with pytest.raises(ResultError, match="apply --resume"):
        inspect_result(case.out)


def test_a_result_that_changed_meanwhile_is_left(tmp_path):
    case = Case(tmp_path)
    held, change = inspect_result(case.out), case.amendment()
    rename_clusters(case.out, [("cluster-001", None, "Town")], a_run())
    before = state(case.root)
    with pytest.raises(BusyError, match="changed meanwhile"):
        amend(held, change, RecordingReporter())
    assert state(case.root) == before


def test_what_was_edited_since_is_left_and_named(tmp_path):
    case = Case(tmp_path)
    case.amend()
    with open(os.path.join(case.out, "clusters.csv"), "ab") as file:
        file.write(b"mine")
    undone = case.undo()
    assert [os.path.basename(item.path) for item in undone.refused] == ["clusters.csv"]
    assert "changed since" in undone.refused[0].reason


def test_a_folder_that_took_the_old_name_stays(tmp_path):
    case = Case(tmp_path)
    case.amend()
    os.mkdir(os.path.join(case.out, "cluster-000"))
    undone = case.undo()
    assert "cluster-000 holds something else now" in undone.refused[0].reason
    os.rmdir(os.path.join(case.out, "cluster-000"))
    assert case.undo().refused == ()
    assert state(case.root) == case.first


def test_a_dry_run_of_undo_tells_what_undo_does(tmp_path):
    case = Case(tmp_path)
    case.amend()
    before = snapshot(case.root)
    foreseen = undo_result(case.out, RecordingReporter(), dry_run=True)
    assert snapshot(case.root) == before
    done = case.undo()
    assert (foreseen.restored, foreseen.removed) == (done.restored, done.removed)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("origin", "../x"),
        ("destination", "/etc/x"),
        ("origin", ".itae-cluster/x"),
        ("backup", "../x"),
        ("backup", "cluster-000/img.jpg"),
    ],
)
def test_a_journal_of_amendments_that_points_outside_is_refused(tmp_path, key, value):
    case = Case(tmp_path)
    case.amend()
    path = os.path.join(case.root, JOURNAL)
    with open(path, encoding="ascii") as file:
        records = [json.loads(line) for line in file]
    record = next(r for r in reversed(records) if key in r and r.get("op") in {"shift", "write"})
    record[key] = value
    with open(path, "w", encoding="ascii") as file:
        file.writelines(json.dumps(item) + "\n" for item in records)
    before = snapshot(case.root)
    with pytest.raises(JournalError, match=r"leads out of the result|is no place for"):
        case.undo()
    assert snapshot(case.root) == before


# What a person did -----------------------------------------------------------------------------


@pytest.mark.parametrize("action", Action)
def test_what_a_person_did_is_seen(tmp_path, action):
    case = Case(tmp_path, action)
    out = case.out
    os.rename(os.path.join(out, "cluster-000"), os.path.join(out, "Holiday"))
    os.mkdir(os.path.join(out, "best"))
    os.rename(os.path.join(out, "Holiday", "img (2).jpg"), os.path.join(out, "best", "b.jpg"))
    os.unlink(os.path.join(out, "cluster-001", "other.jpg"))
    held = inspect_result(out)
    assert [(item.destination, item.cluster) for item in held.pictures] == [
        ("Holiday/img.jpg", 0),
        ("best/b.jpg", 2),
    ]
    assert held.folders == {0: "Holiday", 1: "cluster-001", 2: "best"}
    assert [os.path.basename(item["source"]) for item in held.removed] == ["other.jpg"]
    assert len(held.digests()) == 3


def test_a_picture_moved_to_another_cluster_counts_as_its(tmp_path):
    case = Case(tmp_path)
    os.rename(case.path, os.path.join(case.out, "cluster-001", "mine.jpg"))
    item = inspect_result(case.out).pictures[0]
    record = item.as_record()
    assert (item.cluster, record["destination"]) == (1, "cluster-001/mine.jpg")
    assert record["distance"] is None


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda m: m["pictures"][0].update(destination="../x"), "leads out of the result"),
        (lambda m: m["pictures"][0].update(destination=".itae-cluster/x"), "leads out"),
        (lambda m: m.pop("pictures"), "cannot be used"),
        (lambda m: m.update(schema_version=9), "another version"),
        (lambda m: m["clusters"][0].update(folder="../.."), "cannot be used"),
    ],
)
def test_a_manifest_that_cannot_be_followed_is_refused(tmp_path, edit, words):
    case = Case(tmp_path)
    path = os.path.join(case.out, "manifest.json")
    with open(path, encoding="ascii") as file:
        document = json.load(file)
    edit(document)
    with open(path, "w", encoding="ascii") as file:
        json.dump(document, file)
    with pytest.raises(ResultError, match=words):
        inspect_result(case.out)


def test_a_manifest_that_calls_the_tools_own_folder_a_cluster_changes_nothing(tmp_path):
    case = Case(tmp_path)
    path = os.path.join(case.out, "manifest.json")
    with open(path, encoding="ascii") as file:
        document = json.load(file)
    document["clusters"][0]["folder"] = ".itae-cluster"
    with open(path, "w", encoding="ascii") as file:
        json.dump(document, file)
    before = snapshot(case.root)
    with pytest.raises(OutputError, match="no place for a picture; everything is as it was"):
        rename_clusters(case.out, [(".itae-cluster", None, "Beach")], a_run())
    assert snapshot(case.root) == before


def test_without_a_manifest_nothing_is_changed(tmp_path):
    case = Case(tmp_path)
    os.rename(os.path.join(case.out, "manifest.json"), os.path.join(tmp_path, "m"))
    with pytest.raises(ResultError, match="is missing"):
        inspect_result(case.out)
    os.symlink(os.path.join(tmp_path, "m"), os.path.join(case.out, "manifest.json"))
    with pytest.raises(ResultError, match="is a link"):
        inspect_result(case.out)


def test_no_result_no_change(tmp_path):
    with pytest.raises(ItaeClusterError, match="holds no journal"):
        inspect_result(str(tmp_path))


def test_the_inventory_writes_what_it_read(tmp_path):
    """Where nothing was changed, the documents are those that the run wrote, byte for byte."""
    case = Case(tmp_path)
    held = inspect_result(case.out)
    records = [item.as_record() for item in held.pictures]
    made = inventory.result_documents(
        held, records, held.folders, held.names, suggested=held.suggested
    )
    for name, content in made.items():
        with open(os.path.join(case.out, name), "rb") as file:
            was = file.read()
        if name.endswith(".json"):
            assert json.loads(content) == json.loads(was)
        else:
            assert content == was
