"""docs/quality.json → the tables of docs/quality.md and docs/quality-tables.md."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.quality.criteria import RUNNER_UP, TAKEN
from benchmarks.quality.grid import named
from benchmarks.report import page_with
from itae_cluster.core.options import Algorithm, ClusterOptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["RESULTS", "near_shares", "pages_with_tables", "ranks"]

DOCS = Path(__file__).parents[3] / "docs"
RESULTS = DOCS / "quality.json"
PAGE = DOCS / "quality.md"
APPENDIX = DOCS / "quality-tables.md"
BEGIN, END = "<!-- tables: made by python tests/benchmarks/quality -->", "<!-- end of tables -->"
BASELINE = "none · kmeans"
_UNIT = named(ClusterOptions(Algorithm.KMEANS))  # of time
_METRICS = ("acc", "ari", "nmi")
_FACTOR = 1.5


def pages_with_tables() -> dict[Path, str]:
    """Both pages with the tables that belong to the results."""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    made = f"Model {results['model']}, θ {results['theta']}, {results['seeds']} seeds."
    pages = {
        PAGE: [_summary(results)],
        APPENDIX: [
            _by_set(results),
            _density(results),
            _found_k(results),
            _draws(results["draws"]),
            _limits(results["limits"]),
            _names(results.get("names", ())),
        ],
    }
    return {page: _page(page, made, tables) for page, tables in pages.items()}


def _page(page: Path, made: str, tables: Sequence[Sequence[str]]) -> str:
    text = "\n\n".join([made, *("\n".join(table) for table in tables)])
    return page_with(page, BEGIN, f"{text}\n", END)


def ranks(results: dict[str, Any]) -> dict[str, float]:
    """Mean rank of each recipe whose k was known, 1 the best, over sets and the three scores."""
    places: dict[str, list[float]] = defaultdict(list)
    for entries in _by_data(results, "known").values():
        for metric in _METRICS:
            means = {entry["recipe"]: _mean(entry[metric]) for entry in entries}
            for name, mean in means.items():
                better = sum(other > mean for other in means.values())
                equal = sum(other == mean for other in means.values())
                places[name].append(better + (equal + 1) / 2)
    return {name: _mean(values) for name, values in places.items()}


def _by_data(results: dict[str, Any], k: str) -> dict[str, list[dict[str, Any]]]:
    sets: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in results["runs"]:
        if entry["k"] == k:
            sets[entry["data"]].append(entry)
    return sets


def _summary(results: dict[str, Any]) -> list[str]:
    head = "| recipe | mean rank | ACC | ARI | NMI | ACC, 1:50 | small classes | ACC, k auto |"
    lines = [head, "|---|---|---|---|---|---|---|---|"]
    auto = _by_data(results, "auto")
    known = _by_data(results, "known")
    for name, rank in sorted(ranks(results).items(), key=lambda item: item[1]):
        mine = [entry for each in known.values() for entry in each if entry["recipe"] == name]
        uneven = [entry for entry in mine if entry["data"].endswith("1:50")]
        guessed = [entry for each in auto.values() for entry in each if entry["recipe"] == name]
        scores = [_over_sets(mine, metric) for metric in _METRICS]
        small = sum(sum(entry["small"]) for entry in mine)
        found = sum(sum(entry["small_found"]) for entry in mine)
        cells = [
            name,
            f"{rank:.1f}",
            *scores,
            _over_sets(uneven, "acc"),
            f"{found / small:.0%}" if small else "",
            _over_sets(guessed, "acc"),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _over_sets(entries: Sequence[dict[str, Any]], metric: str) -> str:
    """Mean over sets, with the standard error that the seeds leave it."""
    if not entries:
        return ""
    return _shown([_mean(values) for values in zip(*(e[metric] for e in entries), strict=True)])


def _by_set(results: dict[str, Any]) -> list[str]:
    order = sorted(ranks(results).items(), key=lambda item: item[1])
    shown = [name for name, _ in order if name != BASELINE][:4]
    lines = [
        f"| ACC, k known | pictures / classes | {BASELINE} | {' | '.join(shown)} |",
        "|---|---|---|" + "---|" * len(shown),
    ]
    for name, entries in _by_data(results, "known").items():
        by_recipe = {entry["recipe"]: entry for entry in entries}
        cells = [_shown(by_recipe[recipe]["acc"]) for recipe in (BASELINE, *shown)]
        size = f"{entries[0]['pictures']} / {entries[0]['classes']}"
        lines.append(f"| {name} | {size} | {' | '.join(cells)} |")
    return lines


def _density(results: dict[str, Any]) -> list[str]:
    head = "| HDBSCAN | ACC | ARI | NMI | noise, mean | noise, most | small classes |"
    lines = [head, "|---|---|---|---|---|---|---|"]
    found = [entry for each in _by_data(results, "found").values() for entry in each]
    for name in dict.fromkeys(entry["recipe"] for entry in found):
        mine = [entry for entry in found if entry["recipe"] == name]
        noise = [value for entry in mine for value in entry["noise"]]
        small = sum(sum(entry["small"]) for entry in mine)
        own = sum(sum(entry["small_found"]) for entry in mine)
        scores = " | ".join(_over_sets(mine, metric) for metric in _METRICS)
        share = f"{own / small:.0%}" if small else ""
        lines.append(f"| {name} | {scores} | {_mean(noise):.0%} | {max(noise):.0%} | {share} |")
    return lines


def _found_k(results: dict[str, Any]) -> list[str]:
    """The middle k over the seeds, bold where most are near the truth, and how many are."""
    sets: dict[str, dict[str, list[int]]] = defaultdict(dict)
    classes: dict[str, int] = {}
    for entry in results["chosen"]:
        sets[entry["data"]][entry["criterion"]] = entry["found"]
        classes[entry["data"]] = entry["classes"]
    criteria = list(next(iter(sets.values())))
    lines = [
        f"| k found | classes | {' | '.join(criteria)} |",
        "|---|---|" + "---|" * len(criteria),
    ]
    shares: dict[str, list[dict[str, float]]] = defaultdict(list)
    for name, found in sets.items():
        right = {key: _mean(_near(numbers, classes[name])) for key, numbers in found.items()}
        middle = {key: str(statistics.median_low(numbers)) for key, numbers in found.items()}
        cells = [f"**{middle[key]}**" if right[key] > 0.5 else middle[key] for key in criteria]
        lines.append(f"| {name} | {classes[name]} | {' | '.join(cells)} |")
        near = near_shares(found, classes[name])
        shares[name.partition(", ")[2] or "whole"].append(near)
        shares["all"].append(near)
    for kind in sorted(shares, key="all".__eq__):
        cells = [f"{_mean([each[key] for each in shares[kind]]):.0%}" for key in criteria]
        lines.append(f"| within a factor of 1.5, {kind} | | {' | '.join(cells)} |")
    return lines


def _draws(entries: Sequence[dict[str, Any]]) -> list[str]:
    """How often k is near the truth in sets drawn at random, for each source."""
    parts = [each for each in entries[0]["found"] if each not in {TAKEN, RUNNER_UP}]
    criteria = [TAKEN, RUNNER_UP, *parts]
    lines = [
        f"| within a factor of 1.5 | pictures / classes | sets | {' | '.join(criteria)} |",
        "|---|---|---|" + "---|" * len(criteria),
    ]
    found = [near_shares(entry["found"], entry["classes"]) for entry in entries]
    rows = [[shares[each] for each in criteria] for shares in found]
    for entry, shares in zip(entries, rows, strict=True):
        size = f"{entry['pictures']} / {entry['in']} | {len(entry['classes'])}"
        lines.append(f"| {entry['data']} | {size} | {' | '.join(f'{x:.0%}' for x in shares)} |")
    means = " | ".join(_shown(column) for column in zip(*rows, strict=True))
    return [*lines, f"| mean ± standard error over sources | | | {means} |"]


def near_shares(
    found: Mapping[str, Sequence[int]], classes: Sequence[int] | int
) -> dict[str, float]:
    """Of each criterion, how often it is near the truth; of the runner-up, if not the first is."""
    near = {criterion: _near(numbers, classes) for criterion, numbers in found.items()}
    if RUNNER_UP in near:
        near[RUNNER_UP] = near[TAKEN] | near[RUNNER_UP]
    return {criterion: _mean(each) for criterion, each in near.items()}


def _near(numbers: Sequence[int], classes: Sequence[int] | int) -> NDArray[np.bool_]:
    ratio = np.array(numbers) / np.array(classes)
    return np.asarray(np.maximum(ratio, 1 / ratio) <= _FACTOR)


def _limits(entries: Sequence[dict[str, Any]]) -> list[str]:
    """What became of each recipe on many pictures; time in units of the default's."""
    first = entries[0]
    one = next(entry["seconds"] for entry in entries if entry["recipe"] == _UNIT)
    lines = [
        f"| {first['pictures']:,} embeddings in {first['groups']} groups | clusters | ARI | "
        f"time, {_UNIT} = 1 | memory, GB |",
        "|---|---|---|---|---|",
    ]
    for entry in entries:
        if "refused" in entry:
            lines.append(f"| {entry['recipe']} | refused: {entry['refused']} | | | |")
            continue
        cells = [
            entry["recipe"],
            str(entry["clusters"]),
            f"{100 * entry['ari']:.1f}",
            f"{entry['seconds'] / one:.2g}",
            f"{entry['peak'] / 1e9:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _names(entries: Sequence[dict[str, Any]]) -> list[str]:
    """How many clusters have a name, how many names are right, and what one word for all gets."""
    lines = ["| suggested names | of | clusters | named | right | one word for all |"]
    lines.append("|---|---|---|---|---|---|")
    for entry in entries:
        clusters, named = entry["clusters"], entry["named"]
        shares = (
            named / clusters,
            entry["right"] / named if named else 0,
            entry["guess"] / clusters,
        )
        cells = " | ".join(f"{share:.0%}" for share in shares)
        lines.append(f"| {entry['data']} | {entry['of']} | {clusters} | {cells} |")
    return lines


def _shown(values: Sequence[float]) -> str:
    """Per cent: mean ± standard error over seeds."""
    error = statistics.stdev(values) / sqrt(len(values)) if len(values) > 1 else 0.0
    return f"{100 * _mean(values):.1f} ± {100 * error:.1f}"


def _mean(values: Iterable[float]) -> float:
    return statistics.fmean(values)
