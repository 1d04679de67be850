"""Words that are typed, and what they find."""

from __future__ import annotations

import numpy as np
import pytest

from itae_cluster.clustering.tags import tag_vectors
from itae_cluster.clustering.words import WordSearch
from itae_cluster.core.types import Suggestion
from itae_cluster.model.vocabulary import load_vocabulary

VOCABULARY = load_vocabulary()
SEARCH = WordSearch(VOCABULARY)
BEAGLE, TRUCK, HOT_DOG, BICYCLE = "02088364", "03417042", "07697537", "02835271"


def seen(*offsets):
    """Tags of pictures of which the classifier is sure that they show these."""
    place = {each.offset: number for number, each in enumerate(VOCABULARY.synsets)}
    vectors = np.stack([VOCABULARY.weight[place[offset]] for offset in offsets])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return tag_vectors(vectors.astype(np.float32), VOCABULARY)


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("beagle", BEAGLE),
        ("dog", BEAGLE),
        ("Dogs", BEAGLE),
        ("domestic dog", BEAGLE),
        ("animal", BEAGLE),
        ("vehicle", TRUCK),
        ("vehicles", BICYCLE),
        ("dustcart", TRUCK),
        ("garbage_truck", TRUCK),
    ],
)
def test_a_word_its_synonyms_and_those_above_find_a_picture(text, offset):
    assert SEARCH.share(SEARCH.parse(text), seen(offset)[0]) >= 0.5


def test_a_word_finds_nothing_else():
    assert SEARCH.share(SEARCH.parse("dog"), seen(HOT_DOG)[0]) == 0
    assert SEARCH.share(SEARCH.parse("dog truck"), seen(BEAGLE)[0]) == 0


def test_the_longest_known_words_are_one_thing():
    assert [term.word for term in SEARCH.parse("garbage truck dog")] == ["garbage truck", "dog"]


def test_an_unknown_word_is_told_with_its_neighbours():
    (term,) = SEARCH.parse("begle")
    assert not term.offsets
    assert "beagle" in SEARCH.near("begle")


def test_an_unsure_picture_has_the_tag_that_covers_its_doubt_first():
    place = {each.offset: number for number, each in enumerate(VOCABULARY.synsets)}
    both = VOCABULARY.weight[place[BEAGLE]] + VOCABULARY.weight[place["02110958"]]  # and a pug
    (tags,) = tag_vectors((both / np.linalg.norm(both))[None].astype(np.float32), VOCABULARY)
    assert SEARCH.share(SEARCH.parse("dog"), tags) >= 0.5
    assert len(tags) <= 3


def test_a_cluster_speaks_for_pictures_that_nobody_saw():
    tags = SEARCH.tags_of(Suggestion("truck", (), 0.8, "04490091"))
    assert SEARCH.share(SEARCH.parse("vehicle"), tags) == 0.8
