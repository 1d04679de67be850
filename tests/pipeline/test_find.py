"""`itae-cluster find`: pictures by what they show, and tags that survive changes of the result."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from typer.testing import CliRunner

from itae_cluster.cli import app
from itae_cluster.core.types import Facts
from itae_cluster.pipeline import names
from itae_cluster.pipeline.demo import make_album
from itae_cluster.preview import read_page

BEAGLE = "02088364"


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def sorted_album(tmp_path_factory):
    """The demo album; its first picture is a beagle, its second one perhaps."""
    root = tmp_path_factory.mktemp("find")
    make_album(str(root / "demo"))
    describe = names.describe_pictures

    def described(embeddings, *arguments, **options):
        found = describe(embeddings, *arguments, **options)
        facts = [Facts(tags=(), taken=each.taken) for each in found.facts]
        facts[0] = Facts(tags=((BEAGLE, 0.9),), taken="2019-07-03T14:22:10", camera="Canon")
        facts[1] = Facts(tags=((BEAGLE, 0.2),))
        return names.Description(facts=facts, suggested=found.suggested)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("itae_cluster.pipeline.sort.describe_pictures", described)
        done = run(
            "cluster", root / "demo/album", "--model", "mini", "--k", "3", "-o", root / "out"
        )
    assert done.exit_code == 0, done.stderr
    return root / "out"


def records(out):
    return json.loads((out / "manifest.json").read_text())["pictures"]


@pytest.mark.slow
def test_paths_of_sure_pictures_and_of_others_where_asked_for(sorted_album):
    first, second = (str(sorted_album / each["destination"]) for each in records(sorted_album)[:2])
    assert run("find", sorted_album, "dogs").stdout == f"{first}\n"
    assert run("find", sorted_album, "dog", "--perhaps").stdout == f"{first}\n{second}\n"
    assert run("find", sorted_album, "animal", "-0").stdout == f"{first}\0"
    told = json.loads(run("find", sorted_album, "beagle", "-p", "--json").stdout)
    assert told == [
        {"path": first, "share": 0.9, "by": "picture"},
        {"path": second, "share": 0.2, "by": "picture"},
    ]


@pytest.mark.slow
def test_nothing_found_and_unknown_words_have_their_exit_codes(sorted_album):
    done = run("find", sorted_album, "submarine")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "no picture seems to show 'submarine'" in done.stderr
    done = run("find", sorted_album, "begle")
    assert done.exit_code == 2
    assert "beagle" in done.stderr


@pytest.mark.slow
def test_tags_and_dates_survive_changes_and_reach_the_page(sorted_album):
    folders = sorted({os.path.dirname(each["destination"]) for each in records(sorted_album)})
    assert run("rename", sorted_album, f"{folders[0]}=Beach").exit_code == 0
    assert run("merge", sorted_album, "Beach", folders[1]).exit_code == 0
    first = records(sorted_album)[0]
    assert (first["tags"], first["taken"]) == ({BEAGLE: 0.9}, "2019-07-03T14:22:10")
    page, _ = read_page((sorted_album / "preview.html").read_bytes())
    shown = page.facts[page.names.index(first["destination"])]
    assert shown == Facts(tags=((BEAGLE, 0.9),), taken="2019-07-03T14:22:10", camera="Canon")
    assert run("find", sorted_album, "dog").exit_code == 0


@pytest.mark.slow
def test_preview_adds_tags_to_a_result_that_has_none(sorted_album):
    path = sorted_album / "manifest.json"
    document = json.loads(path.read_text())
    for each in document["pictures"]:
        each.pop("tags")
    for each in document["clusters"]:
        each.pop("suggested", None)
    path.write_text(json.dumps(document))
    assert "itae-cluster preview" in run("find", sorted_album, "dog").stderr
    done = run("preview", sorted_album)
    assert done.exit_code == 0, done.stderr
    assert all("tags" in each for each in records(sorted_album))


@pytest.mark.slow
def test_a_vector_file_of_mini_can_be_searched(sorted_album, tmp_path):
    file = tmp_path / "v.npz"
    done = run("embed", sorted_album / "manifest.json", "--model", "mini", "-o", file)
    assert done.exit_code != 0
    pictures = sorted(str(sorted_album / each["destination"]) for each in records(sorted_album))
    done = run("embed", *pictures[:5], "--model", "mini", "-o", file)
    assert done.exit_code == 0, done.stderr
    assert run("find", file, "submarine").exit_code == 1
    with np.load(file) as saved:
        arrays = dict(saved)
    arrays["metadata"] = np.array(str(arrays["metadata"]).replace('"mini"', '"other"'))
    np.savez(tmp_path / "w.npz", **arrays)
    assert "embed --model mini" in run("find", tmp_path / "w.npz", "dog").stderr
