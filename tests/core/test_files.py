from __future__ import annotations

import errno
import os

import pytest

from itae_cluster.core.files import cannot_write


def test_a_name_that_is_too_long_is_told():
    error = OSError(errno.ENAMETOOLONG, "File name too long", "some/where/xyz")
    told = "cannot write some: File name too long (xyz); choose another"
    assert cannot_write("some", error, "choose another") == told


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_called_one(number):
    error = OSError(number, os.strerror(number), "part")
    assert (
        cannot_write("a/b", error, "make room") == "cannot write a/b: the disk is full; make room"
    )


def test_an_error_without_a_number_is_told_in_its_own_words():
    assert cannot_write("a", OSError("gone"), "try again") == "cannot write a: gone; try again"
    assert cannot_write("a", OSError(), "try again") == "cannot write a: OSError; try again"
