"""Damaged JPEGs are read as far as they go, and named; the rest has a reason for a person."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFile

from itae_cluster.core.errors import DecodeError
from itae_cluster.pictures import formats
from itae_cluster.pictures.decode import decode, read_thumbnail
from support.pictures import UNTURNED, encoded, scene, with_orientation, write

formats.register()
DETAILED = Image.fromarray(
    np.random.default_rng(5).integers(0, 256, (20, 32, 3), dtype=np.uint8)
).resize((320, 200), Image.Resampling.BICUBIC)
END = b"\xff\xd9"


def jpeg(**options):
    data = encoded(DETAILED, "JPEG", quality=90, **options)
    assert data.endswith(END)
    return data


def pixels(tmp_path, data, size=200):
    picture = decode(write(tmp_path / "a.jpg", data), size)
    return picture.pixels.astype(int), picture.damage


KINDS = {
    "baseline": {},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_blocks": 4},
    "full colour": {"subsampling": 0},
}


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("size", [28, 200])
def test_without_its_end_marker_nothing_is_lost(options, size, tmp_path):
    whole, _ = pixels(tmp_path, jpeg(**options), size)
    for data in (jpeg(**options)[:-2], jpeg(**options)[:-1]):
        shown, damage = pixels(tmp_path, data, size)
        assert damage is None
        assert np.array_equal(shown, whole)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_other_colours_without_their_end_marker(mode, tmp_path):
    data = encoded(DETAILED.convert(mode), "JPEG", quality=90)
    whole, _ = pixels(tmp_path, data)
    shown, damage = pixels(tmp_path, data[:-2])
    assert (damage, np.array_equal(shown, whole)) == (None, True)


def segments(data):
    """Where segments begin, up to the scan."""
    place = 2
    while True:
        yield place
        if data[place + 1] == 0xDA:
            return
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")


@pytest.mark.parametrize(
    "stray", [b"\0", b"\r\n", b"some text", b"\xff", b"\xff\0\xff", b"\xff\xd8", b"\xff\xd0a"]
)
def test_stray_bytes_between_segments(stray, tmp_path):
    data = jpeg()
    whole, _ = pixels(tmp_path, data)
    for place in segments(data):
        shown, damage = pixels(tmp_path, data[:place] + stray + data[place:])
        assert damage is None
        assert np.array_equal(shown, whole)


def test_stray_bytes_before_the_picture(tmp_path):
    whole, _ = pixels(tmp_path, jpeg())
    shown, _ = pixels(tmp_path, b"\r\n\r\n" + jpeg())
    assert np.array_equal(shown, whole)


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("part", [0.75, 0.9])
def test_a_cut_picture_is_read_as_far_as_it_goes(options, part, tmp_path):
    whole, _ = pixels(tmp_path, jpeg(**options))
    data = jpeg(**options)[: int(len(jpeg(**options)) * part)]
    shown, damage = pixels(tmp_path, data)
    assert damage.startswith("the file ends too early; ")
    assert np.abs(shown[:100] - whole[:100]).mean() < 12
    assert read_thumbnail(str(tmp_path / "a.jpg"), 96)


def test_how_much_is_there_is_told(tmp_path):
    data = jpeg()
    _, damage = pixels(tmp_path, data[: int(len(data) * 0.8)])
    share = int(damage.split("; ")[1].split("%")[0])
    assert 70 <= share <= 90
    with pytest.raises(DecodeError, match=r"^truncated \(no more than \d+% of the picture"):
        decode(write(tmp_path / "a.jpg", data[: int(len(data) * 0.3)]), 28)


def test_a_cut_before_the_first_pixel(tmp_path):
    data = jpeg()
    place = list(segments(data))[-1]
    for end in (place, place + 4, place + 14, 100, 20):
        with pytest.raises(DecodeError, match=r"^(truncated|damaged|not a picture)") as caught:
            decode(write(tmp_path / "a.jpg", data[:end]), 28)
        assert "bytes not processed" not in str(caught.value)


@pytest.mark.parametrize("orientation", UNTURNED)
def test_a_cut_picture_is_upright(orientation, tmp_path):
    data = with_orientation(scene(320, 200), orientation)[:-2]
    picture = decode(write(tmp_path / "a.jpg", data), 28)
    assert (picture.width, picture.height) == (320, 200)
    expected = np.asarray(scene(320, 200).resize((28, 28), Image.Resampling.BICUBIC))
    assert np.abs(picture.pixels.astype(int) - expected).mean() < 3


def test_several_pictures_in_one_of_which_the_last_is_cut(tmp_path):
    data = encoded(scene(), "MPO", save_all=True, append_images=[DETAILED])
    assert decode(write(tmp_path / "a.mpo", data[:-300]), 28).damage is None


def test_no_setting_of_the_process_is_touched(tmp_path):
    decode(write(tmp_path / "a.jpg", jpeg()[:-2]), 28)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "GIF"])
def test_reasons_are_for_people(kind, tmp_path):
    data = encoded(DETAILED, kind)
    with pytest.raises(DecodeError) as caught:
        decode(write(tmp_path / "a", data[: len(data) // 2]), 28)
    assert "bytes not processed" not in str(caught.value)
