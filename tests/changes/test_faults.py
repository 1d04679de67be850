"""Interrupted or failing at every single file-system call: nothing is ever lost.

What is compared is every byte, name, time and permission.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from itae_cluster.changes import locks
from itae_cluster.changes.apply import apply_plan, resume
from itae_cluster.changes.undo import undo_result
from itae_cluster.core.errors import ItaeClusterError, JournalError, OutputError
from itae_cluster.core.options import Action
from support.fakes import RecordingReporter
from support.faults import Faults, KilledError
from support.results import collection, pictures, planned, snapshot

NAMES = ("a/img.jpg", "b/img.jpg", "b/other.jpg")
WAYS = [
    *((action, True) for action in Action),
    (Action.COPY, False),
    (Action.MOVE, False),
]


@pytest.fixture(autouse=True)
def _no_locks(monkeypatch):
    """A lock that is held by a process that was killed is free; here the process lives on."""

    @contextlib.contextmanager
    def claim(*_args):
        yield True

    monkeypatch.setattr(locks, "claim", claim)


class Case:
    """A collection in a folder of its own, a result beside it, and what there was at first."""

    def __init__(self, root, action, links=True, names=NAMES, labels=None, repeat=1):
        self.photos, self.out = os.path.join(root, "photos"), os.path.join(root, "sorted")
        self.root, self.action, self.links = root, action, links
        paths = collection(self.photos, names)
        os.symlink(os.path.basename(paths[0]), os.path.join(os.path.dirname(paths[0]), "link.jpg"))
        self.plan = planned(paths, self.out, action, labels)
        self.first = snapshot(root)
        self.arrived = None

    def run(self, faults):
        with faults():
            return apply_plan(self.plan, RecordingReporter())

    def undo(self, faults=None, again=True):
        """Undo; where there is no result, the next run clears away what was left."""
        with (faults or Faults(links=self.links))():
            if os.path.lexists(self.out) or not again:
                undo_result(self.out, RecordingReporter())
            else:
                with contextlib.suppress(JournalError):
                    undo_result(self.out, RecordingReporter())

    def every_picture_is_somewhere(self):
        contents = {value[0] for value in snapshot(self.root).values()}
        return all(value[0] in contents for value in self.first.values())


def killed(case, at):
    """Whether the run was killed at call `at`, and was not over before."""
    try:
        case.run(Faults(at, links=case.links))
    except KilledError:
        return True
    return False


def all_calls(make, attempt):
    """Run `attempt(case, n)` for every n until it says that the fault was not reached."""
    for at in itertools.count(1):
        with tempfile.TemporaryDirectory() as root:
            if not attempt(make(root), at):
                break
    assert at > 10


@pytest.mark.parametrize(("action", "links"), WAYS)
def test_killed_at_any_call_undo_restores_everything(action, links):
    def attempt(case, at):
        reached = killed(case, at)
        assert case.every_picture_is_somewhere()
        case.undo()
        assert snapshot(case.root) == case.first, at
        return reached

    all_calls(lambda root: Case(root, action, links), attempt)


@pytest.mark.parametrize(("action", "links"), WAYS)
def test_killed_at_any_call_the_run_can_be_finished(action, links):
    """By `apply --resume` where OUT appeared, else by running it again."""

    def attempt(case, at):
        reached = killed(case, at)
        with Faults(links=links)():
            if os.path.lexists(case.out):
                resume(case.out, RecordingReporter())
            else:
                apply_plan(case.plan, RecordingReporter())
        assert len(pictures(case.out)) == len(NAMES)
        moved = action is Action.MOVE
        left = {name for name in snapshot(case.photos) if name.endswith((*NAMES,))}
        assert left == (set() if moved else set(NAMES))
        assert sorted(os.listdir(case.root)) == ["photos", "sorted"]
        case.undo()
        assert snapshot(case.root) == case.first, at
        return reached

    all_calls(lambda root: Case(root, action, links), attempt)


@pytest.mark.parametrize(("action", "links"), WAYS)
def test_undo_killed_at_any_call_can_be_run_again(action, links):
    def attempt(case, at):
        case.run(Faults(links=links))
        try:
            case.undo(Faults(at, links=links))
        except KilledError:
            reached = True
        else:
            reached = False
        assert case.every_picture_is_somewhere()
        case.undo()
        assert snapshot(case.root) == case.first, at
        return reached

    all_calls(lambda root: Case(root, action, links), attempt)


@pytest.mark.parametrize("links", [True, False])
def test_undo_of_a_rearranged_result_can_be_killed_at_any_call(links):
    def attempt(case, at):
        case.run(Faults(links=links))
        os.rename(os.path.join(case.out, "cluster-000"), os.path.join(case.out, "holiday"))
        try:
            case.undo(Faults(at, links=links))
        except KilledError:
            reached = True
        else:
            reached = False
        assert case.every_picture_is_somewhere()
        case.undo()
        assert snapshot(case.root) == case.first, at
        return reached

    all_calls(lambda root: Case(root, Action.MOVE, links), attempt)


@pytest.mark.parametrize("kind", ["full", "once"])
@pytest.mark.parametrize(("action", "links"), WAYS)
def test_a_full_or_failing_disk_leaves_a_state_that_undo_understands(action, links, kind):
    def attempt(case, at):
        faults = Faults(at, kind, links)
        with contextlib.suppress(OutputError):
            case.run(faults)
        assert case.every_picture_is_somewhere()
        if kind == "full" and not os.path.lexists(case.out):
            assert snapshot(case.root) == case.first, at
        case.undo()
        assert snapshot(case.root) == case.first, at
        return faults.calls >= at

    all_calls(lambda root: Case(root, action, links), attempt)


@pytest.mark.parametrize("kind", ["full", "once"])
@pytest.mark.parametrize(("action", "links"), WAYS)
def test_undo_on_a_full_or_failing_disk_can_be_run_again(action, links, kind):
    def attempt(case, at):
        case.run(Faults(links=links))
        faults = Faults(at, kind, links)
        with contextlib.suppress(ItaeClusterError):
            case.undo(faults)
        assert case.every_picture_is_somewhere()
        case.undo()
        assert snapshot(case.root) == case.first, at
        return faults.calls >= at

    all_calls(lambda root: Case(root, action, links), attempt)


@pytest.mark.parametrize("links", [True, False])
def test_move_reaches_the_disk_before_an_original_goes(tmp_path, links):
    case = Case(str(tmp_path), Action.MOVE, links)
    faults = Faults(links=links)
    case.run(faults)
    calls = faults.log
    renamed = calls.index(next(call for call in calls if call[0] == "rename"))
    gone = [n for n, (name, path) in enumerate(calls) if name == "unlink" and "/photos/" in path]
    flushed = [path for name, path in calls[:renamed] if name == "fsync"]
    staging = next(path for name, path in calls if name == "rename")
    assert len(gone) == len(NAMES)
    assert min(gone) > renamed
    assert flushed.index(f"{staging}/.itae-cluster/journal.jsonl") >= 0
    assert {staging, f"{staging}/cluster-000", f"{staging}/.itae-cluster"} <= set(flushed)
    assert ("fsync", case.root) in calls[renamed : min(gone)]
    if not links:
        copies = [os.path.basename(path) for path in flushed if "cluster-000/" in path]
        assert sorted(copies) == ["img (2).jpg", "img.jpg", "other.jpg"]


@pytest.mark.parametrize("links", [True, False])
def test_undo_reaches_the_disk_before_a_picture_leaves_the_result(tmp_path, links):
    case = Case(str(tmp_path), Action.MOVE, links)
    case.run(Faults(links=links))
    faults = Faults(links=links)
    case.undo(faults)
    calls = faults.log
    gone = [n for n, (name, path) in enumerate(calls) if name == "unlink" and "/cluster-" in path]
    flushed = [path for name, path in calls[: min(gone)] if name == "fsync"]
    assert len(gone) == len(NAMES)
    assert {os.path.join(case.photos, name) for name in "ab"} <= set(flushed)
    assert links or sum(".undo-" in path for path in flushed) == len(NAMES)


def test_a_full_disk_is_named_and_says_what_was_done(tmp_path):
    case = Case(str(tmp_path), Action.COPY)
    with pytest.raises(OutputError, match=r"no space left .* nothing was written and no picture"):
        case.run(Faults(12, "full"))


NAME = st.text(
    st.characters(blacklist_characters="/\0", blacklist_categories=("Cs",)), min_size=1, max_size=8
).filter(lambda name: name not in {".", "..", "link.jpg"} and len(os.fsencode(name)) < 60)
TREES = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c/d"]), NAME, st.integers(0, 2)),
    min_size=1,
    max_size=6,
    unique_by=lambda item: item[:2],
)


@settings(max_examples=40, deadline=None)
@given(TREES, st.sampled_from(WAYS), st.integers(1, 90), st.integers(1, 60), st.booleans())
def test_any_tree_killed_twice_comes_back(tree, way, first, second, go_on):
    """Killed while it is made, killed again while it is finished or undone, undone at last."""
    action, links = way
    names = [f"{folder}/{name}" for folder, name, _ in tree]
    labels = [min(label, number) for number, (_, _, label) in enumerate(tree)]
    root = tempfile.mkdtemp()
    try:
        case = Case(root, action, links, names, labels)
        killed(case, first)
        assert case.every_picture_is_somewhere()
        with contextlib.suppress(KilledError):
            if os.path.lexists(case.out) and go_on:
                with Faults(second, links=links)():
                    resume(case.out, RecordingReporter())
            else:
                case.undo(Faults(second, links=links))
        assert case.every_picture_is_somewhere()
        case.undo()
        assert snapshot(root) == case.first
    finally:
        shutil.rmtree(root)
