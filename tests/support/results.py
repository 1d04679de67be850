"""Small collections, plans for them, and folders compared byte for byte."""

from __future__ import annotations

import os
import stat

import numpy as np

from itae_cluster.changes.apply import apply_plan
from itae_cluster.changes.planning import make_plan
from itae_cluster.core.options import Action, OutputOptions
from itae_cluster.core.types import Clustering
from itae_cluster.results.manifest import head
from itae_cluster.results.placements import place_pictures
from itae_cluster.results.plan import Entry
from support.fakes import RecordingReporter, a_run

SETTLED = 1_000_000_000


def clustering(labels):
    labels = np.array(labels, dtype=np.int64)
    n_clusters = labels.max(initial=-1) + 1
    return Clustering(labels, np.zeros((n_clusters, 2), np.float32), np.zeros(len(labels)))


def collection(root, names=("a/img.jpg", "b/img.jpg", "b/other.jpg")):
    """Files with content, time and permissions of their own; their paths."""
    for number, name in enumerate(names):
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(f"content of {number} {name!a}".encode() * (number + 1))
        os.utime(path, ns=(SETTLED, SETTLED * 10**9 + number * 1_234_567))
        os.chmod(path, (0o644, 0o600, 0o444)[number % 3])
    return [os.path.join(root, name) for name in names]


def planned(paths, out, action, labels=None, placements=None):
    labels = [0] * len(paths) if labels is None else labels
    model = {"name": "none", "theta": None, "size": 28, "dim": 2}
    options = {"clustering": {"seed": 0}, "output": {"action": str(action)}}
    return make_plan(
        placements or place_pictures(paths, clustering(labels)),
        (),
        head(model, options),
        OutputOptions(os.fspath(out), Action(action)),
        a_run(),
    )


def organized(paths, out, action, labels=None):
    """A result; what `apply_plan` says of it."""
    return apply_plan(planned(paths, out, action, labels), RecordingReporter())


def touch_while_placed(path, monkeypatch):
    """Have a picture change after it was planned and before what was made of it is looked at."""
    is_unchanged, looks = Entry.is_unchanged, []

    def meddle(entry):
        if entry.source == path:
            looks.append(path)
            if len(looks) == 2:
                os.utime(path)
        return is_unchanged(entry)

    monkeypatch.setattr(Entry, "is_unchanged", meddle)


def pictures(folder):
    """Every file below a result but those the tool makes itself, with its content."""
    made = {
        "manifest.json",
        "clusters.csv",
        ".itae-cluster/journal.jsonl",
        ".itae-cluster/model.npz",
    }
    return {name: content for name, content in tree(folder).items() if name not in made}


def tree(folder):
    """Every file below `folder` with its content, hidden ones too."""
    found = {}
    for where, _, files in os.walk(folder):
        for name in files:
            path = os.path.join(where, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = file.read()
    return found


def snapshot(folder):
    """All that is below `folder`: content, time and permissions of files; links; folders."""
    found = {}
    for where, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(where, name)
            status = os.lstat(path)
            key = os.path.relpath(path, folder)
            if stat.S_ISLNK(status.st_mode):
                found[key] = ("link", os.readlink(path))
            elif stat.S_ISDIR(status.st_mode):
                found[key] = ("folder",)
            else:
                with open(path, "rb") as file:
                    content = file.read()
                found[key] = (content, status.st_mtime_ns, stat.S_IMODE(status.st_mode))
    return found
