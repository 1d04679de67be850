"""Plans: made, read back, refused; the commands plan, apply and undo."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from importlib import resources

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from referencing import Registry, Resource

from itae_cluster.changes.locks import claim
from itae_cluster.changes.planning import check_sources
from itae_cluster.core.documents import to_json
from itae_cluster.core.errors import PlanError
from itae_cluster.core.options import Action
from itae_cluster.preview import read_page
from itae_cluster.results import centres
from itae_cluster.results import plan as plans
from itae_cluster.results.paths import is_inside, resolve
from itae_cluster.results.validation import read_schema
from support.command_line import run_cli
from support.fakes import RecordingReporter
from support.results import collection, pictures, planned, snapshot, tree


@pytest.fixture
def photos(tmp_path):
    return collection(str(tmp_path / "photos"))


@pytest.fixture
def record(photos, tmp_path):
    """A plan as JSON holds it, to be changed by tests."""
    return plans.document(planned(photos, tmp_path / "sorted", Action.MOVE, [0, 0, 1]))


def read(record):
    return plans.read(json.dumps(record).encode())


@pytest.fixture
def run(tiny_weights):
    def invoke(*words, model=False, stdin=None):
        options = ["--weights", tiny_weights, "--size", "28"] if model else []
        return run_cli(*words, *options, stdin=stdin)

    return invoke


@pytest.fixture
def no_map(monkeypatch):
    """The preview without UMAP, which takes long to import."""
    monkeypatch.setattr(
        "itae_cluster.preview.build.cached_umap",
        lambda vectors, *_, **__: vectors[:, :2].copy(),
    )


# The document --------------------------------------------------------------------------------


def validate(record):
    jsonschema.validate(record, read_schema("plan"))


def test_a_plan_comes_back_as_it_was(photos, tmp_path):
    names = ["caf\u00e9.jpg", os.fsdecode(b"\xff.jpg"), "new\nline.jpg"]
    odd = collection(str(tmp_path / "odd"), names)
    plan = planned([*photos, *odd], tmp_path / "sorted", Action.MOVE)
    record = plans.document(plan)
    validate(record)
    assert plans.document(read(record)) == record
    back = read(record)
    assert (back.entries, back.out, back.action) == (plan.entries, plan.out, plan.action)


def test_a_program_that_knows_no_surrogates_does_no_harm(tmp_path):
    """It writes the replacement character, but leaves the base64 of the bytes alone."""
    path = collection(str(tmp_path / "odd"), [os.fsdecode(b"\xff.jpg")])[0]
    record = plans.document(planned([path], tmp_path / "sorted", Action.COPY))
    text = json.dumps(record).replace("\\udcff", "\\ufffd")
    assert plans.read(text.encode()).entries[0].source == path


HOSTILE = ["../x", "a/../../x", "/etc/passwd", "", ".", "..", "a//b", "a/./b", "a/", "/"]


@pytest.mark.parametrize("destination", HOSTILE)
def test_a_destination_outside_is_refused(record, destination):
    record["files"][1]["destination"] = destination
    with pytest.raises(PlanError, match=r"leads out of OUT|no destination"):
        read(record)


def test_a_destination_outside_is_refused_in_its_bytes_too(record):
    record["files"][1]["destination_base64"] = base64.b64encode(b"../x").decode()
    with pytest.raises(PlanError, match="leads out of OUT"):
        read(record)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r["files"][1].update(destination="cluster-000/img.jpg"), "repeats"),
        (lambda r: r["files"][1].update(destination="CLUSTER-000/IMG.jpg"), "repeats"),
        (lambda r: r["files"][1].update(destination="cluster-000"), "a file and a folder"),
        (lambda r: r["files"][1].update(destination="manifest.json"), "the tool makes"),
        (lambda r: r["files"][1].update(destination="preview.html/x"), "a file and a folder"),
        (lambda r: r["files"][1].update(destination=".itae-cluster/x"), "the tool makes"),
        (lambda r: r["files"][1].update(source=r["files"][0]["source"]), "repeats"),
        (lambda r: r["files"][1].update(source="img.jpg"), "not absolute"),
        (lambda r: r["files"][1].update(source="/a\0b"), "no source"),
        (lambda r: r["files"][1].update(source=7), "source must be string"),
        (lambda r: r["files"][1].update(source_base64="?"), "cannot be used"),
        (lambda r: r["files"][1].update(size="1"), r"files\[1\]\.size must be integer"),
        (lambda r: r["files"][1].update(cluster=True), r"files\[1\]\.cluster must be integer"),
        (lambda r: r["files"][1].update(cluster=-2), r"cluster must be bigger than or equal to -1"),
        (lambda r: r["files"][1].update(cluster=2**70), "cluster must be smaller"),
        (lambda r: r["files"][1].update(sha256="0" * 63), "sha256 .*: 64 hexadecimal digits"),
        (lambda r: r["files"][1].update(distance="far"), "distance must be number or null"),
        (lambda r: r["files"][1].pop("size"), r"files\[1\] must contain \['size'\]"),
        (lambda r: r.update(files=[]), "files must contain at least 1 items"),
        (lambda r: r.update(files={"a": 1}), "files must be array"),
        (lambda r: r.update(out="sorted"), "not absolute"),
        (lambda r: r.update(action="burn"), "action must be one of"),
        (lambda r: r.update(model=[]), "model must be object"),
        (lambda r: r.update(schema="x"), "not a plan of this tool"),
        (lambda r: r.update(schema_version=2), "another version"),
    ],
)
def test_what_does_not_fit_together_is_refused(record, change, words):
    change(record)
    with pytest.raises(PlanError, match=words) as caught:
        read(record)
    assert "nothing was done" in str(caught.value)


def test_what_plan_and_manifest_have_in_common_is_checked(record):
    """By us, and by any validator that follows `$ref` in the files."""
    folder = resources.files("itae_cluster.results") / "schemas"
    schema, parts = (
        json.loads((folder / f"{name}.json").read_text()) for name in ("plan", "parts")
    )
    registry = Registry().with_resource("parts.json", Resource.from_contents(parts))
    other = jsonschema.Draft7Validator(schema, registry=registry)
    suggested = {"name": "dog", "tags": ["dog"], "confidence": 0.9}
    record["clusters"] = [{"cluster": 0, "suggested": suggested}]
    assert read(record).suggested[0].name == "dog"
    assert other.is_valid(record)
    suggested["confidence"] = 2
    with pytest.raises(PlanError, match=r"clusters\[0\]\.suggested\.confidence must be smaller"):
        read(record)
    assert not other.is_valid(record)


def test_a_field_that_is_not_known_is_passed_over(record):
    record["files"][1]["note"] = "mine"
    record["model"] = {"size": None}
    assert len(read(record).entries) == 3


@pytest.mark.parametrize("data", [b"", b"[]", b"7", b"{", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_plan_is_refused(data):
    with pytest.raises(PlanError, match="cannot be used"):
        plans.read(data)


@given(st.text("ab./\\", max_size=8))
def test_what_counts_as_inside_stays_inside(relative):
    root = os.path.join(os.sep, "root")
    if is_inside(relative):
        path = os.path.normpath(os.path.join(root, relative))
        assert path == resolve(root, relative)
        assert path.startswith(root + os.sep)


def test_a_link_on_the_way_is_not_followed(tmp_path):
    (tmp_path / "real").mkdir()
    os.symlink(tmp_path / "real", tmp_path / "link")
    assert resolve(str(tmp_path), "real/x") == str(tmp_path / "real/x")
    with pytest.raises(ValueError, match="link is a link"):
        resolve(str(tmp_path), "link/x")


# Sources that changed ------------------------------------------------------------------------


def edit_quietly(path):
    """Another content of the same size and time."""
    status = os.stat(path)
    os.chmod(path, 0o644)
    with open(path, "r+b") as file:
        file.write(b"X")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (os.unlink, "it has gone"),
        (os.utime, "its size or time of change is another"),
        (edit_quietly, "its content is another"),
    ],
)
def test_changed_sources_are_refused_and_named(photos, record, tmp_path, change, reason):
    plan = read(record)
    check_sources(plan, RecordingReporter())
    change(photos[1])
    before = snapshot(tmp_path)
    reporter = RecordingReporter()
    with pytest.raises(PlanError, match=r"b/img\.jpg; nothing was done; make the plan again"):
        check_sources(plan, reporter)
    assert reporter.warnings == [f"{photos[1]} has changed since it was planned: {reason}"]
    assert snapshot(tmp_path) == before


# The commands --------------------------------------------------------------------------------


@pytest.mark.parametrize("action", Action)
def test_plan_apply_undo(run, album, tmp_path, no_map, action):
    options = [album, "--k", "3", "--out", tmp_path / "sorted", "--action", action]
    first = snapshot(tmp_path)
    made = run("plan", *options, model=True)
    assert made.exit_code == 0, made.stderr
    assert "12 files planned" in made.stderr
    assert snapshot(tmp_path) == first
    record = json.loads(made.stdout)
    validate(record)
    applied = run("apply", "-", stdin=made.stdout)
    assert (applied.exit_code, applied.stdout) == (0, ""), applied.stderr
    result = tree(tmp_path / "sorted")
    assert {item["destination"] for item in record["files"]} | {
        *("manifest.json", "clusters.csv", "preview.html", "preview.png"),
        *(f".itae-cluster/{name}" for name in ("journal.jsonl", "model.npz", "levels.npz")),
    } == set(result)
    undone = run("undo", tmp_path / "sorted")
    assert undone.exit_code == 0, undone.stderr
    assert snapshot(tmp_path) == first


def test_plan_and_apply_make_what_the_main_command_makes(run, album, tmp_path, no_map):
    """Byte for byte, but for the time; each with a cache of its own, so that none helps another."""
    out, own = tmp_path / "sorted", ("--cache", tmp_path / "own")
    made = run("plan", album, "--k", "3", "--out", out, *own, model=True)
    applied = run("apply", "-", *own, stdin=made.stdout)
    assert (applied.exit_code, applied.stderr) == (0, f"12 files in {out}\n")
    one = tree(out)
    assert run("undo", out).exit_code == 0
    run(album, "--k", "3", "--out", out, "--cache", tmp_path / "other", model=True)
    two = tree(out)
    journals = [found.pop(".itae-cluster/journal.jsonl") for found in (one, two)]
    manifests = [json.loads(found.pop("manifest.json")) for found in (one, two)]
    jsonschema.validate(manifests[0], read_schema("manifest"))
    for manifest in manifests:
        manifest.pop("created")
    assert manifests[0] == manifests[1]
    assert one.keys() == two.keys() > {"preview.html", "preview.png", ".itae-cluster/model.npz"}
    assert [name for name in one if one[name] != two[name]] == []
    assert len(journals[0].splitlines()) == len(journals[1].splitlines())


def test_a_cluster_taken_out_of_a_plan_is_missing_on_the_page_too(run, album, tmp_path, no_map):
    made = json.loads(
        run("plan", album, "--k", "3", "--out", tmp_path / "sorted", model=True).stdout
    )
    made["files"] = [item for item in made["files"] if item["cluster"] != 1]
    for item in made["files"]:
        item["destination"] = item["destination"].replace("cluster-002", "Beach")
    assert run("apply", "-", stdin=json.dumps(made)).exit_code == 0
    page, _ = read_page((tmp_path / "sorted/preview.html").read_bytes())
    assert sorted({*page.labels.tolist()}) == [0, 2]
    assert page.folders[2] == "Beach"
    assert "8 pictures · 2 clusters" in page.subtitle
    assert centres.load(str(tmp_path / "sorted")).labels.tolist() == [0, 2]


def test_a_plan_whose_vectors_are_gone_is_applied_and_completed_later(
    run, album, tmp_path, no_map, tiny_weights
):
    out = tmp_path / "sorted"
    made = run("plan", album, "--k", "3", "--out", out, "--no-cache", model=True)
    applied = run("apply", "-", stdin=made.stdout)
    assert applied.exit_code == 0
    assert f"'itae-cluster preview {out}' makes both later" in applied.stderr
    assert not (out / "preview.html").exists()
    assert len(json.loads((out / "manifest.json").read_text())["pictures"]) == 12
    refused = run("update", out, album)
    assert refused.exit_code == 1
    assert f"'itae-cluster preview {out}'" in refused.stderr
    before = snapshot(out)
    drawn = run("preview", out, "--contact-sheets", "--weights", tiny_weights)
    assert (drawn.exit_code, drawn.stdout) == (0, "")
    assert "12 pictures on the map" in drawn.stderr
    assert len(os.listdir(out / "contact")) == 3
    page, _ = read_page((out / "preview.html").read_bytes())
    records = json.loads((out / "manifest.json").read_text())["pictures"]
    wanted = {item["destination"]: item["cluster"] for item in records}
    assert dict(zip(page.names, page.labels.tolist(), strict=True)) == wanted
    assert run("update", out, album, "--weights", tiny_weights).exit_code == 0
    assert run("undo", out).exit_code == 0
    journal = os.path.join(".itae-cluster", "journal.jsonl")
    assert snapshot(out) | {journal: 0} == before | {journal: 0}


def test_preview_draws_a_page_that_was_edited_anew(run, album, tmp_path, no_map, tiny_weights):
    out = tmp_path / "sorted"
    run(album, "--k", "3", "--out", out, model=True)
    first = (out / "preview.html").read_bytes()
    (out / "preview.html").write_bytes(b"mine")
    assert run("preview", out, "--weights", tiny_weights).exit_code == 0
    assert (out / "preview.html").read_bytes() == first
    assert run("undo", out).exit_code == 0
    assert (out / "preview.html").read_bytes() == b"mine"


def test_a_plan_from_a_vector_file_has_its_preview(run, album, tmp_path, no_map):
    vectors, out = tmp_path / "vectors.npz", tmp_path / "sorted"
    assert run("embed", album, "-o", vectors, model=True).exit_code == 0
    made = run("plan", "--embeddings", vectors, "--k", "3", "--out", out, "--no-cache")
    assert run("apply", "-", "--no-cache", stdin=made.stdout).exit_code == 0
    assert (out / "preview.html").exists()


def test_sidecars_go_along_where_that_is_asked_for(run, album, tmp_path, no_map):
    with open(os.path.join(album, "red/1.png.xmp"), "w", encoding="utf-8") as file:
        file.write("<x/>")
    first = snapshot(tmp_path)
    options = [album, "--k", "3", "--out", tmp_path / "sorted", "--action", "move"]
    foreseen = run(*options, "--with-sidecars", "--dry-run", model=True)
    assert "red/1.png.xmp\t" in foreseen.stdout
    done = run(*options, "--with-sidecars", model=True)
    assert "4 each), 1 sidecar; see" in done.stderr
    manifest = json.loads((tmp_path / "sorted/manifest.json").read_text())
    jsonschema.validate(manifest, read_schema("manifest"))
    (record,) = [item for item in manifest["pictures"] if "sidecars" in item]
    assert record["sidecars"][0]["destination"] == record["destination"] + ".xmp"
    assert not os.path.exists(os.path.join(album, "red/1.png.xmp"))
    assert run("undo", tmp_path / "sorted").exit_code == 0
    assert snapshot(tmp_path) == first
    made = run("plan", *options, "--with-sidecars", model=True)
    validate(json.loads(made.stdout))
    assert "13 files in" in run("apply", "-", stdin=made.stdout).stderr


def test_a_plan_made_elsewhere_means_the_same_files(run, album, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = run("plan", "photos", "--k", "3", "--out", "sorted", model=True)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert run("apply", "-", stdin=made.stdout).exit_code == 0
    manifest = json.loads((tmp_path / "sorted/manifest.json").read_text())
    assert all(os.path.exists(item["source"]) for item in manifest["pictures"])


def test_undo_of_the_main_command_takes_the_preview_too(run, album, tmp_path, no_map):
    first = snapshot(tmp_path)
    run(album, "--k", "3", "--out", tmp_path / "sorted", "--action", "move", model=True)
    foreseen = run("undo", tmp_path / "sorted", "--dry-run")
    assert len(foreseen.stdout.splitlines()) == 12 + 6
    assert "12 files restored, 6 removed; dry run, nothing was changed" in foreseen.stderr
    assert run("undo", tmp_path / "sorted").exit_code == 0
    assert snapshot(tmp_path) == first


def test_resume_finishes_a_move(run, record, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "unlink", refuse_originals(os.unlink))
    applied = run("apply", "-", stdin=json.dumps(record))
    assert applied.exit_code == 1
    assert "3 originals could not be removed" in applied.stderr
    assert "apply --resume" in applied.stderr.splitlines()[-1]
    monkeypatch.undo()
    resumed = run("apply", "--resume", tmp_path / "sorted")
    assert resumed.exit_code == 0, resumed.stderr
    assert not any(map(os.path.exists, photos))
    assert len(pictures(tmp_path / "sorted")) == 3


def refuse_originals(unlink):
    def refuse(path, *args, **kwargs):
        if "photos" in str(path):
            raise PermissionError(13, "Permission denied")
        unlink(path, *args, **kwargs)

    return refuse


def mistakes(tmp_path):
    yield ["apply"], 2, "name a plan"
    yield ["apply", "-", "--resume", tmp_path], 2, "name a plan"
    yield ["apply", tmp_path / "none.json"], 1, "cannot read"
    yield ["apply", "-"], 1, "standard input is not a plan"
    yield ["apply", "--resume", tmp_path / "none"], 1, "holds no journal"
    yield ["undo", tmp_path], 1, "holds no journal"
    yield ["undo", tmp_path / "none"], 2, "no such folder"
    yield ["plan", "--k", "3", "--out", tmp_path / "x"], 2, "name pictures"
    yield ["plan", tmp_path, "--k", "3", "--out", tmp_path], 1, "not empty"


@pytest.mark.parametrize("number", range(9))
def test_mistakes_are_one_line_and_change_nothing(run, tmp_path, number):
    (tmp_path / "mine.txt").write_text("mine")
    words, code, said = list(mistakes(tmp_path))[number]
    before = snapshot(tmp_path)
    result = run(*words, stdin="x")
    assert result.exit_code == code, result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert said in result.stderr
    assert snapshot(tmp_path) == before


def test_a_hostile_plan_is_one_line_and_writes_nothing(run, record, tmp_path):
    record["files"][0]["destination"] = "../../x"
    before = snapshot(tmp_path)
    result = run("apply", "-", stdin=json.dumps(record))
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert snapshot(tmp_path) == before


def test_work_of_another_process_is_exit_4(run, record, tmp_path):
    with claim(str(tmp_path / "sorted"), (), RecordingReporter()):
        result = run("apply", "-", stdin=json.dumps(record))
    assert (result.exit_code, result.stderr.count("\n")) == (4, 1)
    assert "another itae-cluster is working on" in result.stderr
    assert run("apply", "-", stdin=json.dumps(record)).exit_code == 0


def test_what_undo_left_is_named_and_exit_1(run, record, tmp_path):
    run("apply", "-", stdin=json.dumps(record))
    edit_quietly(tmp_path / "sorted/cluster-001/other.jpg")
    result = run("undo", tmp_path / "sorted")
    assert result.exit_code == 1
    assert "cluster-001/other.jpg is left: it was changed since" in result.stderr
    assert "1 file not undone" in result.stderr.splitlines()[-1]


def test_applying_and_undoing_need_no_torch(record, tmp_path):
    (tmp_path / "plan.json").write_text(to_json(record))
    code = (
        "import sys\n"
        "from itae_cluster.cli import main\n"
        "for sys.argv[1:] in (['apply', {plan!r}], ['undo', {out!r}]):\n"
        "    try: main()\n"
        "    except SystemExit as end: assert not end.code\n"
        "heavy = {{'torch', 'sklearn', 'umap', 'hdbscan', 'matplotlib'}} & set(sys.modules)\n"
        "assert not heavy, heavy"
    ).format(plan=str(tmp_path / "plan.json"), out=str(tmp_path / "sorted"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("no_extras")
def test_what_was_passed_over_stands_in_the_plan_and_in_the_manifest(run, album, tmp_path):
    for name in ("a.cr2", "b.CR2", "c.mov"):
        with open(os.path.join(album, name), "wb") as file:
            file.write(b"something else")
    options = ["--k", "3", "--reduce", "none", "--out", tmp_path / "sorted", "--action", "move"]
    made = run("plan", album, *options, model=True)
    assert "3 other files passed over (.cr2 2, .mov 1); to read .cr2: pip install" in made.stderr
    plan = json.loads(made.stdout)
    validate(plan)
    (tmp_path / "plan.json").write_text(made.stdout)
    assert run("apply", tmp_path / "plan.json").exit_code == 0
    manifest = json.loads((tmp_path / "sorted/manifest.json").read_text())
    jsonschema.validate(manifest, read_schema("manifest"))
    assert plan["passed_over"] == manifest["passed_over"] == {".cr2": 2, ".mov": 1}
    assert os.path.exists(os.path.join(album, "a.cr2"))


@pytest.mark.parametrize("passed_over", [[1], {".cr2": "many"}, 3])
def test_a_plan_that_counts_otherwise_is_refused(record, passed_over):
    record["passed_over"] = passed_over
    with pytest.raises(PlanError):
        read(record)


def test_what_clusters_may_be_called_comes_through_a_plan(record):
    suggestion = {"name": "dog", "tags": ["animal"], "confidence": 0.9, "wordnet": "02084071"}
    record["clusters"] = [{"cluster": 0, "suggested": suggestion}]
    validate(record)
    plan = read(record)
    assert plan.suggested[0].name == "dog"
    assert plans.document(plan)["clusters"] == record["clusters"]
    record["clusters"][0]["suggested"]["name"] = 3
    with pytest.raises(PlanError, match=r"clusters\[0\]\.suggested\.name"):
        read(record)
