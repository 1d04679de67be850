"""`itae-cluster eval` as its user sees it."""

from __future__ import annotations

import csv
import json
import os
import pickle
import shutil

import numpy as np
import pytest

from itae_cluster.cli.commands.evaluate import parse_runs
from itae_cluster.core.errors import UsageError
from itae_cluster.paper.report import EvalOptions, Evaluation, ModelScores, ScoredVariant
from itae_cluster.paper.scores import Scores
from support.command_line import run_cli

FULL = {"original": None, "ITAE": 0.62}
THETA = "0.62"  # splits the tokens of the tiny model on some red pictures


@pytest.fixture
def run(tiny_weights):
    def invoke(*args, model=True):
        options = ["--weights", tiny_weights] if model else []
        options += [] if "--runs" in args else ["--runs", "3x2"]
        return run_cli("eval", *args, "--size", "28", *options)

    return invoke


def refused(result, text, code=1):
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert text in line


# Results -------------------------------------------------------------------------------------


def test_without_itae_only_original_is_shown_and_why(run, album):
    result = run(album, "--theta", "off")
    assert result.exit_code == 0, result.stderr
    head, *rows = [line.split() for line in result.stdout.splitlines()]
    assert head == ["model", "metric", "original"]
    assert [row[-4] for row in rows] == ["ACC", "ARI", "NMI"]
    assert "ITAE is off for custom" in result.stderr
    assert "--theta N forces" in result.stderr
    assert "12 pictures of 3 classes, 3 clusters, 3 sets of 2 K-Means runs" in result.stderr


def test_both_variants_with_difference_and_p(run, album):
    result = run(album, "--theta", THETA)
    assert result.exit_code == 0, result.stderr
    head, *rows = result.stdout.splitlines()
    assert head.split() == ["model", "theta", "metric", "original", "ITAE", "difference", "p"]
    assert rows[0].split()[:3] == ["custom", THETA, "ACC"]
    assert [row.count("±") for row in rows] == [3, 3, 3]
    assert "ITAE is off" not in result.stderr
    assert "changes nothing" not in result.stderr


def test_json_holds_everything(run, album):
    result = run(album, "--theta", THETA, "--json", "--seed", "4", "--train", album, "--knn", "2")
    document = json.loads(result.stdout)
    assert set(document) == {
        "schema", "schema_version", "tool", "created", "options", "data", "pictures", "classes",
        "k", "test", "models", "paper", "skipped",
    }  # fmt: skip
    assert document["schema"] == "itae-cluster/evaluation"
    assert (document["pictures"], document["classes"], document["k"]) == (12, 3, 3)
    assert document["options"]["seed"] == 4
    (found,) = document["models"]
    assert set(found) == {"model", "variants", "difference"}
    assert len(found["model"]["weights_sha256"]) == 64
    assert {each["name"]: each["theta"] for each in found["variants"]} == FULL
    for each in found["variants"]:
        assert list(each["metrics"]) == ["acc", "ari", "nmi", "knn"]
        acc = each["metrics"]["acc"]
        assert len(acc["sets"]) == 3
        assert acc["mean"] == pytest.approx(np.mean(acc["sets"]))
        assert acc["standard_error"] == pytest.approx(np.std(acc["sets"], ddof=1) / 3**0.5)
        assert each["metrics"]["knn"] == {"mean": 1.0, "standard_error": None, "sets": None}
    before, after = (each["metrics"]["acc"]["sets"] for each in found["variants"])
    difference = found["difference"]["acc"]
    assert set(difference) == {"mean", "standard_error", "p"}
    assert difference["mean"] == pytest.approx(np.mean(after) - np.mean(before))


def test_the_same_seed_gives_the_same_result(run, album):
    first = run(album, "--theta", THETA, "-q")
    assert first.stderr == ""
    assert run(album, "--theta", THETA, "-q").stdout == first.stdout


def test_csv_is_written_once(run, album, tmp_path):
    target = tmp_path / "table.csv"
    assert run(album, "--theta", THETA, "--csv", target).exit_code == 0
    with open(target, encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["variant"], row["metric"]) for row in rows] == [
        (variant, metric) for variant in FULL for metric in ("acc", "ari", "nmi")
    ]
    assert rows[0]["difference"] == ""
    assert float(rows[3]["difference"]) == pytest.approx(
        float(rows[3]["mean"]) - float(rows[0]["mean"])
    )
    before = target.read_bytes()
    refused(run(album, "--csv", target), "table.csv exists; choose another name")
    assert target.read_bytes() == before
    refused(run(album, "--csv", tmp_path / "no/t.csv"), "is not a folder you can write to")


def test_other_numbers_of_clusters(run, album):
    document = json.loads(run(album, "--theta", "off", "--k", "5", "--json").stdout)
    assert (document["k"], document["classes"]) == (5, 3)


@pytest.mark.parametrize(
    ("options", "how"),
    [
        (["--algorithm", "hdbscan"], "hdbscan"),
        (["--reduce", "umap"], "3 clusters by kmeans, --reduce umap"),
        (["--algorithm", "spectral"], "3 clusters by spectral, --reduce none"),
    ],
)
def test_other_recipes_run_once_a_set(run, album, monkeypatch, options, how):
    from itae_cluster.clustering.algorithms import describe
    from itae_cluster.paper import protocol

    seeds = []

    def clustered(vectors, options):
        seeds.append(options.seed)
        return describe(vectors, np.arange(len(vectors)) % 2)

    monkeypatch.setattr(protocol, "cluster_vectors", clustered)
    result = run(album, "--theta", "off", "--verbose", *options)
    assert result.exit_code == 0, result.stderr
    assert len(set(seeds)) == len(seeds) == 3
    assert "runs once a set, 3 times, each from its own seed" in result.stderr
    assert f"12 pictures of 3 classes, {how}, 3 seeds" in result.stderr


def test_hdbscan_with_noise_alone_says_so(run, album):
    args = ["--theta", "off", "--algorithm", "hdbscan", "--min-cluster-size", "50"]
    result = run(album, *args)
    assert result.exit_code == 0
    assert "original: 3 of 3 sets have no cluster, only noise; lower" in result.stderr


def test_a_theta_that_changes_nothing_is_told(run, album):
    result = run(album, "--theta", "900")
    assert result.exit_code == 0
    assert "theta 900 changes nothing" in result.stderr
    assert result.stdout.splitlines()[1].split()[-1] == "1.000"


def test_several_models_make_one_table(run, album):
    # Twice the bundled model: the official ones are not on a machine that runs these tests.
    result = run(album, "--model", "mini", "--model", "mini", "--theta", "2", model=False)
    assert result.exit_code == 0, result.stderr
    assert [line.split()[0] for line in result.stdout.splitlines()[1::3]] == ["mini", "mini"]


def test_labels_are_the_folders_directly_below(run, album):
    os.mkdir(os.path.join(album, "red", "deeper"))
    shutil.move(os.path.join(album, "red/0.png"), os.path.join(album, "red/deeper/0.png"))
    shutil.copy(os.path.join(album, "red/1.png"), os.path.join(album, "loose.png"))
    document = json.loads(run(album, "--json").stdout)
    assert (document["pictures"], document["classes"]) == (12, 3)
    (skipped,) = document["skipped"]
    assert skipped["path"] == os.path.join(album, "loose.png")
    assert skipped["reason"] == "lies in no subfolder, so it has no label"
    result = run(album, "--strict")
    assert result.exit_code == 3
    assert "ACC" in result.stdout


def test_unreadable_pictures_are_skipped_and_may_take_a_class_along(run, album):
    for number in range(4):
        with open(os.path.join(album, f"red/{number}.png"), "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\n broken")
    document = json.loads(run(album, "--json").stdout)
    assert (document["pictures"], document["classes"], document["k"]) == (8, 2, 2)
    assert len(document["skipped"]) == 4


# The paper beside it -------------------------------------------------------------------------


def test_the_papers_numbers_without_its_models(run, album):
    result = run(album, "--theta", "off", "--paper", "cifar10")
    assert "83.63 ± 1.13" in result.stdout
    assert result.stdout.count("no weights here") == 9 + 15 - 3


def test_verdicts_on_models_that_were_run(album, monkeypatch):
    def sets(acc):
        return tuple(Scores(acc + d, 0.5, 0.8604) for d in (-0.01, 0.01))

    def found(theta):
        variants = (
            ScoredVariant("original", None, sets(0.84)),
            ScoredVariant("ITAE", theta, sets(1)),
        )
        judged = ModelScores({"name": "vitb14"}, variants)
        options = EvalOptions(folder=album, paper="cifar10")
        return Evaluation(
            data="x",
            pictures=9,
            classes=3,
            k=3,
            models=(judged,),
            skipped=(),
            options=options,
            model_options=(),
        )

    def rows(theta):
        return {
            (row.cell.model, row.cell.itae, row.cell.metric): row.verdict
            for row in found(theta).paper_rows()
        }

    near = rows(3.0)
    assert near["vitb14", False, "acc"] == near["vitb14", False, "nmi"] == "reproduced"
    assert near["vitb14", True, "acc"] == "differs by +15.5"
    assert near["vitl14", False, "acc"] == "no weights here"
    assert rows(2.5)["vitb14", True, "acc"] == "another theta"
    assert found(3.0).document()["paper"][0]["ours"]["mean"] == pytest.approx(84)


# torchvision ---------------------------------------------------------------------------------


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    """CIFAR-10 in the official layout, six pictures a part: three dark, three bright."""
    from torchvision import datasets

    folder = tmp_path / "data" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, _ in datasets.CIFAR10.train_list + datasets.CIFAR10.test_list:
        labels = [0, 1] * 3
        pixels = [rng.integers(0, 40, 3072) + 200 * label for label in labels]
        content = {"data": np.array(pixels, dtype=np.uint8), "labels": labels}
        (folder / name).write_bytes(pickle.dumps(content))
    meta = {"label_names": ["dark", "bright"]}
    (folder / "batches.meta").write_bytes(pickle.dumps(meta))
    monkeypatch.setattr(datasets.CIFAR10, "_check_integrity", lambda self: True)
    monkeypatch.setattr(datasets.cifar, "check_integrity", lambda *args: True)
    return tmp_path / "data"


def test_a_dataset_of_torchvision(run, cifar):
    args = ["--torchvision", "CIFAR10", "--root", cifar, "--knn", "3", "--theta", "off", "--json"]
    document = json.loads(run(*args).stdout)
    assert document["data"] == "CIFAR10 (test)"
    assert (document["pictures"], document["classes"]) == (6, 2)
    assert document["models"][0]["variants"][0]["metrics"]["knn"]["mean"] == 1.0


def test_its_pictures_are_resized_as_files_are(cifar, tmp_path):
    from torchvision.datasets import CIFAR10

    from itae_cluster.paper.labels import open_torchvision
    from itae_cluster.pictures.decode import decode
    from support.fakes import RecordingReporter

    pictures = open_torchvision("CIFAR10", str(cifar), train=False)
    batches = list(pictures.batches(56, 4, RecordingReporter()))
    assert [batch.labels for batch in batches] == [("dark", "bright") * 2, ("dark", "bright")]
    CIFAR10(str(cifar), train=False)[1][0].save(tmp_path / "1.png")
    np.testing.assert_array_equal(batches[0].pixels[1], decode(str(tmp_path / "1.png"), 56).pixels)


def test_torchvision_is_not_where_it_was_said_to_be(run, tmp_path, monkeypatch):
    args = ["--torchvision", "CIFAR10", "--root", tmp_path]
    refused(run(*args), f"{tmp_path} does not hold CIFAR10 in torchvision's layout; check --root")
    monkeypatch.setitem(__import__("sys").modules, "torchvision", None)
    refused(run(*args), "torchvision cannot be imported")


# Errors --------------------------------------------------------------------------------------


def test_pictures_without_labels(run, album):
    refused(run(os.path.join(album, "red")), "have no labels: it has no subfolder")


def test_one_class(run, album):
    shutil.rmtree(os.path.join(album, "red"))
    shutil.rmtree(os.path.join(album, "blue"))
    refused(run(album), "has 1 class (green) with pictures that can be read")


def test_one_picture_a_class(run, album):
    for name in ("red", "green", "blue"):
        for number in (1, 2, 3):
            os.unlink(os.path.join(album, name, f"{number}.png"))
    refused(run(album), "each of the 3 classes")


def test_fewer_pictures_than_clusters(run, album):
    refused(run(album, "--k", "13"), "--k 13 asks for more clusters than there are pictures (12)")


def test_no_folder(run, album):
    refused(
        run(os.path.join(album, "red/0.png")),
        "0.png is not a folder; name one that",
    )


def test_training_pictures_that_do_not_fit(run, album, tmp_path):
    shutil.copytree(os.path.join(album, "red"), tmp_path / "other/yellow")
    refused(run(album, "--train", tmp_path / "other"), "have no class in common")
    refused(run(album, "--train", album, "--knn", "40"), "--knn 40 asks for more neighbours")


def test_weights_that_are_not_numbers(album, run, tiny_weights, tmp_path):
    from safetensors.torch import load_file, save_file

    state = load_file(tiny_weights)
    state["norm.weight"][3] = float("nan")
    save_file(state, tmp_path / "nan.safetensors")
    result = run(album, "--weights", tmp_path / "nan.safetensors", model=False)
    refused(result, "gives vectors that are not numbers (NaN), so its weights are damaged")


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ([], "name one LABELLED_DIR, or give --torchvision"),
        (["DIR", "--torchvision", "CIFAR10", "--root", "x"], "name one LABELLED_DIR, or give"),
        (["--torchvision", "CIFAR10"], "--torchvision NAME and --root DIR belong together"),
        (["--torchvision", "MNIST", "--root", "x"], "choose one of CIFAR10, CIFAR100, STL10"),
        (["--torchvision", "STL10", "--root", "x", "--train", "y"], "leave out --train"),
        (["DIR", "--runs", "20"], "--runs '20': give sets and runs a set, such as 20x25"),
        (["DIR", "--runs", "0x5"], "--runs '0x5': give sets"),
        (["DIR", "--seed", "-1"], "--seed -1 must lie between"),
        (["DIR", "--k", "0"], "--k 0 must be 1 or more"),
        (["DIR", "--assign-noise", "keep"], "belong to --algorithm hdbscan"),
        (["DIR", "--algorithm", "hdbscan", "--k", "3"], "leave out --k"),
        (["DIR", "--algorithm", "hdbscan", "--paper", "stl10"], "the paper clusters with K-Means"),
        (["DIR", "--reduce", "umap", "--paper", "stl10"], "and reduces nothing; leave out --paper"),
        (["DIR", "--algorithm", "hdbscan", "--min-cluster-size", "1"], "must be 2 or more"),
        (["DIR", "--knn", "3"], "add --train DIR"),
        (["DIR", "--knn", "0", "--train", "DIR"], "--knn 0 must be 1 or more"),
        (["DIR", "--paper", "mnist"], "the paper has no dataset 'mnist'; choose one of cifar10"),
        (["DIR", "--model", "mini", "--model", "vitb14"], "--weights is one model"),
        (["DIR", "--theta", "much"], "give a number"),
    ],
)
def test_options_that_make_no_sense(run, album, args, text):
    refused(run(*[album if arg == "DIR" else arg for arg in args]), text, code=2)


def test_runs_are_read():
    assert parse_runs("20x25") == (20, 25)
    assert parse_runs("5×5") == (5, 5)
    with pytest.raises(UsageError):
        parse_runs("5x5x5")


def test_a_wrong_name_is_told_before_any_model_runs(run, album):
    result = run(album, "--model", "mini", "--model", "vitx", model=False)
    assert result.exit_code == 2
    assert "unknown model 'vitx'" in result.stderr
    assert len(result.stderr.splitlines()) == 1
