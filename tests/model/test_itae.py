"""ITAE against a slow, literal, loop-by-loop transcription of the paper's equations."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from itae_cluster.core.errors import ModelError
from itae_cluster.model.config import DINOv2Config
from itae_cluster.model.dinov2 import DINOv2
from itae_cluster.model.itae import (
    ITAE,
    Settings,
    artifacts,
    attenuate,
    attenuate_cls,
    cls_attention,
    cls_output,
    cls_row,
    low_group,
    minority,
    query_norms,
)

INF = float("inf")


def literal_norm(p, i):
    """Eq. 4 for token i of one image; p is a nested list [h][i][j]."""
    d_p = len(p[0][i])
    total = 0.0
    for h in range(len(p)):
        for j in range(d_p):
            total += (p[h][i][j] / math.sqrt(d_p)) ** 2
    return math.sqrt(total)


def literal_artifacts(p, theta):
    """Eq. 2 and 3 for one image; token 0 is CLS."""
    n = len(p[0]) - 1
    l_a = [i for i in range(1, n + 1) if literal_norm(p, i) <= theta]
    l_b = [i for i in range(1, n + 1) if i not in l_a]
    return set(l_a if len(l_a) <= len(l_b) else l_b)


def literal_cls_attention(q, k, theta, rule="minority"):
    """Eq. 6, then the softmax of Eq. 1, for the CLS row of one image: [h][j]."""
    heads, tokens, d = len(q), len(q[0]), len(q[0][0])
    a = literal_artifacts(q, theta)
    if rule == "low":
        a = {i for i in range(1, tokens) if literal_norm(q, i) <= theta}
    rows = []
    for h in range(heads):
        row = [sum(q[h][0][c] * k[h][j][c] for c in range(d)) for j in range(tokens)]
        floor = min(row[1:])
        row = [floor if j in a else value for j, value in enumerate(row)]
        powers = [math.exp(value / math.sqrt(d)) for value in row]
        rows.append([power / sum(powers) for power in powers])
    return rows


def literal_cls(block, x, theta, rule="minority"):
    """The last block for CLS of every image, attention in Python floats."""
    q, k, v = block.attn.heads(block.norm1(x))
    attended = torch.empty(len(x), 1, x.shape[-1], dtype=x.dtype)
    for b in range(len(x)):
        weights = literal_cls_attention(q[b].tolist(), k[b].tolist(), theta, rule)
        merged = []
        for h, row in enumerate(weights):
            for c in range(v.shape[-1]):
                merged.append(sum(w * v[b, h, j, c].item() for j, w in enumerate(row)))
        attended[b, 0] = torch.tensor(merged, dtype=x.dtype)
    return block.finish(x[:, :1], block.attn.proj(attended))[:, 0]


def random_model(registers=0, ffn="mlp", dtype=torch.float64):
    torch.manual_seed(0)
    model = DINOv2(DINOv2Config(128, depth=2, registers=registers, ffn=ffn, grid=4))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.1)
    return model.to(dtype).eval().requires_grad_(False)


def median_norm(model, images):
    block = model.blocks[-1]
    x = ITAE(model, None).last_block_input(images)
    return query_norms(block.attn.heads(block.norm1(x))[0])[:, 1:].median().item()


@pytest.fixture(params=[(0, "mlp"), (4, "mlp"), (4, "swiglu")], ids=["plain", "reg", "giant"])
def model(request):
    return random_model(*request.param)


@pytest.fixture
def images():
    return torch.randn(3, 3, 70, 42, dtype=torch.float64, generator=torch.manual_seed(1))


def cls_through_block(block, x, settings):
    row = cls_row(block, x)
    return cls_output(block, x, row, cls_attention(row, settings))


@pytest.mark.parametrize("rule", ["minority", "low"])
@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_equals_the_literal_equations(model, images, rule, quantile):
    block = model.blocks[-1]
    x = ITAE(model, None).last_block_input(images)
    norms = query_norms(block.attn.heads(block.norm1(x))[0])[:, 1:]
    theta = norms.quantile(quantile).item() + 1e-4  # between two tokens, so no rounding decides
    ours = cls_through_block(block, x, Settings(theta, rule=rule))
    torch.testing.assert_close(ours, literal_cls(block, x, theta, rule), rtol=0, atol=1e-9)
    assert not torch.allclose(ours, cls_through_block(block, x, None), atol=1e-6)


@pytest.mark.parametrize("theta", [-INF, INF, 0.0, 1e9])
def test_a_threshold_beyond_all_norms_changes_nothing_at_all(model, images, theta):
    assert torch.equal(ITAE(model, Settings(theta))(images), ITAE(model, None)(images))


@pytest.mark.parametrize("theta", [None, -INF])
def test_off_is_stock_dinov2(model, images, theta):
    """The CLS-only last block equals the full one; float64 leaves only summation order."""
    settings = None if theta is None else Settings(theta)
    stock = model(images)[:, 0]
    stock = stock / stock.norm(dim=-1, keepdim=True)
    ours = ITAE(model, settings)(images)
    torch.testing.assert_close(ours, stock.float(), rtol=0, atol=1e-7)
    x = ITAE(model, None).last_block_input(images)
    last = model.blocks[-1]
    torch.testing.assert_close(
        cls_through_block(last, x, settings), last(x)[:, 0], rtol=0, atol=1e-12
    )


def test_three_tokens_by_hand():
    """One head, d = 4. CLS and three tokens whose queries have lengths 2, 2 and 6.

    Eq. 4: norms 1, 1, 3. Eq. 2 with θ = 2: L_a = {1, 2}, L_b = {3}. Eq. 3: A = {3}.
    Row 0 of QKᵀ is (0, 1, 2, 5); Eq. 6 puts min(1, 2, 5) = 1 in the place of 5.
    """
    q = torch.zeros(1, 1, 4, 4)
    q[0, 0, 1, 0], q[0, 0, 2, 1], q[0, 0, 3, 2] = 2.0, 2.0, 6.0
    norms = query_norms(q)
    assert norms.tolist() == [[0.0, 1.0, 1.0, 3.0]]
    mask = artifacts(norms, Settings(2.0))
    assert mask.tolist() == [[False, False, False, True]]
    logits = torch.tensor([[[0.0, 1.0, 2.0, 5.0]]])
    assert attenuate_cls(logits, mask).tolist() == [[[0.0, 1.0, 2.0, 1.0]]]
    assert logits.tolist() == [[[0.0, 1.0, 2.0, 5.0]]]  # the input is left alone


def test_the_minimum_leaves_out_cls_but_not_artifacts():
    logits = torch.tensor([[[-9.0, 4.0, -3.0, 7.0]]])
    mask = torch.tensor([[False, False, True, True]])
    assert attenuate_cls(logits, mask).tolist() == [[[-9.0, 4.0, -3.0, -3.0]]]


def test_each_head_has_its_own_minimum():
    logits = torch.tensor([[[0.0, 1.0, 5.0], [0.0, -2.0, 5.0]]])
    mask = torch.tensor([[False, False, True]])
    assert attenuate_cls(logits, mask).tolist() == [[[0.0, 1.0, 1.0], [0.0, -2.0, -2.0]]]


def test_all_rows_at_once_are_equation_5():
    logits = torch.randn(2, 3, 5, 5, generator=torch.manual_seed(2))
    mask = torch.tensor([[False, True, False, True, False], [False, False, False, False, True]])
    full = attenuate(logits, mask)
    assert torch.equal(full[:, :, 0], attenuate_cls(logits[:, :, 0], mask))
    for b in range(2):
        for h in range(3):
            for i in range(5):
                row = logits[b, h, i].tolist()
                wanted = [min(row[1:]) if mask[b, k] else row[k] for k in range(5)]
                assert full[b, h, i].tolist() == wanted


def test_ties():
    norms = torch.tensor([[9.0, 1.0, 2.0, 3.0, 4.0]])
    assert low_group(norms[:, 1:], 2.0).tolist() == [[True, True, False, False]]  # n = θ is low
    # two against two: L_a
    assert artifacts(norms, Settings(2.0)).tolist() == [[False, True, True, False, False]]


def test_the_minority_is_taken_image_by_image():
    low = torch.tensor([[True, False, False], [True, True, False], [True, True, True]])
    assert minority(low).tolist() == [
        [True, False, False],
        [False, False, True],
        [False, False, False],
    ]


@pytest.mark.parametrize("source", ["query", "key", "value"])
def test_the_norm_can_come_from_key_or_value(source):
    model = random_model()
    block = model.blocks[-1]
    x = ITAE(model, None).last_block_input(torch.randn(1, 3, 56, 56, dtype=torch.float64))
    parts = dict(zip(("query", "key", "value"), block.attn.heads(block.norm1(x)), strict=True))
    theta = query_norms(parts[source])[:, 1:].quantile(0.2).item() + 1e-5
    # the same mask given as a query norm would be must give the same CLS
    q, k, v = parts["query"], parts["key"], parts["value"]
    mask = artifacts(query_norms(parts[source]), Settings(theta))
    logits = attenuate_cls((q[:, :, 0, None] @ k.transpose(-2, -1))[:, :, 0] / 8, mask)
    attended = block.attn.merge(logits.softmax(-1)[:, :, None] @ v)
    wanted = block.finish(x[:, :1], attended)[:, 0]
    ours = cls_through_block(block, x, Settings(theta, source=source))
    torch.testing.assert_close(ours, wanted, rtol=0, atol=1e-12)


def test_a_sweep_is_each_setting_by_itself(model, images):
    median = median_norm(model, images)
    each = [None, Settings(median), Settings(median, rule="low"), Settings(median * 1.1)]
    swept = ITAE(model, None).sweep(images, each)
    assert swept.shape == (4, 3, 128)
    for settings, vectors in zip(each, swept, strict=True):
        assert torch.equal(vectors, ITAE(model, settings)(images))
    assert not torch.equal(swept[0], swept[1])


def test_measures_are_those_of_the_last_block(model, images):
    settings = Settings(median_norm(model, images))
    measures, swept = ITAE(model, settings).survey(images, [settings])
    assert torch.equal(swept, ITAE(model, None).sweep(images, [settings]))
    x = ITAE(model, None).last_block_input(images)
    block = model.blocks[-1]
    q, k, _ = block.attn.heads(block.norm1(x))
    mask = artifacts(query_norms(q), settings)
    torch.testing.assert_close(measures.query_norms, query_norms(q))
    torch.testing.assert_close(measures.output_norms, block(x).norm(dim=-1).float())
    stock = (q @ k.transpose(-2, -1) / 8).softmax(dim=-1)[:, :, 0].mean(dim=1)
    torch.testing.assert_close(measures.attention, stock)
    torch.testing.assert_close(measures.attention.sum(dim=1), torch.ones(3, dtype=torch.float64))
    # attenuated tokens share one value a head, the smallest of all tokens but CLS
    after = measures.attenuated
    for row, chosen in zip(after, mask, strict=True):
        assert chosen.any()
        torch.testing.assert_close(row[chosen], row[1:].min().expand(int(chosen.sum())))


def test_embeddings_have_length_1(model, images):
    vectors = ITAE(model, Settings(median_norm(model, images)))(images)
    assert vectors.shape == (3, 128)
    assert vectors.dtype == torch.float32
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))


def test_registers_can_be_artifacts():
    """A register whose query is planted to be long is found at its place, 1 to 4."""
    model = random_model(registers=4)
    block = model.blocks[-1]
    direction = torch.randn(128, dtype=torch.float64, generator=torch.manual_seed(7))
    direction -= direction.mean()
    block.attn.qkv.weight[:128] = torch.outer(direction, direction) / 128
    block.attn.qkv.bias[:128] = 0
    block.norm1.weight[:], block.norm1.bias[:] = 1, 0
    x = torch.randn(2, 21, 128, dtype=torch.float64, generator=torch.manual_seed(8))
    x[:, 3] = direction
    norms = query_norms(block.attn.heads(block.norm1(x))[0])
    theta = norms[:, 3].min().item() * 0.99
    assert artifacts(norms, Settings(theta)).nonzero().tolist() == [[0, 3], [1, 3]]


def test_theta_must_be_a_number():
    with pytest.raises(ModelError, match="not a number"):
        Settings(float("nan"))


finite = st.floats(-100, 100, width=32)


@given(
    st.lists(
        st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0, 4.0]), min_size=5, max_size=5),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([-1.0, 0.0, 1.0, 1.5, 2.0, 4.0, 5.0, INF]),
)
def test_artifacts_of_any_norms(norms, theta):
    """Ties and empty groups: A is the smaller side, never more than half, never CLS."""
    mask = artifacts(torch.tensor(norms), Settings(theta))
    for row, chosen in zip(norms, mask.tolist(), strict=True):
        low = {i for i, norm in enumerate(row) if i and norm <= theta}
        high = set(range(1, 5)) - low
        wanted = low if len(low) <= len(high) else high
        assert {i for i, is_in in enumerate(chosen) if is_in} == wanted


@given(st.integers(1, 3), st.integers(1, 3), st.integers(2, 6), st.data())
def test_attenuation_of_any_shape(b, h, t, data):
    values = data.draw(st.lists(finite, min_size=b * h * t, max_size=b * h * t))
    bits = data.draw(st.lists(st.booleans(), min_size=b * (t - 1), max_size=b * (t - 1)))
    logits = torch.tensor(values).view(b, h, t)
    mask = torch.tensor(bits, dtype=torch.bool).view(b, t - 1)
    mask = torch.cat([torch.zeros(b, 1, dtype=torch.bool), mask], dim=1)
    result = attenuate_cls(logits, mask)
    assert result.shape == (b, h, t)
    kept = ~mask[:, None].expand_as(logits)
    assert torch.equal(result[kept], logits[kept])
    floor = logits[..., 1:].amin(-1, keepdim=True).expand_as(logits)
    assert torch.equal(result[~kept], floor[~kept])
