from __future__ import annotations

import contextlib
import io
import os
import random
import struct
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageFile

from itae_cluster.core.errors import DecodeError
from itae_cluster.core.types import Picture
from itae_cluster.pictures import formats
from itae_cluster.pictures.decode import decode, read_thumbnail, thumbnail
from itae_cluster.pictures.flatten import flatten
from support.pictures import (
    ORIENTATION,
    encoded,
    huge_bmp,
    huge_png,
    png,
    png16,
    scene,
    with_orientation,
    write,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

formats.register()
WHITE = (255, 255, 255)


def _array(image: Image.Image) -> NDArray[np.float64]:
    return np.asarray(image, dtype=np.float64)


def _difference(one: Image.Image | NDArray[np.uint8], two: Image.Image) -> float:
    first = _array(one) if isinstance(one, Image.Image) else one.astype(np.float64)
    return float(np.abs(first - _array(two)).mean())


def _opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def _reason(path: str) -> str:
    with pytest.raises(DecodeError) as caught:
        decode(path, 28)
    reason = str(caught.value)
    assert "\n" not in reason
    assert len(reason) < 150
    return reason


# --- preprocessing


@pytest.mark.parametrize("size", [14, 224])
def test_pixels_are_those_of_torchvision(tmp_path: Path, size: int) -> None:
    from torchvision.transforms import InterpolationMode, v2

    noise = np.random.default_rng(0).integers(0, 256, (301, 457, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    picture = decode(write(tmp_path / "a.png", encoded(image, "PNG")), size)
    resize = v2.Resize((size, size), InterpolationMode.BICUBIC, antialias=True)
    assert np.array_equal(picture.pixels, np.asarray(resize(image)))
    assert (picture.width, picture.height) == (457, 301)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 20_000), (20_000, 1), (3, 2)])
def test_extreme_shapes(tmp_path: Path, width: int, height: int) -> None:
    path = write(tmp_path / "a.png", encoded(Image.new("RGB", (width, height), "red"), "PNG"))
    pixels = decode(path, 28).pixels
    assert pixels.shape == (28, 28, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    assert (pixels == (255, 0, 0)).all()


# --- formats and modes

_LOSSLESS = [("PNG", {}), ("TIFF", {}), ("BMP", {}), ("WEBP", {"lossless": True}), ("TGA", {})]
_LOSSY = [("JPEG", {"quality": 95}), ("AVIF", {"quality": 95}), ("HEIF", {"quality": 95})]


@pytest.mark.parametrize(("kind", "options"), [*_LOSSLESS, *_LOSSY, ("JPEG2000", {})])
def test_each_format(tmp_path: Path, kind: str, options: dict[str, object]) -> None:
    path = write(tmp_path / "a", encoded(scene(), kind, **options))
    expected = scene().resize((28, 28), Image.Resampling.BICUBIC)
    assert _difference(decode(path, 28).pixels, expected) < 4


def test_the_suffix_does_not_matter(tmp_path: Path) -> None:
    data = encoded(scene(), "PNG")
    assert np.array_equal(
        decode(write(tmp_path / "a.jpg", data), 28).pixels,
        decode(write(tmp_path / "a.png", data), 28).pixels,
    )


@pytest.mark.parametrize("mode", ["1", "L", "P", "YCbCr", "HSV", "CMYK", "RGBX", "RGB"])
def test_colour_modes_look_like_the_picture(mode: str) -> None:
    image = scene().convert(mode)
    result = flatten(image)
    assert (result.mode, result.size) == ("RGB", image.size)
    grey = mode in {"1", "L"}
    close_to = scene().convert("L").convert("RGB") if grey else scene()
    assert _difference(result, close_to) < (130 if mode == "1" else 20 if mode == "P" else 3)


def test_cmyk_jpeg(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jpg", encoded(scene().convert("CMYK"), "JPEG", quality=95))
    expected = scene().resize((28, 28), Image.Resampling.BICUBIC)
    assert _difference(decode(path, 28).pixels, expected) < 4


def test_lab_comes_back_as_the_colour_it_was() -> None:
    from PIL import ImageCms

    rgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    image = ImageCms.profileToProfile(scene(), rgb, lab, outputMode="LAB")
    assert image is not None
    assert image.mode == "LAB"
    assert _difference(flatten(image), scene()) < 4


# --- more than 8 bits

_RAMP = np.linspace(0, 65535, 256).round().astype(np.uint16)[None, :].repeat(4, axis=0)
_GREY = np.arange(256, dtype=np.float64)[None, :, None].repeat(4, axis=0).repeat(3, axis=2)


def _tiff(image: Image.Image) -> Image.Image:
    return _opened(encoded(image, "TIFF"))


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I"])
def test_16_bit_grey_is_scaled_not_clipped(mode: str) -> None:
    kinds = {"I;16": "<u2", "I;16B": ">u2", "I": "<i4"}
    data = _RAMP.astype(kinds[mode]).tobytes()
    image = Image.frombytes(mode, (256, 4), data)
    assert np.abs(_array(flatten(image)) - _GREY).max() <= 1


def test_16_bit_png_and_tiff() -> None:
    assert np.abs(_array(flatten(_opened(png16(_RAMP)))) - _GREY).max() <= 1
    assert np.abs(_array(flatten(_tiff(Image.fromarray(_RAMP)))) - _GREY).max() <= 1


def test_16_bit_rgb_png() -> None:
    values = np.asarray(scene()).astype(np.uint16) * 257
    assert _difference(flatten(_opened(png16(values))), scene()) == 0


@pytest.mark.parametrize("top", [255, 4095, 65535])
def test_the_depth_in_use_is_found(top: int) -> None:
    ramp = np.linspace(0, top, 256).round().astype(np.uint16)[None, :].repeat(4, axis=0)
    assert np.abs(_array(flatten(Image.fromarray(ramp))) - _GREY).max() <= 1


def test_16_bit_grey_with_a_transparent_value() -> None:
    image = _opened(png16(_RAMP, extra=[(b"tRNS", struct.pack(">H", int(_RAMP[0, 9])))]))
    pixels = _array(flatten(image))
    assert (pixels[:, 9] == WHITE).all()
    assert np.abs(np.delete(pixels - _GREY, 9, axis=1)).max() <= 1


def test_16_bit_rgb_with_a_transparent_colour() -> None:
    values = np.zeros((2, 2, 3), np.uint16)
    values[0, 0] = (0xC012, 0x8034, 0x4056)
    extra = [(b"tRNS", struct.pack(">HHH", 0xC012, 0x8034, 0x4056))]
    pixels = _array(flatten(_opened(png16(values, extra))))
    assert (pixels[0, 0] == WHITE).all()
    assert (pixels[1, 1] == 0).all()


_RANGES = [(0, 1), (0, 255), (-5, 5), (0, 1e6), (-3e38, 3e38), (-1e-36, 1e-36)]


@pytest.mark.parametrize(("low", "high"), _RANGES)
def test_floats_are_scaled(low: float, high: float) -> None:
    values = np.linspace(low, high, 256).astype(np.float32)[None, :].repeat(4, axis=0)
    assert np.abs(_array(flatten(Image.fromarray(values))) - _GREY).max() <= 1


@pytest.mark.parametrize(
    ("value", "level"), [(0.0, 0), (0.5, 128), (100.0, 100), (-5.0, 0), (1e9, 0)]
)
def test_one_float_everywhere(value: float, level: int) -> None:
    image = Image.fromarray(np.full((3, 3), value, np.float32))
    assert flatten(image).getextrema() == ((level, level),) * 3


def test_floats_that_are_no_numbers() -> None:
    values = np.array([[np.nan, -np.inf, 0.0, 0.5, 1.0, np.inf]], np.float32)
    (row,) = _array(flatten(Image.fromarray(values)))[:, :, 0]
    assert list(row) == [0, 0, 0, 128, 255, 255]
    constant = np.full((2, 2), np.nan, np.float32)
    assert flatten(Image.fromarray(constant)).getextrema() == ((0, 0),) * 3


def test_32_bit_integers_are_stretched() -> None:
    values = np.linspace(-1_000_000, 1_000_000, 256).round().astype(np.int32)
    image = Image.fromarray(values[None, :].repeat(4, axis=0))
    assert image.mode == "I"
    assert np.abs(_array(flatten(image)) - _GREY).max() <= 1


# --- transparency


def _half() -> Image.Image:
    """Left half opaque blue, right half fully transparent (over black)."""
    image = Image.new("RGBA", (8, 4), (0, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 4, 4))
    return image


def _is_half_on_white(image: Image.Image, left: tuple[int, ...] = (0, 0, 255)) -> bool:
    pixels = np.asarray(image)
    return bool((pixels[:, :4] == left).all() and (pixels[:, 4:] == WHITE).all())


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "GIF"])
def test_alpha_is_flattened_on_white(kind: str) -> None:
    assert _is_half_on_white(flatten(_opened(encoded(_half(), kind))))


def test_webp_alpha() -> None:
    assert _is_half_on_white(flatten(_opened(encoded(_half(), "WEBP", lossless=True))))


def test_premultiplied_alpha() -> None:
    assert _is_half_on_white(flatten(_half().convert("RGBa")))
    grey = _half().convert("LA").convert("La")
    assert _is_half_on_white(flatten(grey), left=(29, 29, 29))


def test_half_transparent_is_mixed_with_white() -> None:
    assert flatten(Image.new("RGBA", (1, 1), (0, 0, 0, 128))).getpixel((0, 0)) == (127, 127, 127)
    assert flatten(Image.new("LA", (1, 1), (0, 128))).getpixel((0, 0)) == (127, 127, 127)


def test_la_and_pa() -> None:
    for mode in ("LA", "PA"):
        left = (29, 29, 29) if mode == "LA" else (0, 0, 255)
        image = _half().convert("LA") if mode == "LA" else Image.new("PA", (8, 4))
        if mode == "PA":
            image.putpalette([0, 0, 255, 9, 9, 9])
            image.putalpha(_half().getchannel("A"))
        assert image.mode == mode
        assert _is_half_on_white(flatten(image), left)


@pytest.mark.parametrize("transparency", [1, b"\xff\x00"])
def test_palette_with_transparency(transparency: int | bytes) -> None:
    image = Image.new("P", (8, 4), 1)
    image.putpalette([0, 0, 255, 9, 9, 9])
    image.paste(0, (0, 0, 4, 4))
    assert _is_half_on_white(flatten(_opened(encoded(image, "PNG", transparency=transparency))))


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_transparent_colour(mode: str) -> None:
    left, right = (40, 200) if mode == "L" else ((1, 2, 3), (200, 100, 0))
    image = Image.new(mode, (8, 4), right)
    image.paste(left, (0, 0, 4, 4))
    shown = flatten(_opened(encoded(image, "PNG", transparency=right)))
    assert _is_half_on_white(shown, (40, 40, 40) if mode == "L" else (1, 2, 3))


def test_flatten_leaves_its_argument_alone() -> None:
    image = _opened(with_orientation(scene(), 6))
    image.load()
    before = (image.mode, image.size, dict(image.info), image.tobytes())
    flatten(image)
    assert (image.mode, image.size, dict(image.info), image.tobytes()) == before


# --- frames and orientation


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "MPO", "AVIF", "HEIF"])
def test_the_first_frame_is_taken(tmp_path: Path, kind: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert getattr(_opened(data), "n_frames", 1) == 3
    pixels = decode(write(tmp_path / "a", data), 14).pixels
    assert np.abs(pixels.astype(int) - (255, 0, 0)).max() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_orientation_is_put_upright(tmp_path: Path, orientation: int) -> None:
    path = write(tmp_path / "a.jpg", with_orientation(scene(), orientation))
    picture = decode(path, 28)
    assert (picture.width, picture.height) == scene().size
    expected = scene().resize((28, 28), Image.Resampling.BICUBIC)
    assert _difference(picture.pixels, expected) < 2
    assert _difference(_opened(read_thumbnail(path, 64)), scene()) < 4


@pytest.fixture
def decoded_sizes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The sizes at which files were decoded."""
    sizes: list[tuple[int, int]] = []
    flattened = flatten

    def recorded(image: Image.Image) -> Image.Image:
        image.load()
        sizes.append(image.size)
        return flattened(image)

    monkeypatch.setattr("itae_cluster.pictures.decode.flatten", recorded)
    return sizes


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_large_jpeg_is_decoded_at_reduced_scale(
    tmp_path: Path, orientation: int, decoded_sizes: list[tuple[int, int]]
) -> None:
    large = scene(800, 500)
    picture = decode(write(tmp_path / "a.jpg", with_orientation(large, orientation)), 28)
    assert (picture.width, picture.height) == large.size
    assert sorted(decoded_sizes[0]) == [63, 100]  # an eighth
    assert _difference(picture.pixels, large.resize((28, 28), Image.Resampling.BICUBIC)) < 2


@pytest.mark.parametrize(
    ("width", "height", "kind"), [(800, 83, "JPEG"), (83, 83, "JPEG"), (800, 500, "PNG")]
)
def test_a_small_side_or_another_format_is_decoded_whole(
    tmp_path: Path, width: int, height: int, kind: str, decoded_sizes: list[tuple[int, int]]
) -> None:
    data = encoded(scene(width, height), kind)
    picture = decode(write(tmp_path / "a", data), 28)
    assert decoded_sizes == [(width, height)]
    whole = _opened(data).resize((28, 28), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(picture.pixels, np.asarray(whole))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
def test_orientation_in_other_formats(tmp_path: Path, kind: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    stored = scene().transpose(Image.Transpose.ROTATE_90)
    data = encoded(stored, kind, exif=exif.tobytes())
    picture = decode(write(tmp_path / "a", data), 28)
    assert (picture.width, picture.height) == scene().size
    assert _difference(picture.pixels, scene().resize((28, 28))) < 6


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0garbage that is no TIFF header",
        b"Exif\0\0",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01\x03\0\x01\0\0\0\x06\0\0\0",
        b"Exif\0\0MM\0*\xff\xff\xff\xff",
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x04\0\0\0abc\0\0\0\0\0",
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63\0\0\0\0\0\0\0",
    ],
    ids=["garbage", "empty", "cut", "far-offset", "text", "out-of-range"],
)
def test_malformed_exif_does_not_cost_the_picture(tmp_path: Path, exif: bytes) -> None:
    path = write(tmp_path / "a.jpg", encoded(scene(), "JPEG", exif=exif))
    picture = decode(path, 28)
    assert {picture.width, picture.height} == set(scene().size)


def test_an_exif_reader_that_fails_does_not_cost_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Image.Image) -> Image.Exif:
        raise struct.error("unpack requires a buffer of 12 bytes")

    path = write(tmp_path / "a.jpg", with_orientation(scene(), 3))
    monkeypatch.setattr(Image.Image, "getexif", fail)
    assert decode(path, 28).width == scene().width


# --- what cannot be read


def test_reasons_of_files_that_are_no_pictures(tmp_path: Path) -> None:
    assert _reason(str(tmp_path / "missing.jpg")) == "no such file"
    assert _reason(str(tmp_path)) == "a folder, not a picture"
    assert _reason(write(tmp_path / "empty.jpg", b"")) == "empty file"
    text = write(tmp_path / "text.jpg", b"hello, I am a text\n" * 50)
    assert _reason(text) == "not a picture that can be read"
    assert _reason(write(tmp_path / "nul.jpg", bytes(5000))) == "not a picture that can be read"
    assert "embedded null" in _reason("a\0b.jpg")  # byte, or character from Python 3.13 on
    os.mkfifo(tmp_path / "pipe.jpg")
    assert _reason(str(tmp_path / "pipe.jpg")) == "not a regular file"
    assert "directory" in _reason(text + "/below.jpg")


def test_postscript_is_not_run(tmp_path: Path) -> None:
    data = encoded(scene(), "EPS")
    assert _reason(write(tmp_path / "a.eps", data)) == "not a picture that can be read"


def test_permission_denied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> os.stat_result:
        raise PermissionError(13, "Permission denied", path)

    path = write(tmp_path / "a.jpg")
    monkeypatch.setattr(os, "stat", refuse)
    with pytest.raises(DecodeError, match=r"^permission denied$") as caught:
        decode(path, 28)
    assert isinstance(caught.value.__cause__, PermissionError)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "HEIF"])
def test_a_truncated_file_is_an_error_with_a_reason(tmp_path: Path, kind: str) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    for part in (0.2, 0.5, 0.8):
        reason = _reason(write(tmp_path / "a", data[: int(len(data) * part)]))
        assert reason.startswith(("truncated", "damaged", "not a picture")), reason


def test_a_truncated_jpeg_says_so(tmp_path: Path) -> None:
    data = encoded(scene(200, 200), "JPEG")
    assert _reason(write(tmp_path / "a.jpg", data[: len(data) // 2])).startswith("truncated (")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "HEIF"])
def test_damaged_files_decode_or_have_a_reason(tmp_path: Path, kind: str) -> None:
    data = encoded(scene(), kind)
    dice = random.Random(kind)
    for _ in range(25):
        broken = bytearray(data)
        for _ in range(8):
            broken[dice.randrange(len(broken))] = dice.randrange(256)
        path = write(tmp_path / "a", bytes(broken))
        with contextlib.suppress(DecodeError):  # any other error, or a warning, fails the test
            assert decode(path, 14).pixels.shape == (14, 14, 3)


@pytest.mark.parametrize("data", [huge_png(), huge_bmp(), huge_png(25_000, 16_001)])
def test_a_header_that_claims_too_much_is_refused_at_once(tmp_path: Path, data: bytes) -> None:
    start = time.process_time()
    assert _reason(write(tmp_path / "a", data)).startswith("more than 400 megapixels")
    assert time.process_time() - start < 1


def test_the_limit_holds_when_another_library_lifts_pillows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    reason = _reason(write(tmp_path / "a.png", huge_png()))
    assert reason == "more than 400 megapixels; see --max-pixels"


def test_the_limit_can_be_lowered_and_raised(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", encoded(scene(64, 40), "PNG"))
    with pytest.raises(DecodeError, match=r"^more than 0.00255 megapixels; see --max-pixels$"):
        decode(path, 14, max_pixels=2550)
    assert decode(path, 14, max_pixels=2560).width == 64
    huge = write(tmp_path / "b.png", huge_png(25_000, 16_001))
    with pytest.raises(DecodeError, match=r"^(truncated|damaged)"):
        decode(huge, 14, max_pixels=500_000_000)


def test_200_megapixels_are_not_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", png(20_000, 10_001, b"\0", depth=1, colour=0))
    assert not _reason(path).startswith("more than")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "too large for the memory of this machine"),
        (OSError(5, "Input/output error"), "input/output error"),
        (EOFError(), "truncated (EOFError)"),
        (SyntaxError("bad\nheader \x1b[31m"), r"damaged (bad header \x1b[31m)"),
        (struct.error("short"), "damaged (short)"),
        (OverflowError("o" * 500), f"damaged ({'o' * 120})"),
    ],
)
def test_whatever_a_plugin_raises_becomes_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    def fail(self: ImageFile.ImageFile) -> None:
        raise error

    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    with pytest.raises(DecodeError) as caught:
        decode(write(tmp_path / "a.png"), 28)
    assert str(caught.value) == reason
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("signal", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signal: type[BaseException]
) -> None:
    def fail(self: ImageFile.ImageFile) -> None:
        raise signal

    monkeypatch.setattr(ImageFile.ImageFile, "load", fail)
    with pytest.raises(signal):
        decode(write(tmp_path / "a.png"), 28)


def test_pillows_warnings_neither_show_nor_cost_the_picture(tmp_path: Path) -> None:
    broken_apng = png(
        *(1, 1, b"\0\x80"), depth=8, colour=0, extra=[(b"acTL", struct.pack(">II", 0, 0))]
    )
    with pytest.warns(UserWarning, match="APNG"), _opened(broken_apng) as image:
        image.load()
    path = write(tmp_path / "a.png", broken_apng)
    with warnings.catch_warnings(record=True) as shown, ThreadPoolExecutor(4) as pool:
        warnings.simplefilter("always")
        for picture in pool.map(lambda _: decode(path, 14), range(32)):
            assert (picture.pixels == 128).all()
    assert shown == []


# --- thumbnails


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [
        *((64, 40, (96, 60)), (400, 640, (60, 96)), (5, 5, (96, 96))),
        *((1, 20_000, (8, 96)), (20_000, 1, (96, 8)), (4000, 3000, (96, 72))),
    ],
)
def test_thumbnails_have_the_shape_of_the_picture(
    tmp_path: Path, width: int, height: int, size: tuple[int, int]
) -> None:
    picture = Picture(np.full((28, 28, 3), 90, np.uint8), width, height)
    path = write(tmp_path / "a.jpg", encoded(Image.new("L", (width, height), 90), "JPEG"))
    for data in (thumbnail(picture, 96), read_thumbnail(path, 96)):
        image = _opened(data)
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", size)
        assert np.abs(_array(image) - 90).max() <= 2


def test_both_thumbnails_look_like_the_picture(tmp_path: Path) -> None:
    large = scene(1600, 1000)
    path = write(tmp_path / "a.jpg", encoded(large, "JPEG", quality=95))
    expected = scene(96, 60)
    assert _difference(_opened(read_thumbnail(path, 96)), expected) < 4
    assert _difference(_opened(thumbnail(decode(path, 224), 96)), expected) < 4


def test_a_thumbnail_read_from_a_file_is_sharp(tmp_path: Path) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (60, 96, 1), dtype=np.uint8).repeat(3, axis=2)
    detailed = Image.fromarray(noise)
    large = detailed.resize((384, 240), Image.Resampling.NEAREST)
    path = write(tmp_path / "a.jpg", encoded(large, "JPEG", quality=95))
    assert _difference(_opened(read_thumbnail(path, 96)), detailed) < 30


def test_a_thumbnail_of_no_picture_has_a_reason(tmp_path: Path) -> None:
    with pytest.raises(DecodeError, match="empty file"):
        read_thumbnail(write(tmp_path / "a.jpg", b""), 96)
