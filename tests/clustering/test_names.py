"""What clusters are called: sure names, likely tags, and nothing where it would be a guess."""

from __future__ import annotations

import numpy as np
import pytest

from itae_cluster.clustering.names import class_probabilities, pick_sample, suggest_names
from itae_cluster.core.types import NOISE, Synset, Vocabulary

# Classes: 0 beagle, 1 pug, 2 tabby, 3 church, 4 barn, 5 napkin. Above: 6 dog, 7 animal,
# 8 building, 9 artifact, which nobody says.
WORDS = Vocabulary(
    weight=20 * np.eye(6, dtype=np.float32),
    bias=np.zeros(6, dtype=np.float32),
    synsets=(
        Synset("00", ("beagle",), (6,), "beagle"),
        Synset("01", ("pug",), (6,), "pug"),
        Synset("02", ("tabby",), (7,), "cat"),
        Synset("03", ("church",), (8,), "church"),
        Synset("04", ("barn",), (8,), "barn"),
        Synset("05", ("napkin",), (9,), None),
        Synset("06", ("dog",), (7,), "dog"),
        Synset("07", ("animal",), (), "animal"),
        Synset("08", ("building",), (9,), "building"),
        Synset("09", ("artifact",), (), None),
    ),
)


def suggest(*clusters: list[int], noise: list[int] | None = None):
    """Suggestions for clusters of pictures of these classes; −1 shows nothing that is known."""
    labels = [number for number, one in enumerate(clusters) for _ in one] + [NOISE] * len(
        noise or []
    )
    shown = [each for one in clusters for each in one] + (noise or [])
    vectors = np.stack([np.eye(6)[each] if each >= 0 else np.full(6, 6**-0.5) for each in shown])
    return suggest_names(vectors.astype(np.float32), np.array(labels), WORDS)


def test_a_cluster_has_the_most_specific_name_that_covers_it():
    found = suggest([0] * 9 + [1], [0, 1, 0, 1, 0, 1, 0, 1], [3] * 5)
    assert found[0].name == "beagle"
    assert found[0].offset == "00"
    assert found[2].name == "church"
    found = suggest([0, 1, 0, 1, 0, 1], [3] * 5)
    assert (found[0].name, found[0].offset) == ("dog", "06")
    assert set(found[0].tags) == {"beagle", "pug", "animal"}
    found = suggest([0, 1, 2, 2], [3] * 5)
    assert found[0].name == "animal"


def test_where_it_would_be_a_guess_there_is_no_name():
    found = suggest([0] * 5 + [3] * 5, [-1] * 8)
    assert found[0].name is None
    assert set(found[0].tags) == {"beagle", "church", "dog"}
    assert 1 not in found


def test_two_of_three_are_a_guess():
    found = suggest([0, 0, 3], [2, 2, 2])
    assert found[0].name is None
    assert found[1].name == "cat"


def test_a_word_that_nobody_uses_is_no_name():
    assert suggest([5] * 6, [0] * 6).keys() == {1}
    assert suggest([3, 3, 4, 4, 5, 5, 5, 5], [0] * 6)[0].name is None  # all of them artifacts


def test_a_name_sets_a_cluster_apart_from_the_rest():
    found = suggest([0] * 6, [1] * 6, [0, 1, 0, 1, 0, 1, -1])
    assert found[0].name == "beagle"
    assert found[1].name == "pug"
    assert 2 not in found or found[2].name is None
    assert suggest([0, 1, 0, 1], noise=[0, 1, 0, 1]).get(0) is None


def test_two_clusters_of_one_name_are_told_apart():
    found = suggest([3] * 4, [3] * 6, *([0] * 10 for _ in range(1)), [2] * 12)
    assert {found[0].name, found[1].name} == {"church 2", "church"}
    assert found[1].name == "church", "the larger one"


def test_one_cluster_alone_has_a_name():
    assert suggest([0] * 4)[0].name == "beagle"


def test_confidence_is_between_0_and_1_and_higher_where_more_agree():
    sure, less = suggest([0] * 10, [3] * 7 + [-1] * 3).values()
    assert 0 < less.confidence < sure.confidence <= 1


def test_probabilities_sum_to_one():
    vectors = np.random.default_rng(0).standard_normal((7, 6)).astype(np.float32)
    found = class_probabilities(vectors, WORDS)
    assert found.shape == (7, 6)
    assert found.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_a_sample_reaches_from_typical_to_odd():
    labels = np.array([0] * 50 + [NOISE] * 4 + [1] * 3)
    distances = np.arange(57, dtype=np.float32)
    rows = pick_sample(labels, distances, 5)
    assert rows.tolist() == [0, 12, 24, 37, 49, 54, 55, 56]
