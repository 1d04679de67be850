"""Embeds FOLDER with timm, as its documentation shows it: FOLDER MODEL OUT."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image

folder, model_folder, out = sys.argv[1:]
paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
model = timm.create_model(f"local-dir:{model_folder}", pretrained=True, num_classes=0).eval()
transform = timm.data.create_transform(
    **timm.data.resolve_model_data_config(model), is_training=False
)
parts = []
with torch.inference_mode():
    for start in range(0, len(paths), 16):
        batch = [transform(Image.open(path).convert("RGB")) for path in paths[start : start + 16]]
        parts.append(model(torch.stack(batch)).numpy())
np.save(out, np.concatenate(parts))
