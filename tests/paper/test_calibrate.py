"""`calibrate` as its user sees it; finding planted thresholds is the matter of test_planted."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from itae_cluster.core.errors import OutputError, UsageError
from itae_cluster.core.options import parse_range
from itae_cluster.core.types import TokenMeasures
from itae_cluster.model import thresholds
from itae_cluster.paper.calibrate import attenuated_share, draw_sample
from itae_cluster.paper.sweep import score_clusters
from support.command_line import run_cli
from support.planted import SIZE, planted_weights
from support.planted import album as planted_album


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("calibrate")
    planted_weights(root / "weights.safetensors")
    planted_album(root / "planted", 6, planted=True)
    return root


@pytest.fixture
def run(folder):
    def invoke(*args, weights=folder / "weights.safetensors"):
        return run_cli("calibrate", *args, "--weights", weights, "--size", SIZE)

    return invoke


def test_stdout_is_theta_alone_and_quiet_is_quiet(run, folder):
    result = run(folder / "planted", "--quiet")
    assert result.exit_code == 0, result.stderr
    assert float(result.stdout) > 0
    assert result.stdout.count("\n") == 1
    assert result.stderr == ""


def test_json_is_the_whole_finding(run, folder):
    document = json.loads(run(folder / "planted", "--json", "--sample", "10").stdout)
    assert document["schema"] == "itae-cluster/calibration"
    assert document["pictures"] == 10
    assert document["tokens"] == 10 * 25
    assert document["finding"]["bimodal"] is True
    assert document["touched"] == {"tokens": pytest.approx(0.04), "pictures": 1.0}
    assert document["published_theta"] is None
    assert document["published_touched"] == {"tokens": 0.0, "pictures": 0.0}
    assert sum(document["histogram"]["patches"]) == 250
    assert sum(document["histogram"]["registers"]) == 0
    assert document["model"]["dim"] == 128
    assert document["options"]["calibration"]["sample"] == 10
    assert document["sweep"] == []


def test_the_same_seed_draws_the_same_sample():
    files = [f"{number:03d}" for number in range(100)]
    drawn = draw_sample(files, 10, seed=1)
    assert drawn == draw_sample(files, 10, seed=1)
    assert drawn != draw_sample(files, 10, seed=2)
    assert list(drawn) == sorted(drawn)
    assert len(set(drawn)) == 10
    assert draw_sample(files, 100, seed=1) == tuple(files)


@pytest.mark.parametrize("suffix", ["png", "svg"])
@pytest.mark.parametrize("options", [(), ("--sweep", "1:4:1")], ids=["norms", "sweep"])
def test_plots_are_written_and_never_over_a_file(run, folder, tmp_path, suffix, options):
    plot = tmp_path / f"plot.{suffix}"
    result = run(folder / "planted", "--plot", plot, *options)
    assert result.exit_code == 0, result.stderr
    assert plot.read_bytes()[:5] == (b"\x89PNG\r" if suffix == "png" else b"<?xml")
    again = run(folder / "planted", "--plot", plot)
    assert again.exit_code == 1
    assert "exists" in again.stderr
    assert len(again.stderr.splitlines()) == 1


def test_a_sweep_is_a_table_for_people_and_json_for_programs(run, folder):
    result = run(folder / "planted", "--sweep", "1:5:2", "--labels")
    header, *rows = [line.split() for line in result.stderr.splitlines()[-4:]]
    assert header == [
        "theta", "tokens", "pictures", "silhouette", "stability", "ACC", "ARI", "NMI",
    ]  # fmt: skip
    assert [row[0] for row in rows] == ["1", "3", "5"]
    assert rows[1][1:3] == ["4.0%", "100.0%"]
    document = json.loads(run(folder / "planted", "--sweep", "1:5:2", "--json", "-q").stdout)
    assert [point["theta"] for point in document["sweep"]] == [1, 3, 5]
    assert {point["acc"] for point in document["sweep"]} == {None}


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--sweep", "1:8"], 2, "START:STOP:STEP"),
        (["--sweep", "1:8:0"], 2, "START:STOP:STEP"),
        (["--sweep", "8:1:1"], 2, "START:STOP:STEP"),
        (["--sweep", "1:8:0.001"], 2, "at most 200"),
        (["--rule", "some"], 2, "minority and low"),
        (["--labels"], 2, "add --sweep"),
        (["--k", "3"], 2, "add --sweep"),
        (["--sweep", "1:2:1", "--k", "0"], 2, "1 or more"),
        (["--sweep", "1:2:1", "--k", "19"], 1, "use --k 18 or less"),
        (["--sample", "0"], 2, "1 or more"),
        (["--seed", "-1"], 2, "between 0"),
        (["--plot", "plot.txt"], 2, ".png or .svg"),
    ],
)
def test_mistakes_are_one_line_with_a_remedy(run, folder, options, code, words):
    result = run(folder / "planted", *options)
    assert (result.exit_code, result.stdout) == (code, "")
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_labels_need_one_folder_with_classes(run, folder):
    pictures = sorted((folder / "planted").glob("*/*.png"))
    for inputs, words in (
        (pictures[:4], "one folder"),
        ([folder / "planted" / "red"], "no subfolder"),
        ([folder / "planted", "--exclude", "red", "--exclude", "blue"], "1 class"),
    ):
        result = run(*inputs, "--sweep", "1:4:1", "--labels")
        assert result.exit_code in (1, 2)
        assert words in result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_without_pictures(run):
    result = run()
    assert result.exit_code == 2
    assert "name pictures or folders" in result.stderr


def test_damaged_weights_are_named(run, folder, tmp_path):
    from safetensors.torch import load_file, save_file

    state = load_file(folder / "weights.safetensors")
    state["blocks.0.attn.qkv.bias"][:] = float("nan")
    save_file(state, tmp_path / "nan.safetensors")
    result = run(folder / "planted", weights=tmp_path / "nan.safetensors")
    assert result.exit_code == 1
    assert "weights are damaged" in result.stderr


def measures(norms):
    norms = np.array(norms, dtype=np.float32)
    return TokenMeasures(norms, norms, norms, norms, registers=0)


def test_what_a_theta_touches_by_hand():
    """CLS first and left out; three tokens a picture."""
    found = measures([[0, 1, 4, 4], [0, 4, 4, 4], [0, 1, 1, 4]])
    minority = attenuated_share(found, 2.0)
    assert minority.tokens == pytest.approx(2 / 9)  # 1 of the first, 1 (the high one) of the third
    assert minority.pictures == pytest.approx(2 / 3)
    low = attenuated_share(found, 2.0, "low")
    assert low.tokens == pytest.approx(3 / 9)
    assert attenuated_share(found, None).tokens == 0


def test_ranges():
    assert parse_range("1:8:0.5") == tuple(1 + 0.5 * i for i in range(15))
    assert parse_range("0.1:0.3:0.1") == (0.1, 0.2, 0.3)
    assert parse_range("2:2:1") == (2,)
    with pytest.raises(UsageError):
        parse_range("1:nan:1")


def test_clear_clusters_score_higher_than_none():
    rng = np.random.default_rng(0)
    centres = np.eye(4, 16)
    truth = np.repeat(np.arange(4), 12)

    def unit(vectors):
        return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)

    clear = score_clusters(unit(centres[truth] + 0.05 * rng.normal(size=(48, 16))), 4,
                  truth=[str(t) for t in truth], seed=0)  # fmt: skip
    noise = score_clusters(unit(rng.normal(size=(48, 16))), 4, truth=None, seed=0)
    assert clear.labelled.acc == 1
    assert noise.labelled is None
    assert clear.stability == pytest.approx(1)
    assert clear.silhouette > noise.silhouette
    assert clear.stability > noise.stability


def test_saved_thresholds():
    assert thresholds.load("abc") is None
    thresholds.save("abc", thresholds.SavedTheta(2.5, 512))
    thresholds.save("def", thresholds.SavedTheta(None, 3))
    assert thresholds.load("abc") == thresholds.SavedTheta(2.5, 512)
    assert thresholds.load("def").theta is None
    assert thresholds.forget("abc")
    assert not thresholds.forget("abc")
    assert thresholds.load("abc") is None
    assert thresholds.load("def") is not None
    assert os.listdir(os.path.dirname(thresholds.path())) == ["thresholds.json"]


@pytest.mark.parametrize("content", ["", "[]", '{"abc": 3}', '{"abc": {"x": 1}}'])
def test_a_damaged_file_of_thresholds_is_named(content):
    os.makedirs(os.path.dirname(thresholds.path()))
    with open(thresholds.path(), "w") as file:
        file.write(content)
    with pytest.raises(OutputError, match=r"thresholds\.json .* repair or remove it"):
        thresholds.load("abc")
