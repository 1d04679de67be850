"""Reading checkpoint files: layouts, damage, and files that want to run code."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from itae_cluster.core.errors import WeightsError
from itae_cluster.core.files import file_digest
from itae_cluster.model.checkpoint import (
    infer_config,
    load_model,
    read_state_dict,
    to_official,
)
from itae_cluster.model.config import DINOv2Config
from itae_cluster.model.dinov2 import DINOv2

CONFIGS = {
    "plain": DINOv2Config(128, depth=2, grid=4),
    "registers": DINOv2Config(128, depth=2, registers=4, grid=4),
    "swiglu": DINOv2Config(128, depth=2, ffn="swiglu", grid=4),
}


def official(config):
    torch.manual_seed(0)
    model = DINOv2(config)
    return {key: torch.randn_like(value) for key, value in model.state_dict().items()}


def split(state, key, parts, whole):
    """Replace a fused tensor by its parts."""
    value = state.pop(key)
    for part, piece in zip(parts, value.chunk(len(parts)), strict=True):
        state[key.replace(whole, part)] = piece.clone()


def to_transformers(state, newer):
    """The names of transformers 4.x files, or the newer ones of 5.x."""
    state = dict(state)
    for key in [key for key in state if ".attn.qkv." in key]:
        names = ("q_proj", "k_proj", "v_proj") if newer else ("query", "key", "value")
        split(state, key, [f"attn.{name}" for name in names], "attn.qkv")
    if newer:
        for key in [key for key in state if ".mlp.w12." in key]:
            split(state, key, ["mlp.gate_proj", "mlp.up_proj"], "mlp.w12")
    result = {"embeddings.mask_token": torch.zeros(1, 128), "classifier.weight": torch.ones(3, 3)}
    for key, value in state.items():
        name = key.replace("patch_embed.proj", "embeddings.patch_embeddings.projection")
        name = name.replace("pos_embed", "embeddings.position_embeddings")
        if name in {"cls_token", "register_tokens"}:
            name = f"embeddings.{name}"
        name = name.replace("blocks.", "encoder.layer.")
        for part in ("query", "key", "value"):
            name = name.replace(f".attn.{part}.", f".attention.attention.{part}.")
        for part in ("q_proj", "k_proj", "v_proj"):
            name = name.replace(f".attn.{part}.", f".attention.{part}.")
        name = name.replace(
            ".attn.proj.", ".attention.o_proj." if newer else ".attention.output.dense."
        )
        name = name.replace(".ls1.gamma", ".layer_scale1.lambda1")
        name = name.replace(".ls2.gamma", ".layer_scale2.lambda1")
        name = name.replace(".mlp.w12.", ".mlp.weights_in.")
        name = name.replace(".mlp.w3.", ".mlp.down_proj." if newer else ".mlp.weights_out.")
        result["layernorm." + name[5:] if name.startswith("norm.") else name] = value
    return result


def to_timm(state):
    result = {
        key.replace("mlp.w12", "mlp.fc1").replace("mlp.w3", "mlp.fc2"): value
        for key, value in state.items()
    }
    if "register_tokens" in result:
        result["reg_token"] = result.pop("register_tokens")
        result["cls_token"] = result["cls_token"] + result["pos_embed"][:, :1]
        result["pos_embed"] = result["pos_embed"][:, 1:]
    return result


def to_chunked(state):
    """The hub's layout with block_chunks=2: blocks.<chunk>.<block>."""
    return {
        key.replace("blocks.", f"blocks.{int(key.split('.')[1]) % 2}.", 1)
        if key.startswith("blocks.")
        else key: value
        for key, value in state.items()
    }


LAYOUTS = {
    "official": lambda state: {**state, "mask_token": torch.zeros(1, 128)},
    "chunked": to_chunked,
    "transformers-4": lambda state: to_transformers(state, newer=False),
    "transformers-5": lambda state: to_transformers(state, newer=True),
    "prefixed": lambda state: {
        f"dinov2.{key}": value for key, value in to_transformers(state, newer=False).items()
    },
    "teacher": lambda state: {f"module.backbone.{key}": value for key, value in state.items()},
    "timm": to_timm,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_every_layout_gives_the_same_embeddings(tmp_path, config, layout):
    state = official(config)
    path = str(tmp_path / "weights.safetensors")
    save_file(LAYOUTS[layout](state), path)
    wanted = DINOv2(config)
    wanted.load_state_dict(state)
    images = torch.randn(1, 3, 56, 56, generator=torch.manual_seed(1))
    model = load_model(path, config)
    assert model.config == config
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    with torch.inference_mode():
        torch.testing.assert_close(model(images), wanted(images), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("wrapper", [None, "model", "state_dict", "teacher"])
def test_pytorch_files_with_and_without_a_wrapper(tmp_path, wrapper):
    state = official(CONFIGS["plain"])
    path = str(tmp_path / "weights.pth")
    torch.save({wrapper: state, "epoch": 3} if wrapper else state, path)
    loaded = load_model(path, None)
    assert torch.equal(loaded.cls_token, state["cls_token"])


@pytest.mark.parametrize("suffix", [".bin", ".safetensors", ""])
def test_the_content_counts_not_the_suffix(tmp_path, suffix):
    path = str(tmp_path / f"weights{suffix}")
    torch.save(official(CONFIGS["plain"]), path)
    assert load_model(path, None).config == CONFIGS["plain"]


@pytest.mark.parametrize("save", [save_file, torch.save], ids=["safetensors", "torch"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32(tmp_path, dtype, save):
    state = {key: value.to(dtype) for key, value in official(CONFIGS["plain"]).items()}
    save(state, tmp_path / "weights")
    model = load_model(str(tmp_path / "weights"), None)
    for name, value in model.state_dict().items():
        assert value.dtype is torch.float32
        assert torch.equal(value, state[name].float())


def test_what_is_saved_by_the_installed_transformers_loads(tmp_path):
    """Names in its files may differ from names in memory."""
    import transformers

    config = transformers.Dinov2Config(
        hidden_size=128, num_hidden_layers=2, num_attention_heads=2, image_size=56, patch_size=14
    )
    theirs = transformers.Dinov2Model(config).eval()
    theirs.save_pretrained(tmp_path)
    model = load_model(str(tmp_path / "model.safetensors"), CONFIGS["plain"])
    images = torch.randn(1, 3, 56, 56, generator=torch.manual_seed(1))
    with torch.inference_mode():
        wanted = theirs(images).last_hidden_state
        torch.testing.assert_close(model(images), wanted, rtol=0, atol=1e-4)


def test_another_architecture_is_named(tmp_path):
    path = str(tmp_path / "weights.safetensors")
    save_file(official(CONFIGS["plain"]), path)
    with pytest.raises(WeightsError, match=r"width 128, depth 2 and no registers, not of width 38"):
        load_model(path, DINOv2Config(384, depth=12))
    with pytest.raises(WeightsError, match=r"and 4 registers"):
        load_model(path, replace(CONFIGS["plain"], registers=4))


def test_a_checkpoint_of_something_else(tmp_path):
    path = str(tmp_path / "weights.safetensors")
    for state in (
        {"conv1.weight": torch.ones(8, 3, 7, 7)},
        {**official(CONFIGS["plain"]), "patch_embed.proj.weight": torch.ones(128, 3, 16, 16)},
    ):
        save_file(state, path)
        with pytest.raises(WeightsError, match=r"is not a DINOv2 with patches of 14 pixels"):
            load_model(path, None)
    without = {k: v for k, v in official(CONFIGS["plain"]).items() if not k.startswith("blocks.")}
    save_file(without, path)
    with pytest.raises(WeightsError, match=r"is not a DINOv2"):
        load_model(path, None)
    state = official(CONFIGS["plain"])
    del state["blocks.1.norm2.weight"]
    save_file(state, path)
    with pytest.raises(WeightsError, match=r"does not fit .*blocks\.1\.norm2\.weight"):
        load_model(path, None)


def test_a_model_that_differs_only_in_its_grid_is_told_apart(tmp_path):
    path = str(tmp_path / "weights.safetensors")
    save_file(official(CONFIGS["plain"]), path)
    with pytest.raises(WeightsError, match=r"mlp layers and 4×4 positions, not of mlp .* 37×37"):
        load_model(path, replace(CONFIGS["plain"], grid=37))


@pytest.mark.parametrize(
    "change",
    [
        {"blocks.900000.norm1.weight": torch.zeros(128)},
        {"patch_embed.proj.weight": torch.zeros(0, 3, 14, 14)},
        {"pos_embed": torch.zeros(5)},
        {"pos_embed": torch.zeros(1, 7, 128)},
        {"register_tokens": torch.zeros(128)},
        {"blocks.0.attention.query.weight": torch.zeros(128, 128)},
        {
            f"blocks.0.attention.{part}.weight": torch.zeros(128, width)
            for part, width in {"query": 1, "key": 2, "value": 3}.items()
        },
        {"norm.weight.scale": torch.zeros(3)},
        {"cls_token": torch.zeros(()), "cls_token.scale": torch.zeros(3)},
        {"blocks.0.attn.q_norm.weight": torch.zeros(64)},
        {"blocks.1.ls1.gamma": torch.zeros(1)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_shapes_and_names_that_make_no_sense_are_one_line(tmp_path, change):
    path = str(tmp_path / "weights.safetensors")
    save_file({**official(CONFIGS["plain"]), **change}, path)
    with pytest.raises(WeightsError, match=r"weights\.safetensors .*; use ") as caught:
        load_model(path, None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("newer", [True, False], ids=["zip", "legacy"])
def test_a_flipped_byte_never_ends_in_a_traceback(tmp_path, newer):
    path = str(tmp_path / "weights.pth")
    torch.save({"cls_token": torch.ones(1)}, path, _use_new_zipfile_serialization=newer)
    with open(path, "rb") as file:
        content = file.read()
    refused = 0
    for place in range(0, min(len(content), 600), 3):
        with open(path, "wb") as file:
            file.write(content[:place] + b"\x74" + content[place + 1 :])
        try:
            read_state_dict(path)
        except WeightsError:
            refused += 1
    assert refused > 20


@pytest.mark.parametrize("content", [{1: torch.ones(1)}, [torch.ones(1)], {"epoch": 3}, 7])
def test_a_pytorch_file_without_a_state_dict(tmp_path, content):
    path = str(tmp_path / "weights.pth")
    torch.save(content, path)
    with pytest.raises(WeightsError, match=r"no tensors|not a state dict"):
        load_model(path, None)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("keep", [0, 4, 9, 100, 0.5, 0.99])
def test_damaged_files_are_one_line(tmp_path, suffix, keep):
    path = tmp_path / f"weights{suffix}"
    state = official(CONFIGS["plain"])
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    content = path.read_bytes()
    path.write_bytes(content[: keep if isinstance(keep, int) else int(len(content) * keep)])
    with pytest.raises(WeightsError) as caught:
        load_model(str(path), None)
    assert "weights" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_text_file(tmp_path):
    with pytest.raises(WeightsError, match="does not exist"):
        load_model(str(tmp_path / "nowhere.pth"), None)
    (tmp_path / "page.pth").write_text("<html>Not found</html>")
    with pytest.raises(WeightsError, match=r"page\.pth is not a checkpoint"):
        load_model(str(tmp_path / "page.pth"), None)


class Evil:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (self.target,)


@pytest.mark.parametrize("kind", ["torch", "pickle"])
def test_code_in_a_checkpoint_is_not_run(tmp_path, kind):
    path, target = str(tmp_path / "weights.pth"), str(tmp_path / "owned")
    content = {"cls_token": Evil(target)}
    if kind == "torch":
        torch.save(content, path)
    else:
        with open(path, "wb") as file:
            pickle.dump(content, file)
    with pytest.raises(WeightsError, match=r"not loaded, for safety|is not a checkpoint"):
        load_model(path, None)
    assert not os.path.exists(target)


def test_config_is_read_off_the_shapes():
    for config in CONFIGS.values():
        state = {name: value.numpy() for name, value in official(config).items()}
        assert infer_config(to_official(state)) == config


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_the_shapes_of_a_config_are_those_of_the_modules(config):
    modules = DINOv2(config).state_dict()
    assert config.shapes == {name: tuple(value.shape) for name, value in modules.items()}


def test_digest_of_known_bytes(tmp_path):
    """SHA-256 of "abc" from FIPS 180-2, appendix B.1."""
    (tmp_path / "abc").write_bytes(b"abc")
    assert file_digest(str(tmp_path / "abc")) == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
