"""Embeds FOLDER with transformers' image-feature-extraction pipeline: FOLDER MODEL OUT."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from transformers import pipeline

folder, model, out = sys.argv[1:]
paths = sorted(str(path) for path in Path(folder).rglob("*") if path.is_file())
extract = pipeline("image-feature-extraction", model=model, device="cpu")
tokens = extract(paths, batch_size=16)
np.save(out, np.stack([np.asarray(item, dtype=np.float32)[0, 0] for item in tokens]))
