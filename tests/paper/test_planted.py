"""The paper's claim on a model with planted artifacts: ITAE takes their harm away."""

from __future__ import annotations

import json

import numpy as np
import pytest

from itae_cluster.core.options import ModelOptions
from itae_cluster.embedding.encoder import load_encoder
from itae_cluster.model.itae import Settings
from itae_cluster.paper.calibrate import mark_artifacts
from itae_cluster.pictures.decode import decode
from support.command_line import run_cli
from support.fakes import RecordingReporter
from support.planted import GAP, NORMAL_NORM, SIZE, album, planted_weights

THETA = sum(GAP) / 2
EACH = 14


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """`weights`, an album `clean` and the same album `planted`."""
    root = tmp_path_factory.mktemp("planted")
    planted_weights(root / "weights.safetensors")
    album(root / "clean", EACH, planted=False)
    album(root / "planted", EACH, planted=True)
    return root


@pytest.fixture(scope="module")
def encoder(folder):
    weights = str(folder / "weights.safetensors")
    options = ModelOptions(weights=weights, size=SIZE, theta=None)
    return load_encoder(options, RecordingReporter())


def pixels(folder):
    return np.stack([decode(str(path), SIZE).pixels for path in sorted(folder.glob("*/*.png"))])


def run(folder, *args, code=0):
    options = ["--weights", folder / "weights.safetensors", "--size", SIZE]
    return run_cli(*args, *options, code=code)


def test_the_plant_is_what_the_paper_describes(encoder, folder):
    """Fig. 2 and 3: a small group of short queries that draws most of CLS's attention."""
    measures = encoder.measure(pixels(folder / "planted"))
    mask = mark_artifacts(measures.query_norms, THETA)
    assert mask.sum(axis=1).tolist() == [1] * len(mask)
    norms = measures.query_norms[:, 1:]
    assert not ((norms > GAP[0]) & (norms < GAP[1])).any()
    assert np.median(norms) == pytest.approx(NORMAL_NORM, abs=0.2)
    assert (measures.attention[mask] > 0.5).all()


def test_itae_restores_the_embedding_of_the_clean_picture(encoder, folder):
    clean = encoder.encode(pixels(folder / "clean"))
    stock, itae = encoder.encode_each(pixels(folder / "planted"), [None, Settings(THETA)])
    before = (clean * stock).sum(axis=1)
    after = (clean * itae).sum(axis=1)
    assert before.max() < 0.9
    assert after.min() > 0.99


def test_calibrate_finds_the_planted_threshold(folder):
    result = run(folder, "calibrate", folder / "planted")
    assert GAP[0] < float(result.stdout) < GAP[1]
    assert "bimodal" in result.stderr
    assert "in 100.0% of the pictures" in result.stderr


def test_calibrate_finds_nothing_where_nothing_is_planted(folder):
    result = run(folder, "calibrate", folder / "clean")
    assert result.stdout == "off\n"
    assert "not bimodal" in result.stderr


@pytest.mark.parametrize("rule", ["minority", "low"])
def test_the_sweep_peaks_at_the_planted_threshold(folder, rule):
    result = run(
        folder, "calibrate", folder / "planted", "--sweep", "0.7:5.2:0.5", "--labels", "--json",
        "--rule", rule, "--quiet",
    )  # fmt: skip
    points = json.loads(result.stdout)["sweep"]
    best = max(point["acc"] for point in points)
    winners = [point["theta"] for point in points if point["acc"] == best]
    assert best == 1
    assert {2.2, 2.7, 3.2} <= set(winners)
    nothing, everything = points[0], points[-1]
    assert nothing["share"] == 0
    assert nothing["acc"] < 0.8
    if rule == "minority":  # Eq. 3: beyond every norm the smaller group is empty
        assert everything["share"] == 0
        assert everything["acc"] == nothing["acc"]
    else:  # every token alike: CLS attends evenly, the artifact no more than any other
        assert everything["share"] == 1
    inside = next(point for point in points if point["theta"] == 2.7)
    assert inside["stability"] > nothing["stability"]
    assert inside["silhouette"] > nothing["silhouette"]


def test_the_main_job_gains_what_calibrate_found(folder):
    theta = run(folder, "calibrate", folder / "planted", "--quiet").stdout.strip()
    perfect = [["blue"], ["green"], ["red"]]
    for value, wanted in ((theta, True), ("off", False)):
        lines = run(folder, folder / "planted", "--k", "3", "--theta", value).stdout.splitlines()
        groups = {}
        for line in lines:
            path, cluster = line.split("\t")
            groups.setdefault(cluster, set()).add(path.split("/")[-2])
        assert (sorted(map(sorted, groups.values())) == perfect) is wanted


def test_eval_shows_the_gain(folder):
    result = run(
        folder, "eval", folder / "planted", "--theta", THETA, "--runs", "6x5", "--json", "--quiet"
    )
    (model,) = json.loads(result.stdout)["models"]
    scores = {variant["name"]: variant["metrics"]["acc"]["mean"] for variant in model["variants"]}
    assert scores["original"] < 0.8
    assert scores["ITAE"] == 1
    assert model["difference"]["acc"]["p"] < 0.01


def test_a_saved_theta_is_taken_by_auto_until_it_is_reset(folder):
    saving = run(folder, "calibrate", folder / "planted", "--save")
    assert "saved in" in saving.stderr
    used = run(folder, folder / "planted", "--k", "3", "--format", "json")
    theta = json.loads(used.stdout)["model"]["theta"]
    assert theta == float(saving.stdout)
    assert f"theta {theta:g}, saved by 'itae-cluster calibrate'" in used.stderr
    assert "forgotten" in run(folder, "calibrate", "--reset").stderr
    again = run(folder, folder / "planted", "--k", "3", "--format", "json")
    assert json.loads(again.stdout)["model"]["theta"] is None
    assert "nothing was saved" in run(folder, "calibrate", "--reset").stderr
