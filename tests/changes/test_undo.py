"""Undo: originals return, what was changed since stays, nothing is overwritten."""

from __future__ import annotations

import os

import pytest

from itae_cluster.changes.apply import apply_plan, resume
from itae_cluster.changes.locks import claim
from itae_cluster.changes.undo import undo_result
from itae_cluster.core.errors import BusyError, JournalError
from itae_cluster.core.options import Action
from itae_cluster.results.journal import Journal
from support.command_line import run_cli
from support.fakes import RecordingReporter
from support.faults import Faults
from support.results import collection, organized, pictures, planned, snapshot

FILES = [Action.COPY, Action.HARDLINK, Action.MOVE]


class Sorted:
    """Three pictures brought to `out`, and what there was before."""

    def __init__(self, root, action):
        self.root, self.out = root, root / "sorted"
        self.photos = collection(str(root / "photos"))
        self.first = snapshot(root)
        organized(self.photos, self.out, action, [0, 0, 1])
        self.placed = [
            self.out / name
            for name in ("cluster-000/img.jpg", "cluster-000/img (2).jpg", "cluster-001/other.jpg")
        ]

    def undo(self, **options):
        return undo_result(str(self.out), RecordingReporter(), **options)

    def edit(self, path):
        """The same size and time, another content, as a file of its own."""
        status = os.stat(path)
        with open(path, "rb") as file:
            content = file.read()
        os.unlink(path)
        with open(path, "wb") as file:
            file.write(b"X" + content[1:])
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.fixture
def sorted_(tmp_path):
    return lambda action: Sorted(tmp_path, Action(action))


@pytest.mark.parametrize("action", Action)
def test_everything_is_as_it_was(sorted_, action):
    case = sorted_(action)
    undone = case.undo()
    assert snapshot(case.root) == case.first
    assert list(undone.restored) == (case.photos if action is Action.MOVE else [])
    assert undone.refused == ()


@pytest.mark.parametrize("action", Action)
def test_a_dry_run_tells_the_same_and_changes_nothing(sorted_, action):
    case = sorted_(action)
    before = snapshot(case.root)
    foreseen = case.undo(dry_run=True)
    assert snapshot(case.root) == before
    done = case.undo()
    assert (foreseen.restored, foreseen.removed) == (done.restored, done.removed)


def test_a_second_undo_has_nothing_to_do(sorted_):
    case = sorted_("move")
    case.undo()
    with pytest.raises(JournalError, match="holds no journal"):
        case.undo()
    assert snapshot(case.root) == case.first


@pytest.mark.parametrize("action", FILES)
def test_what_was_edited_since_is_left_and_named(sorted_, action):
    case = sorted_(action)
    case.edit(case.placed[1])
    edited = case.placed[1].read_bytes()
    undone = case.undo()
    assert [(r.path, r.reason) for r in undone.refused] == [
        (str(case.placed[1]), "it was changed since")
    ]
    assert case.placed[1].read_bytes() == edited
    assert os.listdir(case.out) in (
        [".itae-cluster", "cluster-000"],
        ["cluster-000", ".itae-cluster"],
    )
    assert os.path.exists(case.photos[0])
    assert os.path.exists(case.photos[2])


@pytest.mark.parametrize("action", [Action.COPY, Action.MOVE])
def test_another_file_in_the_originals_place_is_never_overwritten(sorted_, action):
    case = sorted_(action)
    with open(case.photos[0], "wb") as file:
        file.write(b"mine")
    undone = case.undo()
    assert [r.path for r in undone.refused] == [str(case.placed[0])]
    assert "holds something else now" in undone.refused[0].reason
    with open(case.photos[0], "rb") as file:
        assert file.read() == b"mine"
    assert case.placed[0].exists()
    os.unlink(case.photos[0])
    assert case.undo().refused == ()
    assert snapshot(case.root) == case.first


@pytest.mark.parametrize("action", FILES)
def test_an_original_that_has_gone_is_restored(sorted_, action):
    case = sorted_(action)
    if action is not Action.MOVE:
        os.unlink(case.photos[1])
    assert case.photos[1] in case.undo().restored
    assert snapshot(case.root) == case.first


@pytest.mark.parametrize("links", [True, False])
def test_times_and_permissions_are_the_originals(tmp_path, links):
    with Faults(links=links)():
        case = Sorted(tmp_path, Action.MOVE)
        for path in case.placed:
            os.chmod(path, 0o640)
            os.utime(path)
        case.undo()
    assert snapshot(tmp_path) == case.first


def test_folders_that_have_gone_are_made_again(sorted_):
    case = sorted_("move")
    for folder in ("photos/a", "photos/b", "photos"):
        os.rmdir(case.root / folder)
    case.undo()
    assert snapshot(case.root) == case.first


def test_a_moved_picture_that_is_nowhere_is_named(sorted_):
    case = sorted_("move")
    os.rename(case.placed[2], case.root / "elsewhere.jpg")
    undone = case.undo()
    assert [r.path for r in undone.refused] == [str(case.placed[2])]
    assert "neither here nor at" in undone.refused[0].reason
    os.rename(case.root / "elsewhere.jpg", case.placed[2].parent.parent / "back.jpg")
    os.makedirs(case.placed[2].parent, exist_ok=True)
    os.rename(case.out / "back.jpg", case.placed[2])
    assert case.undo().refused == ()
    assert snapshot(case.root) == case.first


def test_pictures_that_were_moved_within_the_result_come_back(sorted_):
    case = sorted_("move")
    os.rename(case.out / "cluster-000", case.out / "holiday")
    (case.out / "best").mkdir()
    os.rename(case.placed[2], case.out / "best/of.jpg")
    assert len(case.undo(dry_run=True).restored) == 3
    assert case.undo().refused == ()
    assert snapshot(case.root) == case.first


def test_a_copy_of_a_copy_is_the_persons_own(sorted_):
    """Where every original is in its place, nothing else in OUT is looked at."""
    case = sorted_("copy")
    os.rename(case.placed[2], case.out / "mine.jpg")
    case.undo()
    assert sorted(os.listdir(case.out)) == ["mine.jpg"]


def test_files_a_person_added_stay(sorted_):
    case = sorted_("copy")
    (case.out / "cluster-000/mine.txt").write_text("mine")
    assert case.undo().refused == ()
    assert sorted(snapshot(case.out)) == ["cluster-000", "cluster-000/mine.txt"]


def test_a_report_that_was_edited_stays(sorted_):
    case = sorted_("copy")
    with open(case.out / "clusters.csv", "a", encoding="utf-8") as file:
        file.write("mine\n")
    assert [r.path for r in case.undo().refused] == [str(case.out / "clusters.csv")]
    assert (case.out / "clusters.csv").exists()


def test_an_empty_folder_that_was_there_before_stays(tmp_path):
    (tmp_path / "sorted").mkdir()
    case = Sorted(tmp_path, Action.MOVE)
    case.undo()
    assert snapshot(tmp_path) == case.first
    assert os.listdir(case.out) == []


def test_a_moved_symbolic_link_comes_back_as_one(tmp_path):
    real = collection(str(tmp_path / "elsewhere"), ["real.jpg"])[0]
    (tmp_path / "photos").mkdir()
    link = str(tmp_path / "photos/link.jpg")
    os.symlink("../elsewhere/real.jpg", link)
    first = snapshot(tmp_path)
    organized([link], tmp_path / "sorted", Action.MOVE)
    assert not os.path.lexists(link)
    assert os.path.exists(real)
    undo_result(str(tmp_path / "sorted"), RecordingReporter())
    assert snapshot(tmp_path) == first


def test_names_of_any_bytes_come_back(tmp_path):
    names = [os.fsdecode(b"\xff\xfe.jpg"), "new\nline.jpg", "-rf.jpg", "x" * 251 + ".jpg"]
    paths = collection(str(tmp_path / "photos"), names)
    first = snapshot(tmp_path)
    organized(paths, tmp_path / "sorted", Action.MOVE)
    undo_result(str(tmp_path / "sorted"), RecordingReporter())
    assert snapshot(tmp_path) == first


# Someone means harm --------------------------------------------------------------------------


def test_a_folder_swapped_for_a_link_is_not_followed(sorted_):
    """The originals' folder seen through a link in OUT: removing there would lose them."""
    case = sorted_("copy")
    for path in case.placed[:2]:
        os.unlink(path)
    os.rmdir(case.out / "cluster-000")
    os.makedirs(case.root / "precious")
    for path, original in zip(case.placed[:2], case.photos[:2], strict=True):
        with open(original, "rb") as file:
            (case.root / "precious" / path.name).write_bytes(file.read())
    os.symlink(case.root / "precious", case.out / "cluster-000")
    undone = case.undo()
    assert len(undone.refused) == 2
    assert {"link or a file" in r.reason for r in undone.refused} == {True}
    assert len(os.listdir(case.root / "precious")) == 2


def test_a_picture_swapped_for_a_link_to_its_original_is_not_followed(sorted_):
    case = sorted_("copy")
    os.unlink(case.placed[0])
    os.symlink(case.photos[0], case.placed[0])
    assert [r.path for r in case.undo().refused] == [str(case.placed[0])]
    assert os.path.exists(case.photos[0])


def test_originals_reached_through_a_link_into_the_result_are_not_removed(sorted_):
    """The folder of the originals now leads into OUT: what looks like two files is one."""
    case = sorted_("move")
    os.rmdir(case.root / "photos/a")
    os.symlink(case.out / "cluster-000", case.root / "photos/a")
    undone = case.undo()
    assert str(case.placed[0]) in [r.path for r in undone.refused]
    assert case.placed[0].exists()


@pytest.mark.parametrize(
    "destination",
    ["../photos/a/img.jpg", "/etc/passwd", "a/../../x", "", ".itae-cluster/x", "a//b"],
)
def test_a_journal_that_points_outside_is_refused(sorted_, destination):
    case = sorted_("copy")
    journal = case.out / ".itae-cluster/journal.jsonl"
    text = journal.read_text().replace("cluster-000/img.jpg", destination)
    journal.write_text(text)
    before = snapshot(case.root)
    for job in (undo_result, resume):
        with pytest.raises(JournalError, match="line 3, cannot be used"):
            job(str(case.out), RecordingReporter())
    assert snapshot(case.root) == before


@pytest.mark.parametrize("what", ["folder", "file"])
def test_a_journal_behind_a_link_is_refused(sorted_, what):
    case = sorted_("copy")
    kept = case.out / ".itae-cluster"
    path = kept if what == "folder" else kept / "journal.jsonl"
    os.rename(path, case.root / "moved")
    os.symlink(case.root / "moved", path)
    with pytest.raises(JournalError, match="cannot read"):
        case.undo()
    assert len(pictures(case.out)) >= 3


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"schema_version": 1', '"schema_version": 2'),
        ('"id": "', '"id": "/../'),
        ("itae-cluster/journal", "another/journal"),
        ('"record": "begin"', '"record": "dance"'),
        ('"op": "place"', '"op": "shred"'),
        ('"how": "copy"', '"how": "burn"'),
        ('"source": "/', '"source": "'),
        ('{"record": "staged"', '{"record"; "staged"'),
    ],
)
def test_a_journal_that_says_something_else_is_refused(sorted_, old, new):
    case = sorted_("copy")
    journal = case.out / ".itae-cluster/journal.jsonl"
    text = journal.read_text()
    assert old in text
    journal.write_text(text.replace(old, new))
    before = snapshot(case.root)
    with pytest.raises(JournalError, match="nothing was changed"):
        case.undo()
    assert snapshot(case.root) == before


def test_a_torn_last_line_is_passed_over_and_cut_off(sorted_):
    case = sorted_("move")
    path = case.out / ".itae-cluster/journal.jsonl"
    with open(path, "a", encoding="ascii") as file:
        file.write('{"record": "und')
    journal = Journal(str(case.out))
    assert journal.read()[0].marks == {"staged", "done"}
    journal.mark(journal.read()[0].id, "undo")
    assert journal.read()[0].marks == {"staged", "done", "undo"}
    case.undo()
    assert snapshot(case.root) == case.first


# Going on ------------------------------------------------------------------------------------


def test_originals_that_could_not_be_removed_are_removed_by_resume(tmp_path, monkeypatch):
    unlink = os.unlink

    def refuse(path, *args, **kwargs):
        if str(path).endswith("other.jpg"):
            raise PermissionError(13, "Permission denied")
        unlink(path, *args, **kwargs)

    monkeypatch.setattr(os, "unlink", refuse)
    case = Sorted(tmp_path, Action.MOVE)
    monkeypatch.undo()
    assert os.path.exists(case.photos[2])
    assert resume(str(case.out), RecordingReporter()) == (3, ())
    assert not os.path.exists(case.photos[2])
    assert "done" in Journal(str(case.out)).read()[0].marks


def test_resume_does_not_go_against_an_undo_that_was_begun(sorted_):
    case = sorted_("move")
    journal = Journal(str(case.out))
    journal.mark(journal.read()[0].id, "undo")
    with pytest.raises(JournalError, match="finish it with 'itae-cluster undo'"):
        resume(str(case.out), RecordingReporter())


def test_scans_pass_over_what_the_tool_keeps_for_itself(sorted_):
    from itae_cluster.pictures.scan import scan

    case = sorted_("copy")
    os.rename(case.placed[0], case.out / ".itae-cluster/hidden.jpg")
    found = scan([str(case.out)]).files
    assert not [path for path in found if "hidden" in path]


# Leftovers -----------------------------------------------------------------------------------


def leave(tmp_path, action=Action.COPY):
    """A staging folder as a killed run leaves it; its path."""
    paths = collection(str(tmp_path / "photos"))
    organized(paths, tmp_path / "sorted", action)
    left = tmp_path / ".sorted.partial-0123abcd"
    os.rename(tmp_path / "sorted", left)
    return paths, left


def test_the_next_run_clears_what_a_killed_one_left(tmp_path):
    paths, left = leave(tmp_path)
    reporter = RecordingReporter()
    apply_plan(planned(paths, tmp_path / "sorted", Action.COPY), reporter)
    assert sorted(os.listdir(tmp_path)) == ["photos", "sorted"]
    assert str(left) in reporter.notes[0]


def test_undo_without_a_result_clears_it_too(tmp_path):
    leave(tmp_path)
    undo_result(str(tmp_path / "sorted"), RecordingReporter())
    assert os.listdir(tmp_path) == ["photos"]


@pytest.mark.parametrize(
    "what", ["added", "original gone", "original edited", "another host", "another place", "link"]
)
def test_what_is_not_certainly_a_leftover_is_left(tmp_path, what):
    paths, left = leave(tmp_path)
    journal = left / ".itae-cluster/journal.jsonl"
    if what == "added":
        (left / "cluster-000/mine.txt").write_text("mine")
    elif what == "original gone":
        os.unlink(paths[0])
    elif what == "original edited":
        with open(paths[0], "ab") as file:
            file.write(b"more")
    elif what == "another host":
        journal.write_text(journal.read_text().replace('"host": "', '"host": "x'))
    elif what == "another place":
        journal.write_text(journal.read_text().replace("/sorted", "/other"))
    else:
        os.rename(left, tmp_path / "mine")
        os.symlink(tmp_path / "mine", left)
    reporter = RecordingReporter()
    kept = snapshot(left)
    with pytest.raises(JournalError):
        undo_result(str(tmp_path / "sorted"), reporter)
    assert "look and remove it" in reporter.warnings[0]
    if what in {"another host", "another place", "link"}:
        assert snapshot(left) == kept
    else:
        assert set(kept) - set(snapshot(left)) <= {
            *("cluster-000/img.jpg", "cluster-000/img (2).jpg", "cluster-000/other.jpg"),
            *("manifest.json", "clusters.csv"),
        }
        assert what == "added" or (left / "cluster-000/img.jpg").exists()


# Locks ---------------------------------------------------------------------------------------


def test_two_processes_never_work_on_one_result(sorted_):
    case = sorted_("move")
    with (
        claim(str(case.out), (), RecordingReporter()),
        pytest.raises(BusyError, match=r"another itae-cluster is working on .*sorted; wait"),
    ):
        case.undo()
    case.undo()
    assert snapshot(case.root) == case.first


def test_two_moves_from_one_folder_wait_for_each_other(tmp_path):
    paths = collection(str(tmp_path / "photos"))
    with claim(str(tmp_path / "other"), [str(tmp_path / "photos/a")], RecordingReporter()):
        with pytest.raises(BusyError, match=r"moving pictures of .*photos/a"):
            organized(paths, tmp_path / "sorted", Action.MOVE)
        assert not os.path.lexists(tmp_path / "sorted")
        organized(paths, tmp_path / "sorted", Action.COPY)


def test_moving_out_of_a_result_at_work_is_refused(sorted_):
    case = sorted_("copy")
    with claim(str(case.out), (), RecordingReporter()), pytest.raises(BusyError):
        organized([str(case.placed[0])], case.root / "again", Action.MOVE)


def test_claims_leave_nothing_behind(sorted_):
    sorted_("move").undo()
    locks = os.path.join(os.environ["ITAE_CLUSTER_CACHE"], "locks")
    assert [name for name in os.listdir(locks) if name != "claims.lock"] == []


def test_the_claim_of_a_dead_process_does_not_count(tmp_path):
    locks = os.path.join(os.environ["ITAE_CLUSTER_CACHE"], "locks")
    os.makedirs(locks)
    with open(os.path.join(locks, "1-dead.json"), "w", encoding="ascii") as file:
        file.write(f'["{tmp_path}/sorted", []]')
    organized(collection(str(tmp_path / "photos")), tmp_path / "sorted", Action.COPY)
    assert not os.path.exists(os.path.join(locks, "1-dead.json"))


def test_where_no_lock_can_be_had_the_run_goes_on_and_says_so(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ITAE_CLUSTER_CACHE", str(tmp_path / "file"))
    reporter = RecordingReporter()
    paths = collection(str(tmp_path / "photos"))
    apply_plan(planned(paths, tmp_path / "sorted", Action.COPY), reporter)
    assert "cannot lock" in reporter.warnings[0]
    assert len(pictures(tmp_path / "sorted")) == 3


def test_what_a_person_moved_stays_and_is_told(tmp_path):
    out = tmp_path / "sorted"
    organized(collection(tmp_path / "photos"), out, "copy")
    (out / "cluster-000").rename(out / "Mine")
    said = run_cli("undo", out, code=0)
    assert "stays, with what you put or moved there yourself" in said.stderr
    assert len(pictures(out)) == 3
    assert not (out / "manifest.json").exists()
