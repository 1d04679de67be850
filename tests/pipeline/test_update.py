"""New pictures into a result: where they go, what is respected, what is refused; undo."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from itae_cluster.core.errors import InputError, ResultError, UsageError, WeightsError
from itae_cluster.core.types import NOISE, Clustering, Embeddings
from itae_cluster.model.registry import MINI_VERSIONS
from itae_cluster.pipeline.rename import rename_clusters
from itae_cluster.pipeline.update import advise
from itae_cluster.results.centres import content, load, measure_centres, write
from support.albums import Sorted, picture, without_journal
from support.command_line import run_cli
from support.fakes import KnownEncoder, MeanColourEncoder, a_run
from support.results import snapshot

COLOURS = {"red": (220, 30, 30), "green": (20, 200, 40), "blue": (30, 40, 220)}


@pytest.fixture
def case(album, tmp_path):
    return Sorted(album, tmp_path)


@pytest.mark.parametrize("action", ["copy", "hardlink", "symlink", "move"])
def test_each_goes_to_its_nearest_cluster_or_beyond_all(case, tmp_path, action):
    new = [picture(tmp_path / "new" / f"{name}.png", colour) for name, colour in COLOURS.items()]
    new.append(picture(tmp_path / "new" / "yellow.png", (240, 240, 20)))
    before = without_journal(case.out), snapshot(tmp_path / "new")
    updated = case.update(tmp_path / "new", action=action)
    for name in COLOURS:
        assert (case.out / case.folder[name] / f"{name}.png").exists()
    assert (case.out / "unclustered" / "yellow.png").exists()
    assert (len(updated.result.placements), updated.beyond, updated.known) == (4, 1, 0)
    assert all(os.path.exists(path) == (action != "move") for path in new)
    records = {os.path.basename(item["source"]): item for item in case.manifest()["pictures"]}
    assert len(records["red.png"]["sha256"]) == 64
    assert records["yellow.png"]["cluster"] == NOISE
    assert [item["size"] for item in case.manifest()["clusters"]] == [1, 5, 5, 5]
    assert b"yellow.png,unclustered/yellow.png,-1," in (case.out / "clusters.csv").read_bytes()
    assert case.undo().refused == ()
    assert (without_journal(case.out), snapshot(tmp_path / "new")) == before


def test_what_is_there_is_not_added_twice(case, album, tmp_path):
    twin = picture(tmp_path / "new" / "a.png", COLOURS["red"])
    shutil.copy(twin, tmp_path / "new" / "b.png")
    updated = case.update(album, tmp_path / "new")
    assert [item.source for item in updated.result.placements] == [twin]
    assert updated.known == 13
    before = snapshot(case.out)
    encoder = MeanColourEncoder()
    assert case.update(album, tmp_path / "new", encoder=encoder).result.placements == ()
    assert encoder.batches == []
    assert snapshot(case.out) == before


def test_a_name_that_is_taken_gets_a_number(case, tmp_path):
    case.update(picture(tmp_path / "new" / "0.png", COLOURS["red"]))
    assert (case.out / case.folder["red"] / "0 (2).png").exists()


def test_the_persons_own_work_is_respected(case, album, tmp_path):
    red, green, blue = (case.out / case.folder[name] for name in ("red", "green", "blue"))
    os.rename(red, case.out / "Sunsets")
    os.rename(green / "1.png", blue / "mine.png")
    os.unlink(blue / "2.png")
    new = picture(tmp_path / "new" / "r.png", COLOURS["red"])
    updated = case.update(album, new)
    assert [item.destination for item in updated.result.placements] == ["Sunsets/r.png"]
    assert not red.exists()
    assert not (blue / "2.png").exists()
    document = case.manifest()
    places = {item["destination"]: item for item in document["pictures"]}
    label = int(case.folder["blue"][-3:])
    assert places[f"{case.folder['blue']}/mine.png"]["cluster"] == label
    assert places[f"{case.folder['blue']}/mine.png"]["distance"] is None
    assert [os.path.basename(item["source"]) for item in document["removed"]] == ["2.png"]
    assert case.update(album).result.placements == ()
    assert case.undo().refused == ()
    assert (case.out / "Sunsets").exists()
    assert not (case.out / "Sunsets" / "r.png").exists()
    assert (blue / "mine.png").exists()


def test_a_cluster_whose_folder_is_gone_takes_no_more(case, tmp_path):
    shutil.rmtree(case.out / case.folder["red"])
    updated = case.update(picture(tmp_path / "new" / "r.png", COLOURS["red"]))
    assert [item.destination for item in updated.result.placements] == ["unclustered/r.png"]


def test_names_given_by_rename_are_kept(case, tmp_path):
    folder = case.folder["red"]
    rename_clusters(str(case.out), [(folder, None, "Sunsets")], a_run())
    case.update(picture(tmp_path / "new" / "r.png", COLOURS["red"]))
    named = [item for item in case.manifest()["clusters"] if item.get("name")]
    assert [(item["name"], item["folder"], item["size"]) for item in named] == [
        ("Sunsets", "Sunsets", 5)
    ]
    case.undo()
    case.undo()
    assert (case.out / folder).is_dir()
    case.undo()
    assert not case.out.exists()


def test_a_dry_run_changes_nothing(case, tmp_path):
    new = picture(tmp_path / "new" / "r.png", COLOURS["red"])
    before = snapshot(tmp_path)
    updated = case.update(new, dry_run=True)
    assert [item.destination for item in updated.result.placements] == [
        f"{case.folder['red']}/r.png"
    ]
    assert snapshot(tmp_path) == before


def test_pictures_that_cannot_be_read_are_named(case, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    new = picture(tmp_path / "r.png", COLOURS["red"])
    updated = case.update(tmp_path / "bad.png", new)
    assert len(updated.result.skipped) == 1
    assert case.manifest()["skipped"][0]["path"].endswith("bad.png")
    with pytest.raises(InputError):
        case.update(tmp_path / "bad.png")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"model": "vits14"}, "--model vits14 contradicts"),
        ({"theta": 3.5}, r"--theta 3.5 contradicts the result, .* made with off"),
        ({"size": 56}, "--size 56 contradicts"),
    ],
)
def test_a_model_option_that_contradicts_is_refused(case, album, options, words):
    with pytest.raises(UsageError, match=words):
        case.update(album, **options)


def test_options_that_say_the_same_are_no_contradiction(case, album):
    case.update(album, model="mean colour", theta=None, size=28)
    case.update(album, model="auto", theta="auto")


def test_other_weights_are_refused(case, tmp_path):
    other = MeanColourEncoder()
    other.metadata = {**other.metadata, "weights_sha256": "0" * 64}
    before = snapshot(case.out)
    with pytest.raises(WeightsError, match="other weights"):
        case.update(picture(tmp_path / "r.png", COLOURS["red"]), encoder=other)
    assert snapshot(case.out) == before


def mini(version):
    encoder = MeanColourEncoder()
    digest = next(each for each, number in MINI_VERSIONS.items() if number == version)
    encoder.metadata = {**KnownEncoder.metadata, "name": "mini", "weights_sha256": digest}
    return encoder


class SortedByMini1(Sorted):
    encoder = staticmethod(lambda: mini(1))


def test_a_result_of_an_earlier_mini_says_so_and_can_be_changed_otherwise(album, tmp_path):
    case = SortedByMini1(album, tmp_path)
    new = picture(tmp_path / "r.png", COLOURS["red"])
    before = snapshot(case.out)
    with pytest.raises(WeightsError) as refused:
        case.update(new, encoder=mini(2))
    assert str(refused.value) == (
        "the model has changed: the result was made with mini 1, and mini 2 makes other vectors; "
        "sort the pictures again, or name the earlier file with --weights FILE"
    )
    assert snapshot(case.out) == before
    rename_clusters(str(case.out), [(case.folder["red"], None, "Sunsets")], a_run())
    case.update(new, encoder=mini(1))
    assert (case.out / "Sunsets" / "r.png").exists()
    for _ in range(3):
        assert case.undo().refused == ()
    assert not case.out.exists()


def test_a_result_of_an_earlier_way_to_read_pictures_says_what_to_do(case, tmp_path):
    other = MeanColourEncoder()
    other.metadata = {**other.metadata, "preprocessing": 3}
    before = snapshot(case.out)
    with pytest.raises(
        ResultError, match=r"read colours and transparency differently.*sort its pictures again"
    ):
        case.update(picture(tmp_path / "r.png", COLOURS["red"]), encoder=other)
    assert snapshot(case.out) == before


def test_a_damaged_picture_is_named_beside_earlier_ones(case, tmp_path):
    for number, name in enumerate(("one.png", "two.png"), start=1):
        path = tmp_path / name
        Image.new("RGB", (20, 20), COLOURS["red"]).save(path, icc_profile=b"none" * number)
        case.update(str(path))
        assert [item["path"] for item in case.manifest()["damaged"]][-1] == str(path)
        assert len(case.manifest()["damaged"]) == number


def test_without_a_model_the_remedy_is_named(case, album):
    os.unlink(case.out / ".itae-cluster" / "model.npz")
    with pytest.raises(ResultError, match="make it with 'itae-cluster preview"):
        case.update(album)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 torn"])
def test_a_damaged_model_is_refused(case, album, content):
    (case.out / ".itae-cluster" / "model.npz").write_bytes(content)
    with pytest.raises(ResultError, match="cannot be used"):
        case.update(album)


def test_a_model_with_a_pickle_in_it_is_never_loaded(case, album, tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "pwned"),))

    model = load(str(case.out))
    path = case.out / ".itae-cluster" / "model.npz"
    with open(path, "wb") as file:
        np.savez(file, about=np.array(Evil(), dtype=object), centres=model.centres)
    with pytest.raises(ResultError, match="cannot be used"):
        case.update(album)
    assert not (tmp_path / "pwned").exists()


# The model -------------------------------------------------------------------------------------


def model_of(vectors, labels):
    vectors, labels = np.array(vectors, np.float32), np.array(labels)
    centres = np.stack([vectors[labels == k].mean(axis=0) for k in range(labels.max() + 1)])
    distances = np.linalg.norm(vectors - centres[labels], axis=1)
    embeddings = Embeddings(("x",) * len(labels), vectors, {"name": "none"})
    return measure_centres(embeddings, Clustering(labels, centres, distances))


def test_the_share_beyond_is_as_the_quantile_says():
    """Of pictures like those of a cluster, one in a hundred lies beyond; of others, all do."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(60, 20))
    model = model_of(points, [0] * 60)
    like = rng.normal(size=(4000, 20)).astype(np.float32)
    share = (model.assign(like, {0})[0] == NOISE).mean()
    assert 0.003 < share < 0.05
    far = model.assign(like + 5, {0})[0]
    assert (far == NOISE).all()


def test_a_small_cluster_reaches_as_far_as_is_usual():
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(size=(50, 3)), [[9, 9, 9]]])
    model = model_of(points, [0] * 50 + [1])
    assert model.reach[1] == pytest.approx(model.reach[0])


def test_the_model_comes_back_as_it_was(tmp_path):
    model = model_of([[0, 1], [1, 0], [1, 1]], [0, 0, 1])
    os.mkdir(tmp_path / ".itae-cluster")
    write(model, str(tmp_path))
    back = load(str(tmp_path))
    assert content(back) == content(model)
    assert back.encoder["name"] == "none"


def test_advice():
    assert advise(10, 2, 100, 100) is None
    assert "other kinds" in advise(10, 3, 100, 100)
    assert advise(9, 9, 100, 100) is None
    assert "began with 100 pictures and holds 201" in advise(1, 0, 200, 100)


# The command -----------------------------------------------------------------------------------


def run(*words, code=0):
    return run_cli(*words, code=code)


def test_the_command(album, tmp_path, tiny_weights):
    out = tmp_path / "sorted"
    options = ["--weights", tiny_weights, "--size", "28"]
    run(album, "--k", "3", "--reduce", "none", "-o", out, *options)
    new = picture(tmp_path / "new" / "n.png", COLOURS["red"])
    foreseen = run("update", out, new, "--dry-run")
    assert foreseen.stdout.startswith(f"copy\t{new}\t{out}/")
    done = run("update", out, album, new, "--format", "tsv")
    assert done.stdout.startswith(f"{new}\t")
    assert "1 picture added" in done.stderr
    assert "12 already there" in done.stderr
    again = run("update", out, album, new)
    assert "nothing to add" in again.stderr
    assert again.stdout == ""
    assert "contradicts" in run("update", out, new, "--size", "56", code=2).stderr
    run("undo", out)
    run("undo", out)
    assert not out.exists()
