"""What `mini` can name: the classifier in 8 bits and the words for its classes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, load_file, save

from itae_cluster.model import vocabulary
from itae_cluster.model.quantized import quantize
from itae_cluster.model.registry import MINI_VERSIONS
from itae_cluster.model.vocabulary import CLASSIFIER, load_vocabulary, read_classifier

SILLY = {"artifact", "whole", "placental", "instrumentality", "entity", "covering", "commodity"}


def unit_rows(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_logits_in_8_bits_are_those_of_float_within_rounding():
    random = np.random.default_rng(0)
    weight, vectors = (unit_rows(random.normal(size=(n, 384))) for n in (50, 200))
    bias = random.normal(size=50)
    stored = quantize({"weight": weight, "bias": bias, "scale": np.array([20.0])})
    read, read_bias = read_classifier(load(save(stored)))
    exact = 20 * vectors @ weight.T + bias
    found = vectors @ read.T + read_bias
    assert np.abs(found - exact).max() < 0.06  # of logits that reach ±5


def test_a_weight_is_its_level_times_the_scale_of_its_group_times_that_of_all():
    arrays = load_file(CLASSIFIER)
    weight, bias = read_classifier(arrays)
    group = (7 * 384 + 130) // 64
    scale = float(arrays["weight.scale"][group]) * float(arrays["scale"][0])
    assert weight[7, 130] == pytest.approx(int(arrays["weight"][7, 130]) * scale, rel=1e-5)
    assert bias == pytest.approx(arrays["bias"].astype(np.float32))


def test_it_is_small_and_fits_the_bundled_model():
    known = load_vocabulary()
    assert os.path.getsize(CLASSIFIER) < 500_000
    assert known.weight.shape == (1000, 384)
    assert known.bias.shape == (1000,)
    assert max(MINI_VERSIONS.values()) == vocabulary.VERSION


def test_every_class_leads_up_to_something_and_has_a_place():
    synsets = load_vocabulary().synsets
    assert len(synsets) == 1860
    assert synsets[0].words[0] == "tench"
    for number, synset in enumerate(synsets):
        assert all(1000 <= parent != number or parent < 1000 for parent in synset.parents)
        assert len(synset.offset) == 8
    dog = next(each for each in synsets if each.offset == "02084071")
    assert dog.said == "dog"


def test_names_are_words_that_people_use():
    said = {each.said for each in load_vocabulary().synsets if each.said}
    assert {"dog", "church", "guitar", "garbage truck"} <= said
    assert not said & SILLY


def test_the_licence_of_the_words_lies_beside_them():
    text = Path(vocabulary.__file__).with_name("WORDNET-LICENSE.txt").read_text(encoding="utf-8")
    assert "Princeton University" in text
