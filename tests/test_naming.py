"""How the names of clusters are judged."""

from __future__ import annotations

from benchmarks.quality.naming import is_right, meanings
from itae_cluster.model.vocabulary import load_vocabulary

WORDS = load_vocabulary()


def test_a_folder_means_the_synsets_of_its_words():
    assert meanings("chain_saw", WORDS) == {"03000684"}
    assert meanings("n03000684", WORDS) == {"03000684"}
    assert meanings("0017", WORDS) == set()


def test_a_name_is_right_within_three_steps_up_or_down():
    springer, spaniel, dog, animal = "02102040", "02101861", "02084071", "00015388"
    assert is_right(spaniel, {springer}, WORDS)
    assert is_right(springer, {spaniel}, WORDS)
    assert not is_right(animal, {springer}, WORDS)
    assert is_right(dog, {dog}, WORDS)
    assert not is_right("03000684", {dog}, WORDS)
