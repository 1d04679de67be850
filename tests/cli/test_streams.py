"""The real command with standard streams that are closed or full, and with too little memory."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full"),
]


@pytest.fixture
def shell(album, tmp_path, tiny_weights):
    """Run `itae-cluster ALBUM WORDS` with redirections, as a shell does."""

    sort = f"{shlex.quote(album)} --k 3 --weights {shlex.quote(tiny_weights)} --size 28 "

    def run(words, redirections="", before="", sort=sort):
        command = f"{shlex.quote(sys.executable)} -m itae_cluster {sort}{words} {redirections}"
        return subprocess.run(
            ["bash", "-c", before + command], cwd=tmp_path, capture_output=True, check=False
        )

    return run


REFUSED = "error: cannot write to standard output: {}; redirect it elsewhere\n"
FULL = REFUSED.format("No space left on device").encode()
CLOSED = REFUSED.format("it is closed").encode()


@pytest.mark.parametrize("words", ["--version", "--help", "undo --help", "models list"])
@pytest.mark.parametrize(("redirection", "line"), [(">/dev/full", FULL), (">&-", CLOSED)])
def test_what_cannot_be_printed_is_one_line(shell, words, redirection, line):
    done = shell(words, redirection, sort="")
    assert (done.returncode, done.stderr) == (1, line)


def test_results_that_cannot_be_printed(shell):
    done = shell("-q", ">/dev/full")
    assert (done.returncode, done.stderr) == (1, FULL)
    done = shell("-q", "<&- >&- 2>&-")
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize(
    "redirection", ["2>/dev/full", "2>&-", ">/dev/full", ">&-", "<&- >&- 2>&-"]
)
def test_the_result_is_made_whatever_the_streams_are(shell, tmp_path, redirection):
    done = shell("--out sorted", redirection)
    assert done.returncode == 0, done.stderr
    assert {"manifest.json", "preview.html"} <= set(os.listdir(tmp_path / "sorted"))


def test_a_result_is_whole_even_where_it_cannot_be_printed(shell, tmp_path):
    done = shell("--out sorted --format tsv -q", ">/dev/full")
    assert (done.returncode, done.stderr) == (1, FULL)
    assert {"manifest.json", "preview.html"} <= set(os.listdir(tmp_path / "sorted"))


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-"])
def test_an_error_that_cannot_be_told_has_its_code(shell, redirection):
    assert shell("undo nothere", redirection, sort="").returncode == 2


def test_too_little_memory_is_one_line(shell):
    done = shell("--no-cache", before="export OPENBLAS_NUM_THREADS=1; ulimit -v 500000; ")
    assert done.returncode == 1
    assert done.stderr == (
        b"error: too little memory: this shell allows 512 MB; raise its limit with 'ulimit -v'\n"
    )
