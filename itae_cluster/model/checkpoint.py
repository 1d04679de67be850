"""Checkpoint files to models: three layouts, one result.

    official        blocks.0.attn.qkv.weight (also the hub's chunked blocks.0.3.attn…)
    transformers    encoder.layer.0.attention.attention.query.weight and its newer spellings
    timm            blocks.0.attn.qkv.weight, reg_token, SwiGLU as fc1 and fc2

Files are read with safetensors or `torch.load(weights_only=True)`, which run no code from them.
Weights are numpy's until a model of torch is made of them.
"""

from __future__ import annotations

import pickle
import re
import warnings
from math import isqrt
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from itae_cluster.core.errors import WeightsError
from itae_cluster.core.text import printable
from itae_cluster.model.config import HEAD_DIM, PATCH, DINOv2Config
from itae_cluster.model.quantized import dequantize

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from itae_cluster.model.dinov2 import DINOv2

__all__ = ["infer_config", "load_model", "load_weights", "read_state_dict", "to_official"]

State: TypeAlias = "Mapping[str, NDArray[np.generic]]"

_TORCH_MAGIC = (b"PK", b"\x80")  # a zip archive, or a pickle of protocol 2 and later
_WRAPPERS = ("model", "state_dict", "teacher")
_PREFIXES = ("module.", "backbone.", "dinov2.", "dinov2_with_registers.", "model.")

# Hugging Face transformers, 4.x and 5.x spellings, to official names.
_FROM_TRANSFORMERS = (
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.(cls_token|mask_token|register_tokens)$", r"\1"),
    (r"^(?:encoder\.)?layers?\.(\d+)\.", r"blocks.\1."),
    (r"\.attention\.(?:attention\.)?(?:query|q_proj)\.", ".attn.q."),
    (r"\.attention\.(?:attention\.)?(?:key|k_proj)\.", ".attn.k."),
    (r"\.attention\.(?:attention\.)?(?:value|v_proj)\.", ".attn.v."),
    (r"\.attention\.(?:output\.dense|o_proj)\.", ".attn.proj."),
    (r"\.layer_scale([12])\.lambda1$", r".ls\1.gamma"),
    (r"\.mlp\.weights_in\.", ".mlp.w12."),
    (r"\.mlp\.(?:weights_out|down_proj)\.", ".mlp.w3."),
    (r"\.mlp\.gate_proj\.", ".mlp.w1."),
    (r"\.mlp\.up_proj\.", ".mlp.w2."),
    (r"^layernorm\.", "norm."),
)
_FUSED = ((("attn.q", "attn.k", "attn.v"), "attn.qkv"), (("mlp.w1", "mlp.w2"), "mlp.w12"))
_OFFICIAL = re.compile(
    r"^(cls_token|pos_embed|register_tokens|patch_embed\.proj\.|blocks\.\d+\.|norm\.)"
)


def load_model(path: str, expected: DINOv2Config | None) -> DINOv2:
    """The model in a checkpoint file: float32, on the CPU, in eval mode, without gradients.

    Args:
        path: a file of any of the three layouts, or quantised as `mini` is.
        expected: the architecture it must have; None takes what the file holds.

    Raises:
        WeightsError: if the file cannot be read, is no DINOv2, or is another one.
    """
    import torch

    from itae_cluster.model.dinov2 import DINOv2

    weights, config = load_weights(path, expected)
    with torch.device("meta"):
        model = DINOv2(config)
    state = {name: torch.from_numpy(value) for name, value in weights.items()}
    model.load_state_dict(state, assign=True)
    return model.eval().requires_grad_(False)


def load_weights(
    path: str, expected: DINOv2Config | None
) -> tuple[dict[str, NDArray[np.float32]], DINOv2Config]:
    """The weights in a checkpoint file under official names, and their architecture.

    Torch is imported only where a file needs it: PyTorch's own, and safetensors in bfloat16.

    Args:
        path: a file of any of the three layouts, or quantised as `mini` is.
        expected: the architecture it must have; None takes what the file holds.

    Raises:
        WeightsError: if the file cannot be read, is no DINOv2, or is another one.
    """
    stored = read_state_dict(path)
    try:
        state = to_official(dequantize(stored))
        config = _check_config(state, path, expected)
        _check_shapes(state, config)
    except (ValueError, IndexError) as error:
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(
            f"{printable(path)} does not fit a DINOv2 ({reason}); use another checkpoint"
        ) from error
    return {name: np.ascontiguousarray(each, np.float32) for name, each in state.items()}, config


def _check_config(state: State, path: str, expected: DINOv2Config | None) -> DINOv2Config:
    try:
        config = infer_config(state)
    except WeightsError as error:
        raise WeightsError(f"{printable(path)} {error}") from error
    if expected is not None and config != expected:
        raise WeightsError(
            f"{printable(path)} holds a DINOv2 of {_difference(config, expected)}; "
            "give the --model it belongs to, or leave --model out"
        )
    return config


def _check_shapes(state: State, config: DINOv2Config) -> None:
    wanted = config.shapes
    for name in sorted(wanted.keys() | state.keys()):
        if name not in state:
            raise ValueError(f"{name} is missing")
        if name not in wanted:
            raise ValueError(f"{name} is no part of one")
        if state[name].shape != wanted[name]:
            raise ValueError(f"{name} has the shape {state[name].shape}, not {wanted[name]}")


def read_state_dict(path: str) -> dict[str, NDArray[np.generic]]:
    """Every tensor of a safetensors or PyTorch file, under the names it has there.

    Raises:
        WeightsError: if the file is missing, damaged, or wants to run code.
    """
    try:
        return _read(path)
    except FileNotFoundError as error:
        raise WeightsError(f"{printable(path)} does not exist; check the path") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise WeightsError(f"{printable(path)} cannot be read: {reason}; check the path") from error
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{printable(path)} holds more than tensors and is not loaded, for safety; "
            "get the weights as safetensors or as a plain state dict"
        ) from error
    except Exception as error:  # a damaged pickle can raise anything
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise WeightsError(
            f"{printable(path)} is not a checkpoint, or is damaged ({reason}); fetch it again"
        ) from error


def _read(path: str) -> dict[str, NDArray[np.generic]]:
    with open(path, "rb") as file:
        head = file.read(9)
    if len(head) == 9 and head[8:] == b"{":  # safetensors: 8 bytes of length, then JSON
        return _read_safetensors(path)
    if not head.startswith(_TORCH_MAGIC):
        raise ValueError("neither safetensors nor PyTorch" if head else "empty")
    import torch

    with open(path, "rb") as file, warnings.catch_warnings():  # torch looks at a path's suffix
        warnings.simplefilter("ignore")  # on old pickle protocols
        content = torch.load(file, map_location="cpu", weights_only=True)
    return _to_arrays(_unwrap(content))


def _read_safetensors(path: str) -> dict[str, NDArray[np.generic]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            names = list(file.keys())
            if not any(file.get_slice(name).get_dtype() == "BF16" for name in names):
                return {name: file.get_tensor(name) for name in names}
        from safetensors.torch import load_file  # numpy has no bfloat16

        return _to_arrays(load_file(path))
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def _unwrap(content: Any) -> Any:
    for key in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            return content[key]
    return content


def _to_arrays(content: Any) -> dict[str, NDArray[np.generic]]:
    """The tensors in what torch read; bfloat16 becomes float32."""
    import torch

    if not isinstance(content, dict):
        raise ValueError("not a state dict")
    arrays = {
        key: (value.float() if value.dtype is torch.bfloat16 else value).detach().numpy()
        for key, value in content.items()
        if isinstance(key, str) and isinstance(value, torch.Tensor)
    }
    if not arrays:
        raise ValueError("no tensors")
    return arrays


def to_official(state: State) -> dict[str, NDArray[np.generic]]:
    """Any layout under official names; what is no part of the backbone is left out."""
    named = {_official_name(key): value for key, value in state.items()}
    return _add_cls_position(
        {key: value for key, value in _fuse(named).items() if _OFFICIAL.match(key)}
    )


def _official_name(key: str) -> str:
    while prefix := next((p for p in _PREFIXES if key.startswith(p)), None):
        key = key.removeprefix(prefix)
    for pattern, replacement in _FROM_TRANSFORMERS:
        key = re.sub(pattern, replacement, key)
    key = re.sub(r"^blocks\.\d+\.(\d+)\.", r"blocks.\1.", key)  # the hub's chunks
    return "register_tokens" if key == "reg_token" else key


def _fuse(state: State) -> dict[str, NDArray[np.generic]]:
    """Query, key and value in one matrix; both halves of SwiGLU in one; timm's names for it."""
    result = dict(state)
    for key in state:
        for parts, whole in _FUSED:
            names = [key.replace(parts[0], part) for part in parts]
            if f".{parts[0]}." in key and all(name in state for name in names):
                result[key.replace(parts[0], whole)] = np.concatenate(
                    [result.pop(n) for n in names]
                )
    if _is_packed_swiglu(result):
        result = {
            key.replace(".mlp.fc1.", ".mlp.w12.").replace(".mlp.fc2.", ".mlp.w3."): value
            for key, value in result.items()
        }
    return result


def _is_packed_swiglu(state: State) -> bool:
    """Whether fc1 makes two values for each one that fc2 takes."""
    fc1, fc2 = state.get("blocks.0.mlp.fc1.weight"), state.get("blocks.0.mlp.fc2.weight")
    return fc1 is not None and fc2 is not None and fc1.shape[0] == 2 * fc2.shape[1]


def _add_cls_position(state: dict[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
    """Timm adds the CLS position to `cls_token` and drops its row: put a row of zeros there."""
    pos = state.get("pos_embed")
    if pos is not None and pos.ndim == 3 and isqrt(pos.shape[1]) ** 2 == pos.shape[1]:
        state["pos_embed"] = np.concatenate([np.zeros_like(pos[:, :1]), pos], axis=1)
    return state


def infer_config(state: State) -> DINOv2Config:
    """The architecture whose official state dict this is; d = 64 in every one.

    Raises:
        WeightsError: if there is none; the message goes on after the file's name.
    """
    wrong = WeightsError("is not a DINOv2 with patches of 14 pixels; use the checkpoint of one")
    try:
        dim, channels, *patch = state["patch_embed.proj.weight"].shape
        side = isqrt(state["pos_embed"].shape[1] - 1)
        registers = state["register_tokens"].shape[1] if "register_tokens" in state else 0
        blocks = {int(key.split(".")[1]) for key in state if key.startswith("blocks.")}
    except (KeyError, ValueError, IndexError):
        raise wrong from None
    whole = blocks and blocks == set(range(len(blocks)))  # a stray number must cost no memory
    if channels != 3 or patch != [PATCH, PATCH] or not dim or dim % HEAD_DIM or not whole:
        raise wrong
    ffn = "swiglu" if "blocks.0.mlp.w12.weight" in state else "mlp"
    return DINOv2Config(
        dim, len(blocks), registers=registers, ffn="swiglu" if ffn == "swiglu" else "mlp", grid=side
    )


def _difference(held: DINOv2Config, asked: DINOv2Config) -> str:
    ours, theirs = _describe(held), _describe(asked)
    if ours == theirs:
        ours, theirs = (f"{c.ffn} layers and {c.grid}×{c.grid} positions" for c in (held, asked))
    return f"{ours}, not of {theirs}"


def _describe(config: DINOv2Config) -> str:
    registers = f"{config.registers} registers" if config.registers else "no registers"
    return f"width {config.embed_dim}, depth {config.depth} and {registers}"
