"""The command line as its user sees it: text, exit code, files on disk."""

from __future__ import annotations

import base64
import codecs
import csv
import io
import json
import os
import signal
import subprocess
import sys
import time

import jsonschema
import numpy as np
import pytest

from itae_cluster.results.validation import read_schema
from support.command_line import run_cli


@pytest.fixture
def run(tiny_weights):
    """Run the program in this process; the tiny model unless `model=False`."""

    def invoke(*args, model=True, stdin=None):
        options = ["--weights", tiny_weights] if model else []
        options += [] if not model or "--size" in args else ["--size", "28"]
        return run_cli(*args, *options, stdin=stdin)

    return invoke


def rows(result):
    return [line.split(b"\t") for line in result.stdout_bytes.splitlines()]


def groups(pairs):
    """The partition that (path, cluster) pairs make, by folder name of the path."""
    found = {}
    for path, cluster in pairs:
        found.setdefault(cluster, set()).add(os.path.basename(os.path.dirname(os.fsdecode(path))))
    return sorted(map(sorted, found.values()))


APART = [["blue"], ["green"], ["red"]]


def tree(folder):
    return sorted(
        os.path.relpath(os.path.join(where, name), folder)
        for where, _, files in os.walk(folder)
        for name in files
    )


# Without --out: a filter ---------------------------------------------------------------------


def test_results_go_to_stdout_and_nothing_is_written(run, album, tmp_path):
    before = tree(tmp_path)
    result = run(album, "--k", "3")
    assert result.exit_code == 0, result.stderr
    assert groups(rows(result)) == APART
    assert [path for path, _ in rows(result)] == sorted(path for path, _ in rows(result))
    assert "12 pictures in 3 clusters (4 each)" in result.stderr
    assert tree(tmp_path) == before


def test_the_default_command_can_be_spelled_out(run, album):
    short = run(album, "--k", "3", "--quiet")
    assert short.stderr == ""
    assert run("cluster", album, "--k", "3", "-q").stdout == short.stdout
    assert run("--k", "3", album, "-q").stdout == short.stdout


def test_a_folder_that_bears_a_commands_name(run, album, monkeypatch):
    os.rename(album, os.path.join(os.path.dirname(album), "embed"))
    monkeypatch.chdir(os.path.dirname(album))
    assert groups(rows(run("./embed", "--k", "3"))) == APART


def test_paths_come_out_as_they_went_in(run, album, monkeypatch):
    monkeypatch.chdir(album)
    given = ["./red/0.png", "blue/..//blue/1.png"]
    result = run(*given, "--k", "2")
    assert {path.decode() for path, _ in rows(result)} == set(given)


def test_a_list_on_stdin(run, album):
    names = [os.path.join(album, name) for name in ("red/0.png", "green/0.png")]
    for separator, flags in (("\n", []), ("\0", ["-0"]), ("\0", ["--null"])):
        result = run("-", *flags, "--k", "2", stdin=separator.join(names))
        assert {path.decode() for path, _ in rows(result)} == set(names)
    result = run("-", "--k", "1", stdin="\n".join([*names, "missing.png"]))
    assert result.exit_code == 0
    assert len(rows(result)) == 2
    assert "skipped missing.png: " in result.stderr


NASTY = [b"tab\there.png", b"line\nbreak.png", b"bad\xff\xfe.png", b"<script>.png", b"-dash.png"]


@pytest.fixture
def nasty(album, tmp_path):
    """A folder of copies under names that break naive programs."""
    folder = os.path.join(os.fsencode(tmp_path), b"nasty")
    os.mkdir(folder)
    with open(os.path.join(album, "red/0.png"), "rb") as file:
        picture = file.read()
    paths = [os.path.join(folder, name) for name in NASTY]
    for path in paths:
        with open(path, "wb") as file:
            file.write(picture)
    return os.fsdecode(folder), set(paths)


def test_nasty_names_survive_tsv(run, nasty):
    folder, wanted = nasty
    cells = [path for path, _ in rows(run(folder, "--k", "1"))]
    decoded = {c.replace(b"\\t", b"\t").replace(b"\\n", b"\n") for c in cells}
    assert decoded == wanted


def test_nasty_names_survive_json_and_paths0(run, nasty):
    folder, wanted = nasty
    lines = run(folder, "--k", "1", "--format", "jsonl").stdout.splitlines()
    records = [json.loads(line) for line in lines]
    assert {os.fsencode(record["path"]) for record in records} == wanted
    raw = [base64.b64decode(r["path_base64"]) for r in records if "path_base64" in r]
    assert raw == [path for path in wanted if b"\xff" in path]
    document = json.loads(run(folder, "--k", "1", "--format", "json").stdout)
    assert {os.fsencode(record["path"]) for record in document["pictures"]} == wanted
    listed = run(folder, "--k", "1", "--format", "paths0").stdout_bytes
    assert set(listed.split(b"\0")[:-1]) == wanted


def test_nasty_names_survive_folders(run, nasty, tmp_path):
    folder, wanted = nasty
    result = run(folder, "--k", "1", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    placed = os.listdir(os.path.join(os.fsencode(tmp_path), b"out", b"cluster-000"))
    assert set(placed) == {os.path.basename(path) for path in wanted}
    with open(tmp_path / "out/clusters.csv", "rb") as file:
        text = file.read().removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")
    table = list(csv.DictReader(io.StringIO(text, newline="")))
    assert {os.fsencode(row["source"]) for row in table} == wanted
    page = (tmp_path / "out/preview.html").read_text(encoding="utf-8")
    assert "<script>.png" not in page


def test_json_is_the_documented_schema(run, album):
    schema = read_schema("manifest")
    document = json.loads(run(album, "--k", "3", "--format", "json").stdout)
    jsonschema.validate(document, schema)
    assert [c["size"] for c in document["clusters"]] == [4, 4, 4]
    assert document["options"]["clustering"]["seed"] == 0


def test_paths0_goes_cluster_by_cluster(run, album):
    tsv = dict(rows(run(album, "--k", "3")))
    listed = run(album, "--k", "3", "-f", "paths0").stdout_bytes.split(b"\0")[:-1]
    assert [int(tsv[path]) for path in listed] == [0] * 4 + [1] * 4 + [2] * 4


# With --out: folders -------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["copy", "hardlink", "symlink", "move"])
def test_out_holds_folders_manifest_table_and_preview(run, album, tmp_path, action):
    out = tmp_path / "sorted"
    before = tree(album)
    result = run(album, "--k", "3", "--out", out, "--action", action)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    assert "12 pictures in 3 clusters" in result.stderr
    reports = ["clusters.csv", "manifest.json", "preview.html", "preview.png"]
    folders = [".itae-cluster", "cluster-000", "cluster-001", "cluster-002"]
    assert sorted(os.listdir(out)) == [*folders, *reports]
    manifest = json.loads((out / "manifest.json").read_text())
    jsonschema.validate(manifest, read_schema("manifest"))
    assert manifest["options"]["output"]["action"] == action
    assert manifest["options"]["clustering"]["neighbors"] == 4  # pictures a cluster
    assert len(manifest["model"]["weights_sha256"]) == 64
    pairs = [(r["source"], r["cluster"]) for r in manifest["pictures"]]
    assert groups(pairs) == APART
    for record in manifest["pictures"]:
        assert os.path.isfile(out / record["destination"])
        assert record["destination"].startswith(f"cluster-{record['cluster']:03d}/")
    assert tree(album) == ([] if action == "move" else before)
    assert not [name for name in os.listdir(tmp_path) if "partial" in name]


def test_files_of_one_name_all_arrive(run, album, tmp_path):
    """Every colour's folder holds 0.png … 3.png; in one cluster they need new names."""
    run(album, "--k", "1", "--out", tmp_path / "sorted")
    names = os.listdir(tmp_path / "sorted/cluster-000")
    assert len(names) == 12
    assert {"0.png", "0 (2).png", "0 (3).png"} <= set(names)


def test_format_with_out_prints_too(run, album, tmp_path):
    result = run(album, "--k", "3", "--out", tmp_path / "sorted", "--format", "jsonl")
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert all(os.path.isfile(tmp_path / "sorted" / r["destination"]) for r in records)


def test_dry_run_prints_the_plan_and_writes_nothing(run, album, tmp_path):
    before = tree(tmp_path)
    result = run(album, "--k", "3", "--out", tmp_path / "sorted", "--dry-run", "--action", "move")
    assert result.exit_code == 0
    lines = rows(result)
    assert len(lines) == 12
    assert {line[0] for line in lines} == {b"move"}
    assert all(line[2].startswith(os.fsencode(tmp_path / "sorted/cluster-")) for line in lines)
    assert "nothing was written" in result.stderr
    assert tree(tmp_path) == before


def test_a_folder_with_something_in_it_is_refused_before_any_work(run, album, tmp_path):
    out = tmp_path / "sorted"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    result = run(album, "--k", "3", "--out", out)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert "not empty; choose a new folder" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert tree(out) == ["mine.txt"]


def test_the_output_folder_is_never_scanned(run, album, tmp_path):
    inside = os.path.join(album, "sorted")
    assert run(album, "--k", "3", "--out", inside).exit_code == 0
    again = run(album, "--k", "3", "--out", os.path.join(album, "again"))
    assert again.exit_code == 0
    assert "12 pictures" in again.stderr


def test_hdbscan_puts_noise_into_its_own_folder_or_nowhere(run, album, tmp_path):
    options = [album, "--algorithm", "hdbscan", "--min-cluster-size", "4"]
    result = run(*options, "--out", tmp_path / "sorted")
    assert result.exit_code == 0, result.stderr
    manifest = json.loads((tmp_path / "sorted/manifest.json").read_text())
    folders = {os.path.dirname(r["destination"]) for r in manifest["pictures"]}
    assert folders <= {"cluster-000", "cluster-001", "cluster-002", "unclustered"}
    for record in manifest["pictures"]:
        assert (record["cluster"] == -1) == record["destination"].startswith("unclustered/")


def test_the_same_seed_gives_the_same_result(run, album):
    results = [run(album, "--k", "4", "--seed", "7").stdout for _ in range(2)]
    assert results[0] == results[1]


# Tiny, empty, broken -------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 9])
@pytest.mark.parametrize("algorithm", ["kmeans", "hdbscan"])
def test_tiny_collections(run, album, tmp_path, n, algorithm):
    pictures = [os.path.join(album, name) for name in tree(album)[:n]]
    options = ["--k", "1"] if algorithm == "kmeans" else ["--algorithm", "hdbscan"]
    result = run(*pictures, *options, "--out", tmp_path / "sorted")
    assert result.exit_code == 0, result.stderr
    assert len([p for p in tree(tmp_path / "sorted") if p.endswith(".png")]) == n + 1  # preview


def test_one_bad_file_is_named_and_does_not_stop_the_run(run, album, tmp_path):
    with open(os.path.join(album, "broken.jpg"), "wb") as file:
        file.write(b"\xff\xd8\xff\xe0 not a picture")
    result = run(album, "--k", "3", "--out", tmp_path / "sorted")
    assert result.exit_code == 0
    assert "broken.jpg: " in result.stderr
    assert "1 skipped" in result.stderr
    manifest = json.loads((tmp_path / "sorted/manifest.json").read_text())
    assert [os.path.basename(s["path"]) for s in manifest["skipped"]] == ["broken.jpg"]
    strict = run(album, "--k", "3", "--strict")
    assert strict.exit_code == 3
    assert len(rows(strict)) == 12
    assert "error: 1 input skipped (--strict)" in strict.stderr


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--k", "13"], 1, "more clusters than there are pictures (12); use --k 12 or less"),
        (["--k", "0"], 2, "must be 1 or more"),
        (["--k", "many"], 2, "give a number, a range such as 10..60, or auto"),
        (["--k", "9..3"], 2, "give a range from 2 on, such as 10..60"),
        (["--k", "3", "--reduce", "none", "--reduce-dim", "5"], 2, "needs --reduce pca or umap"),
        (["--k", "3", "--reduce", "pca", "--neighbors", "5"], 2, "--neighbors belongs to"),
        (["--k", "3", "--linkage", "average"], 2, "--linkage belongs to --algorithm agglomerative"),
        (["--k", "3", "--algorithm", "hdbscan"], 2, "leave out --k"),
        (["--k", "3", "--assign-noise", "keep"], 2, "--algorithm hdbscan"),
        (["--k", "3", "--theta", "big"], 2, "typically 2 to 5"),
        (["--k", "3", "--theta", "nan"], 2, "typically 2 to 5"),
        (["--k", "3", "--size", "30"], 2, "try 28"),
        (["--k", "3", "--batch-size", "0"], 2, "1 or more"),
        (["--k", "3", "--null"], 2, "add - to read one"),
        (["--k", "3", "--action", "move"], 2, "need --out"),
        (["--k", "3", "--dry-run"], 2, "need --out"),
        (["--k", "3", "--device", "cuda"], 1, "--device cpu"),
        (["--k", "3", "--exclude", "*"], 1, "check --exclude"),
        (["--k", "3", "--model", "vitx"], 2, "choose one of auto, mini"),
        (["--k", "3", "--embeddings", "v.npz"], 2, "leave one out"),
        (["--k", "3", "--seed", "-1"], 2, "between 0"),
    ],
)
def test_mistakes_are_one_line_with_a_remedy(run, album, tmp_path, options, code, words):
    before = tree(tmp_path)
    result = run(album, *options)
    assert (result.exit_code, result.stdout) == (code, "")
    assert words in result.stderr
    assert result.stderr.startswith("error: ")
    assert len(result.stderr.splitlines()) == 1
    assert tree(tmp_path) == before


def test_inputs_without_a_picture(run, tmp_path):
    (tmp_path / "empty").mkdir()
    result = run(tmp_path / "empty", "--k", "1")
    assert result.exit_code == 1
    assert "no picture found" in result.stderr
    (tmp_path / "empty/a.jpg").write_bytes(b"")
    result = run(tmp_path / "empty", "--k", "1")
    assert result.exit_code == 1
    assert "it is the only file" in result.stderr
    result = run(tmp_path / "nowhere", "--k", "1")
    assert result.exit_code == 2
    assert "nowhere" in result.stderr
    result = run("--k", "1")
    assert result.exit_code == 2
    assert "name pictures or folders" in result.stderr


def test_an_unknown_option_is_a_usage_error(run, album):
    result = run(album, "--no-such-option")
    assert result.exit_code == 2
    assert "--no-such-option" in result.stderr


# embed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".npz", ".parquet", ".npy"])
def test_embeddings_go_out_and_come_back(run, album, tmp_path, suffix):
    file = tmp_path / f"v{suffix}"
    result = run("embed", album, "-o", file)
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    assert "12 vectors of 64 dimensions" in result.stderr
    direct = run(album, "--k", "3")
    back = run("--embeddings", file, "--k", "3", model=False)
    assert back.exit_code == 0, back.stderr
    assert rows(back) == rows(direct)
    sorted_too = run("--embeddings", file, "--k", "3", "--out", tmp_path / "sorted", model=False)
    assert sorted_too.exit_code == 0, sorted_too.stderr
    manifest = json.loads((tmp_path / "sorted/manifest.json").read_text())
    assert manifest["model"]["dim"] == 64
    assert len(tree(tmp_path / "sorted")) == 12 + 7  # manifest, table, preview twice, .itae-cluster


def test_embedding_files_say_how_they_were_made(run, album, tmp_path):
    run("embed", album, "-o", tmp_path / "v.npz", "--theta", "2.5", "--exclude", "blue")
    with np.load(tmp_path / "v.npz") as arrays:
        metadata = json.loads(str(arrays["metadata"]))
        assert arrays["embeddings"].shape == (8, 64)
        assert arrays["embeddings"].dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(arrays["embeddings"], axis=1), 1, atol=1e-6)
    assert metadata["model"]["theta"] == 2.5
    assert metadata["options"]["excludes"] == ["blue"]
    assert metadata["model"]["size"] == 28


def test_embed_refuses_to_write_over_a_file(run, album, tmp_path):
    (tmp_path / "v.npz").write_text("mine")
    result = run("embed", album, "-o", tmp_path / "v.npz")
    assert result.exit_code == 1
    assert "exists" in result.stderr
    assert (tmp_path / "v.npz").read_text() == "mine"


def test_pictures_that_have_gone_since_embedding_are_skipped(run, album, tmp_path):
    run("embed", album, "-o", tmp_path / "v.npz")
    os.unlink(os.path.join(album, "red/0.png"))
    options = ["--embeddings", tmp_path / "v.npz", "--k", "3", "--out", tmp_path / "sorted"]
    result = run(*options, model=False)
    assert result.exit_code == 0, result.stderr
    assert "red/0.png: lost before it was placed" in result.stderr
    assert "11 pictures" in result.stderr


# The process ---------------------------------------------------------------------------------


def program(*args, **kwargs):
    return subprocess.run(
        [sys.executable, "-m", "itae_cluster", *map(os.fspath, args)],
        capture_output=True,
        check=False,
        **kwargs,
    )


def test_help_flows_and_gives_flags_no_type(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    text = run("undo", "--help", model=False).output
    assert "<bool>" not in text
    assert all(len(line.rstrip()) > 60 for line in text.splitlines() if "merged and split" in line)
    example = "\n itae-cluster ./photos --k 20 --out ./sorted"
    assert example in run("--help", model=False).output
    assert run("models", "list", "--help", model=False).output.count("<bool>") == 0


def test_version_and_help_import_nothing_heavy():
    code = (
        "import sys; sys.argv[1:] = {args}\n"
        "from itae_cluster.cli import main\n"
        "try: main()\n"
        "except SystemExit as ending: assert not ending.code, ending.code\n"
        "heavy = {{'torch', 'torchvision', 'numpy', 'sklearn', 'umap', 'hdbscan', 'matplotlib', "
        "'PIL'}} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    for args in (["--version"], ["--help"], ["cluster", "--help"], ["embed", "--help"]):
        done = subprocess.run(
            [sys.executable, "-c", code.format(args=args)], capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()


def test_python_dash_m():
    done = program("--version")
    assert done.stdout.startswith(b"itae-cluster ")
    assert done.returncode == 0


@pytest.mark.slow
def test_a_closed_pipe_ends_quietly(album, tiny_weights):
    command = [sys.executable, "-m", "itae_cluster", album, "--k", "3", "-q"]
    command += ["--weights", tiny_weights, "--size", "28"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0


def test_an_interrupt_is_130(run, album, tmp_path, monkeypatch):
    def interrupt(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("itae_cluster.clustering.recipe.cluster_vectors", interrupt)
    result = run(album, "--k", "3", "--out", tmp_path / "sorted")
    assert result.exit_code == 130
    assert "interrupted" in result.stderr
    assert not (tmp_path / "sorted").exists()


def test_completion_knows_commands_and_models():
    environment = {**os.environ, "_ITAE_CLUSTER_COMPLETE": "complete_bash"}

    def complete(words, position):
        variables = {"COMP_WORDS": words, "COMP_CWORD": str(position)}
        code = "from itae_cluster.cli import app; app(prog_name='itae-cluster')"
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**environment, **variables},
            capture_output=True,
            check=False,
        )
        return done.stdout.decode().split()

    assert "embed" in complete("itae-cluster e", 1)
    assert "vitb14-reg" in complete("itae-cluster cluster --model vitb", 3)
    assert "vitb14-reg" in complete("itae-cluster photos --model vitb", 3)


@pytest.mark.slow
def test_a_real_interrupt_ends_at_once_and_leaves_no_trace(album, tmp_path):
    command = [sys.executable, "-m", "itae_cluster", album, "--k", "3", "--model", "mini"]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path / "sorted"), "--size", "518", "--batch-size", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    time.sleep(4)  # in the middle of imports or of embedding
    process.send_signal(signal.SIGINT)
    output, words = process.communicate(timeout=20)
    assert (process.returncode, output) == (130, b"")
    assert words == b"interrupted; nothing was left half done\n"
    assert sorted(os.listdir(tmp_path)) == ["photos"]


def test_only_a_list_of_the_pictures(run, album, tmp_path):
    listed = [os.path.join(os.path.abspath(album), name) for name in ("red/0.png", "blue/3.png")]
    path = tmp_path / "list.txt"
    path.write_text("\n".join([*listed, "/gone.png"]), encoding="utf-8")
    for inputs in ([album], []):
        result = run(*inputs, "--only", path, "--k", "2")
        assert sorted(os.fsdecode(path) for path, _ in rows(result)) == sorted(listed)
        assert "gone.png" in result.stderr
    refused = run("--embeddings", "v.npz", "--only", path, "--k", "2", model=False)
    assert (refused.exit_code, "--only" in refused.stderr) == (2, True)


def test_contact_sheets_are_written_where_they_are_asked_for(run, album, tmp_path):
    out = tmp_path / "sorted"
    run(album, "--k", "3", "--contact-sheets", "-o", out)
    assert sorted(os.listdir(out / "contact")) == [f"cluster-{n:03d}.jpg" for n in range(3)]
    refused = run(album, "--k", "3", "--contact-sheets")
    assert (refused.exit_code, "--out" in refused.stderr) == (2, True)


def test_the_page_knows_where_pictures_are_in_the_end(run, album, tmp_path):
    """Beside itself, whatever the action was, so that the result can be moved and shared."""
    for action in ("copy", "move"):
        out = tmp_path / action
        run(album, "--k", "3", "--action", action, "-o", out)
        text = (out / "preview.html").read_text("utf-8")
        assert str(tmp_path) not in text
        data = json.loads(text.split('id="data">')[1].split("</script>")[0])
        assert len(data["path"]) == 12
        assert all(os.path.isfile(out / path) for path in data["path"])
