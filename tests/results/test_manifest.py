"""What a result says of itself: the table for spreadsheets, and the one-liners of the docs."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from itae_cluster.pipeline.rename import rename_clusters
from support.fakes import a_run
from support.results import collection, organized

DOCS = os.path.join(os.path.dirname(__file__), "..", "..", "docs")


@pytest.fixture
def out(tmp_path):
    paths = collection(str(tmp_path / "photos"), ("a/ü.jpg", "b/img.jpg", "b/other.jpg"))
    organized(paths, tmp_path / "sorted", "copy", [0, 0, 1])
    return tmp_path / "sorted"


def table(out):
    with open(out / "clusters.csv", encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_opens_in_a_spreadsheet_and_names_each_cluster(out):
    assert (out / "clusters.csv").read_bytes().startswith(b"\xef\xbb\xbfsource,")
    assert [row["name"] for row in table(out)] == ["cluster-000", "cluster-000", "cluster-001"]
    assert table(out)[0]["destination"] == "cluster-000/ü.jpg"
    rename_clusters(str(out), [("cluster-000", None, "Grüße")], a_run())
    assert [row["name"] for row in table(out)] == ["Grüße", "Grüße", "cluster-001"]
    assert (out / "clusters.csv").read_bytes().startswith(b"\xef\xbb\xbfsource,")


def test_help_does_not_load_the_validator():
    code = (
        "import sys; sys.argv[1:] = ['--help']\n"
        "from itae_cluster.cli import main\n"
        "try: main()\nexcept SystemExit: sys.exit('fastjsonschema' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_the_one_liners_of_the_docs_work(out):
    with open(os.path.join(DOCS, "manifest.md"), encoding="utf-8") as file:
        lines = re.findall(r"^jq .*$", file.read(), re.M)
    (out / "list.txt").write_text("cluster-000/ü.jpg\ncluster-001/other.jpg\n", encoding="utf-8")
    said = [
        subprocess.run(line, shell=True, cwd=out, capture_output=True, text=True, check=True).stdout
        for line in (lines[0].replace("== 2", "== 1"), *lines[1:])
    ]
    pictures = json.loads((out / "manifest.json").read_text())["pictures"]
    sources = [item["source"] for item in pictures]
    assert [text.splitlines() for text in said] == [
        [sources[2]],
        ["2\tcluster-000", "1\tcluster-001"],
        [sources[0], sources[2]],
    ]
