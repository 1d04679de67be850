"""Where weights are looked for, and what happens where there are none."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from itae_cluster.core.errors import DownloadError, UsageError, WeightsError
from itae_cluster.core.files import file_digest
from itae_cluster.model import acquire, download, registry, store
from itae_cluster.model.checkpoint import load_model
from itae_cluster.model.config import DINOv2Config
from itae_cluster.model.dinov2 import DINOv2
from support.command_line import run_cli
from support.fakes import RecordingReporter

CONFIG = DINOv2Config(64, depth=1, grid=2)


@pytest.fixture
def official_file(tmp_path):
    """A tiny stand-in for the official vitb14 file."""
    torch.manual_seed(0)
    state = {k: torch.randn_like(v) for k, v in DINOv2(CONFIG).state_dict().items()}
    path = str(tmp_path / "dinov2_vitb14_pretrain.pth")
    torch.save(state, path)
    return path


@pytest.fixture
def vitb14(official_file, monkeypatch):
    """The registry's vitb14, but tiny and with the stand-in's digest."""
    known = registry.variant("vitb14")
    checkpoint = replace(known.checkpoint, sha256=file_digest(official_file), size=None)
    tiny = replace(known, config=CONFIG, checkpoint=checkpoint)
    monkeypatch.setitem(registry.VARIANTS, "vitb14", tiny)
    return tiny


@pytest.fixture
def online(monkeypatch):
    """The network is allowed; every download is recorded and fails, unless given a file."""

    class Network:
        file, calls = None, 0

        def download(self, checkpoint, target, *, label, reporter, advice):
            self.calls += 1
            if self.file is None:
                raise DownloadError("dl.example cannot be reached; check the network")
            os.makedirs(os.path.dirname(target), exist_ok=True)
            put(self.file, target)

    network = Network()
    monkeypatch.delenv("ITAE_CLUSTER_OFFLINE")
    monkeypatch.setattr(download, "download", network.download)
    return network


def put(source, *target):
    path = os.path.join(*target)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(source, "rb") as reading, open(path, "wb") as writing:
        writing.write(reading.read())
    return path


def hugging_face_file(source, repository, revision="abc", main=None):
    folder = os.path.join(os.environ["HF_HUB_CACHE"], "models--" + repository.replace("/", "--"))
    path = os.path.join(folder, "snapshots", revision, "model.safetensors")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    save_file(load_model(source, None).state_dict(), path)
    if main:
        os.makedirs(os.path.join(folder, "refs"), exist_ok=True)
        with open(os.path.join(folder, "refs", "main"), "w") as file:
            file.write(main)
    return path


def locate(name, reporter=None, weights=None, offline=False):
    return acquire.locate(
        name, weights=weights, offline=offline, reporter=reporter or RecordingReporter()
    )


def test_mini_is_bundled():
    located = locate("mini")
    assert located.origin == "bundled"
    assert located.sha256 == file_digest(located.path)


def test_the_order_of_places(vitb14, official_file):
    assert store.find_checkpoint(vitb14) is None
    third = hugging_face_file(official_file, vitb14.timm)
    assert store.find_checkpoint(vitb14) == store.LocalCheckpoint(third, "hugging face")
    second = hugging_face_file(official_file, vitb14.hugging_face)
    assert store.find_checkpoint(vitb14) == store.LocalCheckpoint(second, "hugging face")
    name = vitb14.checkpoint.filename
    first = put(official_file, os.environ["TORCH_HOME"], "hub", "checkpoints", name)
    assert store.find_checkpoint(vitb14) == store.LocalCheckpoint(first, "torch hub")
    own = put(official_file, store.cache_dir(), name)
    assert store.find_checkpoint(vitb14) == store.LocalCheckpoint(own, "cache")
    assert locate("vitb14").path == own


def test_the_hugging_face_cache_follows_main(vitb14, official_file):
    hugging_face_file(official_file, vitb14.hugging_face, "new")
    wanted = hugging_face_file(official_file, vitb14.hugging_face, "old", main="old")
    assert store.find_checkpoint(vitb14).path == wanted
    assert locate("vitb14").origin == "hugging face"


def test_default_folders(monkeypatch, tmp_path, vitb14, official_file):
    for variable in ("TORCH_HOME", "HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(variable)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    name = vitb14.checkpoint.filename
    put(official_file, str(tmp_path), "xdg/torch/hub/checkpoints", name)
    assert store.find_checkpoint(vitb14).origin == "torch hub"


def test_a_damaged_file_in_our_cache_is_removed(vitb14, tmp_path):
    (tmp_path / "bad").write_bytes(b"bad")
    path = put(tmp_path / "bad", store.cache_dir(), vitb14.checkpoint.filename)
    reporter = RecordingReporter()
    with pytest.raises(WeightsError, match="not on this machine and the network is off"):
        locate("vitb14", reporter)
    assert not os.path.exists(path)
    assert "was damaged and has been removed" in reporter.warnings[0]


def test_a_foreign_file_elsewhere_is_passed_over_but_kept(vitb14, tmp_path):
    (tmp_path / "bad").write_bytes(b"bad")
    hub = os.path.join(os.environ["TORCH_HOME"], "hub/checkpoints")
    path = put(tmp_path / "bad", hub, vitb14.checkpoint.filename)
    reporter = RecordingReporter()
    with pytest.raises(WeightsError):
        locate("vitb14", reporter)
    assert os.path.exists(path)
    assert "passed over" in reporter.warnings[0]


def test_digests_are_remembered_until_the_file_changes(vitb14, official_file, monkeypatch):
    path = put(official_file, store.cache_dir(), vitb14.checkpoint.filename)
    locate("vitb14")
    monkeypatch.setattr("itae_cluster.model.digests.file_digest", lambda _path: "changed")
    assert locate("vitb14").sha256 == vitb14.checkpoint.sha256
    os.utime(path, (1, 1))
    with pytest.raises(WeightsError):
        locate("vitb14")


def test_auto_takes_vitb14_from_a_cache(vitb14, official_file):
    put(official_file, store.cache_dir(), vitb14.checkpoint.filename)
    reporter = RecordingReporter()
    assert locate("auto", reporter).variant == vitb14
    assert reporter.warnings == []


def test_auto_fetches_vitb14(vitb14, official_file, online):
    online.file = official_file
    located = locate("auto")
    assert (located.variant, located.origin) == (vitb14, "cache")
    assert os.path.dirname(located.path) == store.cache_dir()
    assert locate("auto").path == located.path
    assert online.calls == 1


@pytest.mark.parametrize("offline", [True, False])
def test_auto_falls_back_to_mini_with_one_line(vitb14, online, offline):
    reporter = RecordingReporter()
    located = locate("auto", reporter, offline=offline)
    assert located.variant.name == "mini"
    (line,) = reporter.warnings
    assert "'mini'" in line
    assert ("network is off" if offline else "dl.example cannot be reached") in line
    assert "itae-cluster models fetch vitb14" in line
    assert online.calls == (0 if offline else 1)


def test_a_named_model_never_falls_back(vitb14, online):
    with pytest.raises(DownloadError, match=r"dl\.example"):
        locate("vitb14")
    with pytest.raises(WeightsError, match=r"models fetch vitb14.*models import FILE"):
        locate("vitb14", offline=True)


@pytest.mark.parametrize("variable", ["ITAE_CLUSTER_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_by_environment(variable, monkeypatch, online):
    monkeypatch.setenv(variable, "1")
    with pytest.raises(WeightsError, match="network is off"):
        locate("vitl14")
    monkeypatch.setenv(variable, "0")
    with pytest.raises(DownloadError):
        locate("vitl14")


def test_a_named_file(official_file, vitb14):
    located = locate("auto", weights=official_file)
    assert (located.variant, located.origin) == (None, "file")
    assert locate("vitb14", weights=official_file).variant == vitb14
    with pytest.raises(WeightsError, match="check --weights"):
        locate("auto", weights="/nowhere.pth")


def test_an_unknown_name():
    with pytest.raises(UsageError, match="choose one of auto, mini, vits14"):
        locate("vitx")


# models --------------------------------------------------------------------------------------


def run(*args):
    return run_cli("models", *args)


def test_list_names_every_model_and_where_it_is(vitb14, official_file):
    put(official_file, store.cache_dir(), vitb14.checkpoint.filename)
    text = run("list").stdout
    assert [line.split()[0] for line in text.splitlines()[1:]] == list(registry.VARIANTS)
    lines = {line.split()[0]: line for line in text.splitlines()}
    assert lines["mini"].split()[:2] == ["mini", "2"]
    assert lines["mini"].split()[-1] == "bundled"
    assert lines["vitb14"].split()[-1] == "cache"
    assert lines["vitg14"].endswith("not here ")


def test_path_prints_a_path_alone(vitb14, official_file):
    result = run("path", "vitb14")
    assert result.exit_code == 1
    assert "models fetch vitb14" in result.stderr
    path = put(official_file, store.cache_dir(), vitb14.checkpoint.filename)
    assert run("path", "vitb14").stdout == f"{path}\n"


def test_fetch_prints_where_it_is(vitb14, official_file, online):
    online.file = official_file
    result = run("fetch", "vitb14")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == os.path.join(store.cache_dir(), vitb14.checkpoint.filename) + "\n"
    assert run("fetch", "vitb14").stdout == result.stdout
    assert online.calls == 1


def test_fetch_offline_says_what_to_do(vitb14):
    result = run("fetch", "vitb14", "--offline")
    assert result.exit_code == 1
    assert "models import FILE" in result.stderr


def test_import_of_the_official_file(vitb14, official_file):
    result = run("import", official_file)
    assert result.exit_code == 0, result.stderr
    path = os.path.join(store.cache_dir(), vitb14.checkpoint.filename)
    assert result.stdout == f"{path}\n"
    assert locate("vitb14").path == path
    assert os.path.exists(official_file)


def test_import_of_another_layout(vitb14, official_file, tmp_path):
    other = tmp_path / "other.safetensors"
    state = load_model(official_file, None).state_dict()
    save_file({f"backbone.{key}": value for key, value in state.items()}, other)
    result = run("import", other)
    assert result.exit_code == 0, result.stderr
    path = os.path.join(store.cache_dir(), "vitb14.safetensors")
    assert result.stdout == f"{path}\n"
    assert locate("vitb14").path == path
    assert torch.equal(load_model(path, CONFIG).cls_token, state["cls_token"])
    assert sorted(os.listdir(store.cache_dir())) == ["digests.json", "vitb14.safetensors"]


def test_import_of_the_wrong_model_leaves_nothing(vitb14, official_file, tmp_path):
    for arguments, words in (
        ((official_file, "--model", "vits14"), "holds a DINOv2 of width 64"),
        ((official_file, "--model", "mini"), "part of the package"),
        ((tmp_path / "nowhere.pth",), "check the path"),
    ):
        result = run("import", *arguments)
        assert result.exit_code in (1, 2)
        assert words in result.stderr
    assert not os.path.exists(store.cache_dir()) or os.listdir(store.cache_dir()) == []


def test_import_of_a_model_of_nobody(official_file):
    result = run("import", official_file)  # here the registry's vitb14 is the real one
    assert result.exit_code == 1
    assert "use it with --weights" in result.stderr
