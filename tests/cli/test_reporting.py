"""What the reporter says on a terminal, and where there is none."""

from __future__ import annotations

import io
import re
import subprocess
import sys

import pytest

from itae_cluster.cli import reporting
from itae_cluster.cli.reporting import ConsoleReporter
from itae_cluster.core.types import Skipped


class Terminal(io.StringIO):
    def isatty(self):
        return True


def plain(text):
    """Without the escape codes of a terminal."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


@pytest.fixture
def clock(monkeypatch):
    """Seconds that pass only where a test lets them."""
    now = [100.0]
    monkeypatch.setattr(reporting, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def said(monkeypatch):
    """The reporter, and the lines that it wrote to a pipe."""

    def make(**options):
        stream = io.StringIO()
        monkeypatch.setattr(sys, "stderr", stream)
        return ConsoleReporter(**{"quiet": False, "verbose": False} | options), stream

    return make


def test_without_a_terminal_a_line_every_so_often(said, clock):
    reporter, stream = said(verbose=True)
    with reporter:
        reporter.progress("Embedding", 100, 700)
        for done in range(101, 161):
            clock[0] += 0.5
            reporter.progress("Embedding", done, 700)
        reporter.progress("Clustering", 0, None)
    lines = stream.getvalue().splitlines()
    assert lines[:2] == ["Starting", "Embedding"]
    assert lines[2] == "Embedding: 120 of 700, about 5 minutes left"  # 20 done here in 10 seconds
    assert lines[3].startswith("Embedding: 140 of 700")
    assert lines[-1] == "Clustering"
    assert len(lines) == 6


def test_without_a_terminal_nothing_unless_verbose(said, clock):
    reporter, stream = said()
    with reporter:
        reporter.progress("Embedding", 0, 7)
        clock[0] += 60
        reporter.progress("Embedding", 5, 7)
    assert stream.getvalue() == ""


def test_time_left_counts_only_what_is_done_here(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with ConsoleReporter(quiet=False, verbose=False) as reporter:
        reporter.progress("Embedding", 900, 1000)
    assert re.search(r" 900/1000 -:--:--$", plain(stream.getvalue()), re.M)


def test_the_first_word_comes_before_any_work(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with ConsoleReporter(quiet=False, verbose=False):
        assert "Starting" in stream.getvalue()


@pytest.mark.parametrize("verbose", [False, True])
def test_many_skips_with_one_reason_are_summed_up(said, verbose):
    reporter, stream = said(verbose=verbose)
    with reporter:
        for number in range(15):
            reporter.skip(Skipped(f"{number}.jpg", "permission denied"))
        reporter.skip(Skipped("x.jpg", "broken symbolic link"))
        reporter.summary("done")
    lines = [line for line in stream.getvalue().splitlines() if line != "Starting"]
    assert lines[9] == "skipped 9.jpg: permission denied"
    assert "skipped x.jpg: broken symbolic link" in lines
    assert lines[-1] == "done"
    if verbose:
        assert len(lines) == 17
    else:
        assert len(lines) == 13
        assert lines[-2] == "skipped 5 others: permission denied"


def test_skips_are_summed_up_before_an_error(said):
    reporter, stream = said()
    with pytest.raises(KeyError), reporter:
        for number in range(11):
            reporter.skip(Skipped(f"{number}.jpg", "permission denied"))
        raise KeyError
    assert stream.getvalue().splitlines()[-1] == "skipped 1 other: permission denied"


def test_all_skips_stand_in_the_manifest(album, tmp_path):
    for number in range(15):
        (tmp_path / "photos" / f"bad{number}.jpg").write_bytes(b"\xff\xd8 no picture")
    command = [sys.executable, "-m", "itae_cluster", album, "--k", "3", "--model", "mini"]
    done = subprocess.run(
        [*command, "--size", "28", "--out", tmp_path / "sorted"],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr.count(b"skipped ") < 13
    assert (tmp_path / "sorted/manifest.json").read_text().count('"reason"') == 15


def test_the_first_words_come_within_a_second_of_the_start(album):
    """Of processor time: on a busy machine the clock on the wall says nothing."""
    code = (
        "import sys, time\n"
        "from itae_cluster.cli import reporting\n"
        "def tell(self, *_): print(time.process_time(), file=sys.stdout, flush=True); sys.exit()\n"
        "reporting.ConsoleReporter.progress = tell\n"
        "sys.argv[1:] = [sys.argv[1], '--k', '3', '--model', 'mini']\n"
        "from itae_cluster.cli import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code, album], capture_output=True, check=False)
    assert float(done.stdout) < 1, done.stderr
