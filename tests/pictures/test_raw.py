"""Cameras' raw files and JPEG XL: read where their libraries are, else a reason that helps."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

from itae_cluster.core.errors import DecodeError
from itae_cluster.pictures import formats
from itae_cluster.pictures.decode import decode, read_thumbnail
from itae_cluster.pictures.scan import scan
from support.pictures import UNTURNED, encoded, scene, write

formats.register()
HEIGHT, WIDTH = 240, 320


def dng(path, preview=None, orientation=1):
    """A raw file whose sensor saw bright green; a preview shows something else."""
    sensor = np.zeros((HEIGHT, WIDTH), np.uint16)
    sensor[0::2, 1::2] = sensor[1::2, 0::2] = 50_000
    identity = tuple(
        value for row in np.eye(3, dtype=int).tolist() for v in row for value in (v, 1)
    )
    camera = [
        (50706, "B", 4, b"\1\4\0\0", True),
        (50708, "s", 0, "Camera", True),
        (271, "s", 0, "Maker", True),
        (272, "s", 0, "Camera", True),
        (274, "H", 1, orientation, True),
        (50721, "2i", 9, identity, True),
        (50778, "H", 1, 21, True),
        (50728, "2I", 3, (1, 1, 1, 1, 1, 1), True),
    ]
    pattern = [
        (33421, "H", 2, (2, 2), True),
        (33422, "B", 4, b"\0\1\1\2", True),
        (50717, "H", 1, 65535, True),
    ]
    with tifffile.TiffWriter(path) as file:
        if preview is not None:
            options = {"subfiletype": 1, "subifds": 1, "extratags": camera, "compression": "jpeg"}
            file.write(np.asarray(preview), photometric="rgb", metadata=None, **options)
            camera = []
        file.write(sensor, photometric="cfa", extratags=[*camera, *pattern], metadata=None)
    return str(path)


def test_the_preview_comes_first(tmp_path):
    pytest.importorskip("rawpy")
    picture = decode(dng(tmp_path / "a.dng", scene(WIDTH, HEIGHT)), 28)
    assert (picture.width, picture.height) == (WIDTH, HEIGHT)
    expected = np.asarray(scene(WIDTH, HEIGHT).resize((28, 28), Image.Resampling.BICUBIC))
    assert np.abs(picture.pixels.astype(int) - expected).mean() < 6
    assert read_thumbnail(str(tmp_path / "a.dng"), 64)


@pytest.mark.parametrize("preview", [None, scene(80, 60)], ids=["none", "an icon"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_without_a_preview_it_is_developed(preview, orientation, tmp_path):
    pytest.importorskip("rawpy")
    picture = decode(dng(tmp_path / "a.dng", preview, orientation), 28)
    assert (picture.width > picture.height) == (orientation == 1)
    red, green, blue = picture.pixels[14, 14].astype(int)
    assert green > red + 100
    assert green > blue + 100


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_preview_is_turned_as_the_raw_file_says(orientation, tmp_path):
    pytest.importorskip("rawpy")
    turn = UNTURNED[orientation]
    stored = scene(WIDTH, HEIGHT)
    if turn is not None:
        stored = scene(HEIGHT, WIDTH).transpose(turn) if orientation > 4 else stored.transpose(turn)
    upright = scene(HEIGHT, WIDTH) if orientation > 4 else scene(WIDTH, HEIGHT)
    picture = decode(dng(tmp_path / "a.dng", stored, orientation), 28)
    expected = np.asarray(upright.resize((28, 28), Image.Resampling.BICUBIC))
    assert np.abs(picture.pixels.astype(int) - expected).mean() < 6


def test_the_limit_holds(tmp_path):
    pytest.importorskip("rawpy")
    with pytest.raises(DecodeError, match="see --max-pixels"):
        decode(dng(tmp_path / "a.dng"), 28, max_pixels=10_000)


def test_without_its_library_the_reason_says_what_to_install(tmp_path, monkeypatch):
    path = dng(tmp_path / "a.dng", scene(WIDTH, HEIGHT))
    monkeypatch.setattr("itae_cluster.pictures.raw.is_installed", lambda _: False)
    with pytest.raises(DecodeError, match=r"pip install 'itae-cluster\[raw\]'"):
        decode(path, 28)
    for head in (
        b"FUJIFILMCCD-RAW 0201",
        b"\0\0\0\x18ftypcrx \0\0\0\1",
        b"IIRO\x08\0\0\0",
        b"FOVb",
    ):
        with pytest.raises(DecodeError, match=r"itae-cluster\[raw\]"):
            decode(write(tmp_path / "b", head + bytes(500)), 28)


def test_a_damaged_raw_file_has_a_reason(tmp_path):
    pytest.importorskip("rawpy")
    dng(tmp_path / "a.dng")
    data = (tmp_path / "a.dng").read_bytes()
    for part in (0.02, 0.2, 0.9):
        path = write(tmp_path / "b.dng", data[: int(len(data) * part)])
        with pytest.raises(DecodeError, match=r"^(truncated|damaged|not a picture)"):
            decode(path, 28)
    with pytest.raises(DecodeError):
        decode(write(tmp_path / "c.raf", b"FUJIFILMCCD-RAW 0201" + bytes(5000)), 28)


@pytest.mark.parametrize("suffix", [".dng", ".CR2", ".nef"])
def test_a_plain_tiff_by_the_name_of_a_raw_file(suffix, tmp_path):
    path = write(tmp_path / f"a{suffix}", encoded(scene(), "TIFF"))
    assert np.array_equal(
        decode(path, 28).pixels, np.asarray(scene().resize((28, 28), Image.Resampling.BICUBIC))
    )


@pytest.mark.parametrize("suffix", [".dng", ".CR3", ".nef"])
def test_a_raw_file_beside_its_picture_is_no_picture_of_its_own(suffix, tmp_path):
    pytest.importorskip("rawpy")
    for name in ("A.jpg", f"A{suffix}", f"B{suffix}", f"sub/A{suffix}"):
        write(tmp_path / name)
    found = scan([str(tmp_path)])
    names = sorted(path[len(str(tmp_path)) + 1 :] for path in found.files)
    assert names == ["A.jpg", f"B{suffix}", f"sub/A{suffix}"]
    assert "1 raw file beside" in found.notes[0]


# --- JPEG XL


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA"])
def test_jpeg_xl(mode, tmp_path):
    pytest.importorskip("pillow_jxl")
    image = scene().convert(mode)
    path = write(tmp_path / "a.jxl", encoded(image, "JXL", lossless=True))
    expected = image.convert("RGB").resize((28, 28), Image.Resampling.BICUBIC)
    assert np.abs(decode(path, 28).pixels.astype(int) - np.asarray(expected)).max() <= 2
    assert scan([str(tmp_path)]).files == (path,)
    assert formats.looks_like_picture(path)


@pytest.mark.parametrize("size", [(64, 40), (640, 480), (8, 8), (1001, 3), (5, 20_000), (48, 32)])
def test_the_limit_holds_before_a_jpeg_xl_is_decoded(size, tmp_path, monkeypatch):
    pytest.importorskip("pillow_jxl")
    path = write(tmp_path / "a.jxl", encoded(Image.new("RGB", size), "JXL"))
    monkeypatch.setattr("pillow_jxl.JpegXLImagePlugin.Decoder", None)  # a call would fail
    with pytest.raises(DecodeError, match=rf"\({size[0]}×{size[1]}\); see --max-pixels"):
        decode(path, 28, max_pixels=size[0] * size[1] - 1)


def test_jpeg_xl_without_its_library(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "itae_cluster.pictures.opening.decodable_formats",
        lambda: tuple(name for name in formats.decodable_formats() if name != "JXL"),
    )
    for head in (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"):
        with pytest.raises(DecodeError, match=r"pip install 'itae-cluster\[jxl\]'"):
            decode(write(tmp_path / "a.jxl", head + bytes(99)), 28)


def test_neither_library_is_loaded_before_it_is_needed(tmp_path):
    code = (
        "import sys; from itae_cluster.pictures.decode import decode; "
        f"decode({write(tmp_path / 'a.png')!r}, 28); "
        "sys.exit(any(name in sys.modules for name in ('rawpy', 'tifffile', 'imagecodecs')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
