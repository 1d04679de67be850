"""Embeddings of the bundled model that no change may move.

`golden.npy` (6, 384) float32 was made by `timm`'s own DINOv2 with the same weights, in float32.

    PYTHONPATH=tests python tests/embedding/test_golden.py        # makes it again
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from itae_cluster.core.options import Engine, ModelOptions, Precision
from itae_cluster.embedding.engines import open_encoder
from itae_cluster.model.acquire import locate
from itae_cluster.model.checkpoint import load_model
from itae_cluster.model.registry import variant
from itae_cluster.model.store import find_checkpoint
from support.fakes import RecordingReporter
from support.pictures import photograph_crops

SIDE = 224
GOLDEN = Path(__file__).with_name("golden.npy")
MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def reference():
    """What `timm` makes of them."""
    from timm.models.vision_transformer import VisionTransformer

    config = variant("mini").config
    model = load_model(find_checkpoint(variant("mini")).path, config)
    theirs = VisionTransformer(
        img_size=SIDE,
        patch_size=14,
        num_classes=0,
        global_pool="token",
        embed_dim=config.embed_dim,
        depth=config.depth,
        num_heads=config.num_heads,
        init_values=1e-5,
    ).eval()
    # Their rule of interpolation is another than the official one, which test_parity.py checks.
    positions = {"pos_embed": model.positions((SIDE // 14, SIDE // 14))}
    theirs.load_state_dict(model.state_dict() | positions)
    pixels = torch.from_numpy(photograph_crops(SIDE)).permute(0, 3, 1, 2).float() / 255
    pixels = (pixels - torch.tensor(MEAN)[:, None, None]) / torch.tensor(DEVIATION)[:, None, None]
    with torch.inference_mode():
        found = theirs(pixels)
    return torch.nn.functional.normalize(found, dim=1).numpy()


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["torch", "openvino"])
@pytest.mark.parametrize(("precision", "least"), [("float32", 0.999999), ("bfloat16", 0.999)])
def test_embeddings_stay_what_they_were(engine, precision, least):
    options = ModelOptions(model="mini", precision=Precision(precision), engine=Engine(engine))
    reporter = RecordingReporter()
    located = locate("mini", weights=None, offline=True, reporter=reporter)
    found = open_encoder(options, reporter, located=located).encode(photograph_crops(SIDE))
    cosines = (found * np.load(GOLDEN)).sum(axis=1)
    assert cosines.min() > least, cosines


if __name__ == "__main__":
    np.save(GOLDEN, reference())
