"""Samples with known answers: no valley where there is none, and the right one where there is."""

from __future__ import annotations

import numpy as np
import pytest

from itae_cluster.core.errors import InputError
from itae_cluster.paper.bimodality import find_threshold
from itae_cluster.paper.dip import dip_statistic, dip_test

UNIMODAL = {
    "normal": lambda rng, n: rng.normal(4, 0.3, n),
    "gamma": lambda rng, n: rng.gamma(2, 1, n),
    "log-normal": lambda rng, n: rng.lognormal(0, 1, n),
    "exponential": lambda rng, n: rng.exponential(1, n),
    "uniform": lambda rng, n: rng.random(n),
    "Student t 3": lambda rng, n: rng.standard_t(3, n),
    "Cauchy": lambda rng, n: rng.standard_cauchy(n),
    "truncated": lambda rng, n: np.abs(rng.normal(0, 1, n)),
    "rounded": lambda rng, n: np.round(rng.normal(4, 0.3, n), 1),
    "coarsely rounded": lambda rng, n: np.round(rng.normal(0, 1, n)),
    "counts": lambda rng, n: rng.poisson(5, n),
    "narrow in wide": lambda rng, n: rng.normal(0, np.where(rng.random(n) < 0.5, 0.1, 2.0)),
}


def planted(rng, n, share, distance):
    """A minority at 0, within-sigma 1, and the rest at `distance`."""
    few = round(share * n)
    return np.concatenate([rng.normal(0, 1, few), rng.normal(distance, 1, n - few)])


@pytest.mark.parametrize("family", UNIMODAL)
@pytest.mark.parametrize(("n", "samples"), [(100, 40), (1000, 30), (20_000, 10)])
def test_no_valley_in_one_group(family, n, samples):
    found = [
        find_threshold(UNIMODAL[family](np.random.default_rng(seed), n)).bimodal
        for seed in range(samples)
    ]
    # 2 % over all families; one sample of these may be unlucky.
    assert sum(found) <= max(1, 0.02 * samples)


def test_false_alarms_over_all_families():
    found = [
        find_threshold(draw(np.random.default_rng(seed), n)).bimodal
        for draw in UNIMODAL.values()
        for n in (100, 1000)
        for seed in range(1000, 1025)
    ]
    assert np.mean(found) <= 0.02


@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(
    ("n", "share", "distance"),
    [
        (131_072, 0.01, 6),
        (131_072, 0.02, 5),
        (20_000, 0.02, 5),
        (20_000, 0.02, 6),
        (20_000, 0.05, 5),
        (20_000, 0.2, 5),
        (20_000, 0.5, 5),
        (1000, 0.02, 9),
        (1000, 0.05, 7),
        (1000, 0.2, 6),
        (1000, 0.5, 5),
        (100, 0.2, 9),
        (100, 0.5, 7),
    ],
)
def test_two_groups_are_found_and_the_valley_lies_between(n, share, distance, side):
    samples = 5 if n > 50_000 else 20
    findings = [
        find_threshold(side * planted(np.random.default_rng(seed), n, share, distance))
        for seed in range(samples)
    ]
    assert np.mean([finding.bimodal for finding in findings]) >= 0.95
    for finding in findings:
        if finding.bimodal:
            assert 1 < side * finding.valley < distance - 1
            assert finding.modes[0] < finding.valley < finding.modes[1]
            assert min(finding.weights) == pytest.approx(share, rel=0.3)
            assert sum(finding.weights) == pytest.approx(1)
            assert finding.separation >= 1 / 3


def test_the_paper_s_shape_small_low_group_beside_the_mass():
    rng = np.random.default_rng(0)
    norms = np.concatenate([rng.normal(1.5, 0.25, 2000), rng.normal(4.2, 0.35, 129_072)])
    finding = find_threshold(norms.astype(np.float32))
    assert finding.bimodal
    assert 2 < finding.valley < 3
    assert finding.modes == pytest.approx((1.5, 4.2), abs=0.1)
    assert finding.weights[0] == pytest.approx(2000 / 131_072, rel=0.01)
    assert "two groups, 1.5%" in finding.reason


def test_the_middle_of_a_wide_gap():
    rng = np.random.default_rng(0)
    finding = find_threshold(np.concatenate([rng.random(300), 9 + rng.random(300)]))
    assert finding.valley == pytest.approx(5, abs=0.3)


def test_a_few_far_outliers_are_no_group():
    rng = np.random.default_rng(0)
    norms = np.concatenate([rng.normal(4, 0.3, 99_990), rng.normal(40, 0.1, 10)])
    assert not find_threshold(norms).bimodal


def test_a_group_smaller_than_any_register_s_is_none():
    rng = np.random.default_rng(0)
    norms = np.concatenate([rng.normal(4, 0.3, 99_850), rng.normal(1, 0.1, 150)])
    assert not find_threshold(norms).bimodal


@pytest.mark.parametrize("distance", [2.6, 2.8])
def test_a_ripple_is_no_valley_however_large_the_sample(distance):
    finding = find_threshold(planted(np.random.default_rng(0), 131_072, 0.5, distance))
    assert not finding.bimodal
    assert 0 < finding.separation < 1 / 3
    assert "too shallow" in finding.reason


def test_a_large_sample_counts_as_a_thousand_values():
    norms = np.sort(planted(np.random.default_rng(0), 131_072, 0.5, 2.3))
    assert dip_test(norms)[1] > 0.5


def test_shift_and_scale_move_the_valley_with_them():
    norms = planted(np.random.default_rng(3), 5000, 0.1, 7)
    finding, moved = find_threshold(norms), find_threshold(10 + 3 * norms)
    assert moved.bimodal
    assert moved.valley == pytest.approx(10 + 3 * finding.valley, abs=0.05)
    mirrored = find_threshold(-norms)
    assert mirrored.valley == pytest.approx(-finding.valley, abs=0.05)
    assert find_threshold(norms) == finding


def test_order_and_shape_do_not_matter():
    norms = planted(np.random.default_rng(3), 5000, 0.1, 7)
    pictures = np.arange(5000) % 50
    shuffled = np.random.default_rng(4).permutation(5000)
    table = find_threshold(
        norms[shuffled].reshape(50, 100), pictures[shuffled].reshape(50, 100) * 7 - 3
    )
    assert table == find_threshold(norms, pictures)


def test_one_odd_picture_is_not_enough():
    rng = np.random.default_rng(0)
    norms = rng.normal(4, 0.3, (100, 256))
    norms[17] = rng.normal(1.5, 0.2, 256)
    pictures = np.repeat(np.arange(100), 256).reshape(norms.shape)
    assert find_threshold(norms).bimodal
    finding = find_threshold(norms, pictures)
    assert not finding.bimodal
    assert "may be chance" in finding.reason


def test_pictures_that_differ_as_a_whole_are_not_two_groups():
    found = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        norms = rng.normal(4, 0.3, (30, 1)) + rng.normal(0, 0.03, (30, 256))
        found.append(find_threshold(norms, np.repeat(np.arange(30), 256)).bimodal)
    assert not any(found)


def test_a_register_in_every_picture_is_found():
    rng = np.random.default_rng(0)
    norms = rng.normal(4, 0.4, (60, 260))
    norms[:, 0] = rng.normal(1.2, 0.05, 60)
    finding = find_threshold(norms, np.repeat(np.arange(60), 260))
    assert finding.bimodal
    assert finding.weights[0] == pytest.approx(1 / 260, rel=0.05)


@pytest.mark.parametrize(
    ("norms", "reason"),
    [
        ([], "too few values"),
        ([3.0], "too few values"),
        ([1.0] * 20 + [5.0] * 20, "too few values"),
        ([3.0] * 500, "all values are equal: 3.00"),
    ],
)
def test_nothing_is_decided_on_too_little(norms, reason):
    finding = find_threshold(np.array(norms, dtype=np.float32))
    assert not finding.bimodal
    assert finding.valley is None
    assert finding.n == len(norms)
    assert reason in finding.reason


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers(bad):
    with pytest.raises(InputError, match="weights"):
        find_threshold(np.array([1.0, bad] * 100, dtype=np.float32))


def test_groups_of_another_size():
    with pytest.raises(InputError, match="3 picture numbers for 100 query norms"):
        find_threshold(np.ones(100, dtype=np.float32), np.arange(3))


@pytest.mark.parametrize(
    ("ordered", "dip"),
    [
        (np.arange(1.0, 11.0), 1 / 20),  # the least there is: 1 / 2n
        (np.repeat([0.0, 1.0], 50), 1 / 4),  # the most there is
        # The rest as the C implementation of the algorithm in diptest 0.12 gives it.
        (np.r_[np.linspace(0, 1, 100), np.linspace(9, 10, 100)], 0.2222222222222222),
        (np.arange(30.0) ** 2, 0.016666666666666666),
        (np.r_[np.arange(20.0), 60 + np.arange(5.0)], 0.0911111111111111),
        (np.sort(np.sin(np.arange(60.0))), 0.06679258444303593),
    ],
)
def test_dip_of_known_samples(ordered, dip):
    assert dip_statistic(ordered) == pytest.approx(dip, abs=1e-9)


def test_p_values_of_uniform_samples_are_uniform():
    rng = np.random.default_rng(0)
    p_values = [dip_test(np.sort(rng.random(1000)))[1] for _ in range(400)]
    for level in (0.05, 0.1, 0.5):
        assert np.mean(np.array(p_values) < level) == pytest.approx(level, abs=0.07)
