"""Real processes, really killed (SIGKILL) at random moments, whatever they do to a result.

    python tests/kill.py --times 200

kills that many and prints what each hit. `test_kill.py` runs a few of the same in every test run.
Each trial makes a collection, starts a command on it and kills it; then looks that no picture is
lost and nothing half-written bears a final name; then kills a second command, undo or the
continuation; then perhaps a merge or rename of the finished result, and its undo; then lets all be
taken back, and compares every byte, name, time and permission with what there was at first.
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

from fakes import RecordingReporter
from faults import Faults
from itae_cluster import plan as plans
from itae_cluster.errors import JournalError
from itae_cluster.journal import Journal
from itae_cluster.pipeline.applying import apply_plan, resume
from itae_cluster.pipeline.undoing import undo_result
from results import collection, planned, snapshot

FILES = 120
REMOVING = 0.4  # share of kills just after the result has appeared, when originals are removed
BRIEF = 0.02  # seconds that this takes
CHANGING = 0.06  # seconds that a merge takes
ACTIONS = ("copy", "move", "hardlink", "symlink")
MADE = {"manifest.json", "clusters.csv", ".itae-cluster/journal.jsonl"}

# The command itself, once everything is imported, so that a random moment falls into its work.
CHILD = """
import errno, os, sys
import itae_cluster.plan, itae_cluster.pipeline.undoing, itae_cluster.pipeline.applying
import itae_cluster.pipeline.regrouping
from itae_cluster import locks
from itae_cluster.cli import main
claimed = locks.claimed
def begin(*args):
    print("begun", flush=True)
    return claimed(*args)
locks.claimed = begin
if sys.argv.pop(1) == "apart":
    def link(*args, **kwargs):
        raise OSError(errno.EXDEV, "Invalid cross-device link")
    os.link = link
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

    def __init__(self, links, *words):
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, "together" if links else "apart", *words, "--quiet"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdout.readline() == b"ready\n"

    def finish(self):
        """Let it run to its end; exit code and what it said."""
        _, words = self.process.communicate(b"\n")
        return self.process.returncode, words.decode()

    def begin(self):
        """Return when it begins to change something."""
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
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
        self.root, self.rng, self.action, self.links = root, rng, action, links
        self.photos, self.out = os.path.join(root, "photos"), os.path.join(root, "sorted")
        self.plan = os.path.join(root, "plan.json")
        names = [f"{'abc'[n % 3]}/{n}.jpg" for n in range(FILES)]
        plan = planned(
            collection(self.photos, names), self.out, action, [n % 5 for n in range(FILES)]
        )
        with open(self.plan, "w", encoding="ascii") as file:
            json.dump(plans.document(plan), file)
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
        child = Child(self.links, *words)
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
        child = Child(self.links, *words)
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


def span(action, links):
    """Seconds that the whole command takes here."""
    with tempfile.TemporaryDirectory() as root:
        trial = Trial(root, random.Random(0), action, links)
        child = Child(links, "apply", trial.plan)
        child.begin()
        begun = time.monotonic()
        code, said = child.finish()
        assert code == 0, said
        return time.monotonic() - begun


def kill(times, seed=0):
    """At least `times` kills that hit; how often each kind of moment was hit."""
    rng = random.Random(seed)
    ways = [(action, True) for action in ACTIONS] + [("move", False), ("move", True)]
    longest = span("move", False)
    counts = Counter()
    for number in range(10 * times):
        action, links = ways[number % len(ways)]
        root = tempfile.mkdtemp()
        try:
            for hit in Trial(root, rng, action, links).run(longest if not links else longest / 2):
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
