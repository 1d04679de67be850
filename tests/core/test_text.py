from __future__ import annotations

import base64
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itae_cluster.core.text import is_text, printable, to_base64, to_tsv
from itae_cluster.results.filenames import Namer

raw_names = st.binary(min_size=1, max_size=60).filter(lambda raw: b"\0" not in raw)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("plain/ü 中.jpg", "plain/ü 中.jpg"),
        ("tab\there\nline", r"tab\there\nline"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("right\u202eleft", r"right\u202eleft"),
        (os.fsdecode(b"bad\xff"), r"bad\xff"),
    ],
)
def test_printable(path, shown):
    assert printable(path) == shown


@given(raw_names)
def test_nothing_printable_can_act_on_a_terminal(raw):
    shown = printable(os.fsdecode(raw))
    shown.encode("utf-8")
    assert all(ord(char) >= 32 and not 0x7F <= ord(char) < 0xA0 for char in shown)


@given(raw_names)
def test_tsv_and_base64_keep_every_byte(raw):
    cell = to_tsv(os.fsdecode(raw))
    assert not {b"\t", b"\n", b"\r"} & {cell[i : i + 1] for i in range(len(cell))}
    back = bytearray()
    i = 0
    while i < len(cell):
        if cell[i : i + 1] == b"\\":
            back += {b"\\": b"\\", b"t": b"\t", b"n": b"\n", b"r": b"\r"}[cell[i + 1 : i + 2]]
            i += 2
        else:
            back += cell[i : i + 1]
            i += 1
    assert bytes(back) == raw
    assert base64.b64decode(to_base64(os.fsdecode(raw))) == raw


def test_is_text():
    assert is_text("ü")
    assert not is_text(os.fsdecode(b"\xff"))


def test_equal_names_get_numbers():
    namer = Namer()
    names = ["a.jpg", "a.jpg", "a (2).jpg", "a.jpg", "b", "b"]
    assert [namer.unique(name) for name in names] == [
        "a.jpg",
        "a (2).jpg",
        "a (2) (2).jpg",
        "a (3).jpg",
        "b",
        "b (2)",
    ]


def test_names_that_are_one_file_elsewhere_count_as_equal():
    namer = Namer()
    assert namer.unique("IMG.JPG") == "IMG.JPG"
    assert namer.unique("img.jpg") == "img (2).jpg"
    assert namer.unique("é.jpg") == "é.jpg"
    assert namer.unique("é.jpg") == "é (2).jpg"


def test_a_longest_name_stays_within_the_limit():
    namer = Namer()
    name = "ü" * 125 + ".jpeg"  # 255 bytes
    assert namer.unique(name) == name
    other = namer.unique(name)
    assert other.endswith(" (2).jpeg")
    assert len(os.fsencode(other)) <= 255


@given(st.lists(st.sampled_from(["a", "A", "a (2)", "a (3)", "b.x", "B.X"]), max_size=20))
def test_any_names_come_out_unique(names):
    namer = Namer()
    made = [namer.unique(name).casefold() for name in names]
    assert len(set(made)) == len(made)
