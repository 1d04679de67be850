"""The bundled weights in the layouts of other libraries: the same model, so only code differs."""

from __future__ import annotations

import json
import os
import tempfile
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file

from itae_cluster.model.checkpoint import load_model
from itae_cluster.model.registry import MINI, variant
from itae_cluster.model.store import local_checkpoints

if TYPE_CHECKING:
    from torch import Tensor, nn

    from itae_cluster.model.dinov2 import DINOv2

__all__ = ["TIMM_NAME", "mini", "of_timm", "of_transformers", "write_all"]

TIMM_NAME = "vit_small_patch14_dinov2.lvd142m"
_HF_NAMES = {
    "cls_token": "embeddings.cls_token",
    "mask_token": "embeddings.mask_token",
    "pos_embed": "embeddings.position_embeddings",
    "patch_embed.proj": "embeddings.patch_embeddings.projection",
    "norm": "layernorm",
}
_HF_LAYERS = {
    "attn.proj": "attention.output.dense",
    "ls1.gamma": "layer_scale1.lambda1",
    "ls2.gamma": "layer_scale2.lambda1",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
    "norm1": "norm1",
    "norm2": "norm2",
}


def mini() -> DINOv2:
    """The bundled model, float32."""
    found = local_checkpoints(variant(MINI))
    return load_model(next(iter(found)).path, variant(MINI).config).eval()


def of_transformers() -> nn.Module:
    """`transformers.Dinov2Model` with its eager attention and the bundled weights."""
    from transformers import Dinov2Model

    with tempfile.TemporaryDirectory() as folder:
        _write_transformers(folder)
        model = Dinov2Model.from_pretrained(folder, attn_implementation="eager")
    module: nn.Module = model.float().eval()
    return module


def of_timm(size: int = 224) -> nn.Module:
    """The ViT-S/14 DINOv2 of timm with the bundled weights.

    Positions are interpolated once, by the official rule, from which timm's own differs a little.
    """
    import timm

    model = timm.create_model(TIMM_NAME, pretrained=False, num_classes=0, img_size=size)
    ours = mini()
    state = {key: value for key, value in ours.state_dict().items() if key != "mask_token"}
    state["pos_embed"] = ours.positions((size // 14, size // 14))
    model.load_state_dict(state)
    module: nn.Module = model.eval()
    return module


def write_all(folder: str) -> dict[str, str]:
    """Files that other tools load offline; where, by `transformers`, `timm`, `torchscript`."""
    places = {name: os.path.join(folder, name) for name in ("transformers", "timm")}
    for place in places.values():
        os.makedirs(place, exist_ok=True)
    _write_transformers(places["transformers"])
    _write_timm(places["timm"])
    traced = os.path.join(folder, "mini.torchscript")
    with torch.inference_mode():
        example = torch.zeros(1, 3, 224, 224)
        torch.jit.trace(of_timm(), example, check_trace=False).save(traced)  # type: ignore[no-untyped-call]
    return {**places, "torchscript": traced}


def _write_transformers(folder: str) -> None:
    config = {
        "model_type": "dinov2",
        "architectures": ["Dinov2Model"],
        "hidden_size": 384,
        "num_hidden_layers": 12,
        "num_attention_heads": 6,
        "patch_size": 14,
        "image_size": 518,
    }
    processor = {
        "image_processor_type": "BitImageProcessor",
        "do_resize": True,
        "size": {"height": 224, "width": 224},
        "do_center_crop": False,
        "do_rescale": True,
        "do_normalize": True,
        "resample": 3,
        "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225],
    }
    _write_json(os.path.join(folder, "config.json"), config)
    _write_json(os.path.join(folder, "preprocessor_config.json"), processor)
    state = {key: value.contiguous() for key, value in _hf_state(mini().state_dict()).items()}
    save_file(state, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})


def _write_timm(folder: str) -> None:
    about = {
        "architecture": TIMM_NAME.partition(".")[0],
        "num_classes": 0,
        "num_features": 384,
        "model_args": {"img_size": 224},
        "pretrained_cfg": {
            "input_size": [3, 224, 224],
            "interpolation": "bicubic",
            "crop_pct": 1.0,
            "mean": [0.485, 0.456, 0.406],
            "std": [0.229, 0.224, 0.225],
            "num_classes": 0,
            "pool_size": None,
            "first_conv": "patch_embed.proj",
            "classifier": "head",
        },
    }
    _write_json(os.path.join(folder, "config.json"), about)
    weights = {key: value.contiguous() for key, value in of_timm().state_dict().items()}
    save_file(weights, os.path.join(folder, "model.safetensors"))


def _hf_state(official: dict[str, Tensor]) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for key, value in official.items():
        if key.startswith("blocks."):
            state |= _hf_layer(key, value)
            continue
        stem = next(name for name in _HF_NAMES if key == name or key.startswith(f"{name}."))
        state[_HF_NAMES[stem] + key.removeprefix(stem)] = value
    return state


def _hf_layer(key: str, value: Tensor) -> dict[str, Tensor]:
    _, number, rest = key.split(".", 2)
    prefix = f"encoder.layer.{number}."
    if rest.startswith("attn.qkv"):
        suffix = rest.rpartition(".")[2]
        parts = zip(("query", "key", "value"), value.chunk(3), strict=True)
        return {f"{prefix}attention.attention.{name}.{suffix}": part for name, part in parts}
    stem = next(name for name in _HF_LAYERS if rest == name or rest.startswith(f"{name}."))
    return {prefix + _HF_LAYERS[stem] + rest.removeprefix(stem): value}


def _write_json(path: str, value: Any) -> None:
    with open(path, "w", encoding="ascii") as file:
        json.dump(value, file)
