"""When and with what a picture was taken."""

from __future__ import annotations

import pytest
from PIL import ExifTags, Image

from itae_cluster.core.types import Facts
from itae_cluster.pictures.exif import read_exif


def save(path, make="Canon", model="Canon EOS 5D", taken="2019:07:03 14:22:10", **options):
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = make, model
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken
    Image.new("RGB", (32, 32), "teal").save(path, exif=exif, **options)
    return str(path)


@pytest.mark.parametrize("name", ["a.jpg", "a.heic"])
def test_date_and_camera_are_read(tmp_path, name):
    from itae_cluster.pictures.formats import register

    register()
    found = read_exif(save(tmp_path / name))
    assert found == Facts(taken="2019-07-03T14:22:10", camera="Canon EOS 5D")


@pytest.mark.parametrize("taken", ["0000:00:00 00:00:00", "2019:13:41 99:00:00", "soon", ""])
def test_what_is_no_date_is_none(tmp_path, taken):
    found = read_exif(save(tmp_path / "a.jpg", "NIKON", "D70\x00\n", taken))
    assert found == Facts(camera="NIKON D70")


def test_a_file_without_exif_or_none_at_all_says_nothing(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8Exif\0\0II*\0\xff\xff\xff\xff")
    for name in ("plain.png", "cut.jpg", "missing.jpg"):
        assert read_exif(str(tmp_path / name)) == Facts()
