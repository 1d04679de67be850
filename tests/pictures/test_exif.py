"""When and with what a picture was taken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from itae_cluster.core.types import Facts
from itae_cluster.pictures.exif import read_exif
from itae_cluster.pictures.formats import register


def make_exif(make="Canon", model="Canon EOS 5D", taken="2019:07:03 14:22:10"):
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = make, model
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken
    return exif


def save(path, *said, **options):
    exif = make_exif(*said)
    noise = np.random.default_rng(0).integers(0, 256, (400, 300, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, exif=exif.tobytes(), **options)
    return str(path)


FOUND = Facts(taken="2019-07-03T14:22:10", camera="Canon EOS 5D")
KINDS = {
    "a.jpg": {"quality": 100},
    "a.heic": {"quality": 100},
    "a.avif": {"quality": 100},
    "a.png": {},
    "a.webp": {"lossless": True},
    "a.tif": {},
    "a.jxl": {"lossless": True},
}


@pytest.fixture(params=KINDS)
def taken(request, tmp_path):
    """A picture of each kind, of well above 128 kB."""
    register()
    if request.param.endswith("jxl"):
        pytest.importorskip("pillow_jxl")
    path = tmp_path / request.param
    save(path, **KINDS[request.param])
    assert path.stat().st_size > 1 << 17
    return path


def test_date_and_camera_are_read(taken):
    assert read_exif(str(taken)) == FOUND


def test_damage_costs_no_more_than_what_is_damaged(taken):
    content = taken.read_bytes()
    place = content.find(b"Canon")
    for number in range(max(0, place - 64), min(place + 64, len(content)), 3):
        bad = bytearray(content)
        bad[number] ^= 0xFF
        taken.write_bytes(bad)
        assert isinstance(read_exif(str(taken)), Facts)
    for end in (0, 3, 7, 12, place - 20, place + 3, place + 40):
        taken.write_bytes(content[:end])
        assert read_exif(str(taken)).taken is None


def test_a_tiff_may_have_its_directory_at_the_end(tmp_path):
    start = 1 << 18
    directory = make_exif().tobytes(start)[len(b"Exif\0\0") + 8 :]
    content = b"MM\0*" + start.to_bytes(4, "big") + bytes(start - 8) + directory
    (tmp_path / "a.tif").write_bytes(content)
    assert read_exif(str(tmp_path / "a.tif")) == FOUND


def test_it_is_found_after_the_pixels_of_a_png(tmp_path):
    """Where other programs than Pillow put it."""
    content = Path(save(tmp_path / "a.png")).read_bytes()
    start = content.find(b"eXIf") - 4
    end = start + 12 + int.from_bytes(content[start : start + 4], "big")
    last = content.find(b"IEND") - 4
    moved = content[:start] + content[end:last] + content[start:end] + content[last:]
    (tmp_path / "a.png").write_bytes(moved)
    assert read_exif(str(tmp_path / "a.png")) == FOUND


@pytest.mark.parametrize("taken", ["0000:00:00 00:00:00", "2019:13:41 99:00:00", "soon", ""])
def test_what_is_no_date_is_none(tmp_path, taken):
    found = read_exif(save(tmp_path / "a.jpg", "NIKON", "D70\x00\n", taken))
    assert found == Facts(camera="NIKON D70")


def test_a_file_without_exif_or_none_at_all_says_nothing(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8Exif\0\0II*\0\xff\xff\xff\xff")
    for name in ("plain.png", "cut.jpg", "missing.jpg"):
        assert read_exif(str(tmp_path / name)) == Facts()
