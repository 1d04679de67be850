"""Every way of being asked to end ends the process soon, with the code that says why."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has other signals")

DEAF = """
import hashlib
from itae_cluster.cli.interrupts import watch
watch()
print("ready", flush=True)
hashlib.pbkdf2_hmac("sha256", b"x", b"y", 2**31 - 1)  # minutes in C, without a look at signals
"""
SLOW = """
import sys, time
from itae_cluster.cli.interrupts import exit_code, watch
watch()
try:
    print("ready", flush=True)
    time.sleep(600)
except KeyboardInterrupt:
    print("cleaning", flush=True)
    time.sleep({cleaning})
    sys.exit(exit_code())
"""


def started(script):
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout.readline() == b"ready\n"
    return process


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_library_that_does_not_listen_is_ended(name):
    number = getattr(signal, name)
    with started(DEAF) as process:
        time.sleep(0.5)  # it says that it is ready a little before it is deaf
        process.send_signal(number)
        _, words = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert words == b"interrupted at once; nothing is lost, the next run clears up\n"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_there_is_time_to_clean_up(name):
    number = getattr(signal, name)
    with started(SLOW.format(cleaning=0.2)) as process:
        process.send_signal(number)
        output, words = process.communicate(timeout=20)
    assert (process.returncode, output, words) == (128 + number, b"cleaning\n", b"")


def test_the_second_interrupt_ends_at_once():
    with started(SLOW.format(cleaning=600)) as process:
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == b"cleaning\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=1.4) == 130  # before the first one's time is up


def test_what_nohup_set_stays():
    process = subprocess.Popen(
        ["nohup", sys.executable, "-c", SLOW.format(cleaning=0)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with process:
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        assert process.poll() is None
        process.kill()


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
def test_a_run_that_is_ended_leaves_no_trace(album, tmp_path, name, code):
    command = [sys.executable, "-m", "itae_cluster", album, "--k", "3", "--model", "mini"]
    command += ["--out", str(tmp_path / "sorted"), "--size", "518", "--batch-size", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        time.sleep(2)
        process.send_signal(getattr(signal, name))
        output, words = process.communicate(timeout=20)
    assert (process.returncode, output) == (code, b"")
    assert words.startswith(b"interrupted")
    assert sorted(os.listdir(tmp_path)) == ["photos"]
