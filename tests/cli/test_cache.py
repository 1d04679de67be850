"""`itae-cluster cache` knows the models that are kept in OpenVINO's format."""

from __future__ import annotations

import json
import os

from itae_cluster.model.graph_store import list_graphs
from support.command_line import run_cli


def test_info_shows_kept_graphs_and_clear_removes_them(album, tiny_weights):
    words = ["--k", "2", "--weights", tiny_weights, "--size", "28", "--engine", "openvino"]
    run_cli(album, *words, code=0)
    (kept,) = list_graphs()
    shown = run_cli("cache", "info", code=0).stdout
    assert f"weights {os.path.basename(kept.path)[:12]}…, 28 pixels, 0.6 MB" in shown
    found = json.loads(run_cli("cache", "info", "--json", code=0).stdout)
    assert found["graphs"] == [{"path": kept.path, "bytes": kept.bytes}]
    run_cli("cache", "clear", code=0)
    assert list_graphs() == []


def test_another_folder_has_none_and_clears_none(album, tiny_weights, tmp_path):
    words = ["--k", "2", "--weights", tiny_weights, "--size", "28", "--engine", "openvino"]
    run_cli(album, *words, code=0)
    folder = str(tmp_path / "other")
    assert json.loads(run_cli("cache", "info", "--cache", folder, "--json").stdout)["graphs"] == []
    run_cli("cache", "clear", "--cache", folder, code=0)
    assert len(list_graphs()) == 1
