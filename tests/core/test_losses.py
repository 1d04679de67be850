"""A folder that vanishes takes one line."""

from __future__ import annotations

import os
import shutil

import pytest

from itae_cluster.core.losses import Losses, vanished_folder
from itae_cluster.core.types import Skipped
from support.fakes import RecordingReporter


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("root/x/y/a.jpg", "root/x/b.jpg", "root/z/c.jpg", "other/d.jpg"):
        os.makedirs(os.path.dirname(name), exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_the_highest_folder_that_has_gone_is_meant(folder):
    path = "root/x/y/a.jpg"
    assert vanished_folder(path) is None
    os.unlink(path)
    assert vanished_folder(path) == "root/x/y"  # empty
    shutil.rmtree("root/x/y")
    assert vanished_folder(path) == "root/x/y"
    shutil.rmtree("root/x")
    assert vanished_folder(path) == "root/x"
    shutil.rmtree("root/z")
    assert vanished_folder(path) == "root"  # as a mount point is once its drive has gone
    shutil.rmtree("root")
    assert vanished_folder(path) == "root"
    assert vanished_folder(str(folder / path)) == str(folder / "root")


def test_a_file_that_was_removed_is_no_folder(folder):
    (folder / "root/x/e.jpg").touch()
    os.unlink("root/x/b.jpg")
    assert vanished_folder("root/x/b.jpg") is None
    (folder / "here.jpg").touch()
    os.unlink("here.jpg")
    assert vanished_folder("here.jpg") is None


def test_a_line_for_each_folder_and_one_for_a_single_file(folder):
    shutil.rmtree("root")
    os.unlink("other/d.jpg")
    (folder / "other/e.jpg").touch()
    reporter = RecordingReporter()
    losses = Losses(reporter)
    for name in ("root/x/y/a.jpg", "root/x/b.jpg", "root/z/c.jpg", "other/d.jpg", "other/e.jpg"):
        losses.skip(Skipped(name, "no such file"))
    assert losses.why_all(5) is None
    losses.tell()
    assert [item.path for item in reporter.skipped] == ["other/d.jpg", "other/e.jpg"]
    assert reporter.warnings == [
        "3 files skipped: root has gone, or is empty, since they were found"
    ]
