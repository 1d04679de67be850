"""A small ViT with planted artifact tokens, and pictures that set them off.

No trained model with truly bimodal query norms can be had here, so one is built by hand. A patch
with a checkerboard in it becomes an artifact as in the paper's Fig. 3: its query is short, and it
draws most of CLS's attention, to a value that says nothing about the picture. All other patches say
their colour.

Directions in the residual stream are orthonormal and sum to zero, so LayerNorm keeps them:
    u artifact · c_r, c_g, c_b colour · r_1 … r_16 noise
Last block, with b a fixed query: q = b (1 − 0.75 u·x̂), k = strong · b (u·x̂), v = x̂, where x̂ is the
normalised token divided by √D. So normal tokens have norm ‖b‖/√d = 4, artifacts about 1.5.
"""

from __future__ import annotations

import os

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from itae_cluster.model.config import DINOv2Config
from itae_cluster.model.dinov2 import DINOv2

DIM, GRID, SIZE = 128, 5, 70
NORMAL_NORM = 4.0
GAP = (2.2, 3.2)  # no token has a query norm in here
CLASSES = {"blue": (60, 60, 200), "green": (60, 200, 60), "red": (200, 60, 60)}

_NOISE = 16
_CHECKERBOARD = np.indices((14, 14)).sum(axis=0) % 2 * 2.0 - 1


def planted_weights(path):
    """Write the model as a checkpoint in the official layout."""
    random = np.random.default_rng(0)
    raw = random.normal(size=(DIM, 6 + _NOISE))
    basis = np.linalg.qr(raw - raw.mean(axis=0))[0].T
    u, cls, colours, noise = basis[0], basis[1], basis[2:5], basis[6:]
    filters = np.zeros((DIM, 3, 14, 14))
    filters += np.einsum("d,hw->dhw", u, _CHECKERBOARD / 14**2)[:, None] * 3.0
    for channel, colour in enumerate(colours):
        filters[:, channel] += colour[:, None, None] / 14**2
    for direction in noise:
        pattern = random.choice([-1.0, 1.0], size=(14, 14))
        pattern -= pattern.mean() + _CHECKERBOARD * (pattern * _CHECKERBOARD).mean()
        filters += np.einsum("d,hw->dhw", direction, pattern / 14)[:, None] * 0.12
    heads = 2
    query = np.tile(random.choice([-1.0, 1.0], size=DIM // heads), heads)
    query *= NORMAL_NORM * 8 / np.linalg.norm(query)
    root = np.sqrt(DIM)
    eye = np.eye(DIM)
    qkv = np.concatenate([-0.75 * np.outer(query, u) / root, np.outer(query, u) / 40, eye])
    bias = np.concatenate([query, np.zeros(2 * DIM)])
    with torch.device("cpu"):
        model = DINOv2(DINOv2Config(DIM, depth=1, grid=GRID))
    state = {key: torch.zeros_like(value) for key, value in model.state_dict().items()}
    for key in state:
        if key.endswith(("norm1.weight", "norm2.weight", "norm.weight", "gamma")):
            state[key] += 1
    fixed = {
        "patch_embed.proj.weight": filters,
        "cls_token": 0.05 * cls[None, None],
        "blocks.0.attn.qkv.weight": qkv,
        "blocks.0.attn.qkv.bias": bias,
        "blocks.0.attn.proj.weight": eye,
    }
    for key, value in fixed.items():
        state[key] = torch.tensor(value, dtype=torch.float32)
    save_file(state, path)


def picture(colour, random, *, planted):
    """70×70 pixels of nearly one colour; `planted`: one patch in 25 is a noisy checkerboard."""
    pixels = np.array(colour) + random.normal(0, 6, size=(SIZE, SIZE, 3))
    if planted:
        row, column = random.integers(0, GRID, size=2) * 14
        noise = random.normal(0, 60, size=(14, 14, 1))
        pixels[row : row + 14, column : column + 14] = 128 + 100 * _CHECKERBOARD[:, :, None] + noise
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def album(folder, each, *, planted):
    """`folder/red/00.png`, …: `each` pictures of every class; returns their paths, sorted."""
    random = np.random.default_rng(1)
    paths = []
    for label, colour in CLASSES.items():
        os.makedirs(os.path.join(folder, label))
        for number in range(each):
            path = os.path.join(folder, label, f"{number:02d}.png")
            picture(colour, random, planted=planted).save(path)
            paths.append(path)
    return sorted(paths)
