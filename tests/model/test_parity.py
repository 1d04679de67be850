"""The backbone against `timm` and `transformers`, tiny and random, off the checkpoint's grid."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from itae_cluster.model.checkpoint import to_official
from itae_cluster.model.config import DINOv2Config
from itae_cluster.model.dinov2 import DINOv2, interpolate_positions

KINDS = {
    "plain": DINOv2Config(128, depth=2, grid=5),
    "registers": DINOv2Config(128, depth=2, registers=4, grid=5),
    "swiglu": DINOv2Config(128, depth=2, ffn="swiglu", grid=5),
    "registers-swiglu": DINOv2Config(128, depth=2, registers=4, ffn="swiglu", grid=5),
}
TOLERANCE = {"rtol": 0, "atol": 1e-4}


class Interpolation(DINOv2):
    """A DINOv2 that interpolates positions by another library's rule."""

    rule = (0.0, True)

    def positions(self, grid):
        offset, antialias = self.rule
        return interpolate_positions(self.pos_embed, grid, offset=offset, antialias=antialias)


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


def randomised(model):
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.2)
    return model.eval().requires_grad_(False)


def copied(theirs, kind, rule):
    """Our model with their parameters."""
    model = Interpolation(KINDS[kind])
    model.rule = rule
    state = to_official({name: value.numpy() for name, value in theirs.state_dict().items()})
    model.load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
    return model.eval()


@pytest.mark.parametrize("shape", [(70, 70), (98, 56)], ids=["own-grid", "other-grid"])
def test_equals_timm(kind, shape):
    from timm.layers import Mlp, SwiGLUPacked
    from timm.models.vision_transformer import VisionTransformer

    config = KINDS[kind]
    swiglu = config.ffn == "swiglu"
    theirs = randomised(
        VisionTransformer(
            img_size=70,
            patch_size=14,
            num_classes=0,
            global_pool="token",
            embed_dim=config.embed_dim,
            depth=config.depth,
            num_heads=config.num_heads,
            mlp_ratio=2 * config.hidden_dim / config.embed_dim if swiglu else 4,
            mlp_layer=SwiGLUPacked if swiglu else Mlp,
            act_layer=torch.nn.SiLU if swiglu else torch.nn.GELU,
            init_values=1e-5,
            reg_tokens=config.registers,
            no_embed_class=config.registers > 0,
            dynamic_img_size=True,
        )
    )
    model = copied(theirs, kind, rule=(0.0, True))
    images = torch.randn(2, 3, *shape, generator=torch.manual_seed(4))
    with torch.inference_mode():
        torch.testing.assert_close(model(images), theirs.forward_features(images), **TOLERANCE)


@pytest.mark.parametrize("shape", [(70, 70), (98, 56)], ids=["own-grid", "other-grid"])
def test_equals_transformers(kind, shape):
    import transformers

    config = KINDS[kind]
    registers = config.registers > 0
    prefix = "Dinov2WithRegisters" if registers else "Dinov2"
    settings = {"num_register_tokens": config.registers} if registers else {}
    their_config = getattr(transformers, f"{prefix}Config")(
        hidden_size=config.embed_dim,
        num_hidden_layers=config.depth,
        num_attention_heads=config.num_heads,
        image_size=70,
        patch_size=14,
        use_swiglu_ffn=config.ffn == "swiglu",
        **settings,
    )
    theirs = randomised(getattr(transformers, f"{prefix}Model")(their_config))
    # transformers drops the plain models' offset of 0.1
    model = copied(theirs, kind, rule=(0.0, registers))
    images = torch.randn(2, 3, *shape, generator=torch.manual_seed(4))
    with torch.inference_mode():
        wanted = theirs(images).last_hidden_state
        torch.testing.assert_close(model(images), wanted, **TOLERANCE)


def keys_cubic(x, a=-0.75):
    x = abs(x)
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0


def literal_bicubic(values, target, offset):
    """One axis, sample by sample: source = (i + 0.5) · M / (target + offset) − 0.5."""
    side = len(values)
    out = []
    for i in range(target):
        source = (i + 0.5) * side / (target + offset) - 0.5
        base = int(np.floor(source))
        out.append(
            sum(
                keys_cubic(source - j) * values[min(max(j, 0), side - 1)]
                for j in range(base - 1, base + 3)
            )
        )
    return np.array(out)


def test_plain_models_interpolate_with_the_official_offset():
    rng = np.random.default_rng(5)
    square = rng.normal(size=(5, 5))
    pos = torch.tensor(np.concatenate([[7.0], square.ravel()]), dtype=torch.float32)
    model = DINOv2(KINDS["plain"])
    with torch.no_grad():
        model.pos_embed.copy_(pos[None, :, None].expand(1, -1, 128))
    rows = np.stack([literal_bicubic(row, 3, 0.1) for row in square])  # (5, 3)
    wanted = np.stack([literal_bicubic(column, 7, 0.1) for column in rows.T]).T  # (7, 3)
    ours = model.positions((7, 3))[0, :, 0]
    assert ours[0] == 7.0
    np.testing.assert_allclose(ours[1:].reshape(7, 3), wanted, atol=1e-5)
    without = np.stack([literal_bicubic(row, 3, 0.0) for row in square])
    assert abs(without - rows).max() > 1e-3  # the offset matters, so the test can fail


def test_register_models_interpolate_with_antialiasing_and_no_offset():
    model = DINOv2(KINDS["registers"])
    with torch.no_grad():
        model.pos_embed.normal_(generator=torch.manual_seed(6))
    square = model.pos_embed[:, 1:].detach().view(1, 5, 5, 128).permute(0, 3, 1, 2)
    wanted = torch.nn.functional.interpolate(square, (3, 2), mode="bicubic", antialias=True)
    ours = model.positions((3, 2))[:, 1:].transpose(1, 2).reshape(1, 128, 3, 2)
    torch.testing.assert_close(ours, wanted)


def test_positions_at_the_own_grid_are_the_parameters_themselves():
    model = DINOv2(KINDS["plain"])
    assert torch.equal(model.positions((5, 5)), model.pos_embed)


@pytest.mark.parametrize(
    ("letter", "millions"), [("vits14", 22), ("vitb14", 87), ("vitl14", 304), ("vitg14", 1136)]
)
def test_parameter_counts_are_those_of_the_published_models(letter, millions):
    """DINOv2 model card: 21, 86, 300 and 1,100 million, rounded there."""
    from itae_cluster.model.registry import variant

    with torch.device("meta"):
        model = DINOv2(variant(letter).config)
    assert round(sum(p.numel() for p in model.parameters()) / 1e6) == millions


def test_an_official_state_dict_loads_as_it_is(kind):
    """Official checkpoints hold a mask token besides; nothing else is forgiven."""
    model = DINOv2(KINDS[kind])
    state = {name: torch.randn_like(value) for name, value in model.state_dict().items()}
    model.load_state_dict({**state, "mask_token": torch.zeros(1, 128)})
    assert torch.equal(model.cls_token, state["cls_token"])
    with pytest.raises(RuntimeError, match="surplus"):
        model.load_state_dict({**state, "surplus": torch.zeros(1)})
