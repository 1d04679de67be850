"""A decoder that crashes or hangs costs its own file, and no process is left behind."""

from __future__ import annotations

import fcntl
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
from itae_cluster.core.files import read_digest
from itae_cluster.core.options import ModelOptions
from itae_cluster.core.types import Skipped
from itae_cluster.embedding.embed import embed_files, read_batches
from itae_cluster.pictures import decode as decoding
from itae_cluster.pictures.decoders import Decoders
from support.fakes import KnownEncoder, MeanColourEncoder, RecordingReporter


def treacherous(path, size, max_pixels):
    """Stands in for `decode.decode`: what the file is called happens to its decoder."""
    happens = {
        "crash": lambda: os.kill(os.getpid(), signal.SIGSEGV),
        "exit": lambda: os._exit(3),
        "hang": lambda: time.sleep(600),
        "endless": compute_for_ever,
        "slow": compute_now_and_then,
        "dripping": read_now_and_then,
        "loud": write_to_stderr,
    }
    happens.get(os.path.basename(path).split(".")[0], lambda: None)()
    return real_decode(path, size, max_pixels)


def compute_for_ever():
    while True:
        sum(range(1000))


def compute_now_and_then():
    """As on a machine that is busy with other work."""
    end = time.monotonic() + 3
    while time.monotonic() < end:
        time.sleep(0.1)
        sum(range(100_000))


def read_now_and_then():
    """As from a network drive that is slow, and no more."""
    with open("/dev/zero", "rb", buffering=0) as file:
        for _ in range(6):
            time.sleep(0.5)
            file.read(10)


def write_to_stderr():
    for number in range(7):
        os.write(2, b"stderr of a C library\nline %d\n" % number)


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


def test_several_in_one_go_are_pixels_or_reasons(folder, treachery):
    names = ["a", "crash", "b", "exit", "c", "hang", "d", "none"]
    paths = [str(folder / f"{name}.png") for name in names]
    with Decoders(RecordingReporter(), patience=2, processes=2, room=(10, 28)) as decoders:
        found = decoders.decode_each(paths, 1)
        reasons = [str(item) for item in found if isinstance(item, DecodeError)]
        assert reasons == [
            *("its decoder crashed (SIGSEGV)", "its decoder crashed (exit code 3)"),
            *("took more than 2 s to decode", "no such file"),
        ]
        for slot in (1, 3, 5, 7):
            wanted = real_decode(paths[slot - 1], 28)
            np.testing.assert_array_equal(decoders.slots[slot], wanted.pixels)
            assert found[slot - 1].pixels.base is decoders.slots.base
            assert (found[slot - 1].width, found[slot - 1].height) == (20, 10)
        assert not decoders.slots[[0, 8, 9]].any()
        digests = decoders.digest_each([paths[0], str(folder), paths[2]], 0)
    assert digests[0] == read_digest(paths[0])
    assert isinstance(digests[1], OSError)


def test_a_map_sends_several_files_at_a_time(folder, treachery, monkeypatch):
    paths = [str(folder / f"{name}.png") for name in ("a", "b", "c", "crash", "d")] * 20
    sent, attempt = [], Decoders._attempt

    def count(own, files, *more):
        sent.append(files)
        return attempt(own, files, *more)

    monkeypatch.setattr(Decoders, "_attempt", count)
    with Decoders(RecordingReporter(), processes=2) as decoders:
        sizes = list(decoders.map(decoding.read_size, paths))
        assert sorted(sent) == [4, *[16] * 6]
        assert sizes == [(20, 10)] * 100
        shown = list(decoders.map(treacherous, paths[:5], 28, 10**6))
    assert "crashed" in str(shown[3])
    for found in (*shown[:3], shown[4]):
        assert (found.width, found.pixels.shape) == (20, (28, 28, 3))


def test_decoders_make_thumbnails_where_they_are_wanted(folder):
    path = str(folder / "a.png")
    wanted = decoding.thumbnail(decoding.decode(path, 28), decoding.THUMBNAIL_SIDE)
    with Decoders(RecordingReporter(), processes=1, room=(2, 28)) as decoders:
        (plain,) = decoders.decode_each([path], 0)
        (found,) = decoders.decode_each([path], 1, thumbnails=True)
    assert (plain.thumbnail, found.thumbnail) == (None, wanted)
    assert decoding.thumbnail(found, decoding.THUMBNAIL_SIDE) is found.thumbnail
    assert decoding.thumbnail(found, 20) == decoding.thumbnail(plain, 20)


@pytest.mark.skipif(sys.platform != "linux", reason="blocks with a lease")
def test_in_one_go_too_only_the_file_that_blocks_is_given_up(folder, blocked):
    paths = [str(folder / "a.png"), blocked, str(folder / "b.png")]
    begin = time.monotonic()
    with Decoders(RecordingReporter(), patience=2, processes=1, room=(3, 28)) as decoders:
        found = decoders.digest_each(paths, 0)
    assert time.monotonic() - begin < 2 * 2 + 5  # its patience was not spent twice
    assert str(found[1]) == "took more than 2 s to read"
    assert [found[0], found[2]] == [read_digest(paths[0]), read_digest(paths[2])]


@pytest.mark.parametrize("what", ["schedule", "memory"])
def test_without_processes_or_shared_memory_slots_are_filled_all_the_same(
    folder, monkeypatch, what
):
    def refuse(*_, **__):
        raise OSError(28, "No space left on device")

    memory = "itae_cluster.pictures.decoders.SharedPixels"
    monkeypatch.setattr("pebble.ProcessPool.schedule" if what == "schedule" else memory, refuse)
    reporter = RecordingReporter()
    path = str(folder / "a.png")
    with Decoders(reporter, processes=1, room=(2, 28)) as decoders:
        (found,) = decoders.decode_each([path], 1)
        np.testing.assert_array_equal(decoders.slots[1], real_decode(path, 28).pixels)
    np.testing.assert_array_equal(found.pixels, decoders.slots[1])
    assert len(reporter.warnings) == (what == "schedule")


def test_a_decoder_that_hangs_is_given_up(folder, treachery):
    with Decoders(RecordingReporter(), patience=2) as decoders:
        with pytest.raises(DecodeError, match=r"^took more than 2 s to decode$"):
            decoders.decode(str(folder / "hang.png"), 28)
        assert decoders.decode(str(folder / "a.png"), 28).width == 20


def test_a_decoder_that_computes_for_ever_is_given_up(folder, treachery):
    (folder / "a.png").rename(folder / "endless.png")
    with (
        Decoders(RecordingReporter(), patience=1) as decoders,
        pytest.raises(DecodeError, match=r"^took more than 1 s to decode$"),
    ):
        decoders.decode(str(folder / "endless.png"), 28)


def test_a_busy_machine_costs_no_picture(folder, treachery):
    (folder / "a.png").rename(folder / "slow.png")
    with Decoders(RecordingReporter(), patience=1) as decoders:
        assert decoders.decode(str(folder / "slow.png"), 28).width == 20


@pytest.mark.skipif(sys.platform != "linux", reason="counts what a thread reads")
def test_a_slow_drive_costs_no_picture(folder, treachery):
    (folder / "a.png").rename(folder / "dripping.png")
    with Decoders(RecordingReporter(), patience=1) as decoders:
        assert decoders.decode(str(folder / "dripping.png"), 28).width == 20


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="stops a process")
def test_time_in_which_the_run_is_stopped_does_not_count(folder, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(STOPPED)
    command = [sys.executable, str(script), str(folder / "a.png")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout.readline() == b"ready\n"
        os.killpg(process.pid, signal.SIGSTOP)
        time.sleep(4)
        os.killpg(process.pid, signal.SIGCONT)
        assert process.stdout.readline() == b"20\n"


@pytest.mark.skipif(sys.platform != "linux", reason="blocks with a lease")
def test_a_file_whose_reading_blocks_is_given_up(folder, blocked):
    with Decoders(RecordingReporter(), patience=1) as decoders:
        with pytest.raises(DecodeError, match=r"^took more than 1 s to read$"):
            decoders.digest(blocked)
        assert decoders.digest(str(folder / "b.png")).size


@pytest.mark.skipif(sys.platform != "linux", reason="blocks with a lease")
def test_patience_shrinks_while_nothing_comes(folder, blocked, monkeypatch):
    monkeypatch.setattr("itae_cluster.pictures.decoders._SHORTEST", 0.5)
    with Decoders(RecordingReporter(), patience=2) as decoders:
        for seconds in ("2", "1", "0.5", "0.5"):
            with pytest.raises(DecodeError, match=rf"^took more than {seconds} s to read$"):
                decoders.digest(blocked)
        assert decoders.digest(str(folder / "b.png")).size
        with pytest.raises(DecodeError, match=r"^took more than 2 s to read$"):
            decoders.digest(blocked)


@pytest.mark.skipif(sys.platform != "linux", reason="blocks with a lease")
def test_a_pass_with_a_cache_skips_a_file_whose_reading_blocks(folder, blocked, monkeypatch):
    monkeypatch.setattr("itae_cluster.pictures.decoders.PATIENCE", 2)
    files = [str(folder / "a.png"), blocked, str(folder / "d.png")]
    reporter = RecordingReporter()
    with Cache(str(folder / "cache"), reporter) as cache:
        found = embed_files(
            files, ModelOptions(batch_size=2), KnownEncoder(), cache=cache, reporter=reporter
        )
    assert [Path(path).stem for path in found.paths] == ["a", "d"]
    assert found.skipped == (Skipped(blocked, "took more than 2 s to read"),)


@pytest.fixture
def blocked(folder):
    """A file that opens for nobody, as on a network mount that is dead."""
    path = folder / "blocked.png"
    path.write_bytes((folder / "a.png").read_bytes())
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    holder = os.open(path, os.O_RDWR)
    fcntl.fcntl(holder, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    yield str(path)
    os.close(holder)
    signal.signal(signal.SIGIO, before)


def test_what_is_no_regular_file_is_never_opened(folder):
    os.mkfifo(folder / "pipe")
    (folder / "empty").touch()
    for name in ("pipe", "empty", "zero"):
        (folder / f"{name}.png").symlink_to("/dev/zero" if name == "zero" else name)
    with Decoders(RecordingReporter(), patience=5) as decoders:
        for name in ("pipe", "empty", "zero"):
            with pytest.raises(OSError, match="not a regular file with something in it"):
                decoders.digest(str(folder / f"{name}.png"))


def test_what_a_library_writes_is_told_with_its_file(folder, treachery, capfd):
    (folder / "a.png").rename(folder / "loud.png")
    reporter = RecordingReporter()
    with Decoders(reporter) as decoders:
        decoders.decode(str(folder / "b.png"), 28)
        decoders.decode(str(folder / "loud.png"), 28)
        decoders.decode(str(folder / "b.png"), 28)
    told(reporter, str(folder / "loud.png"))
    reporter.details.clear()
    with Decoders(reporter, room=(3, 28)) as decoders:
        decoders.decode_each([str(folder / f"{name}.png") for name in ("b", "loud", "b")], 0)
    told(reporter, str(folder / "loud.png"))
    assert capfd.readouterr() == ("", "")


def test_so_it_is_where_no_process_can_be_started(folder, treachery, monkeypatch, capfd):
    def refuse(*_, **__):
        raise OSError(38, "no semaphores")

    monkeypatch.setattr("pebble.ProcessPool.schedule", refuse)
    (folder / "a.png").rename(folder / "loud.png")
    reporter = RecordingReporter()
    with Decoders(reporter) as decoders:
        for name in ("b", "loud", "b"):
            decoders.decode(str(folder / f"{name}.png"), 28)
    told(reporter, str(folder / "loud.png"))
    os.write(2, b"after")
    assert capfd.readouterr() == ("", "after")


def told(reporter, path):
    """Every line once, the first five of them."""
    lines = ["stderr of a C library", "line 0", "line 1", "line 2", "line 3", "3 more lines"]
    assert reporter.details == [f"{path}: {line}" for line in lines]


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


WARM = """
import multiprocessing.forkserver
from itae_cluster.pictures.decoders import warm_up

warm_up()
print(multiprocessing.forkserver._forkserver._forkserver_pid is not None)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork server")
def test_what_decoders_need_is_imported_beforehand():
    command = [sys.executable, "-c", WARM]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("True\n", "")


SCRIPT = """
import os, sys, time
from itae_cluster.pictures.decoders import Decoders

if __name__ == "__main__":
    with Decoders(None, room=(4, 1120)) as decoders:
        decoders.decode_each([sys.argv[1]], 0)
        print("ready", flush=True)
        time.sleep(600)
"""


STOPPED = """
import sys, time
from itae_cluster.pictures.decoders import Decoders

def take_a_second(path):
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        time.sleep(0.1)
    return 20

if __name__ == "__main__":
    with Decoders(None, patience=2) as decoders:
        decoders.decode(sys.argv[1], 28)
        print("ready", flush=True)
        print(decoders.run(take_a_second, sys.argv[1]), flush=True)
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_a_killed_run_leaves_neither_process_nor_memory_behind(folder, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(folder / "a.png")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert len(members(process.pid)) > 1
        maps = [Path(f"/proc/{pid}/maps").read_text() for pid in members(process.pid)]
        shared = [line for line in "".join(maps).splitlines() if "/pym-" in line]
        assert len(shared) >= 2  # in the decoder, too
        assert all(line.endswith(" (deleted)") for line in shared)  # so it goes with them
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
