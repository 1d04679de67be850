"""bfloat16's speed with float32's artifact masks: what lies near θ is embedded in float32."""

from __future__ import annotations

import numpy as np
import pytest

from itae_cluster.core.options import Engine, ModelOptions, Precision
from itae_cluster.embedding.encoder import load_exact_encoder
from itae_cluster.embedding.engines import open_encoder
from itae_cluster.embedding.mixed import MARGIN, MixedEncoder
from itae_cluster.model.acquire import locate
from itae_cluster.paper.calibrate import mark_artifacts
from itae_cluster.pictures.decode import decode
from support.fakes import RecordingReporter
from support.pictures import photograph_crops
from support.planted import GAP, SIZE, album, planted_weights

ENGINES = ["torch", "openvino"]


def load(engine, precision, reporter=None, **model):
    options = ModelOptions(engine=Engine(engine), precision=Precision(precision), **model)
    reporter = reporter or RecordingReporter()
    located = locate(options.model, weights=options.weights, offline=True, reporter=reporter)
    return open_encoder(options, reporter, located=located)


class FakeEncoder:
    """Vectors (1, 0) from the one, (0, 1) from the other; distances are the pixels / 100."""

    metadata = {"precision": "bfloat16", "theta": 1.0}  # noqa: RUF012
    dim, size = 2, 1

    def __init__(self, axis):
        self.batches, self.row = [], np.eye(2, dtype=np.float32)[axis]

    def encode(self, pixels):
        self.batches.append(len(pixels))
        return np.tile(self.row, (len(pixels), 1))

    def encode_with_distance(self, pixels):
        return self.encode(pixels), pixels[:, 0, 0, 0].astype(np.float32) / 100


def shots(*hundredths):
    return np.array(hundredths, dtype=np.uint8).reshape(-1, 1, 1, 1)


@pytest.fixture
def mixed():
    fast, exact, reporter = FakeEncoder(0), FakeEncoder(1), RecordingReporter()
    return MixedEncoder(fast, lambda: exact, reporter), fast, exact, reporter


def test_pictures_near_theta_are_embedded_once_more_in_one_batch(mixed):
    encoder, fast, exact, _ = mixed
    found = encoder.encode(shots(50, 1, 50, 2, 50, 3))
    assert found[:, 1].tolist() == [0, 1, 0, 1, 0, 0]
    assert (fast.batches, exact.batches) == ([6], [2])
    assert encoder.metadata["precision"] == "mixed"


def test_where_none_is_near_the_exact_model_is_not_loaded():
    def never():
        raise AssertionError

    fast = FakeEncoder(0)
    MixedEncoder(fast, never, RecordingReporter()).encode(shots(50, 50))
    assert fast.batches == [2]


def test_too_many_make_float32_go_on_alone_and_v_tells(mixed):
    encoder, fast, exact, reporter = mixed
    for _ in range(6):
        encoder.encode(shots(*[1] * 8, *[50] * 8))
    assert fast.batches == [16] * 4
    assert exact.batches == [8] * 4 + [16] * 2
    (line,) = reporter.details
    assert line.startswith("32 of 64 pictures have a query norm near theta")


def test_a_third_is_not_too_many(mixed):
    encoder, fast, _, reporter = mixed
    for _ in range(20):
        encoder.encode(shots(*[1] * 4, *[50] * 8))
    assert len(fast.batches) == 20
    assert reporter.details == []


@pytest.mark.parametrize("engine", ENGINES)
def test_planted_artifacts_are_found_as_in_float32(engine, tmp_path):
    weights = str(tmp_path / "weights.safetensors")
    planted_weights(weights)
    paths = album(tmp_path / "planted", 8, planted=True)
    pixels = np.stack([decode(path, SIZE).pixels for path in paths])
    model = {"weights": weights, "size": SIZE}
    exact = load("torch", "float32", theta=sum(GAP) / 2, **model)
    encoder = load(engine, "mixed", theta=sum(GAP) / 2, **model)
    assert encoder.metadata["precision"] == "mixed"
    assert encoder.metadata["engine"] == engine
    assert ((encoder.encode(pixels) * exact.encode(pixels)).sum(axis=1) > 0.999).all()
    assert not mark_artifacts(exact.measure(pixels).query_norms, sum(GAP) / 2).all()


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_theta_in_the_middle_of_a_mode_is_the_worst_case_and_changes_nothing(engine):
    pixels = photograph_crops(224)
    norms = (
        load_exact_encoder(ModelOptions("mini"), RecordingReporter()).measure(pixels).query_norms
    )
    theta = float(np.median(norms[:, 1:]))
    exact = load("torch", "float32", model="mini", theta=theta).encode(pixels)
    found = load(engine, "mixed", model="mini", theta=theta).encode(pixels)
    np.testing.assert_allclose(found, exact, atol=1e-5)  # every picture was embedded in float32


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_theta_beside_a_mode_leaves_pictures_to_bfloat16(engine):
    """θ further than the margin from every norm of some pictures, but not of all."""
    pixels = photograph_crops(224)
    measured = load_exact_encoder(ModelOptions("mini"), RecordingReporter()).measure(pixels)
    highest = np.sort(measured.query_norms[:, 1:].max(axis=1))
    theta = float(highest[2] * (1 + 2 * MARGIN))
    exact = load("torch", "float32", model="mini", theta=theta).encode(pixels)
    found = load(engine, "mixed", model="mini", theta=theta).encode(pixels)
    assert ((found * exact).sum(axis=1) > 0.999).all()
    apart = np.abs(found - exact).max(axis=1)
    assert (apart > 1e-4).any()
