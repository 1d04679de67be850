"""Files to embeddings, with a fake encoder."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from itae_cluster.core.cache import Cache
from itae_cluster.core.errors import InputError
from itae_cluster.core.options import ClusterOptions, InputOptions, ModelOptions, OutputOptions
from itae_cluster.embedding import embed as embed_stage
from itae_cluster.embedding.embed import embed_files
from itae_cluster.pictures.decoders import Decoders
from itae_cluster.pipeline import sort_pictures
from itae_cluster.preview.thumbnails import Thumbnails, complete_thumbnails
from support.fakes import MeanColourEncoder, RecordingReporter


def embed(files, encoder, *, batch_size, reporter, **options):
    """The stage, without a cache."""
    model, cache = ModelOptions(batch_size=batch_size), Cache(None, reporter)
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


def test_only_a_few_batches_are_decoded_ahead(files, monkeypatch):
    decoded, at_encode = [], []
    real = Decoders.decode
    monkeypatch.setattr(
        Decoders, "decode", lambda own, path, size: decoded.append(path) or real(own, path, size)
    )
    monkeypatch.setattr(embed_stage, "decoder_count", lambda: 1)
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


def test_missing_thumbnails_are_read_from_the_files(files, monkeypatch):
    none = Cache(None, RecordingReporter())
    chosen = {0: (1,), 1: (3,), 2: (7,)}
    kept = {files[row]: b"kept" for row in (0, 1, 2, 4, 5)}
    reporter = RecordingReporter()
    result = complete_thumbnails(kept, chosen, files, none, reporter)
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
    assert sorted(complete_thumbnails({}, chosen, files, none, reporter)) == [
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
        encoder=MeanColourEncoder(),
        reporter=reporter,
    )
    assert result.placed
    assert result.document()["model"]["name"] == "mean colour"
    for folder in ("cluster-000", "cluster-001", "cluster-002"):
        assert len(os.listdir(tmp_path / "sorted" / folder)) == 4
    stages = list(dict.fromkeys(stage for stage, _, _ in reporter.stages))
    assert stages == [
        *("Embedding", "Reducing", "Clustering", "Planning", "Writing"),
        *("Drawing the map", "Comparing pictures", "Drawing the preview"),
    ]
