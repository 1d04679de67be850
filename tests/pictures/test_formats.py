from __future__ import annotations

import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from itae_cluster.core.options import MAX_PIXELS
from itae_cluster.pictures import formats
from support.pictures import encoded, huge_png, scene, write

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "suffix",
    [
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".webp", ".bmp", ".tif"),
        *(".tiff", ".avif", ".heic", ".heif", ".hif", ".jp2", ".mpo", ".psd", ".tga", ".ico"),
    ],
)
def test_pictures_are_known_by_suffix(suffix: str) -> None:
    assert suffix in formats.picture_suffixes()


@pytest.mark.parametrize(
    "suffix",
    [
        *(".mpg", ".mpeg", ".h5", ".hdf", ".grib", ".bufr", ".eps", ".ps", ".pdf", ".fit"),
        *(".msp", ".pcd", ".gbr", ".pfm", ".im", ".vst", ".txt", ".mp4", ".json", ""),
    ],
)
def test_other_files_are_not(suffix: str) -> None:
    assert suffix not in formats.picture_suffixes()


def test_suffixes_are_lower_case_with_a_dot() -> None:
    assert all(s.startswith(".") and s == s.lower() for s in formats.picture_suffixes())


def test_no_interpreter_is_ever_started_for_a_picture() -> None:
    assert "EPS" not in formats.decodable_formats()
    assert {"JPEG", "PNG", "HEIF", "AVIF"} <= set(formats.decodable_formats())


def test_register_is_idempotent_and_safe_in_threads() -> None:
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(formats.register) for _ in range(16)]:
            done.result()
    assert Image.ID.count("HEIF") == 1
    assert Image.MAX_IMAGE_PIXELS == MAX_PIXELS // 2


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "AVIF", "HEIF", "TIFF", "BMP"])
def test_a_picture_is_known_by_its_content(tmp_path: Path, kind: str) -> None:
    formats.register()
    assert formats.looks_like_picture(write(tmp_path / "a", encoded(scene(), kind)))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"#!/bin/sh\necho hello\n",
        b"P",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n",
        b"\x7fELF" + bytes(400),
        bytes(range(256)) * 20,
        b"\0" * 4096,
    ],
)
def test_other_content_is_no_picture(tmp_path: Path, content: bytes) -> None:
    assert not formats.looks_like_picture(write(tmp_path / "a", content))


def test_noise_is_no_picture(tmp_path: Path) -> None:
    for number in range(50):
        assert not formats.looks_like_picture(write(tmp_path / str(number), os.urandom(1000)))


def test_a_file_that_cannot_be_opened_is_no_picture(tmp_path: Path) -> None:
    assert not formats.looks_like_picture(str(tmp_path / "missing"))
    assert not formats.looks_like_picture(str(tmp_path))


def test_a_picture_too_large_is_still_one(tmp_path: Path) -> None:
    assert formats.looks_like_picture(write(tmp_path / "a", huge_png()))


def _warn_from(module: str) -> None:
    exec("import warnings; warnings.warn('odd picture')", {"__name__": module})


def test_warnings_of_pillow_are_contained_in_every_thread() -> None:
    meet = threading.Barrier(4)

    def work() -> None:
        with formats.contain_warnings():
            meet.wait()
            _warn_from("PIL.TiffImagePlugin")
            _warn_from("pillow_heif.misc")

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work) for _ in range(4)]:
            done.result()


def test_warnings_of_others_are_not_contained() -> None:
    with formats.contain_warnings(), pytest.raises(UserWarning, match="odd picture"):
        _warn_from("numpy.core")


def test_a_filter_set_later_does_not_hide_ours() -> None:
    with formats.contain_warnings():
        pass
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with formats.contain_warnings():
            _warn_from("PIL.Image")
