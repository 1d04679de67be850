"""The result folder: complete or not at all, and never a picture lost."""

from __future__ import annotations

import errno
import os
import shutil

import numpy as np
import pytest

from fakes import RecordingReporter
from itae_cluster import organize
from itae_cluster.errors import OutputError
from itae_cluster.options import Action
from itae_cluster.types import NOISE, Clustering


def clustering(labels):
    labels = np.array(labels, dtype=np.int64)
    n_clusters = labels.max(initial=-1) + 1
    return Clustering(labels, np.zeros((n_clusters, 2), np.float32), np.zeros(len(labels)))


def tree(folder):
    """Every file below `folder` with its content, hidden ones too."""
    found = {}
    for where, _, files in os.walk(folder):
        for name in files:
            path = os.path.join(where, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = file.read()
    return found


@pytest.fixture
def photos(tmp_path):
    """Three pictures, two of one name in different folders."""
    for name in ("a/img.jpg", "b/img.jpg", "b/other.jpg"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"content of {name}".encode())
        os.utime(path, (1_000_000_000, 1_000_000_000))
    root = str(tmp_path / "photos")
    return [os.path.join(root, name) for name in ("a/img.jpg", "b/img.jpg", "b/other.jpg")]


def organized(photos, out, action, labels=(0, 0, 1)):
    placements = organize.plan(photos, clustering(labels))
    reporter = RecordingReporter()
    with organize.staged(str(out)) as staging:
        placed, skipped = organize.place(placements, staging, action, reporter)
    kept = ()
    if action is Action.MOVE:
        kept = organize.remove_originals(placed, str(out), reporter)
    return placed, skipped, kept


WANTED = {
    "cluster-000/img.jpg": b"content of a/img.jpg",
    "cluster-000/img (2).jpg": b"content of b/img.jpg",
    "cluster-001/other.jpg": b"content of b/other.jpg",
}


@pytest.mark.parametrize("action", Action)
def test_every_action_brings_every_picture_under_its_name(photos, tmp_path, action):
    out = tmp_path / "sorted"
    before = tree(tmp_path / "photos")
    placed, skipped, kept = organized(photos, out, action)
    assert tree(out) == WANTED
    assert (len(placed), skipped, kept) == (3, (), ())
    assert tree(tmp_path / "photos") == ({} if action is Action.MOVE else before)
    assert os.path.getmtime(out / "cluster-001/other.jpg") == 1_000_000_000
    assert os.listdir(tmp_path) in (["photos", "sorted"], ["sorted", "photos"])


def test_links_are_links(photos, tmp_path):
    organized(photos, tmp_path / "hard", Action.HARDLINK)
    assert os.path.samefile(tmp_path / "hard/cluster-001/other.jpg", photos[2])
    assert not os.path.islink(tmp_path / "hard/cluster-001/other.jpg")
    organized(photos, tmp_path / "soft", Action.SYMLINK)
    assert os.readlink(tmp_path / "soft/cluster-001/other.jpg") == photos[2]


def test_relative_sources_make_working_symlinks(photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    organized([os.path.relpath(p) for p in photos], "sorted", Action.SYMLINK)
    assert tree(tmp_path / "sorted") == WANTED


def test_move_takes_a_symbolic_link_but_not_its_target(photos, tmp_path):
    link = str(tmp_path / "link.jpg")
    os.symlink(photos[0], link)
    organized([link], tmp_path / "sorted", Action.MOVE, labels=[0])
    assert not os.path.lexists(link)
    assert tree(tmp_path / "sorted") == {"cluster-000/link.jpg": b"content of a/img.jpg"}
    assert os.path.exists(photos[0])


def test_folders_sort_by_number_and_noise_has_its_own():
    assert organize.folder_name(7, 10) == "cluster-007"
    assert organize.folder_name(7, 1000) == "cluster-007"
    assert organize.folder_name(7, 1001) == "cluster-0007"
    assert organize.folder_name(NOISE, 10) == "unclustered"


def test_two_files_of_one_name_in_two_clusters_keep_it(photos):
    placements = organize.plan(photos, clustering([0, 1, NOISE]))
    assert [p.destination for p in placements] == [
        "cluster-000/img.jpg",
        "cluster-001/img.jpg",
        "unclustered/other.jpg",
    ]


@pytest.mark.parametrize("action", Action)
def test_an_error_while_building_leaves_no_trace(photos, tmp_path, action, monkeypatch):
    before = tree(tmp_path)

    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    for module, name in ((shutil, "copy2"), (os, "link"), (os, "symlink")):
        monkeypatch.setattr(module, name, full)
    with pytest.raises(OutputError, match=r"no space .* no picture was touched"):
        organized(photos, tmp_path / "sorted", action)
    assert tree(tmp_path) == before
    assert os.listdir(tmp_path) == ["photos"]


def test_an_interrupt_while_building_leaves_no_trace(photos, tmp_path):
    before = tree(tmp_path)
    with pytest.raises(KeyboardInterrupt), organize.staged(str(tmp_path / "out")) as staging:
        organize.place(
            organize.plan(photos, clustering([0, 0, 1])),
            staging,
            Action.MOVE,
            RecordingReporter(),
        )
        raise KeyboardInterrupt
    assert tree(tmp_path) == before
    assert os.listdir(tmp_path) == ["photos"]


def test_a_vanished_source_is_skipped_and_named(photos, tmp_path):
    os.unlink(photos[1])
    placed, skipped, _ = organized(photos, tmp_path / "sorted", Action.COPY)
    assert [p.source for p in placed] == [photos[0], photos[2]]
    assert [s.path for s in skipped] == [photos[1]]
    assert set(tree(tmp_path / "sorted")) == set(WANTED) - {"cluster-000/img (2).jpg"}


def test_a_broken_symlink_is_not_linked_to(photos, tmp_path):
    os.unlink(photos[0])
    _, skipped, _ = organized(photos, tmp_path / "sorted", Action.SYMLINK)
    assert [s.path for s in skipped] == [photos[0]]


def test_hard_links_across_file_systems_name_the_remedy(photos, tmp_path, monkeypatch):
    def other_device(*_args, **_kwargs):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", other_device)
    with pytest.raises(OutputError, match=r"another file system .* --action copy"):
        organized(photos, tmp_path / "sorted", Action.HARDLINK)


def test_move_across_file_systems_copies_and_compares_first(photos, tmp_path, monkeypatch):
    def other_device(*_args, **_kwargs):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", other_device)
    organized(photos, tmp_path / "sorted", Action.MOVE)
    assert tree(tmp_path / "sorted") == WANTED
    assert tree(tmp_path / "photos") == {}


def test_move_keeps_an_original_that_changed_after_it_was_copied(photos, tmp_path, monkeypatch):
    def other_device(*_args, **_kwargs):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", other_device)
    placements = organize.plan(photos, clustering([0, 0, 1]))
    reporter = RecordingReporter()
    with organize.staged(str(tmp_path / "sorted")) as staging:
        placed, _ = organize.place(placements, staging, Action.MOVE, reporter)
    with open(photos[1], "wb") as file:
        file.write(b"edited meanwhile!!!!")
    kept = organize.remove_originals(placed, str(tmp_path / "sorted"), reporter)
    assert [k.path for k in kept] == [photos[1]]
    assert tree(tmp_path / "photos") == {"b/img.jpg": b"edited meanwhile!!!!"}


def test_move_reports_an_original_it_may_not_remove(photos, tmp_path, monkeypatch):
    unlink = os.unlink

    def refuse(path, *args, **kwargs):
        if path == photos[2]:
            raise PermissionError(errno.EACCES, "Permission denied")
        unlink(path, *args, **kwargs)

    monkeypatch.setattr(os, "unlink", refuse)
    _, _, kept = organized(photos, tmp_path / "sorted", Action.MOVE)
    assert [(k.path, k.reason) for k in kept] == [(photos[2], "Permission denied")]
    assert tree(tmp_path / "sorted") == WANTED


def test_an_empty_folder_is_taken_and_a_full_one_refused(photos, tmp_path):
    (tmp_path / "empty").mkdir()
    organized(photos, tmp_path / "empty", Action.COPY)
    assert tree(tmp_path / "empty") == WANTED
    with pytest.raises(OutputError, match=r"not empty; choose a new folder"):
        organized(photos, tmp_path / "empty", Action.COPY)
    assert tree(tmp_path / "empty") == WANTED


def test_a_folder_filled_meanwhile_is_left_alone(photos, tmp_path):
    out = tmp_path / "sorted"
    with pytest.raises(OutputError), organize.staged(str(out)) as staging:
        organize.place(
            organize.plan(photos, clustering([0, 0, 1])),
            staging,
            Action.COPY,
            RecordingReporter(),
        )
        out.mkdir()
        (out / "mine.txt").write_text("mine")
    assert tree(out) == {"mine.txt": b"mine"}
    assert sorted(os.listdir(tmp_path)) == ["photos", "sorted"]


def test_places_where_nothing_can_be_made(photos, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="no folder"):
        organize.check_output(str(tmp_path / "file"))
    with pytest.raises(OutputError, match="cannot be written"):
        organize.check_output(str(tmp_path / "file" / "below"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(OutputError, match="current folder"):
        organize.check_output(".")


def test_missing_parents_are_made(photos, tmp_path):
    organized(photos, tmp_path / "deep" / "er" / "sorted", Action.COPY)
    assert tree(tmp_path / "deep/er/sorted") == WANTED


def test_a_symlinked_output_folder_is_followed(photos, tmp_path):
    (tmp_path / "real").mkdir()
    os.symlink(tmp_path / "real", tmp_path / "alias")
    organized(photos, tmp_path / "alias", Action.COPY)
    assert tree(tmp_path / "real") == WANTED
