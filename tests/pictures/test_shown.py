"""What is shown of pictures with transparency, and of those with several frames."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageDraw

from itae_cluster.pictures import formats
from itae_cluster.pictures.decode import decode, read_thumbnail
from itae_cluster.pictures.flatten import flatten
from support.pictures import encoded, scene, write

formats.register()


def art(colour, *more, size=64):
    """A disc, and smaller ones on it, on nothing."""
    image = Image.new("RGBA", (size, size), (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    for number, fill in enumerate((colour, *more)):
        inset = 8 + 8 * number
        draw.ellipse((inset, inset, size - inset, size - inset), fill)
    return image


def contrast(image):
    """The difference in levels of the disc from what surrounds it."""
    pixels = np.asarray(flatten(image)).astype(int)
    return int(np.abs(pixels[32, 12] - pixels[0, 0]).max())


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "GIF", "TGA"])
@pytest.mark.parametrize("colour", ["white", (250, 250, 240), (235, 235, 235)])
def test_white_art_is_seen(kind, colour):
    options = {"lossless": True} if kind == "WEBP" else {}
    image = Image.open(io.BytesIO(encoded(art(colour), kind, **options)))
    assert contrast(image) > 100


@pytest.mark.parametrize("colour", ["black", "red", (128, 128, 128), (0, 0, 90), "yellow"])
def test_other_art_stays_on_white(colour):
    assert flatten(art(colour)).getpixel((0, 0)) == (255, 255, 255)


def test_white_art_with_some_black_and_grey_art():
    assert contrast(art("white", "black")) > 100
    assert contrast(art("white", "red")) > 100
    assert flatten(art("red", "white")).getpixel((0, 0)) == (255, 255, 255)


def test_white_art_of_other_modes(tmp_path):
    assert contrast(art("white").convert("LA")) > 100
    assert contrast(art("white").convert("RGBa")) > 100
    palette = Image.open(io.BytesIO(encoded(art("white").quantize(8), "PNG")))
    assert palette.mode == "P"
    assert contrast(palette) > 100
    path = write(tmp_path / "a.png", encoded(art("white"), "PNG"))
    assert decode(path, 56).pixels.std() > 50
    assert np.asarray(Image.open(io.BytesIO(read_thumbnail(path, 64)))).std() > 50


def test_nothing_to_be_seen_is_white():
    clear = Image.new("RGBA", (9, 9), (10, 20, 30, 0))
    assert flatten(clear).getextrema() == ((255, 255),) * 3


# --- an alpha channel that was never set


def bitmap(alpha):
    """A 32-bit BMP with a header of version 5, which declares an alpha channel."""
    width, height = scene().size
    layer = scene().convert("RGBA")
    layer.putalpha(alpha)
    rows = layer.transpose(Image.Transpose.FLIP_TOP_BOTTOM).tobytes("raw", "BGRA")
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    head = struct.pack("<IiiHHIIiiII", 124, width, height, 1, 32, 3, len(rows), 2835, 2835, 0, 0)
    head = (head + masks + b"BGRs").ljust(124, b"\0")
    return b"BM" + struct.pack("<IHHI", 14 + 124 + len(rows), 0, 0, 14 + 124) + head + rows


@pytest.mark.parametrize("kind", ["BMP", "TGA", "TGA, compressed"])
def test_an_alpha_of_zeros_means_opaque(kind):
    layer = scene().convert("RGBA")
    layer.putalpha(0)
    options = {"compression": "tga_rle"} if "," in kind else {}
    data = bitmap(0) if kind == "BMP" else encoded(layer, "TGA", **options)
    assert np.array_equal(np.asarray(flatten(Image.open(io.BytesIO(data)))), np.asarray(scene()))


def test_any_other_alpha_counts():
    image = flatten(Image.open(io.BytesIO(bitmap(128))))
    assert np.abs(np.asarray(image).astype(int) - (np.asarray(scene()) / 2 + 127)).max() <= 2


# --- frames

EMPTY = {
    "black": Image.new("RGB", (64, 40), "black"),
    "white": Image.new("RGB", (64, 40), "white"),
    "clear": Image.new("RGBA", (64, 40), (0, 0, 0, 0)),
}


@pytest.mark.parametrize("empty", EMPTY)
@pytest.mark.parametrize("before", [1, 3])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("GIF", {}),
        ("PNG", {}),
        ("PNG", {"default_image": True}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("AVIF", {}),
    ],
)
def test_the_first_frame_that_shows_something(empty, before, kind, options, tmp_path):
    frames = [EMPTY[empty].copy() for _ in range(before)]
    for number, frame in enumerate(frames):  # or some encoders take them for one
        first = frame.getpixel((0, 0))
        frame.putpixel((0, 0), tuple(abs(level - 2 * number) for level in first))
    shown = scene().convert(frames[0].mode)
    data = encoded(frames[0], kind, save_all=True, append_images=[*frames[1:], shown], **options)
    pixels = decode(write(tmp_path / "a", data), 28).pixels.astype(int)
    expected = np.asarray(scene().resize((28, 28), Image.Resampling.BICUBIC))
    assert np.abs(pixels - expected).mean() < 16


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_a_film_that_shows_nothing_keeps_its_first_frame(kind, tmp_path):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("black", "white", "black")]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert decode(write(tmp_path / "a", data), 14).pixels.max() <= 12


def test_a_film_cut_behind_its_empty_frame(tmp_path):
    frames = [Image.new("RGB", (64, 40)), scene()]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert decode(write(tmp_path / "a.gif", data[:-900]), 14).pixels.shape == (14, 14, 3)
