"""Files of every kind, cut and flipped at any place: a picture or a reason, never anything else."""

from __future__ import annotations

import contextlib
import os
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from itae_cluster.core.errors import DecodeError
from itae_cluster.pictures.decode import decode, read_thumbnail
from itae_cluster.pictures.scan import scan
from support.pictures import encoded, scene

KINDS = (
    "JPEG",
    "PNG",
    "GIF",
    "WEBP",
    "TIFF",
    "BMP",
    "AVIF",
    "HEIF",
    "JPEG2000",
    "PPM",
    "TGA",
    "ICO",
)


@cache
def sample(kind):
    return encoded(scene(64, 40), kind)


def attempt(path):
    """Both ways of reading; any error but a DecodeError of one line fails the test."""
    for read in (lambda: decode(path, 14), lambda: read_thumbnail(path, 32)):
        try:
            read()
        except DecodeError as error:
            reason = str(error)
            assert reason
            assert reason.isprintable()
            assert len(reason) < 200


@pytest.mark.parametrize("kind", KINDS)
def test_cut_at_every_hundredth_of_its_length(kind, tmp_path):
    data = sample(kind)
    path = str(tmp_path / "cut")
    for percent in range(100):
        with open(path, "wb") as file:
            file.write(data[: len(data) * percent // 100])
        attempt(path)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    kind=st.sampled_from(KINDS),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1),
)
def test_flipped_bits(kind, flips, tmp_path):
    data = bytearray(sample(kind))
    for place, mask in flips:
        data[int(place * len(data))] ^= mask
    path = str(tmp_path / "flipped")
    with open(path, "wb") as file:
        file.write(data)
    attempt(path)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(head=st.sampled_from(KINDS), tail=st.binary(max_size=300))
def test_a_true_beginning_and_anything_after_it(head, tail, tmp_path):
    path = str(tmp_path / "forged")
    with open(path, "wb") as file:
        file.write(sample(head)[:40] + tail)
    attempt(path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".heic", ".tif", ""])
def test_a_wrong_suffix_costs_nothing(kind, suffix, tmp_path):
    path = tmp_path / f"picture{suffix}"
    path.write_bytes(sample(kind))
    picture = decode(str(path), 14)
    assert picture.width / picture.height == 64 / 40
    if suffix:
        assert scan([str(tmp_path)]).files == (str(path),)


@pytest.mark.parametrize("size", [(1, 20_000), (20_000, 1), (1, 1)])
def test_shapes_nobody_expects(size, tmp_path):
    path = str(tmp_path / "strange.png")
    Image.new("RGB", size, (9, 200, 30)).save(path)
    picture = decode(path, 28)
    assert picture.pixels.shape == (28, 28, 3)
    assert np.abs(picture.pixels.astype(int) - (9, 200, 30)).max() <= 1
    assert read_thumbnail(path, 32)


def test_empty_and_odd_files_have_reasons(tmp_path):
    for name, content in (("empty.jpg", b""), ("zeros.png", bytes(5000)), ("text.gif", b"GIF89a")):
        path = str(tmp_path / name)
        with open(path, "wb") as file:
            file.write(content)
        with pytest.raises(DecodeError):
            decode(path, 14)
    with contextlib.suppress(AttributeError):
        os.mkfifo(tmp_path / "pipe.jpg")
        with pytest.raises(DecodeError, match="not a regular file"):
            decode(str(tmp_path / "pipe.jpg"), 14)
