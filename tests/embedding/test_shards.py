"""A folder of vectors in parts: what is written is what is read, and nothing else is taken."""

from __future__ import annotations

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from itae_cluster.core.errors import InputError, OutputError
from itae_cluster.core.places import open_place
from itae_cluster.embedding import shards
from support.fakes import RECIPE
from support.shards import groups_of, write_parts


def test_vectors_and_paths_come_back_part_by_part(tmp_path):
    vectors, _ = groups_of(25)
    folder = shards.open_shards(write_parts(tmp_path / "v", vectors, 10, skip={3, 24}))
    kept = [row for row in range(25) if row not in {3, 24}]
    assert (folder.n, folder.dim, folder.parts[2]) == (23, 16, ("part-00002.parquet", 4))
    read = np.concatenate([folder.vectors(number) for number in range(3)])
    np.testing.assert_allclose(read, vectors[kept], atol=1e-6)
    paths = [path for number in range(3) for path in folder.paths(number)]
    assert paths == [f"/photos/{row:06d}.jpg" for row in kept]
    assert folder.starts.tolist() == [0, 9, 19, 23]


def test_other_programs_read_a_part(tmp_path):
    vectors, _ = groups_of(4)
    write_parts(tmp_path / "v", vectors, 4, skip={1}, name="/photos/\udcff{}.jpg")
    table = pq.read_table(tmp_path / "v" / "part-00000.parquet")
    assert table.column_names == ["path", "path_bytes", "embedding", "skipped", "damaged"]
    assert str(table.schema.field("embedding").type).startswith("fixed_size_list<")
    assert table["path_bytes"][0].as_py() == b"/photos/\xff0.jpg"
    assert table["path"][0].as_py() == r"/photos/\xff0.jpg"
    assert table["embedding"][1].as_py() is None
    assert table["skipped"].to_pylist() == [None, "empty file", None, None]


def test_half_precision_of_other_writers_is_read_too(tmp_path):
    vectors, _ = groups_of(6)
    folder = shards.open_shards(write_parts(tmp_path / "v", vectors.astype(np.float16), 6))
    assert folder.vectors(0).dtype == np.float32
    np.testing.assert_allclose(folder.vectors(0), vectors, atol=1e-3)


def test_a_folder_without_its_manifest_is_unfinished(tmp_path):
    write_parts(tmp_path / "v", groups_of(4)[0], 2)
    (tmp_path / "v" / "manifest.json").unlink()
    with pytest.raises(InputError, match="unfinished"):
        shards.open_shards(str(tmp_path / "v"))


@pytest.mark.parametrize(
    "change", [{"schema": "itae-cluster/manifest"}, {"schema_version": 99}, {"parts": []}]
)
def test_a_manifest_of_something_else_is_refused(tmp_path, change):
    write_parts(tmp_path / "v", groups_of(4)[0], 2)
    file = tmp_path / "v" / "manifest.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(InputError, match="holds no embeddings"):
        shards.open_shards(str(tmp_path / "v"))


def test_a_damaged_part_is_named(tmp_path):
    write_parts(tmp_path / "v", groups_of(4)[0], 2)
    part = tmp_path / "v" / "part-00001.parquet"
    part.write_bytes(part.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"part-00001\.parquet cannot be read"):
        shards.open_shards(str(tmp_path / "v")).vectors(1)


def test_parts_beyond_the_last_go_when_the_folder_is_closed(tmp_path):
    write_parts(tmp_path / "v", groups_of(9)[0], 2)
    write_parts(tmp_path / "v", groups_of(4)[0], 2)
    names = sorted(path.name for path in (tmp_path / "v").iterdir())
    assert names == ["manifest.json", "part-00000.parquet", "part-00001.parquet"]


def test_a_folder_of_other_files_is_left_alone(tmp_path):
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(OutputError, match=r"holiday\.jpg"):
        shards.check_target(open_place(str(tmp_path)))


def test_what_shapes_a_part_shapes_its_digest():
    files = [("/a.jpg", 10, 1), ("/b.jpg", 20, 2)]
    model = {**RECIPE, "device": "cpu"}
    digest = shards.content_digest(files, model, 400)
    assert shards.content_digest(files, {**model, "device": "cuda"}, 400) == digest
    assert shards.content_digest(files[:1], model, 400) != digest
    assert shards.content_digest([files[0], ("/b.jpg", 20, 3)], model, 400) != digest
    assert shards.content_digest(files, {**model, "theta": 3.0}, 400) != digest
    assert shards.content_digest(files, model, 300) != digest


def test_a_part_of_other_content_is_not_kept(tmp_path):
    write_parts(tmp_path / "v", groups_of(4)[0], 2, skip={3})
    place = open_place(str(tmp_path / "v"))
    assert shards.read_reasons(place, 1, "1").skipped == (None, "empty file")
    assert shards.read_reasons(place, 1, "0") is None
    assert shards.read_reasons(place, 2, "2") is None
    (tmp_path / "v" / "part-00000.parquet").write_bytes(b"PAR1")
    assert shards.read_reasons(place, 0, "0") is None
