"""One file to another place: whole or not at all, never over another, by the cheapest way."""

from __future__ import annotations

import errno
import os
import stat
import sys

import pytest

from itae_cluster.changes import transfer
from itae_cluster.core.options import Action
from itae_cluster.results.journal import Journal
from support.results import collection, organized


@pytest.fixture
def source(tmp_path):
    path = str(tmp_path / "source.jpg")
    with open(path, "wb") as file:
        file.write(bytes(range(256)) * 5000)
    os.chmod(path, 0o604)
    os.utime(path, ns=(1_000_000_000_123_456_789, 1_000_000_000_987_654_321))
    return path


def content(path):
    with open(path, "rb") as file:
        return file.read()


def raising(number):
    def call(*_args, **_kwargs):
        raise OSError(number, os.strerror(number))

    return call


def ranges(name):
    """What a file system may make of copy_file_range."""
    real = getattr(os, "copy_file_range", None)
    calls = []

    def some(reading, writing, count):
        calls.append(count)
        return real(reading, writing, min(count, 1000)) if len(calls) < 3 else 0

    return {"is there": real, "does nothing": lambda *_: 0, "gives up": some}.get(
        name, raising(getattr(errno, name, errno.ENOSYS))
    )


@pytest.mark.parametrize(
    "kind", ["is there", "does nothing", "gives up", "EXDEV", "ENOSYS", "EINVAL", "EOPNOTSUPP"]
)
def test_every_way_to_copy_gives_the_same(source, tmp_path, monkeypatch, kind):
    if hasattr(os, "copy_file_range"):
        monkeypatch.setattr(os, "copy_file_range", ranges(kind))
    target = str(tmp_path / "target.jpg")
    transfer.copy(source, target, durable=True)
    assert content(target) == content(source)
    one, two = os.stat(source), os.stat(target)
    assert one.st_mtime_ns == two.st_mtime_ns
    assert stat.S_IMODE(two.st_mode) == 0o604
    assert not os.path.samestat(one, two)


def test_blocks_are_shared_where_that_is_possible(source, tmp_path, monkeypatch):
    """`FICLONE` is asked for first; where it is done, no byte is copied."""
    monkeypatch.setattr(transfer.sys, "platform", "linux")
    asked = []

    class Fcntl:
        @staticmethod
        def ioctl(writing, request, reading):
            asked.append(request)
            os.write(writing, content(source))

    monkeypatch.setitem(sys.modules, "fcntl", Fcntl)
    monkeypatch.setattr(os, "copy_file_range", raising(errno.EIO), raising=False)
    transfer.copy(source, str(tmp_path / "target.jpg"))
    assert asked == [0x40049409]
    assert content(tmp_path / "target.jpg") == content(source)


@pytest.mark.parametrize("name", ["fsync", "utime", "copy_file_range"])
def test_half_a_copy_is_removed(source, tmp_path, monkeypatch, name):
    monkeypatch.setattr(os, name, raising(errno.ENOSPC), raising=False)
    if name == "copy_file_range":
        monkeypatch.setattr(os, "write", raising(errno.ENOSPC))
    with pytest.raises(OSError, match="No space"):
        transfer.copy(source, str(tmp_path / "target.jpg"), durable=True)
    assert os.listdir(tmp_path) == ["source.jpg"]


def test_nothing_is_copied_over(source, tmp_path):
    (tmp_path / "target.jpg").write_text("mine")
    with pytest.raises(FileExistsError):
        transfer.copy(source, str(tmp_path / "target.jpg"))
    assert (tmp_path / "target.jpg").read_text() == "mine"


@pytest.mark.parametrize("links", [True, False])
def test_nothing_is_renamed_over(source, tmp_path, monkeypatch, links):
    (tmp_path / "target.jpg").write_text("mine")
    if not links:
        monkeypatch.setattr(os, "link", raising(errno.EPERM))
    with pytest.raises(FileExistsError):
        transfer.link_or_rename(source, str(tmp_path / "target.jpg"))
    assert (tmp_path / "target.jpg").read_text() == "mine"
    transfer.link_or_rename(source, str(tmp_path / "free.jpg"))
    assert sorted(os.listdir(tmp_path)) == ["free.jpg", "target.jpg"]


def test_a_journal_on_a_full_disk_stays_as_it_was(tmp_path, monkeypatch):
    organized(collection(str(tmp_path / "photos")), tmp_path / "sorted", Action.COPY)
    journal = Journal(str(tmp_path / "sorted"))
    before = content(journal.path)
    write = os.write

    def fill(handle, data):
        write(handle, bytes(data)[:-10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", fill)
    with pytest.raises(OSError, match="No space"):
        journal.append([{"record": "undo", "id": "x"}, {"record": "undone", "id": "x"}])
    assert content(journal.path) == before
