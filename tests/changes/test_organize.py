"""The result folder: complete or not at all, and never a picture lost."""

from __future__ import annotations

import errno
import os
import stat

import pytest

from itae_cluster.changes import originals, staging, transfer
from itae_cluster.changes.apply import apply_plan
from itae_cluster.core.errors import OutputError
from itae_cluster.core.options import Action
from itae_cluster.core.types import NOISE
from itae_cluster.results.placements import folder_name, place_pictures
from support import results
from support.fakes import RecordingReporter
from support.results import (
    SETTLED,
    clustering,
    collection,
    pictures,
    planned,
    touch_while_placed,
    tree,
)


@pytest.fixture
def photos(tmp_path):
    """Three pictures, two of one name in different folders."""
    return collection(str(tmp_path / "photos"))


def organized(photos, out, action, labels=(0, 0, 1)):
    return results.organized(photos, out, action, labels[: len(photos)])


WANTED = {
    "cluster-000/img.jpg": b"content of 0 'a/img.jpg'",
    "cluster-000/img (2).jpg": b"content of 1 'b/img.jpg'" * 2,
    "cluster-001/other.jpg": b"content of 2 'b/other.jpg'" * 3,
}


def no_hard_links(monkeypatch, number=errno.EXDEV):
    def refuse(*_args, **_kwargs):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)


@pytest.mark.parametrize("action", Action)
def test_every_action_brings_every_picture_under_its_name(photos, tmp_path, action):
    out = tmp_path / "sorted"
    before = tree(tmp_path / "photos")
    done = organized(photos, out, action)
    assert pictures(out) == WANTED
    assert (len(done.placed), done.lost, done.kept) == (3, (), ())
    assert tree(tmp_path / "photos") == ({} if action is Action.MOVE else before)
    other = os.stat(out / "cluster-001/other.jpg")
    assert other.st_mtime_ns == SETTLED * 10**9 + 2 * 1_234_567
    assert stat.S_IMODE(other.st_mode) == 0o444
    assert sorted(os.listdir(tmp_path)) == ["photos", "sorted"]


def test_the_result_is_open_to_others_as_the_user_wants_it(photos, tmp_path):
    old = os.umask(0o027)
    try:
        organized(photos, tmp_path / "sorted", Action.COPY)
    finally:
        os.umask(old)
    assert stat.S_IMODE(os.stat(tmp_path / "sorted").st_mode) == 0o750


def test_links_are_links(photos, tmp_path):
    organized(photos, tmp_path / "hard", Action.HARDLINK)
    assert os.path.samefile(tmp_path / "hard/cluster-001/other.jpg", photos[2])
    assert not os.path.islink(tmp_path / "hard/cluster-001/other.jpg")
    organized(photos, tmp_path / "soft", Action.SYMLINK)
    assert os.readlink(tmp_path / "soft/cluster-001/other.jpg") == photos[2]


def test_relative_sources_make_working_symlinks(photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    organized([os.path.relpath(p) for p in photos], "sorted", Action.SYMLINK)
    assert pictures(tmp_path / "sorted") == WANTED


def test_move_takes_a_symbolic_link_but_not_its_target(photos, tmp_path):
    link = str(tmp_path / "link.jpg")
    os.symlink(photos[0], link)
    organized([link], tmp_path / "sorted", Action.MOVE, labels=[0])
    assert not os.path.lexists(link)
    assert pictures(tmp_path / "sorted") == {"cluster-000/link.jpg": WANTED["cluster-000/img.jpg"]}
    assert os.path.exists(photos[0])


def test_folders_sort_by_number_and_noise_has_its_own():
    assert folder_name(7, 10) == "cluster-007"
    assert folder_name(7, 1000) == "cluster-007"
    assert folder_name(7, 1001) == "cluster-0007"
    assert folder_name(NOISE, 10) == "unclustered"


def test_two_files_of_one_name_in_two_clusters_keep_it(photos):
    found = place_pictures(photos, clustering([0, 1, NOISE]))
    assert [p.destination for p in found] == [
        "cluster-000/img.jpg",
        "cluster-001/img.jpg",
        "unclustered/other.jpg",
    ]


@pytest.mark.parametrize("action", Action)
def test_an_error_while_building_leaves_no_trace(photos, tmp_path, action, monkeypatch):
    before = tree(tmp_path)

    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    for module, name in ((transfer, "copy"), (os, "link"), (os, "symlink")):
        monkeypatch.setattr(module, name, full)
    with pytest.raises(OutputError, match=r"no space .* no picture was touched"):
        organized(photos, tmp_path / "sorted", action)
    assert tree(tmp_path) == before
    assert os.listdir(tmp_path) == ["photos"]


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.EROFS, "Read-only file system"), (errno.ENAMETOOLONG, r"too long \(img")],
)
def test_what_the_file_system_refuses_is_said(photos, tmp_path, monkeypatch, number, words):
    def refuse(source, target, **_kwargs):
        raise OSError(number, os.strerror(number), target)

    monkeypatch.setattr(transfer, "copy", refuse)
    with pytest.raises(OutputError, match=f"{words}.* no picture was touched"):
        organized(photos, tmp_path / "sorted", Action.COPY)
    assert os.listdir(tmp_path) == ["photos"]


def test_an_interrupt_while_building_leaves_no_trace(photos, tmp_path):
    before = tree(tmp_path)

    def interrupt(*_args):
        raise KeyboardInterrupt

    plan = planned(photos, tmp_path / "sorted", Action.MOVE)
    with pytest.raises(KeyboardInterrupt):
        apply_plan(plan, RecordingReporter(), draw=interrupt)
    assert tree(tmp_path) == before
    assert os.listdir(tmp_path) == ["photos"]


def test_an_interrupt_while_originals_are_removed_says_how_to_go_on(photos, tmp_path, monkeypatch):
    def interrupt(*_args):
        raise KeyboardInterrupt

    monkeypatch.setattr(transfer, "is_other_name", interrupt)  # asked before each is removed
    with pytest.raises(KeyboardInterrupt, match=r"apply --resume.* undo"):
        organized(photos, tmp_path / "sorted", Action.MOVE)
    assert pictures(tmp_path / "sorted") == WANTED


def test_a_vanished_source_is_skipped_and_named(photos, tmp_path):
    plan = planned(photos, tmp_path / "sorted", Action.COPY, [0, 0, 1])
    os.unlink(photos[1])
    done = apply_plan(plan, RecordingReporter())
    assert [p.source for p in done.placed] == [photos[0], photos[2]]
    assert [s.path for s in done.lost] == [photos[1]]
    assert set(pictures(tmp_path / "sorted")) == set(WANTED) - {"cluster-000/img (2).jpg"}


@pytest.mark.parametrize("action", Action)
def test_a_source_that_changes_while_it_is_placed_is_skipped(photos, tmp_path, action, monkeypatch):
    plan = planned(photos, tmp_path / "sorted", action, [0, 0, 1])
    touch_while_placed(photos[1], monkeypatch)
    done = apply_plan(plan, RecordingReporter())
    assert [(s.path, s.reason) for s in done.lost] == [(photos[1], "changed since it was planned")]
    assert set(pictures(tmp_path / "sorted")) == set(WANTED) - {"cluster-000/img (2).jpg"}
    assert os.path.exists(photos[1])


def test_a_broken_symlink_is_not_linked_to(photos, tmp_path):
    plan = planned(photos, tmp_path / "sorted", Action.SYMLINK)
    os.unlink(photos[0])
    assert [s.path for s in apply_plan(plan, RecordingReporter()).lost] == [photos[0]]


def test_nothing_is_made_where_every_picture_has_gone(photos, tmp_path):
    plan = planned(photos, tmp_path / "sorted", Action.COPY)
    for path in photos:
        os.unlink(path)
    with pytest.raises(OutputError, match="nothing was written"):
        apply_plan(plan, RecordingReporter())
    assert os.listdir(tmp_path) == ["photos"]


def test_hard_links_across_file_systems_name_the_remedy(photos, tmp_path, monkeypatch):
    no_hard_links(monkeypatch)
    with pytest.raises(OutputError, match=r"another file system .* --action copy"):
        organized(photos, tmp_path / "sorted", Action.HARDLINK)
    assert os.listdir(tmp_path) == ["photos"]


def test_symbolic_links_where_there_are_none_name_the_remedy(photos, tmp_path, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "symlink", refuse)
    with pytest.raises(OutputError, match=r"symbolic links here.* --action copy"):
        organized(photos, tmp_path / "sorted", Action.SYMLINK)
    assert os.listdir(tmp_path) == ["photos"]


def test_move_across_file_systems_copies_and_compares_first(photos, tmp_path, monkeypatch):
    no_hard_links(monkeypatch)
    organized(photos, tmp_path / "sorted", Action.MOVE)
    assert pictures(tmp_path / "sorted") == WANTED
    assert tree(tmp_path / "photos") == {}


@pytest.mark.parametrize("who", ["original", "copy"])
def test_move_keeps_an_original_that_is_not_what_arrived(photos, tmp_path, monkeypatch, who):
    """Same size, same time: only the content tells."""
    no_hard_links(monkeypatch)
    remove = originals.remove_originals

    def meddle(root, transaction, reporter):
        path = photos[1] if who == "original" else os.path.join(root, "cluster-000/img (2).jpg")
        status = os.stat(path)
        with open(path, "r+b") as file:
            file.write(b"X")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        return remove(root, transaction, reporter)

    monkeypatch.setattr(originals, "remove_originals", meddle)
    done = organized(photos, tmp_path / "sorted", Action.MOVE)
    assert [k.path for k in done.kept] == [photos[1]]
    assert list(tree(tmp_path / "photos")) == ["b/img.jpg"]


def test_move_reports_an_original_it_may_not_remove(photos, tmp_path, monkeypatch):
    unlink = os.unlink

    def refuse(path, *args, **kwargs):
        if path == photos[2]:
            raise PermissionError(errno.EACCES, "Permission denied")
        unlink(path, *args, **kwargs)

    monkeypatch.setattr(os, "unlink", refuse)
    kept = organized(photos, tmp_path / "sorted", Action.MOVE).kept
    assert [(k.path, k.reason) for k in kept] == [(photos[2], "Permission denied")]
    assert pictures(tmp_path / "sorted") == WANTED


def test_an_empty_folder_is_taken_and_a_full_one_refused(photos, tmp_path):
    (tmp_path / "empty").mkdir()
    organized(photos, tmp_path / "empty", Action.COPY)
    assert pictures(tmp_path / "empty") == WANTED
    with pytest.raises(OutputError, match=r"not empty; choose a new folder"):
        organized(photos, tmp_path / "empty", Action.COPY)
    assert pictures(tmp_path / "empty") == WANTED


def test_a_folder_filled_meanwhile_is_left_alone(photos, tmp_path):
    out = tmp_path / "sorted"

    def fill(*_args):
        out.mkdir()
        (out / "mine.txt").write_text("mine")

    with pytest.raises(OutputError):
        apply_plan(planned(photos, out, Action.COPY), RecordingReporter(), draw=fill)
    assert tree(out) == {"mine.txt": b"mine"}
    assert sorted(os.listdir(tmp_path)) == ["photos", "sorted"]


def test_places_where_nothing_can_be_made(photos, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="not a folder"):
        staging.check_output(str(tmp_path / "file"))
    with pytest.raises(OutputError, match="cannot be written"):
        staging.check_output(str(tmp_path / "file" / "below"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(OutputError, match="current folder"):
        staging.check_output(".")


def test_missing_parents_are_made(photos, tmp_path):
    organized(photos, tmp_path / "deep" / "er" / "sorted", Action.COPY)
    assert pictures(tmp_path / "deep/er/sorted") == WANTED


def test_a_symlinked_output_folder_is_followed(photos, tmp_path):
    (tmp_path / "real").mkdir()
    os.symlink(tmp_path / "real", tmp_path / "alias")
    organized(photos, tmp_path / "alias", Action.COPY)
    assert pictures(tmp_path / "real") == WANTED
