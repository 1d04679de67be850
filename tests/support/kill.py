"""Real processes, really killed (SIGKILL) at random moments, whatever they do to a result.

    PYTHONPATH=tests python -m support.kill --times 200

kills that many and prints what each hit. `test_kill.py` runs a few of the same in every test run.
Each trial makes a collection, starts a command on it and kills it; then looks that no picture is
lost and nothing half-written bears a final name; then kills a second command, undo or the
continuation; then perhaps a merge, rename or edit of the finished result, and its undo; then lets
all be taken back, and compares every byte, name, time and permission with what was there at first.
Every fourth trial is one of the whole job on pictures, killed while it embeds or later, of an
update of its result, and of a cluster that is split.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter

from itae_cluster.changes.apply import apply_plan, resume
from itae_cluster.changes.undo import undo_result
from itae_cluster.core.errors import JournalError
from itae_cluster.results import plan as plans
from itae_cluster.results.journal import Journal
from support.albums import picture
from support.fakes import RecordingReporter
from support.faults import Faults
from support.results import collection, planned, snapshot

FILES = 120
REMOVING = 0.4  # share of kills just after the result has appeared, when originals are removed
EMBEDDING = 0.5  # share of kills at any moment of the job, not just where it changes something
BRIEF = 0.02  # seconds that this takes
CHANGING = 0.06  # seconds that a merge takes
ALBUM = 60  # pictures of the trials that embed
COLOURS = ((220, 30, 30), (20, 200, 40), (30, 40, 220))
ACTIONS = ("copy", "move", "hardlink", "symlink")
CHANGES = {
    "schema": "itae-cluster/changes",
    "schema_version": 1,
    "changes": [
        {"move": [f"cluster-000/{n}.jpg" for n in range(0, 50, 5)], "to": "New"},
        {"reject": [f"cluster-001/{n}.jpg" for n in range(1, 51, 5)]},
        {"merge": ["cluster-002", "cluster-003"], "name": "Both"},
    ],
}
MADE = {"manifest.json", "clusters.csv", ".itae-cluster/journal.jsonl"}

# The command itself, once everything is imported, so that a random moment falls into its work.
CHILD = """
import errno, os, sys
import itae_cluster.results.plan, itae_cluster.changes.undo, itae_cluster.changes.apply
import itae_cluster.pipeline.edit, itae_cluster.pipeline.regroup
from itae_cluster.changes import locks
from itae_cluster.cli import main
claim = locks.claim
def begin(*args):
    print("begun", flush=True)
    return claim(*args)
locks.claim = begin
how = sys.argv.pop(1)
if how == "apart":
    def link(*args, **kwargs):
        raise OSError(errno.EXDEV, "Invalid cross-device link")
    os.link = link
if how == "album":
    from support.fakes import MeanColourEncoder
    from itae_cluster.embedding import provenance
    from itae_cluster.pipeline import embed
    import itae_cluster.cli.commands.cluster, itae_cluster.cli.commands.update
    import itae_cluster.clustering.algorithms, sklearn.cluster
    made = lambda *_: MeanColourEncoder()
    embed.encoder_for = provenance.encoder_for = made
print("ready", flush=True)
sys.stdin.readline()
try:
    main()
except SystemExit as end:
    sys.stderr.flush()
    os._exit(end.code or 0)  # without the interpreter's own end, which no kill should hit
"""


class Child:
    """A command that waits to be told to begin."""

    def __init__(self, how, *words):
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, how, *words, "--quiet"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={
                **os.environ,
                "PYTHONPATH": os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
            },
        )
        assert self.process.stdout.readline() == b"ready\n"

    def finish(self):
        """Let it run to its end; exit code and what it said."""
        _, words = self.process.communicate(b"\n")
        return self.process.returncode, words.decode()

    def start(self):
        """Return at once."""
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def begin(self):
        """Return when it begins to change something."""
        self.start()
        assert self.process.stdout.readline() == b"begun\n"

    def wait_for(self, path):
        """Return when `path` is there, or the process has ended."""
        while not os.path.lexists(path) and self.process.poll() is None:
            time.sleep(0.0002)

    def kill(self):
        """Whether it was still at work when it was killed."""
        self.process.kill()
        self.process.communicate()
        return self.process.returncode == -9


class Trial:
    """One collection, killed twice at random moments."""

    def __init__(self, root, rng, action, links):
        self.root, self.rng, self.links = root, rng, links
        self.how = "together" if links else "apart"
        self.photos, self.out = os.path.join(root, "photos"), os.path.join(root, "sorted")
        self.plan = os.path.join(root, "plan.json")
        names = [f"{'abc'[n % 3]}/{n}.jpg" for n in range(FILES)]
        plan = planned(
            collection(self.photos, names), self.out, action, [n % 5 for n in range(FILES)]
        )
        with open(self.plan, "w", encoding="ascii") as file:
            json.dump(plans.document(plan), file)
        self.changes = os.path.join(root, "changes.json")
        with open(self.changes, "w", encoding="ascii") as file:
            json.dump(CHANGES, file)
        self.first = snapshot(root)

    def run(self, span):
        """Kill twice, finish, take back; what the kills hit."""
        hits = [self._killed("apply", span, "apply", self.plan)]
        there = os.path.lexists(self.out)
        job = self.rng.choice(["undo", "go on"])
        words = ["undo", self.out]
        if job == "go on":
            words = ["apply", *(["--resume", self.out] if there else [self.plan])]
        hits.append(self._killed(job, span / 2, *words))
        self._finish(job)
        if job == "go on":
            hits += self._changed()
        self._take_back()
        return hits

    def _changed(self):
        """A change of the finished result is killed, and so is taking that back."""
        before = self._but_journal()
        words = self.rng.choice(
            [
                ("merge", self.out, "cluster-000", "cluster-001", "--name", "Both"),
                ("rename", self.out, *(f"cluster-00{n}=name {n}" for n in range(5))),
                ("edit", self.out, self.changes, "--no-cache"),
            ]
        )
        hits = [self._killed_briefly(*words)]
        if self._changes():
            hits.append(self._killed_briefly("undo", self.out))
        if self._changes():
            with Faults(links=self.links)():
                assert undo_result(self.out, RecordingReporter()).refused == ()
        assert self._but_journal() == before, "not as before the change"
        return hits

    def _killed_briefly(self, *words):
        child = Child(self.how, *words)
        child.begin()
        time.sleep(self.rng.uniform(0, CHANGING))
        if not child.kill():
            return f"{words[0]}: over before the kill"
        self._look()
        last = Journal(self.out).read()[-1]
        return f"change, {words[0]}: {'staged' if 'staged' in last.marks else last.kind}"

    def _changes(self):
        """Whether there is a change that is not taken back."""
        return any(
            transaction.kind != "sort" and "undone" not in transaction.marks
            for transaction in Journal(self.out).read()
        )

    def _but_journal(self):
        journal = os.path.join("sorted", ".itae-cluster", "journal.jsonl")
        return {key: value for key, value in snapshot(self.root).items() if key != journal}

    def _killed(self, job, span, *words):
        child = Child(self.how, *words)
        child.begin()
        if job != "undo" and self.rng.random() < REMOVING:
            child.wait_for(self.out)
            span = BRIEF
        time.sleep(self.rng.uniform(0, span))
        was_at_work = child.kill()
        self._look()
        if not was_at_work:
            return f"{job}: over before the kill"
        return f"{job}: {self._state()}"

    def _state(self):
        moved = sum(not os.path.lexists(path) for path in self._sources())
        if not os.path.lexists(self.out):
            left = any(".partial-" in name for name in os.listdir(self.root))
            return "before the result appeared" if left else "nothing there"
        return f"result there, {'some' if 0 < moved < FILES else 'all' if moved else 'none'} moved"

    def _sources(self):
        return [os.path.join(self.root, key) for key in self.first if key.endswith(".jpg")]

    def _look(self):
        """No picture lost, nothing half-written under a final name."""
        now = snapshot(self.root)
        contents = {value[0] for value in now.values()}
        for key, value in self.first.items():
            assert value[0] in contents, f"lost: {key}"
        wanted = {value[0] for value in self.first.values()}
        for key, value in now.items():
            hidden = any(part.startswith(".") for part in key.split(os.sep))
            below = os.path.relpath(key, "sorted")
            if value[0] not in {"folder", "link"} and not hidden and below not in MADE:
                assert value[0] in wanted, f"half-written: {key}"

    def _finish(self, job):
        if job == "undo":
            return
        with Faults(links=self.links)():
            if os.path.lexists(self.out):
                assert resume(self.out, RecordingReporter())[1] == ()
            else:
                with open(self.plan, "rb") as file:
                    apply_plan(plans.read(file.read()), RecordingReporter())

    def _take_back(self):
        there = os.path.lexists(self.out)
        try:
            with Faults(links=self.links)():
                assert undo_result(self.out, RecordingReporter()).refused == ()
        except JournalError:
            assert not there, "no journal"
        assert snapshot(self.root) == self.first, "not as it was"


class AlbumTrial:
    """The whole job on pictures, killed; then done, an update, then a split; all taken back."""

    def __init__(self, root, rng, action):
        self.root, self.rng = root, rng
        self.photos, self.new = os.path.join(root, "photos"), os.path.join(root, "new")
        self.out = os.path.join(root, "sorted")
        self.cache = ["--cache", os.path.join(root, "cache")]
        self.options = [*self.cache, "--action", action]
        for number in range(ALBUM):
            folder = self.photos if number < ALBUM // 2 else self.new
            picture(os.path.join(folder, f"{number}.png"), COLOURS[number % 3], seed=number)
        self.first = self._pictures()

    def span(self):
        """Seconds that the job takes here."""
        child = Child("album", *self._job())
        begun = time.monotonic()
        assert child.finish() == (0, "")
        return time.monotonic() - begun

    def _job(self):
        return [
            self.photos,
            "--k",
            "3",
            "--reduce",
            "none",
            "--out",
            self.out,
            "--no-preview",
            *self.options,
        ]

    def run(self, longest):
        """Kill twice, take back; what the kills hit."""
        job = self._job()
        hits = [self._killed("the whole job", longest, *job)]
        self._take_back_what_is_there(self.first)
        code, said = Child("album", *job).finish()
        assert code == 0, said
        changes = (
            ("update", self.out, self.new, *self.options),
            ("split", self.out, "cluster-000", "--k", "2", *self.cache),
        )
        for done, words in enumerate(changes, start=1):
            before = self._pictures()
            hits.append(self._killed(words[0], longest, *words))
            self._take_back_what_is_there(before, keep=done)
            code, said = Child("album", *words).finish()
            assert code == 0, said
        for _ in range(1 + len(changes)):
            assert undo_result(self.out, RecordingReporter()).refused == ()
        assert self._pictures() == self.first, "not as it was"
        return hits

    def _killed(self, name, longest, *words):
        child = Child("album", *words)
        if self.rng.random() < EMBEDDING:
            child.start()
            time.sleep(self.rng.uniform(0, longest))
        else:
            child.begin()
            time.sleep(self.rng.uniform(0, CHANGING))
        if not child.kill():
            return f"{name}: over before the kill"
        contents = {value[0] for value in self._pictures().values()}
        for key, value in self.first.items():
            assert value[0] in contents, f"lost: {key}"
        return f"{name}: {self._state()}"

    def _state(self):
        kinds = [t.kind for t in self._transactions() if "undone" not in t.marks]
        return f"{kinds[-1]} begun" if kinds else "embedding"

    def _transactions(self):
        return Journal(self.out).read() if os.path.lexists(self.out) else []

    def _take_back_what_is_there(self, before, keep=0):
        standing = [t for t in self._transactions() if "undone" not in t.marks]
        if len(standing) > keep:
            assert undo_result(self.out, RecordingReporter()).refused == ()
            assert self._pictures() == before, "not as before"

    def _pictures(self):
        return {k: v for k, v in snapshot(self.root).items() if k.endswith(".png")}


def span(action, links):
    """Seconds that the whole command takes here."""
    with tempfile.TemporaryDirectory() as root:
        trial = Trial(root, random.Random(0), action, links)
        child = Child(trial.how, "apply", trial.plan)
        child.begin()
        begun = time.monotonic()
        code, said = child.finish()
        assert code == 0, said
        return time.monotonic() - begun


def album_span():
    """Seconds that the whole job on pictures takes here."""
    with tempfile.TemporaryDirectory() as root:
        return AlbumTrial(root, random.Random(0), "move").span()


def kill(times, seed=0):
    """At least `times` kills that hit; how often each kind of moment was hit."""
    rng = random.Random(seed)
    ways = [(action, True) for action in ACTIONS] + [("move", False), ("move", True)]
    longest, job = span("move", False), album_span()
    counts = Counter()
    for number in range(10 * times):
        action, links = ways[number % len(ways)]
        root = tempfile.mkdtemp()
        whole = number % 4 == 3
        trial = AlbumTrial(root, rng, action) if whole else Trial(root, rng, action, links)
        try:
            for hit in trial.run(job if whole else longest if not links else longest / 2):
                counts[f"{action}{'' if links else ' to another file system'}, {hit}"] += 1
        except AssertionError as error:
            raise AssertionError(f"{error}; left in {root}, {action}, links {links}") from error
        shutil.rmtree(root)
        if hits(counts) >= times:
            break
    return counts


def hits(counts):
    """How many kills hit a process at work."""
    return sum(n for what, n in counts.items() if "over before" not in what)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=200, help="kills that hit a running command")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    found = kill(chosen.times, chosen.seed)
    for what, times in sorted(found.items()):
        print(f"{times:5d}  {what}")
    print(f"{hits(found):5d}  kills of a process at work; pictures lost: 0")
