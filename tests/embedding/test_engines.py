"""Which engine computes, and what happens where OpenVINO fails."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from itae_cluster.core.errors import ModelError, UsageError
from itae_cluster.core.options import DeviceName, Engine, ModelOptions, Precision
from itae_cluster.embedding import engines
from itae_cluster.embedding.engines import open_encoder
from itae_cluster.embedding.openvino_encoder import OpenVINOEncoder
from itae_cluster.embedding.vector_cache import fingerprint
from itae_cluster.model.acquire import locate
from itae_cluster.model.graph_store import list_graphs
from support.command_line import run_cli
from support.fakes import RecordingReporter


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    monkeypatch.setattr(engines, "_has_gpu", lambda: False)


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (5, 28, 28, 3), dtype=np.uint8)


def load(weights, engine="auto", reporter=None, **options):
    options = {"size": 28, "precision": Precision.FLOAT32, **options}
    options = ModelOptions(weights=weights, engine=Engine(engine), **options)
    reporter = reporter or RecordingReporter()
    located = locate(options.model, weights=weights, offline=True, reporter=reporter)
    return open_encoder(options, reporter, located=located)


def engine_of(encoder):
    return encoder.metadata["engine"]


def test_auto_is_openvino_on_a_cpu_where_it_is_installed(tiny_weights, monkeypatch):
    assert engine_of(load(tiny_weights)) == "openvino"
    assert engine_of(load(tiny_weights, "torch")) == "torch"
    monkeypatch.setattr(engines, "find_spec", lambda _: None)
    assert engine_of(load(tiny_weights)) == "torch"
    with pytest.raises(ModelError, match=r"pip install 'itae-cluster\[openvino\]'"):
        load(tiny_weights, "openvino")


def test_a_gpu_stays_with_torch(tiny_weights, monkeypatch):
    monkeypatch.setattr(engines, "_has_gpu", lambda: True)
    seen = []
    monkeypatch.setattr(
        engines, "_load_torch", lambda _, options, **__: seen.append(options.device)
    )
    load(tiny_weights)
    assert seen == [DeviceName.AUTO]
    assert engine_of(load(tiny_weights, device=DeviceName.CPU)) == "openvino"


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_openvino_on_a_gpu_is_an_error_of_usage(device):
    with pytest.raises(UsageError, match=f"computes on the CPU, not on {device}"):
        ModelOptions(engine=Engine.OPENVINO, device=DeviceName(device))


@pytest.mark.parametrize("theta", [None, 2.0])
def test_both_engines_give_the_same_and_share_the_cache(tiny_weights, pixels, theta):
    one, other = (load(tiny_weights, name, theta=theta) for name in ("torch", "openvino"))
    np.testing.assert_allclose(one.encode(pixels), other.encode(pixels), atol=1e-5)
    assert (one.dim, one.size) == (other.dim, other.size) == (64, 28)
    assert fingerprint(one.metadata) == fingerprint(other.metadata)
    assert set(one.metadata) == set(other.metadata)


def test_many_pictures_come_back_in_their_order(tiny_weights, pixels):
    encoder = load(tiny_weights, "openvino")
    many = np.concatenate([pixels] * 9)
    found = encoder.encode(many)
    np.testing.assert_allclose(found, np.tile(encoder.encode(pixels), (9, 1)), atol=1e-5)


def test_the_graph_is_kept_and_taken_again(tiny_weights, pixels, monkeypatch):
    first = load(tiny_weights, "openvino").encode(pixels)
    assert len(list_graphs()) == 1

    def never(*_):
        raise AssertionError("the checkpoint is not read again")

    monkeypatch.setattr("itae_cluster.embedding.openvino_encoder.load_weights", never)
    np.testing.assert_array_equal(load(tiny_weights, "openvino", theta=None).encode(pixels), first)


FAILURES = {
    "import": ("itae_cluster.embedding.openvino_encoder.import_openvino", ImportError("no AVX2")),
    "compile": (
        "itae_cluster.embedding.openvino_encoder.OpenVINOEncoder.__init__",
        RuntimeError("Exception from src/x.cpp:\nunsupported"),
    ),
    "inference": (
        "itae_cluster.embedding.openvino_encoder.OpenVINOEncoder.encode_with_distance",
        RuntimeError("no memory"),
    ),
}


@pytest.mark.parametrize("stage", FAILURES)
def test_torch_goes_on_where_openvino_fails_and_one_line_says_so(
    tiny_weights, pixels, monkeypatch, stage
):
    wanted = load(tiny_weights, "torch").encode(pixels)
    place, error = FAILURES[stage]

    def fail(*_, **__):
        raise error

    load(tiny_weights, "openvino")  # keeps the graph, so that it is OpenVINO itself that fails
    monkeypatch.setattr(place, fail)
    reporter = RecordingReporter()
    encoder = load(tiny_weights, reporter=reporter)
    for _ in range(2):
        np.testing.assert_array_equal(encoder.encode(pixels), wanted)
    assert engine_of(encoder) == "torch"
    (line,) = reporter.warnings
    assert line.startswith("OpenVINO fails here (")
    assert "torch goes on" in line
    assert "\n" not in line
    with pytest.raises(ModelError, match=r"OpenVINO fails here .*; use --engine torch"):
        load(tiny_weights, "openvino").encode(pixels)


def test_what_is_wrong_with_the_weights_is_told_as_ever(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"nothing")
    reporter = RecordingReporter()
    with pytest.raises(ModelError, match="is not a checkpoint"):
        load(str(tmp_path / "w.safetensors"), reporter=reporter)
    assert reporter.warnings == []


SCRIPT = """
import sys
from itae_cluster.__main__ import main
if __name__ == "__main__":  # each decoder process runs the rest, as it does of the installed script
    try:
        main()
    finally:
        print("torch" in sys.modules, file=sys.stderr)
"""


@pytest.mark.slow
def test_openvino_does_without_torch_from_the_first_run_on(album, tmp_path):
    """The first one makes the graph, and times how fast bfloat16 is; torch's engine imports it."""
    (tmp_path / "script").write_text(SCRIPT)

    def imports_torch(*words):
        words = ["--k", "2", "--model", "mini", "--no-cache", "-q", "--engine", *words]
        command = [sys.executable, str(tmp_path / "script"), album, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stderr.strip() == "True"

    assert not list_graphs()
    assert not imports_torch("openvino")
    assert list_graphs()
    assert imports_torch("torch")


LOOK = """
import sys
from itae_cluster.__main__ import main
if __name__ == "__main__":
    from itae_cluster.pictures.decoders import Decoders
    with Decoders(None) as decoders:
        print(*decoders.run(eval, "set(__import__('sys').modules)"))
"""


def test_decoder_processes_import_neither_torch_nor_the_command_line(tmp_path):
    (tmp_path / "script").write_text(LOOK)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "script")], capture_output=True, text=True, timeout=60
    )
    modules = set(done.stdout.split())
    assert {"__mp_main__", "itae_cluster.__main__", "itae_cluster.pictures.decode"} <= modules
    assert not modules & {"torch", "openvino", "sklearn", "typer", "itae_cluster.cli"}


def test_the_manifest_says_which_engine(album, tiny_weights):
    words = [album, "--k", "2", "--weights", tiny_weights, "--size", "28", "--format", "json"]
    for name in ("torch", "openvino"):
        found = run_cli(*words, "--engine", name, "--no-cache", code=0)
        assert f'"engine": "{name}"' in found.stdout


def test_an_encoder_is_what_it_is_called(tiny_weights):
    assert isinstance(load(tiny_weights)._encoder, OpenVINOEncoder)
