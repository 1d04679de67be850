from __future__ import annotations

import fcntl
import io
import itertools
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itae_cluster.core.errors import DecodeError, InputError, UsageError
from itae_cluster.core.options import InputOptions
from itae_cluster.pictures.scan import find_pictures, read_list, read_list_file, scan
from support.fakes import RecordingReporter
from support.pictures import write

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from itae_cluster.core.types import ScanResult


@pytest.fixture
def album(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is also the working folder."""
    folder = tmp_path / "album"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def _reasons(result: ScanResult) -> dict[str, str]:
    return {skip.path: skip.reason for skip in result.skipped}


def test_nested_folders_and_equal_names(album: Path) -> None:
    for name in ["a.jpg", "x/a.jpg", "x/y/a.JPG", "x/notes.txt", "x/film.mp4"]:
        write(album / name)
    result = scan(["."])
    assert result.files == ("./a.jpg", "./x/a.jpg", "./x/y/a.JPG")
    assert (result.skipped, result.ignored, result.notes) == ((), 2, ())
    assert result.passed_over == {".mp4": 1, ".txt": 1}


@pytest.mark.parametrize("root", [".", "./", "x", "./x", "x/", "x//"])
def test_paths_begin_as_they_were_given(album: Path, root: str) -> None:
    write(album / "x/a.jpg")
    (path,) = scan([root]).files
    assert path.startswith(root)
    assert os.path.samefile(path, "x/a.jpg")


def test_without_a_suffix_the_content_decides(album: Path) -> None:
    write(album / "picture")
    write(album / "dot.")
    write(album / "Makefile", b"all:\n\ttrue\n")
    write(album / "empty", b"")
    assert scan(["."]).files == ("./dot.", "./picture")
    assert scan(["."]).ignored == 2


def test_an_unknown_suffix_is_none(album: Path) -> None:
    for name in ["Holiday v1.2", "a.jpg_large", "Mr. and Mrs. Smith in Rome", "b.unknown"]:
        write(album / name)
    write(album / "c.unknown", b"something else")
    write(album / "d. a sentence", b"something else")
    result = scan(["."])
    assert result.files == (
        *("./Holiday v1.2", "./Mr. and Mrs. Smith in Rome", "./a.jpg_large", "./b.unknown"),
    )
    assert result.passed_over == {".unknown": 1, "no suffix": 1}


@pytest.mark.usefixtures("no_extras")
@pytest.mark.parametrize(
    "name",
    [
        *("a.jpg_original", "a.jpg~", "a.jpg.part", "a.crdownload", "a.thm"),  # of another file
        *("a.cr2", "a.DNG"),  # the small picture inside is not the picture
        *("a.txt", "a.mov", "a.db"),
    ],
)
def test_some_are_not_even_looked_into(album: Path, name: str) -> None:
    write(album / name)
    result = scan(["."], look=_look_at_nothing)
    assert result.files == ()
    assert result.passed_over == {os.path.splitext(name)[1].lower(): 1}


def _look_at_nothing(paths: Sequence[str]) -> list[bool]:
    assert not paths
    return []


def test_a_file_that_cannot_be_looked_into_is_named(album: Path) -> None:
    for name in ["a", "b"]:
        write(album / name)
    result = scan(["."], look=lambda paths: [DecodeError("took too long"), True])
    assert result.files == ("./b",)
    assert _reasons(result) == {"./a": "took too long"}


@pytest.mark.usefixtures("no_extras")
def test_what_was_passed_over_is_said(album: Path) -> None:
    write(album / "a.jpg")
    for number in range(2):
        write(album / f"{number}.cr2", b"RAW")
    for name in ["b.JXL", "c.mov", "notes"]:
        write(album / name, b"something else")
    os.mkfifo("pipe.jpg")
    reporter = RecordingReporter()
    found = find_pictures(InputOptions(paths=(".",)), None, reporter)
    assert found.passed_over == {".cr2": 2, ".jxl": 1, ".mov": 1, "no suffix": 1, "pipe": 1}
    assert reporter.notes == [
        "6 other files passed over (.cr2 2, .jxl 1, .mov 1, no suffix 1, pipe 1); "
        "to read .cr2, .jxl: pip install 'itae-cluster[raw,jxl]'"
    ]
    assert reporter.skipped == []


def test_of_many_kinds_the_most_frequent_are_named(album: Path) -> None:
    write(album / "a.jpg")
    for kind in range(12):
        for number in range(12 - kind):
            write(album / f"{number}.x{kind:02}", b"something else")
    reporter = RecordingReporter()
    found = find_pictures(InputOptions(paths=(".",)), None, reporter)
    assert len(found.passed_over) == 12
    assert reporter.notes == [
        "78 other files passed over (.x00 12, .x01 11, .x02 10, .x03 9, .x04 8, .x05 7, .x06 6, "
        ".x07 5, others 10)"
    ]


def test_nothing_is_said_where_nothing_was_passed_over(album: Path) -> None:
    write(album / "a.jpg")
    write(album / ".hidden", b"x")
    reporter = RecordingReporter()
    assert find_pictures(InputOptions(paths=(".",)), None, reporter).ignored == 0
    assert reporter.notes == []


@pytest.mark.usefixtures("no_extras")
def test_where_there_is_no_picture_the_error_says_what_there_is(album: Path) -> None:
    write(album / "a.nef", b"RAW")
    with pytest.raises(InputError) as error:
        find_pictures(InputOptions(paths=(".",)), None, RecordingReporter())
    assert str(error.value) == (
        "no picture found among 1 other file (.nef 1); to read .nef: "
        "pip install 'itae-cluster[raw]'; name a file or folder that holds some, or check --exclude"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="blocks with a lease")
def test_looking_into_a_file_ends_though_reading_it_does_not(
    album: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("itae_cluster.pictures.decoders.PATIENCE", 2)
    for name in ["a.jpg", "blocked"]:
        write(album / name)
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    holder = os.open("blocked", os.O_RDWR)
    try:
        fcntl.fcntl(holder, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        found = find_pictures(InputOptions(paths=(".",)), None, RecordingReporter())
    finally:
        os.close(holder)
        signal.signal(signal.SIGIO, before)
    assert found.files == ("./a.jpg",)
    assert _reasons(found) == {"./blocked": "took more than 2 s to read"}


def test_what_is_named_is_taken_as_it_is(album: Path) -> None:
    write(album / "notes.txt", b"hello")
    write(album / "empty.jpg", b"")
    assert scan(["notes.txt"], listed=["empty.jpg"]).files == ("empty.jpg", "notes.txt")


def test_hidden_entries_are_passed_over_unless_named(album: Path) -> None:
    write(album / "a.jpg")
    write(album / ".b.jpg")
    write(album / ".cache/c.jpg")
    assert scan(["."]).files == ("./a.jpg",)
    assert scan([".b.jpg", ".cache"]).files == (".b.jpg", ".cache/c.jpg")
    assert scan([".", ".cache"]).files == ("./a.jpg", ".cache/c.jpg")
    assert scan([], listed=[".cache/c.jpg"]).files == (".cache/c.jpg",)


def test_apple_double_files_are_dropped_everywhere(album: Path) -> None:
    write(album / "a.jpg")
    write(album / "._a.jpg")
    result = scan([".", "._a.jpg"], listed=["./._a.jpg"])
    assert result.files == ("./a.jpg",)
    assert (result.skipped, result.ignored) == ((), 3)


def test_a_missing_input_ends_the_run_and_a_missing_entry_does_not(album: Path) -> None:
    write(album / "a.jpg")
    with pytest.raises(UsageError, match=r"no such file or folder: b\\x1b\.jpg; check"):
        scan(["a.jpg", "b\x1b.jpg"])
    with pytest.raises(UsageError, match="no such file or folder: ''"):
        scan([""])
    with pytest.raises(UsageError):
        scan(["a.jpg/b.jpg"])
    result = scan([], listed=["b.jpg", "a.jpg", "c\0.jpg"])
    assert result.files == ("a.jpg",)
    assert _reasons(result) == {
        "b.jpg": "no such file or folder",
        "c\0.jpg": "not a possible file name; a NUL-separated list is read with --null",
    }


def test_symlink_loops_end(album: Path) -> None:
    write(album / "x/a.jpg")
    (album / "x/up").symlink_to(album)
    (album / "x/self").symlink_to(".")
    (album / "two").symlink_to("x/up")
    assert scan(["."]).files == ("./x/a.jpg",)


def test_a_link_to_itself_is_named(album: Path) -> None:
    (album / "loop.jpg").symlink_to("loop.jpg")
    (reason,) = _reasons(scan(["."])).values()
    assert "symbolic links" in reason
    assert _reasons(scan(["loop.jpg"])) == {"loop.jpg": reason}


def test_a_linked_folder_is_followed(album: Path, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere/a.jpg")
    (album / "link").symlink_to(tmp_path / "elsewhere")
    assert scan(["."]).files == ("./link/a.jpg",)


def test_the_direct_path_is_kept(album: Path) -> None:
    write(album / "z/real.jpg")
    (album / "a.jpg").symlink_to("z/real.jpg")
    (album / "b").symlink_to("z")
    assert scan(["."]).files == ("./z/real.jpg",)
    assert scan(["a.jpg", "z"]).files == ("z/real.jpg",)
    assert scan(["b/real.jpg", "z/real.jpg", "a.jpg"]).files == ("z/real.jpg",)
    assert scan(["b"]).files == ("b/real.jpg",)


def test_named_twice_counts_once(album: Path) -> None:
    write(album / "x/a.jpg")
    inputs = [".", "x", "x/a.jpg", "./x/../x/a.jpg", str(album)]
    for number in range(1, len(inputs) + 1):
        assert len(scan(inputs[:number], listed=inputs).files) == 1


def test_hard_links_are_two_files(album: Path) -> None:
    write(album / "a.jpg")
    os.link("a.jpg", "b.jpg")
    assert scan(["."]).files == ("./a.jpg", "./b.jpg")


def test_broken_links_are_named(album: Path) -> None:
    for name in ["a.jpg", "album-of-old", "readme.txt", ".hidden.jpg"]:
        (album / name).symlink_to("gone")
    result = scan(["."])
    broken = "broken symbolic link"
    assert _reasons(result) == {"./a.jpg": broken, "./album-of-old": broken}
    assert result.ignored == 1
    assert _reasons(scan(["a.jpg"])) == {"a.jpg": broken}


def test_special_files_are_never_opened(album: Path) -> None:
    os.mkfifo("pipe.jpg")
    os.mkfifo("pipe")
    (album / "null.jpg").symlink_to("/dev/null")
    assert scan(["."]).passed_over == {"pipe": 2, "device": 1}
    assert scan(["."]).files == ()
    assert "pipe" in _reasons(scan(["pipe.jpg"], listed=["pipe"]))["pipe.jpg"]


def test_order_of_arguments_and_of_folders_does_not_matter(
    album: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ["b/1.jpg", "b/2.jpg", "a/1.jpg", "é.jpg", "c.jpg", "b10.jpg", "B.jpg"]:
        write(album / name)
    (album / "a/link").symlink_to("../b")
    (album / "l1.jpg").symlink_to("c.jpg")
    inputs = ["a", "b", ".", "l1.jpg", "./b/1.jpg"]
    expected = scan(inputs)
    assert list(expected.files) == sorted(expected.files, key=os.fsencode)
    original = os.scandir

    class Backwards:
        def __init__(self, path: str) -> None:
            with original(path) as listing:
                self.entries = sorted(listing, key=lambda entry: entry.name, reverse=True)

        def __enter__(self) -> list[os.DirEntry[str]]:
            return self.entries

        def __exit__(self, *_: object) -> None:
            pass

    for order in itertools.permutations(inputs):
        assert scan(order) == expected
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", Backwards)
        assert scan(inputs) == expected


@pytest.mark.parametrize("name", [b"a\nb.jpg", b"a\tb.jpg", b"\xff\xe9.jpg", b"-k.jpg", b" .jpg"])
def test_any_name_is_kept_and_can_be_excluded(album: Path, name: bytes) -> None:
    folder = os.path.join(os.fsencode(album), b"in\n\xff")
    os.mkdir(folder)
    with open(os.path.join(folder, name), "wb") as file:
        file.write(b"x")
    (path,) = scan(["."]).files
    assert os.fsencode(path) == b"./in\n\xff/" + name
    assert scan(["."], excludes=["*.jpg"]).files == ()
    assert scan(["."], excludes=[os.fsdecode(b"in\n\xff/")]).files == ()
    assert scan([], listed=[path], excludes=["*.jpg"]).files == ()


def test_excludes_below_a_folder(album: Path) -> None:
    for name in ["a.jpg", "a.gif", "thumbs/b.jpg", "x/thumbs/c.jpg", "x/d.jpg", "x/e.jpg"]:
        write(album / name)
    assert scan(["."], excludes=["*.gif", "thumbs/", "/x/d*"]).files == ("./a.jpg", "./x/e.jpg")
    assert scan([str(album)], excludes=["*", "!*.gif"]).files == (str(album / "a.gif"),)
    assert scan(["thumbs"], excludes=["thumbs/"]).files == ("thumbs/b.jpg",)
    assert scan(["."], excludes=["# remark", ""]).files == scan(["."]).files


def test_an_excluded_folder_is_not_entered(album: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(album / "deep/a.jpg")
    write(album / "b.jpg")
    opened: list[str] = []
    original = os.scandir

    def watched(path: str) -> object:
        opened.append(path)
        return original(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", watched)
        assert scan(["."], excludes=["deep"]).files == ("./b.jpg",)
    assert opened == ["."]


def test_excludes_for_named_files(album: Path) -> None:
    named = [write(album / "x.gif"), "../album/x.gif", "./x.gif", "x.gif"]
    for path in named:
        assert scan([path]).files == (path,)
        assert scan([path], excludes=["*.gif"]).files == ()
        assert scan([], listed=[path], excludes=["*.gif"]).files == ()
    assert scan(["x.gif"], excludes=["/x.gif"]).files == ()
    assert scan(["../album/x.gif"], excludes=["album/"]).files == ()


@pytest.mark.parametrize("pattern", ["!", "a\\", "a[z-a]"])
def test_a_wrong_pattern_is_an_error(album: Path, pattern: str) -> None:
    with pytest.raises(UsageError, match="not a valid pattern"):
        scan(["."], excludes=["*.gif", pattern])


def test_the_output_folder_is_never_read(album: Path) -> None:
    write(album / "a.jpg")
    write(album / "out/deep/b.jpg")
    (album / "link").symlink_to("out")
    (album / "deeper").symlink_to("out/deep")
    (album / "b.jpg").symlink_to("out/deep/b.jpg")
    for output in ["out", "./out/", str(album / "out"), "link"]:
        result = scan(["."], output=output)
        assert result.files == ("./a.jpg",)
        assert _reasons(result) == {"./b.jpg": "lies in the output folder"}
        result = scan(["out", "out/deep", "link", "out/deep/b.jpg"], output=output)
        assert result.files == ()
        assert set(_reasons(result).values()) == {"lies in the output folder"}
        assert len(result.skipped) == 4
    assert len(scan(["."], output="ou").files) == 2


def test_an_output_folder_that_does_not_exist_yet(album: Path) -> None:
    write(album / "a.jpg")
    assert scan(["."], output="new/sorted").files == ("./a.jpg",)


def test_an_earlier_result_is_left_out_unless_named(album: Path) -> None:
    write(album / "a.jpg")
    write(album / "old/cluster-000/b.jpg")
    write(album / "old/manifest.json", b'{\n  "schema": "itae-cluster/manifest",\n}')
    write(album / "other/c.jpg")
    write(album / "other/manifest.json", b'{"schema": "else"}' + b" " * 200)
    result = scan(["."])
    assert result.files == ("./a.jpg", "./other/c.jpg")
    assert result.skipped == ()
    (note,) = result.notes
    assert note.startswith("./old: an earlier result")
    assert "name this folder" in note
    assert scan(["old"]).files == ("old/cluster-000/b.jpg",)
    assert scan(["old"]).notes == ()
    assert scan([".", "old"]).files == ("./a.jpg", "./other/c.jpg", "old/cluster-000/b.jpg")


def test_a_folder_that_cannot_be_read_is_named(
    album: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(album / "a.jpg")
    write(album / "locked/b.jpg")
    original = os.scandir

    def refuse(path: str) -> object:
        if path.endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return original(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        result = scan(["."])
    assert result.files == ("./a.jpg",)
    assert _reasons(result) == {"./locked": "permission denied"}


def test_nothing_gives_nothing(album: Path) -> None:
    assert scan(["."]) == scan([])
    assert scan(["."]).files == ()


_NAMES = st.binary(min_size=1, max_size=20).filter(lambda name: b"\0" not in name)


@given(st.lists(_NAMES))
def test_a_null_separated_list_comes_back(names: list[bytes]) -> None:
    for data in (b"\0".join(names), b"".join(name + b"\0" for name in names)):
        assert [os.fsencode(p) for p in read_list(io.BytesIO(data), null=True)] == names


@given(
    st.lists(_NAMES.filter(lambda name: b"\n" not in name and not name.endswith(b"\r"))),
    st.sampled_from([b"\n", b"\r\n"]),
)
def test_a_list_of_lines_comes_back(names: list[bytes], end: bytes) -> None:
    for data in (end.join(names), b"".join(name + end for name in names)):
        assert [os.fsencode(p) for p in read_list(io.BytesIO(data), null=False)] == names


def test_lists_drop_empty_entries() -> None:
    assert read_list(io.BytesIO(b"\n\r\na\n\nb\r\n"), null=False) == ["a", "b"]
    assert read_list(io.BytesIO(b" a \r\n\tb\r\r\n"), null=False) == [" a ", "\tb\r"]
    assert read_list(io.BytesIO(b"\0a\r\0\0b\n\0"), null=True) == ["a\r", "b\n"]
    assert read_list(io.BytesIO(b""), null=True) == []


def test_only_what_is_listed_under_whatever_path(album: Path) -> None:
    for name in ["a.jpg", "b.jpg", "x/c.jpg", "x/d.jpg"]:
        write(album / name)
    only = [str(album / "a.jpg"), "./x/../x/c.jpg", "gone.jpg"]
    result = scan(["."], only=only)
    assert result.files == ("./a.jpg", "./x/c.jpg")
    assert _reasons(result) == {"gone.jpg": "listed in --only, but not among the pictures found"}
    assert scan(["."], only=[]).files == ()


def test_a_list_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(b"/a b.jpg\r\n\n/caf\xe9.jpg\n")
    assert read_list_file(str(path)) == ["/a b.jpg", os.fsdecode(b"/caf\xe9.jpg")]
    path.write_bytes(b"/two\nlines.jpg\0/b.jpg\0")
    assert read_list_file(str(path)) == ["/two\nlines.jpg", "/b.jpg"]
    with pytest.raises(UsageError, match=r"cannot read the list .*check --only"):
        read_list_file(str(tmp_path / "missing"))
