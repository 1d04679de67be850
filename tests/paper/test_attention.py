"""`itae-cluster attention` as its user sees it, and the numbers it prints."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from itae_cluster.embedding.encoder import TorchEncoder
from itae_cluster.model.checkpoint import load_model
from itae_cluster.model.config import DINOv2Config
from itae_cluster.model.dinov2 import DINOv2
from itae_cluster.model.itae import Settings, artifacts
from itae_cluster.paper.calibrate import mark_artifacts
from itae_cluster.pictures.decode import decode
from support.command_line import run_cli

SIZE = 56  # 4 × 4 patches


@pytest.fixture(scope="module")
def register_weights(tmp_path_factory):
    torch.manual_seed(1)
    model = DINOv2(DINOv2Config(64, depth=2, registers=4, grid=4))
    state = {key: torch.randn_like(value) * 0.2 for key, value in model.state_dict().items()}
    path = tmp_path_factory.mktemp("weights") / "registers.safetensors"
    save_file(state, path)
    return str(path)


@pytest.fixture
def noise(tmp_path):
    """Three pictures whose tokens differ much within each."""
    rng = np.random.default_rng(3)
    paths = [str(tmp_path / f"noise-{number}.png") for number in range(3)]
    for path in paths:
        coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        coarse.resize((SIZE, SIZE), Image.Resampling.NEAREST).save(path)
    return paths


@pytest.fixture
def run(tiny_weights):
    def invoke(*args, weights=tiny_weights, stdin=None):
        options = ["--weights", weights, "--size", SIZE, "--device", "cpu"]
        return run_cli("attention", *args, *options, stdin=stdin)

    return invoke


def measured(weights, path, theta=None):
    settings = None if theta is None else Settings(theta)
    encoder = TorchEncoder(
        load_model(weights, None), settings, size=SIZE, device=torch.device("cpu"), metadata={}
    )
    return encoder.measure(decode(path, SIZE).pixels[None])


def table(result):
    return {path: cells for path, *cells in (row.split("\t") for row in result.stdout.splitlines())}


def only_line(result, code):
    assert result.exit_code == code, result.stderr
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    return lines[0]


@pytest.mark.parametrize("rule", ["minority", "low"])
def test_the_mask_is_the_models(rule):
    norms = np.random.default_rng(0).normal(3, 0.5, (40, 10)).astype(np.float32)
    norms[:, 4] = np.float32(2.7)  # not representable: compared in float32, it equals θ
    for theta in (0.0, 2.7, 3.0, float(norms[0, 3]), 9.0):
        wanted = artifacts(torch.from_numpy(norms), Settings(theta, rule)).numpy()
        assert np.array_equal(mark_artifacts(norms, theta, rule), wanted)
    assert not mark_artifacts(norms, 2.7, rule)[:, 0].any()


@pytest.mark.parametrize("kind", ["plain", "registers"])
def test_the_table_equals_a_direct_computation(
    run, noise, tmp_path, tiny_weights, register_weights, kind
):
    weights, registers = {"plain": (tiny_weights, 0), "registers": (register_weights, 4)}[kind]
    norms = np.concatenate([measured(weights, path).query_norms[0, 1:] for path in noise])
    theta = round(float(np.median(norms)), 4)
    result = run(*noise, "--theta", str(theta), "-o", tmp_path / "a.png", weights=weights)
    assert result.exit_code == 0, result.stderr
    rows = table(result)
    assert list(rows) == sorted(noise)
    for path in noise:
        found = measured(weights, path, theta)
        below = found.query_norms[0] <= np.float32(theta)
        below[0] = False
        count, tokens = int(below.sum()), 16 + registers
        if 2 * count > tokens:
            below = ~below
            below[0] = False
            count = tokens - count
        assert found.registers == registers
        before, after = found.attention[0][below].sum(), found.attenuated[0][below].sum()
        assert count > 0
        assert rows[path][:2] == [str(count), str(tokens)]
        assert [float(cell) for cell in rows[path][2:]] == pytest.approx([before, after], abs=2e-6)
        assert after < before
    assert "marks no token" not in result.stderr
    with Image.open(tmp_path / "a.png") as image:
        assert image.format == "PNG"
        assert image.width > 1000


def test_json_holds_the_same(run, album, tmp_path, register_weights):
    path = os.path.join(album, "red/0.png")
    theta = float(np.median(measured(register_weights, path).query_norms[0, 1:]))
    words = ["--theta", str(theta)]
    plain = run(path, "-o", tmp_path / "a.svg", *words, weights=register_weights)
    found = run(path, "-o", tmp_path / "b.svg", *words, "--json", weights=register_weights)
    document = json.loads(found.stdout)
    (record,) = document["pictures"]
    (cells,) = table(plain).values()
    assert document["theta"] == theta == document["model"]["theta"]
    assert record["path"] == path
    assert record["registers"] == 4
    values = [record["attention_before"], record["attention_after"]]
    assert [record["artifacts"], record["tokens"]] == [int(cell) for cell in cells[:2]]
    assert values == pytest.approx([float(cell) for cell in cells[2:]], abs=1e-6)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_theta_off_is_said_and_the_map_drawn(run, album, tmp_path):
    path = os.path.join(album, "red/0.png")
    result = run(path, "-o", tmp_path / "a.png")
    assert result.exit_code == 0
    assert table(result) == {path: ["0", "16", "0.000000", "0.000000"]}
    assert "theta is off for tiny.safetensors, so no token is marked" in result.stderr
    assert "--theta N" in result.stderr
    assert "itae-cluster calibrate" in result.stderr
    assert (tmp_path / "a.png").exists()
    assert run(path, "-o", tmp_path / "b.png", "--quiet").stderr == ""


def test_a_theta_beyond_every_norm_marks_nothing_and_says_so(run, album, tmp_path):
    result = run(os.path.join(album, "red"), "-o", tmp_path / "a.svg", "--theta", "1000")
    assert {tuple(cells[:2]) for cells in table(result).values()} == {("0", "16")}
    assert "theta 1000 marks no token in 4 of 4 pictures" in result.stderr
    assert "(Eq. 3) is empty" in result.stderr
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert text.count("0 artifacts: every token lies on one side of θ = 1000 (Eq. 3)") == 4


def test_an_unreadable_file_is_skipped_with_its_reason(run, album, tmp_path):
    bad = os.path.join(album, "red/bad.png")
    with open(bad, "wb") as file:
        file.write(b"no picture")
    result = run(os.path.join(album, "red/0.png"), bad, "-o", tmp_path / "a.png", "--json")
    assert result.exit_code == 0
    assert f"skipped {bad}: " in result.stderr
    document = json.loads(result.stdout)
    assert [item["path"] for item in document["skipped"]] == [bad]
    assert document["skipped"][0]["reason"]
    assert len(document["pictures"]) == 1


def test_batches_and_lists_change_nothing(run, album, tmp_path):
    whole = run(album, "-o", tmp_path / "a.png", "--theta", "2", "--batch-size", "5")
    listed = run("-", "-o", tmp_path / "b.png", "--theta", "2", stdin="\n".join(table(whole)))
    assert len(table(whole)) == 12
    assert [cells[:2] for cells in table(listed).values()] == [
        cells[:2] for cells in table(whole).values()
    ]


def test_errors_are_one_line_and_leave_nothing(run, album, tmp_path):
    picture, out, empty = os.path.join(album, "red/0.png"), tmp_path / "a.png", tmp_path / "empty"
    empty.mkdir()
    assert "ends in .png or .svg" in only_line(run(picture, "-o", tmp_path / "a.jpg"), 2)
    assert "name pictures or folders" in only_line(run("-o", out), 2)
    assert "--theta 'x'" in only_line(run(picture, "-o", out, "--theta", "x"), 2)
    assert "no picture found" in only_line(run(empty, "-o", out), 1)
    assert "is not a folder" in only_line(run(picture, "-o", tmp_path / "no" / "a.png"), 1)
    assert not out.exists()
    out.write_bytes(b"mine")
    assert "a.png exists" in only_line(run(picture, "-o", out), 1)
    assert out.read_bytes() == b"mine"


def test_nothing_readable(run, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    result = run(bad, "-o", tmp_path / "a.png")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].endswith("it is the only file")
    assert not (tmp_path / "a.png").exists()


def test_too_many_pictures(run, album, tmp_path):
    for number in range(13):
        Image.new("RGB", (20, 20)).save(os.path.join(album, f"{number}.png"))
    line = only_line(run(album, "-o", tmp_path / "a.png"), 1)
    assert "25 pictures are too many for one sheet; name 24 at most" in line
    os.unlink(os.path.join(album, "0.png"))
    assert run(album, "-o", tmp_path / "a.png").exit_code == 0


def test_weights_that_give_no_numbers(run, album, tmp_path, tiny_weights):
    from safetensors.torch import load_file

    state = load_file(tiny_weights)
    state["blocks.1.attn.qkv.bias"][:] = float("nan")
    broken = str(tmp_path / "broken.safetensors")
    save_file(state, broken)
    result = run(os.path.join(album, "red/0.png"), "-o", tmp_path / "a.png", weights=broken)
    assert result.exit_code == 1
    last = result.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert "weights" in last
    assert not (tmp_path / "a.png").exists()
