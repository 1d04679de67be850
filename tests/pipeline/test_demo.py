"""The demo, on real pictures with the bundled model."""

from __future__ import annotations

import csv
import os
import re

import pytest

from itae_cluster.pipeline.demo import CLASSES, make_album
from support.command_line import run_cli


def test_the_album_has_known_labels_that_names_do_not_tell(tmp_path):
    truth = make_album(str(tmp_path / "demo"))
    assert len(truth) == 112
    assert len(set(truth.values())) == CLASSES
    names = [os.path.basename(path) for path in truth]
    assert names == [f"picture-{number:03d}.png" for number in range(1, 113)]
    assert list(truth.values()) != sorted(truth.values())
    with open(tmp_path / "demo/labels.csv", encoding="utf-8") as file:
        assert dict(list(csv.reader(file))[1:]) == truth


def test_a_folder_with_something_in_it_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    result = run_cli("demo", tmp_path, code=1)
    assert "name a new folder" in result.stderr
    assert os.listdir(tmp_path) == ["mine.txt"]


@pytest.mark.slow
def test_the_demo_sorts_most_pictures_right(tmp_path):
    result = run_cli("demo", tmp_path / "demo", code=0)
    accuracy = float(re.search(r"^ACC +([01]\.\d+)", result.stdout, re.MULTILINE)[1])
    assert 0.8 < accuracy <= 1
    for line in result.stdout.splitlines()[:3]:
        assert os.path.exists(re.search(r"  (/\S+)", line)[1])
    assert len(os.listdir(tmp_path / "demo/sorted")) == CLASSES + 5
