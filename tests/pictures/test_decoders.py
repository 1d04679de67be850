"""A decoder that crashes or hangs costs its own file, and no process is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from itae_cluster.core.cache import Cache
from itae_cluster.core.errors import DecodeError
from itae_cluster.core.options import ModelOptions
from itae_cluster.embedding.embed import embed_files, read_batches
from itae_cluster.pictures import decode as decoding
from itae_cluster.pictures.decoders import Decoders
from support.fakes import MeanColourEncoder, RecordingReporter


def treacherous(path, size, max_pixels):
    """Stands in for `decode.decode`: what the file is called happens to its decoder."""
    name = os.path.basename(path)
    if name.startswith("crash"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if name.startswith("exit"):
        os._exit(3)
    if name.startswith("hang"):
        time.sleep(600)
    return real_decode(path, size, max_pixels)


real_decode = decoding.decode


@pytest.fixture
def treachery(monkeypatch):
    monkeypatch.setattr(decoding, "decode", treacherous)


@pytest.fixture
def folder(tmp_path):
    for name in ("a", "crash", "b", "exit", "c", "hang", "d"):
        Image.new("RGB", (20, 10), (len(name) * 30, 9, 200)).save(tmp_path / f"{name}.png")
    return tmp_path


def test_pixels_are_those_of_decoding_here(folder):
    path = str(folder / "a.png")
    with Decoders(RecordingReporter()) as decoders:
        there = decoders.decode(path, 28)
    here = real_decode(path, 28)
    np.testing.assert_array_equal(there.pixels, here.pixels)
    assert (there.width, there.height) == (20, 10)
    assert there.pixels.flags["C_CONTIGUOUS"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [("crash", "its decoder crashed (SIGSEGV)"), ("exit", "its decoder crashed (exit code 3)")],
)
def test_a_crash_is_the_error_of_that_file(folder, treachery, name, reason):
    with Decoders(RecordingReporter()) as decoders:
        with pytest.raises(DecodeError) as error:
            decoders.decode(str(folder / f"{name}.png"), 28)
        assert str(error.value) == reason
        assert decoders.decode(str(folder / "a.png"), 28).width == 20


@pytest.mark.parametrize("error", [BrokenProcessPool("all ended"), OSError(38, "no semaphores")])
def test_without_processes_pictures_are_decoded_here(folder, monkeypatch, error):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr("pebble.ProcessPool.schedule", refuse)
    reporter = RecordingReporter()
    with Decoders(reporter) as decoders:
        for name in ("a", "b"):
            assert decoders.decode(str(folder / f"{name}.png"), 28).width == 20
        (folder / "c.png").write_bytes(b"no picture")
        with pytest.raises(DecodeError):
            decoders.decode(str(folder / "c.png"), 28)
    assert len(reporter.warnings) == 1
    assert "they are decoded in this one" in reporter.warnings[0]


def test_a_decoder_that_hangs_is_given_up(folder, treachery):
    with Decoders(RecordingReporter(), patience=2) as decoders:
        with pytest.raises(DecodeError, match=r"^took more than 2 s to decode$"):
            decoders.decode(str(folder / "hang.png"), 28)
        assert decoders.decode(str(folder / "a.png"), 28).width == 20


def test_threads_that_wait_are_let_go_at_the_end(folder, treachery):
    with ThreadPoolExecutor(4) as pool:
        with Decoders(RecordingReporter()) as decoders:
            names = ("hang.png", "hang.png", "hang.png", "hang.png")
            waiting = [pool.submit(decoders.decode, str(folder / name), 28) for name in names]
            time.sleep(0.5)
        for future in waiting:
            with pytest.raises(DecodeError, match="the run ends"):
                future.result(timeout=10)
        with pytest.raises(DecodeError, match="the run ends"):
            decoders.decode(str(folder / "a.png"), 28)


def test_reasons_survive_the_way_back(folder):
    (folder / "e.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with Decoders(RecordingReporter(), max_pixels=100) as decoders:
        with pytest.raises(DecodeError, match="not a picture"):
            decoders.decode(str(folder / "e.png"), 28)
        with pytest.raises(DecodeError, match="megapixels"):
            decoders.decode(str(folder / "a.png"), 28)


def test_a_pass_names_the_bad_files_and_embeds_the_others(folder, treachery, monkeypatch):
    monkeypatch.setattr("itae_cluster.pictures.decoders.PATIENCE", 3)
    files = sorted(str(path) for path in folder.iterdir())
    reporter = RecordingReporter()
    nowhere = Cache(None, reporter)
    two = ModelOptions(batch_size=2)
    found = embed_files(files, two, MeanColourEncoder(), cache=nowhere, reporter=reporter)
    assert [Path(path).stem for path in found.paths] == ["a", "b", "c", "d"]
    reasons = {Path(item.path).stem: item.reason for item in found.skipped}
    assert reasons == {
        "crash": "its decoder crashed (SIGSEGV)",
        "exit": "its decoder crashed (exit code 3)",
        "hang": "took more than 3 s to decode",
    }
    batches = list(read_batches(files, 28, batch_size=2, reporter=reporter))
    assert sum(len(batch.paths) for batch in batches) == 4


def test_no_process_starts_before_the_first_picture(monkeypatch):
    monkeypatch.setattr("pebble.ProcessPool.__init__", None)
    with Decoders(RecordingReporter()):
        pass


SCRIPT = """
import os, sys, time
from itae_cluster.pictures.decoders import Decoders

if __name__ == "__main__":
    with Decoders(None) as decoders:
        decoders.decode(sys.argv[1], 28)
        print("ready", flush=True)
        time.sleep(600)
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_a_killed_run_leaves_no_process_behind(folder, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(folder / "a.png")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert len(members(process.pid)) > 1
        process.kill()
    deadline = time.monotonic() + 20
    while members(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert members(process.pid) == []


def members(session):
    """The processes of a session that still run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(entry.name))
    return found
