"""Colours of any profile come out as a colour-managed viewer shows them."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from itae_cluster.pictures import formats
from itae_cluster.pictures.colour import BROKEN_PROFILE
from itae_cluster.pictures.decode import decode, read_thumbnail
from itae_cluster.pictures.flatten import flatten
from itae_cluster.pictures.opening import open_image
from support import icc
from support.pictures import encoded, png, png16, scene, write

formats.register()
PIXELS = np.asarray(scene(96, 64))


def difference(image, expected):
    return float(np.abs(np.asarray(image).astype(int) - expected).mean())


def opened(data):
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("space", icc.SPACES)
@pytest.mark.parametrize(
    ("kind", "options", "most"),
    [
        ("PNG", {}, 1),
        ("TIFF", {}, 1),
        ("WEBP", {"lossless": True}, 1),
        ("JPEG", {"quality": 98, "subsampling": 0}, 2),
    ],
)
def test_profiles_of_rgb(space, kind, options, most, tmp_path):
    matrix, exponent = icc.SPACES[space]
    data = encoded(scene(96, 64), kind, icc_profile=icc.matrix_profile(matrix, exponent), **options)
    expected = icc.shown(PIXELS, matrix, exponent)
    assert difference(flatten(opened(data)), expected) <= most
    path = write(tmp_path / "a", data)
    small = Image.fromarray(expected).resize((28, 28), Image.Resampling.BICUBIC)
    assert difference(decode(path, 28).pixels, np.asarray(small, dtype=int)) <= 2
    thumbnail = opened(read_thumbnail(path, 96))
    assert difference(thumbnail, expected) <= 4  # it is a JPEG once more
    assert decode(path, 28).damage is None


def test_16_bits_and_transparency_keep_their_profile():
    matrix, exponent = icc.SPACES["display p3"]
    profile = icc.matrix_profile(matrix, exponent)
    expected = icc.shown(PIXELS, matrix, exponent)
    chunk = b"p\0\0" + zlib.compress(profile)
    deep = opened(png16(PIXELS.astype(np.uint16) * 257, extra=[(b"iCCP", chunk)]))
    assert difference(flatten(deep), expected) <= 1
    clear = scene(96, 64)
    clear.putalpha(255)
    clear.putpixel((0, 0), (0, 0, 0, 0))
    pixels = np.asarray(flatten(opened(encoded(clear, "PNG", icc_profile=profile))))
    assert tuple(pixels[0, 0]) == (255, 255, 255)
    assert difference(pixels[1:], expected[1:]) <= 1
    palette = scene(96, 64).quantize(64)
    shown = icc.shown(np.asarray(palette.convert("RGB")), matrix, exponent)
    assert difference(flatten(opened(encoded(palette, "PNG", icc_profile=profile))), shown) <= 1


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_grey_with_a_grey_profile(kind):
    ramp = np.arange(256, dtype=np.uint8)[None].repeat(16, axis=0)
    image = Image.fromarray(ramp)
    expected = icc.encoded((ramp / 255) ** 1.0)[:, :, None].repeat(3, axis=2)
    options = {"quality": 98} if kind == "JPEG" else {}
    data = encoded(image, kind, icc_profile=icc.grey_profile(1.0), **options)
    assert difference(flatten(opened(data)), expected) <= 2
    clear = Image.merge("LA", (image, Image.new("L", image.size, 255)))
    clear.putpixel((9, 9), (0, 0))
    layer = opened(encoded(clear, "PNG", icc_profile=icc.grey_profile(1.0)))
    assert difference(flatten(layer), expected) <= 2


def test_grey_with_a_profile_of_rgb():
    matrix, exponent = icc.SPACES["linear"]
    grey = Image.fromarray(PIXELS[:, :, 0])
    data = encoded(grey, "JPEG", quality=98, icc_profile=icc.matrix_profile(matrix, exponent))
    expected = icc.shown(np.asarray(grey)[:, :, None].repeat(3, axis=2), matrix, exponent)
    assert difference(flatten(opened(data)), expected) <= 2


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_with_a_profile(kind):
    profile = icc.cmyk_profile(lambda c, m, y, k: 100 * (1 - c / 2) * (1 - m / 4) * (1 - k))
    for inks, lightness in (((255, 0, 0, 0), 50), ((0, 0, 255, 0), 100), ((0, 255, 0, 0), 75)):
        image = Image.new("CMYK", (16, 16), inks)
        pixels = np.asarray(flatten(opened(encoded(image, kind, icc_profile=profile))))
        light = ((lightness + 16) / 116) ** 3
        assert np.abs(pixels.astype(int) - int(icc.encoded(np.array(light)))).max() <= 3


def gamma_chunks(gamma=None, points=None):
    chunks = []
    if gamma is not None:
        chunks.append((b"gAMA", struct.pack(">I", round(gamma * 100_000))))
    if points is not None:
        chunks.append((b"cHRM", struct.pack(">8I", *(round(p * 100_000) for p in points))))
    return chunks


P3 = (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)


@pytest.mark.parametrize(
    ("gamma", "points", "matrix", "exponent"),
    [
        (1.0, None, icc.SRGB, 1.0),
        (0.55556, None, icc.SRGB, 1.8),
        (0.45455, P3, icc.SPACES["display p3"][0], 2.2),
        (None, P3, icc.SPACES["display p3"][0], None),
    ],
)
def test_gamma_and_primaries_of_a_png(gamma, points, matrix, exponent):
    rows = b"".join(b"\0" + row.tobytes() for row in PIXELS)
    data = png(96, 64, rows, depth=8, colour=2, extra=gamma_chunks(gamma, points))
    assert difference(flatten(opened(data)), icc.shown(PIXELS, matrix, exponent)) <= 1


@pytest.mark.parametrize(
    "extra",
    [
        gamma_chunks(0.45455),
        [*gamma_chunks(1.0, P3), (b"sRGB", b"\0")],
        gamma_chunks(0),
        gamma_chunks(20_000),
        gamma_chunks(None, (0.3, 0.3, 0, 0, 0, 0, 0, 0)),
        gamma_chunks(None, (0.3, 0.3) * 4),
    ],
    ids=["srgb's", "overruled", "zero", "rubbish", "no primaries", "one primary"],
)
def test_gamma_that_changes_nothing(extra):
    rows = b"".join(b"\0" + row.tobytes() for row in PIXELS)
    pixels = np.asarray(flatten(opened(png(96, 64, rows, depth=8, colour=2, extra=extra))))
    assert np.array_equal(pixels, PIXELS)


def test_a_profile_in_a_jp2():
    matrix, exponent = icc.SPACES["adobe rgb"]
    profile = icc.matrix_profile(matrix, exponent)
    data = encoded(scene(96, 64), "JPEG2000", irreversible=False)
    place = data.index(b"colr") - 4
    size = int.from_bytes(data[place : place + 4], "big")
    box = struct.pack(">I", 11 + len(profile)) + b"colr\2\0\0" + profile
    header = data.index(b"jp2h") - 4
    longer = int.from_bytes(data[header : header + 4], "big") + len(box) - size
    data = data[:place] + box + data[place + size :]
    data = data[:header] + struct.pack(">I", longer) + data[header + 4 :]
    expected = icc.shown(PIXELS, matrix, exponent)
    assert difference(flatten(opened_by_us(data)), expected) <= 1


def opened_by_us(data):
    return open_image(io.BytesIO(data), 10**6)


def test_primaries_by_number(tmp_path):
    rows = b"".join(b"\0" + row.tobytes() for row in PIXELS)
    expected = icc.shown(PIXELS, *icc.SPACES["display p3"])
    for primaries, wanted in ((12, expected), (1, PIXELS)):
        chunk = (b"cICP", bytes((primaries, 13, 0, 1)))
        data = png(96, 64, rows, depth=8, colour=2, extra=[chunk])
        assert difference(flatten(opened_by_us(data)), wanted) <= 1
    data = bytearray(encoded(scene(96, 64), "AVIF", quality=98, subsampling="4:4:4"))
    place = data.index(b"colrnclx")
    data[place + 8 : place + 10] = b"\0\x0c"
    assert difference(flatten(opened_by_us(bytes(data))), expected) <= 3


def test_srgb_by_whatever_name_costs_nothing(monkeypatch):
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (plain, icc.matrix_profile(icc.SRGB, None)):
        image = opened(encoded(scene(96, 64), "PNG", icc_profile=profile))
        flatten(image)
        monkeypatch.setattr(ImageCms, "applyTransform", None)  # a call would fail
        assert np.array_equal(np.asarray(flatten(image)), PIXELS)
        monkeypatch.undo()


BROKEN = {
    "rubbish": b"this is no profile",
    "empty header": bytes(128),
    "cut": icc.matrix_profile(*icc.SPACES["linear"])[:300],
    "tables beyond its end": icc.matrix_profile(*icc.SPACES["linear"])[:140],
    "of other colours": icc.grey_profile(2.2)[:16] + b"3CLR" + icc.grey_profile(2.2)[20:],
}


@pytest.mark.parametrize("profile", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_broken_profile_is_ignored_and_noted(profile, kind, tmp_path):
    plain = write(tmp_path / "plain", encoded(scene(), kind))
    path = write(tmp_path / "a", encoded(scene(), kind, icc_profile=profile))
    picture = decode(path, 28)
    assert picture.damage == BROKEN_PROFILE
    assert np.array_equal(picture.pixels, decode(plain, 28).pixels)


def test_a_profile_of_other_colours_than_the_picture_has_is_ignored():
    image = Image.new("CMYK", (4, 4), (255, 0, 0, 0))
    profile = icc.matrix_profile(*icc.SPACES["linear"])
    assert flatten(opened(encoded(image, "TIFF", icc_profile=profile))).getpixel((0, 0)) == (
        *(0, 255, 255),
    )
    rgb = opened(encoded(scene(), "PNG", icc_profile=icc.grey_profile(1.0)))
    assert np.array_equal(np.asarray(flatten(rgb)), np.asarray(scene()))


def test_a_profile_is_read_once(monkeypatch):
    built = []
    build = ImageCms.buildTransform
    monkeypatch.setattr(ImageCms, "buildTransform", lambda *args: built.append(1) or build(*args))
    profile = icc.matrix_profile(icc.SPACES["adobe rgb"][0], 2.1)
    for _ in range(3):
        flatten(opened(encoded(scene(), "PNG", icc_profile=profile)))
    assert len(built) == 1
