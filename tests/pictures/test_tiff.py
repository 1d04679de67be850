"""TIFFs of every kind show their picture, or are refused; none comes out as noise."""

from __future__ import annotations

import io
import itertools
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from itae_cluster.core.errors import DecodeError
from itae_cluster.pictures import formats
from itae_cluster.pictures.decode import decode
from support.pictures import write

formats.register()
HEIGHT, WIDTH = 48, 64
ACROSS = np.linspace(0, 1, WIDTH)[None].repeat(HEIGHT, axis=0)
DOWN = np.linspace(0, 1, HEIGHT)[:, None].repeat(WIDTH, axis=1)
RGB = np.stack([ACROSS, DOWN, np.full_like(ACROSS, 0.25)], axis=2)
GREY = (ACROSS + DOWN) / 2
OPAQUE = np.ones((HEIGHT, WIDTH, 1))
PLANES = np.moveaxis(RGB, 2, 0)

LAYOUTS = [
    {"byteorder": order, "bigtiff": big, "compression": compression, "tile": tile}
    for order, big in itertools.product("<>", (False, True))
    for compression, tile in ((None, None), ("lzw", None), ("deflate", (16, 16)))
]
TYPES = {"u1": 255, "u2": 65535, "u4": 2**32 - 1, "f2": 1, "f4": 1, "f8": 1}


def tiff(values, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, metadata=None, **options)
    return buffer.getvalue()


def stored(values, kind):
    top = TYPES[kind]
    return (np.rint(values * top) if top > 1 else values).astype(kind)


def error(path, data, expected):
    """The mean difference in levels from a picture 0–1, read at its own shape."""
    picture = decode(write(path, data), WIDTH)
    assert (picture.width, picture.height) == (WIDTH, HEIGHT)
    if expected.ndim == 2:
        expected = expected[:, :, None].repeat(3, axis=2)
    wanted = Image.fromarray(np.rint(expected * 255).astype(np.uint8))
    square = np.asarray(wanted.resize((WIDTH, WIDTH), Image.Resampling.BICUBIC))
    return float(np.abs(picture.pixels.astype(int) - square).mean())


KINDS = {
    "grey": (GREY, GREY, {"photometric": "minisblack"}),
    "negative": (1 - GREY, GREY, {"photometric": "miniswhite"}),
    "rgb": (RGB, RGB, {"photometric": "rgb"}),
    "planes": (PLANES, RGB, {"photometric": "rgb", "planarconfig": "separate"}),
    "rgb and alpha": (
        np.concatenate([RGB, OPAQUE / 2], axis=2),
        RGB / 2 + 0.5,
        {"photometric": "rgb", "extrasamples": ["unassalpha"]},
    ),
    "planes and alpha": (
        np.concatenate([PLANES, np.moveaxis(OPAQUE, 2, 0)]),
        RGB,
        {"photometric": "rgb", "planarconfig": "separate", "extrasamples": ["unassalpha"]},
    ),
    "rgb and something": (
        np.concatenate([RGB, OPAQUE * 0], axis=2),
        RGB,
        {"photometric": "rgb", "extrasamples": ["unspecified"]},
    ),
    "grey and alpha": (
        np.stack([GREY, OPAQUE[:, :, 0]], axis=2),
        GREY,
        {"photometric": "minisblack", "extrasamples": ["unassalpha"]},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sample", TYPES)
def test_each_depth_in_each_layout(kind, sample, tmp_path):
    values, expected, options = KINDS[kind]
    for layout in LAYOUTS:
        data = tiff(stored(values, sample), **options, **layout)
        assert error(tmp_path / "a", data, expected) < 2, layout


@pytest.mark.parametrize("sample", ["u1", "u2"])
def test_multiplied_alpha(sample, tmp_path):
    values = np.concatenate([RGB / 2, OPAQUE / 2], axis=2)
    data = tiff(stored(values, sample), photometric="rgb", extrasamples=["assocalpha"])
    assert error(tmp_path / "a", data, RGB / 2 + 0.5) < 2


@pytest.mark.parametrize("layout", LAYOUTS[::4], ids=str)
@pytest.mark.parametrize("sample", ["u1", "u2"])
@pytest.mark.parametrize("shift", [0, 8], ids=["16-bit values", "8-bit values"])
def test_palettes(layout, sample, shift, tmp_path):
    entries = 256 if sample == "u1" else 65536
    ramp = np.rint(np.linspace(0, 65535, entries)).astype(np.uint16) >> shift
    table = np.stack([ramp, ramp[::-1], ramp])
    data = tiff(stored(GREY, sample), photometric="palette", colormap=table, **layout)
    assert error(tmp_path / "a", data, np.stack([GREY, 1 - GREY, GREY], axis=2)) < 2


@pytest.mark.parametrize("sample", ["u1", "u2"])
@pytest.mark.parametrize("planes", [False, True])
def test_inks(sample, planes, tmp_path):
    inks = np.concatenate([1 - RGB, OPAQUE * 0], axis=2)
    options = {"planarconfig": "separate"} if planes else {}
    values = stored(np.moveaxis(inks, 2, 0) if planes else inks, sample)
    assert error(tmp_path / "a", tiff(values, photometric="separated", **options), RGB) < 2


def lab(kind):
    """(h, w, 3) of the picture in L*a*b*, as files have it: a and b signed."""
    image = Image.fromarray(np.rint(RGB * 255).astype(np.uint8))
    rgb, space = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    image = ImageCms.profileToProfile(image, rgb, space, outputMode="LAB")
    values = np.frombuffer(image.tobytes("raw", "LAB"), np.uint8).reshape(HEIGHT, WIDTH, 3)
    if kind == "icclab":
        return values ^ np.array([0, 128, 128], np.uint8)
    if kind == "cielab":
        return values
    light, colours = values[:, :, :1].astype(int) * 257, values[:, :, 1:].view(np.int8)
    return np.concatenate([light, colours.astype(int) * 256], axis=2).astype(np.uint16)


@pytest.mark.parametrize("kind", ["cielab", "icclab", "cielab of 16 bits"])
@pytest.mark.parametrize("alpha", [False, True])
def test_lab(kind, alpha, tmp_path):
    values, options = lab(kind), {"photometric": kind.split()[0]}
    if alpha:
        full = np.full((HEIGHT, WIDTH, 1), np.iinfo(values.dtype).max, values.dtype)
        values, options["extrasamples"] = np.concatenate([values, full], axis=2), ["unassalpha"]
    assert error(tmp_path / "a", tiff(values, **options), RGB) < 4


@pytest.mark.parametrize("bits", [1, 2, 4, 10, 12, 14])
@pytest.mark.parametrize("kind", ["minisblack", "miniswhite", "rgb"])
def test_packed_bits(bits, kind, tmp_path):
    if bits == 1 and kind == "rgb":
        return
    top = 2**bits - 1
    levels = np.rint((RGB if kind == "rgb" else GREY) * top)
    values = (top - levels if kind == "miniswhite" else levels).astype("u1" if bits < 9 else "u2")
    values = values.astype(bool) if bits == 1 else values
    data = tiff(values, photometric=kind, bitspersample=bits)
    assert error(tmp_path / "a", data, levels / top) < (12 if bits == 1 else 2)


@pytest.mark.parametrize("compression", ["jpeg", "webp", "jpeg2000", "zstd", "lzma", "png"])
def test_compressions(compression, tmp_path, capfd):
    data = tiff(stored(RGB, "u1"), photometric="rgb", compression=compression)
    assert error(tmp_path / "a", data, RGB) < 4
    assert capfd.readouterr() == ("", "")  # libtiff writes to stderr by itself


@pytest.mark.parametrize("over", [1.01, 1.1, 1.5])
@pytest.mark.parametrize("share", [1, 20], ids=["a row", "nearly half"])
def test_floats_a_little_above_one(over, share, tmp_path):
    values = GREY.astype(np.float32)
    values[:share] = over
    data = tiff(values, photometric="minisblack")
    assert error(tmp_path / "a", data, values.clip(0, 1)) < 2
    colours = (RGB * over).astype(np.float32)
    assert error(tmp_path / "a", tiff(colours, photometric="rgb"), colours.clip(0, 1)) < 2


def test_outliers_and_ringing_of_floats(tmp_path):
    values = GREY.astype(np.float32)
    values[0, 0], values[9, 9] = 1e9, np.nan
    assert error(tmp_path / "a", tiff(values, photometric="minisblack"), GREY) < 2
    ringing = (GREY * 1.02 - 0.01).astype(np.float32)
    assert error(tmp_path / "a", tiff(ringing, photometric="minisblack"), GREY) < 3
    scaled = (GREY * 5000).astype(np.float32)
    scaled[5, 5] = 1e9
    assert error(tmp_path / "a", tiff(scaled, photometric="minisblack"), GREY) < 3


@pytest.mark.parametrize("top", [255, 4095, 1_000_000, 2**32 - 1])
def test_integers_use_the_depth_that_is_in_use(top, tmp_path):
    data = tiff(np.rint(GREY * top).astype(np.uint32), photometric="minisblack")
    assert error(tmp_path / "a", data, GREY) < 2


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("sample", ["u1", "u2"])
def test_orientation_and_profile(orientation, sample, tmp_path):
    tag = [(274, "H", 1, orientation, True)]
    data = tiff(stored(RGB, sample), photometric="rgb", extratags=tag)
    plain = tiff(stored(RGB, "u1"), photometric="rgb", extratags=tag)
    picture, same = (decode(write(tmp_path / n, d), 28) for n, d in (("a", data), ("b", plain)))
    sideways = orientation > 4
    assert (picture.width, picture.height) == ((HEIGHT, WIDTH) if sideways else (WIDTH, HEIGHT))
    assert np.abs(picture.pixels.astype(int) - same.pixels).max() <= 1


# --- pages


def pages(*written):
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        for values, options in written:
            file.write(values, metadata=None, photometric="rgb", **options)
    return buffer.getvalue()


FULL = stored(RGB, "u1")
OTHER = 255 - FULL


@pytest.mark.parametrize(
    "data",
    [
        pages((FULL[::2, ::2], {"subfiletype": 1}), (FULL, {})),
        pages((OTHER[::2, ::2], {"subfiletype": 1}), (FULL, {}), (OTHER, {})),
        pages((FULL[::2, ::2], {"subfiletype": 1, "subifds": 1}), (FULL, {"subfiletype": 0})),
        pages((FULL[::2, ::2], {"extratags": [(255, "H", 1, 2, True)]}), (FULL, {})),
        pages((FULL[::2, ::2], {}), (FULL, {})),
        pages((FULL, {}), (FULL[::2, ::2], {"subfiletype": 1})),
        pages((FULL, {}), (OTHER.repeat(2, axis=0).repeat(2, axis=1), {})),
        pages((FULL, {}), (OTHER, {})),
    ],
    ids=[
        *("flagged", "first full", "below", "old flag", "unflagged copy", "copy second"),
        *("second larger but another", "two pages"),
    ],
)
def test_the_full_page_is_taken(data, tmp_path):
    assert error(tmp_path / "a", data, RGB) < 2


# --- what is refused


def test_colours_that_are_not_known(tmp_path):
    data = bytearray(tiff(stored(RGB, "u2"), photometric="rgb"))
    place = data.index(struct.pack("<HHIH", 262, 3, 1, 2))
    data[place + 8 : place + 10] = struct.pack("<H", 32845)  # LogLuv
    with pytest.raises(DecodeError, match="a kind of TIFF that cannot be read right"):
        decode(write(tmp_path / "a.tif", bytes(data)), 28)


def test_samples_that_are_no_levels(tmp_path):
    data = tiff(GREY.astype(np.complex64), photometric="minisblack")
    with pytest.raises(DecodeError, match="samples that are no levels"):
        decode(write(tmp_path / "a.tif", data), 28)


@pytest.mark.parametrize("sample", ["u1", "u2", "f4"])
@pytest.mark.parametrize("compression", [None, "deflate"])
def test_a_cut_file(sample, compression, tmp_path):
    noise = np.random.default_rng(0).random((90, 120, 3))
    data = tiff(stored(noise, sample), photometric="rgb", compression=compression)
    for part in (0.3, 0.6, 0.95):
        with pytest.raises(DecodeError, match=r"^(truncated|damaged|not a picture)"):
            decode(write(tmp_path / "a.tif", data[: int(len(data) * part)]), 28)


@pytest.mark.parametrize("big", [False, True])
def test_the_limit_holds_before_anything_is_decoded(big, tmp_path):
    data = tiff(stored(RGB, "u2"), photometric="rgb", bigtiff=big)
    with pytest.raises(DecodeError, match=r"megapixels \(64×48\); see --max-pixels"):
        decode(write(tmp_path / "a.tif", data), 28, max_pixels=3071)
