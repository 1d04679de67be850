"""The cache: what is found again, what is not, and what happens to one that fails."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from itae_cluster.cli.parameters import parse_size
from itae_cluster.core import cache_file, cache_tables
from itae_cluster.core.cache import Cache
from itae_cluster.core.errors import UsageError
from itae_cluster.core.files import read_digest
from itae_cluster.core.options import ModelOptions
from itae_cluster.core.run import Run
from itae_cluster.embedding.embed import embed_files
from itae_cluster.embedding.vector_cache import fingerprint
from itae_cluster.preview.thumbnails import complete_thumbnails
from support.fakes import RECIPE, KnownEncoder, MeanColourEncoder, RecordingReporter

LONG_AGO = time.time() - 3600
TWO = ModelOptions(batch_size=2)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "cache" / "embeddings.sqlite")


@pytest.fixture
def files(tmp_path):
    """Six different pictures, an hour old."""
    folder = tmp_path / "photos"
    folder.mkdir()
    return [picture(folder / f"{number}.png", number * 40) for number in range(6)]


def picture(path, level):
    Image.new("RGB", (20, 10), (level, 255 - level, 9)).save(path)
    os.utime(path, (LONG_AGO, LONG_AGO))
    return str(path)


def run(path, files, reporter=None, encoder=None):
    """One embedding pass; how many pictures went through the model, and the result."""
    encoder, reporter = encoder or KnownEncoder(), reporter or RecordingReporter()
    with Cache(path, reporter) as cache:
        found = embed_files(files, TWO, encoder, cache=cache, reporter=reporter)
    return sum(encoder.batches), found


def vectors(n, dim=4, seed=0):
    return np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)


def contents(n):
    return [number.to_bytes(32, "big") for number in range(n)]


def test_the_second_run_embeds_nothing_and_finds_the_same(path, files):
    first, one = run(path, files)
    second, two = run(path, files)
    assert (first, second) == (6, 0)
    np.testing.assert_array_equal(one.vectors, two.vectors)
    assert one.paths == two.paths


def test_the_second_run_does_not_even_read(path, files, monkeypatch):
    run(path, files)
    monkeypatch.setattr("itae_cluster.pictures.decoders.Decoders.digest_each", None)
    assert run(path, files)[0] == 0


def test_renamed_moved_and_touched_files_keep_their_vectors(path, files, tmp_path):
    _, one = run(path, files)
    os.rename(files[0], tmp_path / "renamed.png")
    os.utime(files[1])
    moved = [str(tmp_path / "renamed.png"), *files[1:]]
    embedded, two = run(path, moved)
    assert embedded == 0
    np.testing.assert_array_equal(one.vectors, two.vectors)


def test_changed_content_is_embedded_anew_even_at_the_same_size(path, files):
    _, one = run(path, files)
    with open(files[2], "rb") as file:
        size = len(file.read())
    picture(files[2], 255)
    os.truncate(files[2], max(size, os.path.getsize(files[2])))
    os.utime(files[2], (LONG_AGO + 10, LONG_AGO + 10))
    embedded, two = run(path, files)
    assert embedded == 1
    assert abs(one.vectors[2] - two.vectors[2]).max() > 0.1
    np.testing.assert_array_equal(np.delete(one.vectors, 2, 0), np.delete(two.vectors, 2, 0))


def test_a_file_written_just_now_is_read_again(path, files):
    """Its time of change may not tell a change that follows at once."""
    os.utime(files[0])
    run(path, files)
    with Cache(path, RecordingReporter()) as cache:
        known = cache.digests(files)
    assert known[0] is None
    assert all(known[1:])


@pytest.mark.parametrize("changed", ["weights_sha256", "theta", "size", "precision"])
def test_another_recipe_shares_nothing(path, files, changed):
    run(path, files)
    other = KnownEncoder()
    other.metadata = {**other.metadata, changed: "other"}
    if changed == "size":
        other.metadata["size"] = 42
    assert run(path, files, encoder=other)[0] == 6


def test_an_encoder_of_unknown_weights_keeps_nothing(path, files):
    assert fingerprint(MeanColourEncoder.metadata) is None
    for _ in range(2):
        assert run(path, files, encoder=MeanColourEncoder())[0] == 6


def test_skipped_files_leave_the_rows_of_the_others_right(path, files):
    with open(files[1], "wb") as file:
        file.write(b"no picture")
    _, one = run(path, files)
    embedded, two = run(path, files)
    assert embedded == 0
    assert one.paths == two.paths == (files[0], *files[2:])
    np.testing.assert_array_equal(one.vectors, two.vectors)
    assert [s.path for s in two.skipped] == [files[1]]


def test_an_interrupted_run_resumes_where_it_stopped(path, files):
    encoder = KnownEncoder()
    encode = encoder.encode

    def interrupted(pixels):
        if sum(encoder.batches) == 4:
            raise KeyboardInterrupt
        return encode(pixels)

    encoder.encode = interrupted
    with pytest.raises(KeyboardInterrupt):
        run(path, files, encoder=encoder)
    assert run(path, files)[0] == 2


def test_many_rows_come_back_in_their_places(path):
    n = 3 * cache_tables.QUERY_ROWS + 7
    stored, wanted = contents(n), vectors(n)
    order = np.random.default_rng(1).permutation(n)
    asked = [stored[i] for i in order] + [None, b"unknown", stored[5]]
    out = np.full((len(asked), 4), 7, dtype=np.float32)
    with Cache(path, RecordingReporter()) as cache:
        recipe = cache.recipe(RECIPE)
        cache.store(recipe, stored, wanted)
        found = cache.fill(recipe, asked, out)
    assert found.tolist() == [True] * n + [False, False, True]
    np.testing.assert_array_equal(out[:n], wanted[order])
    np.testing.assert_array_equal(out[n:], [[7] * 4, [7] * 4, wanted[5]])


def test_thumbnails_and_maps_are_kept(path, files, monkeypatch):
    run(path, files)
    with Cache(path, RecordingReporter()) as cache:
        first = dict(
            complete_thumbnails({}, {}, files, Run(reporter=RecordingReporter(), cache=cache))
        )
        monkeypatch.setattr("itae_cluster.preview.thumbnails.read_thumbnail", None)
        assert (
            dict(complete_thumbnails({}, {}, files, Run(reporter=RecordingReporter(), cache=cache)))
            == first
        )
        assert cache.coordinates("key") is None
        cache.store_coordinates("key", vectors(5, 2))
        np.testing.assert_array_equal(cache.coordinates("key"), vectors(5, 2))


def test_thumbnails_of_another_way_to_read_pictures_are_made_anew(path, files, monkeypatch):
    run(path, files)
    with Cache(path, RecordingReporter()) as cache:
        cache.store_thumbnails(dict.fromkeys(files, b"of wrong colours"), 2)
        assert cache.thumbnails(files, 2) == dict.fromkeys(files, b"of wrong colours")
        made = complete_thumbnails({}, {}, files, Run(reporter=RecordingReporter(), cache=cache))
        assert all(jpeg.startswith(b"\xff\xd8") for jpeg in made.values())


def test_thumbnails_of_0_1_0_are_not_shown(path, files):
    run(path, files)
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        rows = db.execute("SELECT content FROM files").fetchall()
        db.executemany("INSERT INTO thumbnails VALUES (?, x'00', 1)", rows)
    with Cache(path, RecordingReporter()) as cache:
        assert len(rows) == len(files)
        made = complete_thumbnails({}, {}, files, Run(reporter=RecordingReporter(), cache=cache))
        assert all(jpeg.startswith(b"\xff\xd8") for jpeg in made.values())


# Several at once ------------------------------------------------------------------------------


def test_threads_share_a_cache(path):
    with Cache(path, RecordingReporter()) as cache:
        recipe = cache.recipe(RECIPE)

        def work(number):
            cache.store(recipe, [number.to_bytes(32, "big")], vectors(1, seed=number))
            out = np.empty((1, 4), dtype=np.float32)
            return cache.fill(recipe, [number.to_bytes(32, "big")], out)[0]

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(work, range(200)))
        assert cache.info().vectors == 200


WRITER = """
import sys, numpy as np
sys.path.insert(0, {tests!r})
from support.fakes import RecordingReporter
from itae_cluster.core.cache import Cache
first, reporter = int(sys.argv[1]), RecordingReporter()
cache = Cache({path!r}, reporter)
recipe = cache.recipe({recipe!r})
for number in range(first, first + 100):
    cache.store(recipe, [number.to_bytes(32, "big")], np.full((1, 4), number, np.float32))
    print(number, flush=True)
assert not reporter.warnings, reporter.warnings
if first == 0:
    import time
    time.sleep(60)
"""


def writer(path, first):
    script = WRITER.format(
        tests=os.path.dirname(os.path.dirname(__file__)), path=path, recipe=RECIPE
    )
    command = [sys.executable, "-c", script, str(first)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_processes_write_at_once_and_a_killed_one_loses_nothing_it_stored(path):
    with writer(path, 0) as killed, writer(path, 1000) as other:
        for line in killed.stdout:
            if line == "99\n":
                break
        killed.kill()
        other.communicate()
    assert other.returncode == 0
    reporter = RecordingReporter()
    with Cache(path, reporter) as cache:
        asked = [n.to_bytes(32, "big") for n in [*range(100), *range(1000, 1100)]]
        out = np.empty((200, 4), dtype=np.float32)
        assert cache.fill(cache.recipe(RECIPE), asked, out).all()
    assert out[:, 0].tolist() == [*range(100), *range(1000, 1100)]
    assert not reporter.warnings


def test_a_file_that_another_holds_while_it_is_opened_is_waited_for(path, monkeypatch):
    with Cache(path, RecordingReporter()):
        pass
    tried = []

    def connect(where):
        tried.append(where)
        if len(tried) < 3:
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise error
        return original(where)

    original = cache_file._connect
    monkeypatch.setattr(cache_file, "_connect", connect)
    reporter = RecordingReporter()
    with Cache(path, reporter) as cache:
        assert cache.recipe(RECIPE)
    assert len(tried) == 3
    assert not reporter.warnings


@pytest.mark.parametrize("damage", ["garbage", "header", "cut", "pages"])
def test_a_damaged_file_is_set_aside_and_the_run_goes_on(path, files, damage):
    run(path, files)
    with open(path, "rb") as file:
        content = bytearray(file.read())
    if damage == "garbage":
        content = bytearray(b"this is no database" * 500)
    elif damage == "header":
        content[:16] = bytes(16)
    elif damage == "cut":
        content = content[: len(content) // 2]
    else:
        content[4096:] = b"\x5a" * (len(content) - 4096)
    with open(path, "wb") as file:
        file.write(content)
    reporter = RecordingReporter()
    assert len(run(path, files, reporter)[1].paths) == 6
    (warning,) = reporter.warnings
    assert "damaged; it was set aside as embeddings.sqlite.damaged-" in warning
    names = os.listdir(os.path.dirname(path))
    assert any(name.startswith("embeddings.sqlite.damaged-") for name in names)
    run(path, files)
    assert run(path, files)[0] == 0


def test_a_flipped_bit_in_a_vector_is_no_vector(path):
    with Cache(path, RecordingReporter()) as cache:
        recipe = cache.recipe(RECIPE)
        cache.store(recipe, contents(2), vectors(2))
    with sqlite3.connect(path) as db:
        (raw,) = db.execute("SELECT vector FROM vectors WHERE id = 1").fetchone()
        flipped = bytes([raw[0] ^ 1]) + raw[1:]
        db.execute("UPDATE vectors SET vector = ? WHERE id = 1", (flipped,))
    db.close()
    with Cache(path, RecordingReporter()) as cache:
        out = np.empty((2, 4), dtype=np.float32)
        assert cache.fill(recipe, contents(2), out).tolist() == [False, True]


def test_a_cache_of_an_earlier_version_gets_what_it_lacks(path, files):
    with Cache(path, RecordingReporter()) as cache:
        cache.remember([read_digest(files[0])])
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript("DROP TABLE notes; PRAGMA user_version = 1")
    reporter = RecordingReporter()
    with Cache(path, reporter) as cache:
        cache.store_note({"of": "now"}, 3)
        assert cache.note({"of": "now"}) == 3
        assert cache.digests(files[:1]) != [None]
    assert reporter.warnings == []


def test_a_cache_of_a_newer_version_is_left_alone(path, files):
    run(path, files)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    reporter = RecordingReporter()
    assert run(path, files, reporter)[0] == 6
    assert "made by a newer version" in reporter.warnings[0]
    assert os.listdir(os.path.dirname(path)).count("embeddings.sqlite") == 1


def test_a_folder_that_cannot_be_made_ends_no_run(tmp_path, files):
    (tmp_path / "file").write_bytes(b"")
    reporter = RecordingReporter()
    embedded, _ = run(str(tmp_path / "file" / "cache.sqlite"), files, reporter)
    assert embedded == 6
    assert len(reporter.warnings) == 1
    assert "give another folder with --cache DIR, or --no-cache" in reporter.warnings[0]


def connect_to_a_full_disk(path, connect=sqlite3.connect, **options):
    db = connect(path, **options)
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    db.execute(f"PRAGMA max_page_count = {pages + 1}")
    return db


def test_a_full_disk_ends_no_run_and_is_told_once(path, files, monkeypatch):
    reporter = RecordingReporter()
    Cache(path, reporter).close()
    monkeypatch.setattr(sqlite3, "connect", connect_to_a_full_disk)
    cache = Cache(path, reporter)
    many = vectors(600, 384)
    cache.store(cache.recipe(RECIPE), contents(600), many)
    assert not cache.is_open
    assert len(reporter.warnings) == 1
    assert "full" in reporter.warnings[0]
    result = embed_files(files, TWO, KnownEncoder(), cache=cache, reporter=reporter)
    assert len(result.paths) == 6
    assert len(reporter.warnings) == 1


def test_only_the_owner_may_read_it(path, files):
    run(path, files)
    assert os.stat(path).st_mode & 0o077 == 0
    assert os.stat(os.path.dirname(path)).st_mode & 0o077 == 0


def test_what_was_not_used_for_longest_goes_first(path, monkeypatch):
    many, digests = vectors(3000, 384), contents(3000)
    with Cache(path, RecordingReporter()) as cache:
        recipe = cache.recipe(RECIPE)
        cache.store(recipe, digests[:1500], many[:1500])
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 86_400)
        cache.store(recipe, digests[1500:], many[1500:])
        out = np.empty((3000, 384), dtype=np.float32)
        monkeypatch.setattr(time, "time", lambda: now + 2 * 86_400)
        cache.fill(recipe, digests[:500], out)  # used again
        before = cache.info().bytes
        dropped = cache.prune(before // 2)
        found = cache.fill(recipe, digests, out)
    assert 1000 < dropped < 2500
    assert found[:500].all()
    assert not found[500:1500].any()
    assert os.path.getsize(path) <= before // 2 + 100_000


def test_the_size_is_bounded_when_a_cache_is_closed(path):
    with Cache(path, RecordingReporter(), max_bytes=600_000) as cache:
        cache.store(cache.recipe(RECIPE), contents(2000), vectors(2000, 384))
    assert os.path.getsize(path) <= 700_000


def test_a_second_run_on_one_day_writes_nothing(path, files):
    run(path, files)
    with open(path, "rb") as file:
        before = file.read()
    run(path, files)
    with open(path, "rb") as file:
        assert file.read() == before


@pytest.mark.parametrize(
    ("text", "size"), [("500M", 5e8), ("2G", 2e9), ("1.5g", 1.5e9), ("0", 0), ("7 KB", 7000)]
)
def test_sizes(text, size):
    assert parse_size("--max-size", text) == size


@pytest.mark.parametrize("text", ["", "big", "-1", "5X", "1e9"])
def test_what_is_no_size(text):
    with pytest.raises(UsageError, match="such as 500M"):
        parse_size("--max-size", text)


def test_digests_are_sha256(files):
    import hashlib

    with open(files[0], "rb") as file:
        assert read_digest(files[0]).digest == hashlib.sha256(file.read()).digest()
