"""The graph for OpenVINO gives what the torch modules give, and is kept whole or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from itae_cluster.model import graph_store
from itae_cluster.model.config import IMAGENET_MEAN, IMAGENET_STD, DINOv2Config
from itae_cluster.model.dinov2 import DINOv2
from itae_cluster.model.graph import build_graph, interpolate_positions
from itae_cluster.model.graph_store import find_graph, keep_graph, list_graphs, remove_graph
from itae_cluster.model.itae import ITAE, Settings, artifacts, cls_row, query_norms
from itae_cluster.model.openvino_package import import_openvino

KINDS = {
    "plain": DINOv2Config(128, depth=2, grid=5),
    "registers": DINOv2Config(128, depth=2, registers=4, grid=5),
    "swiglu": DINOv2Config(128, depth=2, ffn="swiglu", grid=5),
}
SIDE = 56
DIGEST = "ab" * 32


def random_model(config):
    torch.manual_seed(3)
    model = DINOv2(config).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.copy_(torch.randn_like(parameter) * 0.2)
    return model


def graph_of(model, size=SIDE):
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    return build_graph(weights, model.config, size=size)


def pixels(count):
    return np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)


def run(graph, shots, theta):
    compiled = (
        import_openvino().Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    )
    found = compiled([shots, np.array(theta, dtype=np.float32)])
    return found[0], found[1]


def normalised(shots):
    mean, std = (
        torch.tensor(values).view(3, 1, 1) * 255 for values in (IMAGENET_MEAN, IMAGENET_STD)
    )
    return (torch.from_numpy(shots).permute(0, 3, 1, 2).float() - mean) / std


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 3])
def test_it_equals_the_torch_modules(kind, count):
    model = random_model(KINDS[kind])
    shots, graph = pixels(count), graph_of(model)
    with torch.inference_mode():
        images = normalised(shots)
        block_input = ITAE(model, None).last_block_input(images)
        norms = query_norms(cls_row(model.blocks[-1], block_input).q)
        for theta in (float(norms[:, 1:].quantile(0.3)), float(norms[:, 1:].quantile(0.8))):
            mask = artifacts(norms, Settings(theta))
            assert 0 < mask.sum() < mask.numel()
            wanted, distances = ITAE(model, Settings(theta)).embed_with_distance(images)
            found = run(graph, shots, theta)
            np.testing.assert_allclose(found[0], wanted.numpy(), atol=2e-6)
            np.testing.assert_allclose(found[1], distances.numpy(), atol=1e-5)
        stock = ITAE(model, None)(images).numpy()
    np.testing.assert_allclose(run(graph, shots, -np.inf)[0], stock, atol=2e-6)
    assert abs(stock - wanted.numpy()).max() > 1e-3  # ITAE does something here


@pytest.mark.parametrize("side", [1, 4, 5, 9])
@pytest.mark.parametrize("kind", KINDS)
def test_positions_are_interpolated_as_by_torch(kind, side):
    model = random_model(KINDS[kind])
    patches = model.pos_embed[:, 1:].numpy()
    found = interpolate_positions(patches, model.config, side)
    np.testing.assert_allclose(found, model.positions((side, side))[:, 1:].numpy(), atol=2e-6)


@pytest.mark.parametrize("share", [0.5, 0.52])
def test_a_tie_goes_to_the_low_group_as_in_torch(share):
    """16 tokens: at the median each group has eight."""
    model, shots = random_model(KINDS["plain"]), pixels(1)
    with torch.inference_mode():
        images = normalised(shots)
        block_input = ITAE(model, None).last_block_input(images)
        norms = query_norms(cls_row(model.blocks[-1], block_input).q)[:, 1:]
        theta = float(norms.quantile(share))
        assert int((norms <= theta).sum()) == 8
        wanted = ITAE(model, Settings(theta))(images).numpy()
    np.testing.assert_allclose(run(graph_of(model), shots, theta)[0], wanted, atol=2e-6)


def test_a_kept_graph_is_found_again_and_does_the_same():
    model = random_model(KINDS["plain"])
    graph = graph_of(model)
    assert find_graph(DIGEST, SIDE) is None
    assert keep_graph(graph, model.config, DIGEST, SIDE)
    kept = find_graph(DIGEST, SIDE)
    assert kept.config == model.config
    again = import_openvino().Core().read_model(kept.path)
    for one, other in zip(run(graph, pixels(2), 1.0), run(again, pixels(2), 1.0), strict=True):
        np.testing.assert_array_equal(one, other)
    assert find_graph(DIGEST, SIDE + 14) is None
    assert find_graph("cd" * 32, SIDE) is None
    remove_graph(kept.path)
    assert os.listdir(os.path.dirname(kept.path)) == []


def keep(config=KINDS["plain"]):
    model = random_model(config)
    assert keep_graph(graph_of(model), model.config, DIGEST, SIDE)
    return find_graph(DIGEST, SIDE).path


@pytest.mark.parametrize("suffix", [".xml", ".bin", ".json"])
@pytest.mark.parametrize("harm", ["cut", "changed", "gone"])
def test_a_damaged_one_is_none(suffix, harm):
    path = Path(keep()).with_suffix("")
    file = path.with_name(path.name + suffix)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.unlink()
    if harm != "gone":
        file.write_bytes(content[: len(content) // 2] if harm == "cut" else content)
    assert find_graph(DIGEST, SIDE) is None
    keep()  # a new one takes its place


def test_one_of_another_version_gives_way(monkeypatch):
    monkeypatch.setattr(graph_store, "version", lambda _: "1999.1")
    old = keep()
    monkeypatch.setattr(graph_store, "version", lambda _: "2000.1")
    assert find_graph(DIGEST, SIDE) is None
    assert [kept.path for kept in list_graphs()] == [old]
    new = keep()
    assert [kept.path for kept in list_graphs()] == [new]
    assert new != old


def test_a_large_one_is_not_kept(monkeypatch):
    monkeypatch.setattr(graph_store, "_LARGEST", 1000)
    model = random_model(KINDS["plain"])
    assert not keep_graph(graph_of(model), model.config, DIGEST, SIDE)
    assert os.listdir(os.path.join(os.environ["ITAE_CLUSTER_CACHE"], "openvino")) == []


def test_a_folder_that_cannot_be_written_is_no_error(monkeypatch):
    Path(os.environ["ITAE_CLUSTER_CACHE"]).mkdir(exist_ok=True)
    (Path(os.environ["ITAE_CLUSTER_CACHE"]) / "openvino").write_text("a file")
    model = random_model(KINDS["plain"])
    assert not keep_graph(graph_of(model), model.config, DIGEST, SIDE)
    assert list_graphs() == []


SCRIPT = """
import json, socket, sys
def refuse(*_): raise AssertionError("the network")
socket.socket.connect = refuse
from itae_cluster.model.openvino_package import import_openvino
import_openvino()
print(json.dumps(sorted(name for name in sys.modules if "telemetry" in name)))
"""


def test_nothing_is_reported_and_nothing_written_at_home(tmp_path):
    """OpenVINO's own import does both; here it must not even load what would."""
    environment = {**os.environ, "HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout)
    assert not [name for name in loaded if name.startswith("openvino_telemetry")]
    assert os.listdir(tmp_path) == []
