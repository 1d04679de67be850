"""Files to embeddings, with a fake encoder."""

from __future__ import annotations

import json
import os
import shutil
import time
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from itae_cluster.changes.apply import apply_plan
from itae_cluster.core.cache import Cache
from itae_cluster.core.documents import to_json
from itae_cluster.core.errors import InputError
from itae_cluster.core.options import (
    CacheOptions,
    ClusterOptions,
    InputOptions,
    ModelOptions,
    OutputOptions,
)
from itae_cluster.embedding.embed import embed_files
from itae_cluster.pictures.decode import THUMBNAIL_SIDE, decode, thumbnail
from itae_cluster.pictures.decoders import Decoders
from itae_cluster.pipeline import plan_pictures, sort_pictures
from itae_cluster.preview.thumbnails import Thumbnails, complete_thumbnails
from itae_cluster.results import plan as plans
from support.fakes import KnownEncoder, MeanColourEncoder, RecordingReporter, a_run


def embed(files, encoder, *, batch_size, reporter, cache=None, **options):
    """The stage, by default without a cache."""
    model, cache = ModelOptions(batch_size=batch_size), cache or Cache(None, reporter)
    return embed_files(files, model, encoder, cache=cache, reporter=reporter, **options)


@pytest.fixture
def files(tmp_path):
    """Ten pictures from black to white; the fourth and the last cannot be read."""
    paths = []
    for number in range(10):
        path = str(tmp_path / f"{number}.png")
        Image.new("RGB", (20, 10), (number * 25,) * 3).save(path)
        paths.append(path)
    for number in (3, 9):
        with open(paths[number], "wb") as file:
            file.write(b"no picture")
    return paths


@pytest.mark.parametrize("batch_size", [1, 3, 4, 8, 100])
def test_rows_follow_the_files_whatever_the_batch_size(files, batch_size):
    encoder, reporter = MeanColourEncoder(), RecordingReporter()
    result = embed(files, encoder, batch_size=batch_size, reporter=reporter)
    readable = [path for number, path in enumerate(files) if number not in (3, 9)]
    assert result.paths == tuple(readable)
    brightness = result.vectors[:, 0]
    assert (np.diff(brightness) > 0).all()
    assert [s.path for s in result.skipped] == [files[3], files[9]]
    assert list(result.skipped) == reporter.skipped
    assert max(encoder.batches) <= batch_size
    assert sum(encoder.batches) == 8
    assert reporter.stages[-1] == ("Embedding", 10, 10)


def test_each_picture_passes_by_with_its_number(files):
    seen = []
    embed(
        files,
        MeanColourEncoder(),
        batch_size=3,
        reporter=RecordingReporter(),
        on_picture=lambda number, path, picture: seen.append((number, path, picture.width)),
    )
    assert seen == [(n, files[n], 20) for n in range(10) if n not in (3, 9)]


def test_no_readable_picture_is_an_error_with_the_reason(files):
    with pytest.raises(InputError, match=r"none of the 2 files .* not a picture"):
        embed([files[3], files[9]], MeanColourEncoder(), batch_size=2, reporter=RecordingReporter())


@pytest.fixture
def many(tmp_path):
    """Sixty pictures in three folders of one root, an hour old."""
    long_ago = time.time() - 3600
    (tmp_path / "beside").touch()
    for number in range(60):
        path = tmp_path / "root" / str(number % 3) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 10), (number * 4,) * 3).save(path)
        os.utime(path, (long_ago, long_ago))
    return sorted(str(path) for path in tmp_path.glob("root/*/*.png"))


def test_a_root_that_vanishes_takes_one_line(many, tmp_path):
    reporter = RecordingReporter()
    found = embed(
        many,
        MeanColourEncoder(),
        batch_size=2,
        reporter=reporter,
        on_picture=lambda *_: shutil.rmtree(tmp_path / "root", ignore_errors=True),
    )
    lost = len(found.skipped)
    assert lost > 40
    assert len(found.paths) == 60 - lost
    assert reporter.skipped == []
    gone = f"{tmp_path / 'root'} has gone, or is empty, since they were found"
    assert reporter.warnings == [f"{lost} files skipped: {gone}"]
    shutil.rmtree(tmp_path / "root", ignore_errors=True)
    with pytest.raises(InputError) as error:
        embed(many, MeanColourEncoder(), batch_size=2, reporter=reporter)
    assert str(error.value) == f"all 60 files are lost: {gone}; check the drive, and begin again"
    assert (len(reporter.warnings), reporter.skipped) == (1, [])


def test_what_the_cache_knows_is_no_progress(many, tmp_path):
    """The time left is that of the others."""
    reporter = RecordingReporter()
    with Cache(str(tmp_path / "cache"), RecordingReporter()) as cache:
        embed(many[:20], KnownEncoder(), batch_size=4, cache=cache, reporter=RecordingReporter())
        for old, new in zip(many[:10], many[20:30], strict=True):
            shutil.copy(old, new)  # known by its content, once it is read
        embed(many, KnownEncoder(), batch_size=4, cache=cache, reporter=reporter)
    done = [(done, total) for stage, done, total in reporter.stages if stage == "Embedding"]
    assert done[0] == (0, 40)
    assert done[-1] == (30, 30)
    assert all(later >= earlier for (earlier, _), (later, _) in pairwise(done))


def test_only_a_few_batches_are_decoded_ahead(files, monkeypatch):
    decoded, at_encode = [], []
    real = Decoders.decode_each

    def decode_each(own, paths, first, **options):
        decoded.extend(paths)
        return real(own, paths, first, **options)

    monkeypatch.setattr(Decoders, "decode_each", decode_each)
    monkeypatch.setattr("itae_cluster.embedding.reader.decoder_count", lambda: 1)
    encoder = MeanColourEncoder()
    encode = encoder.encode
    encoder.encode = lambda pixels: at_encode.append(len(decoded)) or encode(pixels)
    many = [files[0]] * 100
    embed(many, encoder, batch_size=2, reporter=RecordingReporter())
    assert at_encode[0] <= 2 + 2 * 2 + 2
    assert len(decoded) == 100


def test_an_interrupt_stops_the_decoders(files):
    def interrupt(number, path, picture):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed(
            files * 50,
            MeanColourEncoder(),
            batch_size=2,
            reporter=RecordingReporter(),
            on_picture=interrupt,
        )


def test_thumbnails_are_thinned_out_evenly_past_the_limit(files):
    kept = Thumbnails(most=4)
    copies = [shutil.copy(files[0], f"{files[0]}.{number:02d}.png") for number in range(30)]
    embed(
        copies,
        MeanColourEncoder(),
        batch_size=8,
        reporter=RecordingReporter(),
        on_picture=kept.keep,
    )
    assert sorted(kept.kept) == [copies[number] for number in (0, 8, 16, 24)]
    assert all(jpeg.startswith(b"\xff\xd8") for jpeg in kept.kept.values())


def test_pictures_that_pass_by_have_a_thumbnail(files):
    made = []
    embed(
        files[:2],
        MeanColourEncoder(),
        batch_size=2,
        reporter=RecordingReporter(),
        on_picture=lambda number, path, picture: made.append(picture.thumbnail),
    )
    assert made == [thumbnail(decode(path, 28), THUMBNAIL_SIDE) for path in files[:2]]


def test_missing_thumbnails_are_read_from_the_files(files, monkeypatch):
    chosen = {0: (1,), 1: (3,), 2: (7,)}
    kept = {files[row]: b"kept" for row in (0, 1, 2, 4, 5)}
    reporter = RecordingReporter()
    result = complete_thumbnails(kept, chosen, files, a_run(reporter))
    told = [
        warning.partition(" has no thumbnail in the preview: ")[0] for warning in reporter.warnings
    ]
    assert told == [files[3], files[9]]
    assert sorted(result) == [0, 1, 2, 4, 5, 6, 7, 8]  # row 3 cannot be read
    assert result[0] == b"kept"
    assert result[7].startswith(b"\xff\xd8")
    assert len(result) == 8
    assert 3 not in result
    monkeypatch.setattr("itae_cluster.preview.thumbnails._MOST_READ", 2)
    assert sorted(complete_thumbnails({}, chosen, files, a_run(reporter))) == [
        0,
        1,
        5,
        7,
    ]  # every fifth, and chosen


def test_the_whole_job_with_a_fake_encoder(album, tmp_path):
    reporter = RecordingReporter()
    result = sort_pictures(
        InputOptions(paths=(album,)),
        ModelOptions(),
        ClusterOptions(k=3),
        OutputOptions(out=str(tmp_path / "sorted")),
        a_run(reporter, encoder=MeanColourEncoder()),
    )
    assert result.placed
    assert result.document()["model"]["name"] == "mean colour"
    for folder in ("cluster-000", "cluster-001", "cluster-002"):
        assert len(os.listdir(tmp_path / "sorted" / folder)) == 4
    stages = list(dict.fromkeys(stage for stage, _, _ in reporter.stages))
    assert stages == [
        *("Finding pictures", "Embedding", "Reducing", "Clustering", "Planning", "Writing"),
        *("Drawing the map", "Comparing pictures", "Drawing the preview"),
    ]


def test_a_cut_picture_is_embedded_named_and_not_kept(album, tmp_path):
    path = str(tmp_path / "cut.jpg")
    noise = np.random.default_rng(0).integers(0, 256, (160, 160, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    os.truncate(path, os.path.getsize(path) * 8 // 10)
    out = tmp_path / "sorted"
    for target in (out, tmp_path / "again"):  # the second time with a cache that is filled
        reporter = RecordingReporter()
        result = sort_pictures(
            InputOptions(paths=(album, path)),
            ModelOptions(),
            ClusterOptions(k=3),
            OutputOptions(out=str(target)),
            a_run(reporter, CacheOptions(folder=str(tmp_path / "cache")), KnownEncoder()),
        )
        assert any(f"{path} is damaged: the file ends too early" in w for w in reporter.warnings)
        (record,) = json.loads((target / "manifest.json").read_text())["damaged"]
        assert record["path"] == path
        assert "% of the picture is there" in record["reason"]
        assert result.skipped == ()
        assert path in result.embeddings.paths


def test_a_damaged_picture_is_named_by_a_plan_and_what_it_leads_to(album, tmp_path):
    broken = str(tmp_path / "profile.png")
    Image.new("RGB", (20, 20), "red").save(broken, icc_profile=b"no profile")
    plan = plan_pictures(
        InputOptions(paths=(album, broken)),
        ModelOptions(),
        ClusterOptions(k=3),
        OutputOptions(out=str(tmp_path / "sorted")),
        a_run(encoder=MeanColourEncoder()),
    )
    text = to_json(plans.document(plan)).encode()
    apply_plan(plans.read(text), RecordingReporter())
    manifest = json.loads((tmp_path / "sorted" / "manifest.json").read_text())
    reason = "its colour profile is broken and was ignored"
    assert [(item["path"], item["reason"]) for item in manifest["damaged"]] == [(broken, reason)]
