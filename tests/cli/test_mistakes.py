"""Mistyped words: one line that says what was probably meant, and exit code 2."""

from __future__ import annotations

import os

import pytest

from itae_cluster.cli.libraries import explain
from support.command_line import run_cli


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["clutser"], "did you mean 'itae-cluster cluster'?"),
        (["cahce", "info"], "did you mean 'itae-cluster cache'?"),
        (["cache", "nifo"], "did you mean 'itae-cluster cache info'?"),
        (["ALBUM", "--kk", "3"], "no such option: --kk; did you mean --k?"),
        (["ALBUM", "--algorithmus", "kmeans"], "did you mean --algorithm?"),
        (["--vresion"], "did you mean --version?"),
        (["ALBUM", "--format", "jsn"], "--format jsn: did you mean json?"),
        (["ALBUM", "--action", "mvoe"], "--action mvoe: did you mean move?"),
        (["ALBUM", "--algorithm", "xyz"], "choose one of auto, kmeans, hdbscan, agglomerative and"),
        (["ALBUM", "--seed", "x"], "--seed takes a whole number"),
        (["ALBUM", "--k"], "--k needs a value: --k N|A..B|auto"),
        (["embed", "ALBUM"], "--out is missing; see 'itae-cluster embed --help'"),
        (["split", "ALBUM", "cluster-000"], "--k is missing"),
        (["undo"], "OUT is missing"),
        (["undo", "a", "b"], "unexpected extra argument"),
        (["undo", "nothere"], "no such folder: nothere"),
        (["rename", "nothere", "a=b"], "no such folder: nothere"),
        (["merge", "nothere", "a", "b"], "no such folder: nothere"),
        (["split", "nothere", "a", "--k", "2"], "no such folder: nothere"),
        (["update", "nothere", "ALBUM"], "no such folder: nothere"),
        (["ALBUM", "--weights", "nothere"], "no such file: nothere; check --weights"),
        (["models", "import", "nothere"], "no such file: nothere"),
        (["rename", "ALBUM", "cluster-003"], "cluster-003=Name"),
        (["ALBUM", "--theta", "-1"], "(typically 2 to 5)"),
        (["update", "ALBUM", "ALBUM", "--theta", "-1"], "(typically 2 to 5)"),
        (["calibrate", "ALBUM", "--rule", "lo"], "did you mean low?"),
    ],
)
def test_one_line_names_what_was_meant(album, words, answer):
    result = run_cli(*[album if word == "ALBUM" else word for word in words])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1
    assert answer in result.stderr


def test_a_path_that_is_there_is_no_mistyped_command(album, tmp_path, monkeypatch):
    os.rename(album, tmp_path / "clutser")
    monkeypatch.chdir(tmp_path)
    result = run_cli("clutser", "--k", "13")
    assert "more clusters than there are pictures" in result.stderr


def test_a_text_file_is_no_plan(tmp_path):
    (tmp_path / "note.txt").write_text("to do")
    result = run_cli("apply", tmp_path / "note.txt")
    assert result.exit_code == 1
    assert "note.txt is not a plan; make one with 'itae-cluster plan'" in result.stderr


@pytest.mark.parametrize("words", [[], ["--k", "3"]])
def test_a_text_file_is_no_picture(tmp_path, words):
    note = tmp_path / "note.txt"
    note.write_text("to do")
    result = run_cli(note, *words)
    assert result.exit_code == 1
    assert "not a picture" in result.stderr
    assert "more clusters" not in result.stderr


def test_one_picture_is_too_few_to_calibrate(album):
    result = run_cli(
        "calibrate", os.path.join(album, "red/0.png"), "--model", "mini", "--size", "28"
    )
    assert (result.exit_code, result.stdout) == (0, "off\n")
    assert "1 picture, 4 tokens: not bimodal; too few pictures to be sure" in result.stderr


def test_what_does_not_matter_beside_vectors_is_harmless(album, tmp_path):
    vectors = tmp_path / "v.npz"
    made = run_cli("embed", album, "--output", vectors, "--model", "mini", "--size", "28")
    assert made.exit_code == 0, made.stderr
    result = run_cli("--embeddings", vectors, "--k", "3", "--offline", "--model", "mini")
    assert result.exit_code == 0, result.stderr
    assert run_cli("--embeddings", vectors, "--k", "3", "--size", "28").exit_code == 2


def test_a_library_that_refuses_a_value_is_one_line(album, monkeypatch):
    from sklearn.cluster import KMeans

    def refuse(*_args, **_kwargs):
        KMeans(0).fit([[0.0]])

    monkeypatch.setattr("itae_cluster.clustering.recipe.cluster_vectors", refuse)
    result = run_cli(album, "--k", "3", "--model", "mini", "--size", "28")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: scikit-learn does not accept this: The 'n_clus")
    assert len(result.stderr.splitlines()) == 1


def test_our_own_faults_are_no_one_liners():
    with pytest.raises(ValueError, match="ours") as caught:
        raise ValueError("ours")
    assert explain(caught.value) is None


def test_the_largest_seed_works(album):
    for seed in (858993459, 2**32 - 1):
        words = ["--seed", seed, "--model", "mini", "--size", "28"]
        result = run_cli(album, *map(str, words), "--k", "auto")
        assert result.exit_code == 0, result.stderr
        assert run_cli(album, *map(str, words), "--algorithm", "hdbscan").exit_code == 0


@pytest.mark.parametrize("command", ["cluster", "embed", "calibrate", "eval", "attention"])
def test_an_unknown_model_is_refused_before_any_folder_is_searched(tmp_path, monkeypatch, command):
    def never(*_, **__):
        raise AssertionError("searched")

    monkeypatch.setattr("itae_cluster.pictures.scan.scan", never)
    out = {"embed": ["-o", "v.npz"], "attention": ["--out", "a.png"]}.get(command, [])
    result = run_cli(command, tmp_path, *out, "--model", "vitb15", code=2)
    assert "unknown model 'vitb15'; choose one of auto, mini" in result.stderr
