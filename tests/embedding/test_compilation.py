"""The model is compiled where that spares time, and goes on as it is where it cannot be."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from itae_cluster.core.options import ModelOptions
from itae_cluster.embedding import compilation, encoder
from itae_cluster.embedding.compilation import CompiledModel, compiling_pays, flops_a_block
from itae_cluster.model import registry
from support.fakes import RecordingReporter


@pytest.mark.parametrize(
    ("name", "pictures", "pays"),
    [
        *(("vits14", 1_000_000, False), ("vits14", 10_000_000, True)),
        *(("vitb14", 1_000_000, False), ("vitb14", 3_000_000, True)),
        *(("vitg14", 10_000, False), ("vitg14", 1_000_000, True)),
    ],
)
def test_it_pays_where_there_is_much_to_compute(name, pictures, pays):
    assert compiling_pays(registry.variant(name).config, 224, pictures) is pays


def test_the_operations_of_a_block_are_counted():
    """ViT-S/14: 12.1 GFLOP a picture, of which the patches take a hundredth."""
    flops = flops_a_block(registry.variant("vits14").config, 224)
    assert 12 * flops == pytest.approx(12.1e9, rel=0.03)


class Doubling(torch.nn.Module):
    def forward(self, images):
        return images.flatten(1) * 2


@pytest.fixture
def compiled(monkeypatch):
    """Sizes of the batches that a compiled model gets, and what it fails with."""

    def compile_model(model, dynamic):
        assert dynamic is False

        def run(images):
            run.sizes.append(len(images))
            if run.error is not None:
                raise run.error
            return model(images)

        run.sizes, run.error = [], None
        compile_model.last = run
        return run

    monkeypatch.setattr(torch, "compile", compile_model)
    return compile_model


def test_only_batches_of_the_first_size_are_compiled(compiled):
    model = CompiledModel(Doubling(), RecordingReporter())
    for size in (4, 3, 4, 1):
        assert model(torch.ones(size, 2)).tolist() == [[2, 2]] * size
    assert compiled.last.sizes == [4, 4]


def test_where_it_fails_the_model_goes_on_as_it_is(compiled):
    reporter = RecordingReporter()
    model = CompiledModel(Doubling(), reporter)
    compiled.last.error = RuntimeError("Cannot find a working\ntriton installation")
    for _ in range(2):
        assert model(torch.ones(4, 2)).tolist() == [[2, 2]] * 4
    assert compiled.last.sizes == [4]
    assert reporter.details == [
        "the model is not compiled (Cannot find a working triton installation)"
    ]


def test_without_memory_a_smaller_batch_may_be_compiled(compiled, monkeypatch):
    def no_memory(_model, _images):
        raise RuntimeError("CUDA out of memory")

    reporter = RecordingReporter()
    model = CompiledModel(Doubling(), reporter)
    compiled.last.error = RuntimeError("CUDA out of memory")
    with monkeypatch.context() as patch:
        patch.setattr(Doubling, "forward", no_memory)
        with pytest.raises(RuntimeError, match="out of memory"):
            model(torch.ones(4, 2))
    compiled.last.error = None
    model(torch.ones(2, 2))
    assert (compiled.last.sizes, reporter.details) == ([4, 2], [])


def test_it_is_compiled_on_cuda_alone(compiled, tiny_weights, monkeypatch):
    reporter = RecordingReporter()
    options = ModelOptions(weights=tiny_weights, size=28, device="cpu")
    loaded = encoder.load_encoder(options, reporter)
    pixels = np.zeros((2, 28, 28, 3), dtype=np.uint8)
    wanted = loaded.encode(pixels)
    monkeypatch.setattr(compilation, "_SECONDS", 0)
    loaded.expect(1, reporter)
    assert not hasattr(compiled, "last")
    monkeypatch.setattr(loaded, "_device", torch.device("cuda"))
    loaded.expect(1, reporter)
    np.testing.assert_array_equal(loaded.encode(pixels), wanted)
    assert compiled.last.sizes == [2]
