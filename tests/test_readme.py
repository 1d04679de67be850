"""The README's pipelines are run as they stand, on an album, with the bundled model."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
PIPELINES = re.findall(r"<!-- tested -->\n```sh\n(.*?)```", README.read_text("utf-8"), re.DOTALL)


def run(script, folder):
    program = os.path.dirname(sys.executable)
    environment = {**os.environ, "PATH": os.pathsep.join([program, os.environ["PATH"]])}
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )


def test_there_are_three_pipelines():
    assert len(PIPELINES) == 3


@pytest.mark.slow
def test_counting(album, tmp_path):
    lines = run(PIPELINES[0], tmp_path).stdout.split("\n")[:-1]
    counts = {int(line.split()[1]): int(line.split()[0]) for line in lines}
    assert sorted(counts) == [0, 1, 2]
    assert sum(counts.values()) == 12


@pytest.mark.slow
def test_embedding_once(album, tmp_path):
    run(PIPELINES[1], tmp_path)
    for k in (2, 3, 4):
        rows = (tmp_path / f"clusters-{k}.tsv").read_text().splitlines()
        assert len(rows) == 12
        assert {row.split("\t")[1] for row in rows} == {str(label) for label in range(k)}


@pytest.mark.slow
def test_packing(album, tmp_path):
    run(PIPELINES[2], tmp_path)
    with tarfile.open(tmp_path / "album.tar") as archive:
        assert len(archive.getnames()) == 12
