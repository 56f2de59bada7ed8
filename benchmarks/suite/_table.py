"""Lines of results as tables in Markdown: medians, on how many seeds better, and whether that may be luck."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import wilcoxon

from benchmarks.suite._contestants import CONTROLS, TRIALS

BASE = "random"
NOISE = "noise"
LEVEL = 0.05
_ORDER = ("random", "default", "paper", "plain")


class Paired(NamedTuple):
    """Two algorithms on the same seeds."""

    wins: int
    of: int
    p: float
    """Of the Wilcoxon signed-rank test on paired differences, two-sided, uncorrected."""
    gap: float
    """Median of the differences."""

    @property
    def verdict(self) -> int:
        """1 where significantly better, -1 where worse, else 0."""
        return 0 if self.p >= LEVEL else (1 if self.gap > 0 else -1)

    def __str__(self) -> str:
        return f"{self.wins}/{self.of}, {'**' if self.p < 0.001 else format(self.p, '.2g')}"


Scores = Mapping[int, float]
"""Test scores by seed."""


def paired(mine: Scores, theirs: Scores) -> Paired | None:
    """Returns how one algorithm does against another on the seeds that both have; None where there are none."""
    seeds = sorted(mine.keys() & theirs.keys())
    if not seeds:
        return None
    # A run without any finite score is worse than every other, by no more than that.
    floor = min((x for x in (*mine.values(), *theirs.values()) if math.isfinite(x)), default=0.0) - 1.0
    ours, others = (np.array([max(each[seed], floor) for seed in seeds]) for each in (mine, theirs))
    gaps = ours - others
    p = float(wilcoxon(gaps).pvalue) if np.any(gaps != 0) else 1.0
    return Paired(int(np.sum(gaps > 0)), len(seeds), p, float(np.median(gaps)) or float(np.mean(gaps)))


def page_of(lines: Iterable[Mapping[str, Any]], order: Sequence[str], counted: Sequence[str] | None = None) -> str:
    """Returns all tables, a section for each population size and timing; controls have a page of their own.

    Args:
        lines: The results.
        order: The tasks in the order of the table.
        counted: The tasks whose rows are counted; None: all.
    """
    lines = [line for line in lines if line["algorithm"] not in CONTROLS]
    noise = [line for line in lines if line["task"] == NOISE]
    lines = [line for line in lines if line["task"] != NOISE]
    held: dict[tuple[int, str], dict[tuple[str, int], dict[str, dict[int, float]]]] = {}
    lockstep = []
    for line in lines:
        section = held.setdefault((line["population"], line["timing"]), {})
        row = section.setdefault((line["task"], line["interval"]), {})
        row.setdefault(line["algorithm"], {})[line["seed"]] = line["test"]
        if line["timing"] == "sync" and line["algorithm"] in (BASE, *TRIALS):
            lockstep.append(line)
    # Who does not depend on the timing is measured once, and stands in every section.
    for line in lockstep:
        for (population, _), section in held.items():
            beside = section.get((line["task"], line["interval"]))
            if population == line["population"] and beside is not None:
                beside.setdefault(line["algorithm"], {})[line["seed"]] = line["test"]
    sections = [
        _section(f"{population} members, {_TIMINGS[timing]}", held[population, timing], order, counted)
        for population, timing in sorted(held)
    ]
    return "\n\n".join([*sections, *([_spreads(noise)] if noise else [])])


_TIMINGS = {
    "sync": "in lockstep",
    "sync-unknown": "in lockstep, the length of the run unknown to the policy",
    "async": "asynchronous",
    "async-unequal": "asynchronous, the fastest member four times as fast as the slowest",
}


def _spreads(lines: Sequence[Mapping[str, Any]]) -> str:
    """Returns what is left of the hyperparameters' spread where the score is pure noise."""
    held: dict[tuple[Any, ...], list[float]] = {}
    for line in lines:
        if line["algorithm"] not in TRIALS:
            key = (line["population"], line["timing"], line["algorithm"], line["interval"])
            held.setdefault(key, []).append(line["spread"])
    head = ["| members | timing | algorithm | interval | median | smallest | half or more kept |", f"|{'---|' * 7}"]
    body = []
    for (population, timing, algorithm, interval), spreads in sorted(held.items()):
        kept = f"{sum(spread >= 0.5 for spread in spreads)}/{len(spreads)}"
        numbers = f"{statistics.median(spreads):.2f} | {min(spreads):.2f} | {kept}"
        body.append(f"| {population} | {timing} | {algorithm} | {interval} % | {numbers} |")
    title = "## Pure noise: the spread of the hyperparameters at the end, as a share of that at the start"
    return f"{title}\n\n" + "\n".join([*head, *body])


def _section(
    title: str,
    rows: Mapping[tuple[str, int], Mapping[str, Scores]],
    order: Sequence[str],
    counted: Sequence[str] | None,
) -> str:
    places = {name: place for place, name in enumerate(order)}
    names = {name for row in rows.values() for name in row}
    known = [name for name in (*_ORDER, *sorted(names - {*_ORDER, *TRIALS}), *TRIALS) if name in names]
    policies = [name for name in known if name not in (BASE, *TRIALS)]
    trials = [name for name in known if name in TRIALS]
    keys = sorted(rows, key=lambda key: (places.get(key[0], len(places)), key))
    head = [f"| task | interval | seeds | {' | '.join(known)} |", f"|{'---|' * (3 + len(known))}"]
    body = [_row(key, rows[key], known) for key in keys]
    parts = [f"## {title}", "\n".join([*head, *body])]
    inside = [key for key in keys if counted is None or key[0] in counted]
    outside = [key for key in keys if key not in inside]
    judged = [name for name in known if name != BASE and BASE in known]
    for label, some in (("", inside), (" (the other tasks)", outside)):
        parts += [_summary(f"{name}{label}", name, rows, some) for name in judged if any(name in rows[k] for k in some)]
    if policies and trials:
        versus = [(policy, other) for policy in policies for other in trials]
        head = [
            f"| task | interval | {' | '.join(f'{a} against {b}' for a, b in versus)} |",
            f"|{'---|' * (2 + len(versus))}",
        ]
        body = [
            f"| {task} | {interval} % | {' | '.join(_versus(rows[task, interval], a, b) for a, b in versus)} |"
            for task, interval in keys
            if rows[task, interval].keys() & {*policies} and rows[task, interval].keys() & {*trials}
        ]
        parts.append("\n".join([*head, *body]))
    every = [
        f"{task} {interval} % {name}: {_list(rows[task, interval][name])}"
        for task, interval in keys
        for name in known
        if name in rows[task, interval]
    ]
    seeds = "\n".join(every)
    parts.append(f"<details><summary>Every seed, in their order</summary>\n\n```\n{seeds}\n```\n\n</details>")
    return "\n\n".join(parts)


def _row(key: tuple[str, int], row: Mapping[str, Scores], known: Sequence[str]) -> str:
    cells = []
    for name in known:
        scores = row.get(name)
        if scores is None:
            cells.append("-")
            continue
        median = show(statistics.median(scores.values()))
        against = None if name == BASE else paired(scores, row.get(BASE, {}))
        cells.append(f"{median} [{show(min(scores.values()))}]" if against is None else f"{median} ({against})")
    count = max(len(scores) for scores in row.values())
    return f"| {key[0]} | {key[1]} % | {count} | {' | '.join(cells)} |"


def _summary(
    label: str, name: str, rows: Mapping[tuple[str, int], Mapping[str, Scores]], keys: Sequence[tuple[str, int]]
) -> str:
    found = {key: paired(rows[key][name], rows[key].get(BASE, {})) for key in keys if name in rows[key]}
    judged = {key: each.verdict for key, each in found.items() if each is not None}
    better = sum(verdict > 0 for verdict in judged.values())
    worse = [f"{task} {interval} %" for (task, interval), verdict in judged.items() if verdict < 0]
    where = f" ({', '.join(worse)})" if worse else ""
    return (
        f"{label}: significantly better than random search on {better} of {len(judged)} rows, "
        f"significantly worse on {len(worse)}{where}."
    )


def _versus(row: Mapping[str, Scores], mine: str, theirs: str) -> str:
    against = paired(row.get(mine, {}), row.get(theirs, {}))
    return "-" if against is None else str(against)


def _list(scores: Scores) -> str:
    return " ".join(show(scores[seed]) for seed in sorted(scores))


def show(score: float) -> str:
    """Returns a score with three digits that count, or two after the point where that is fewer."""
    if not math.isfinite(score):
        return "none"
    size = abs(score)
    return (
        f"{score:.0f}"
        if size >= 100
        else f"{score:.1f}"
        if size >= 10
        else f"{score:.2f}"
        if size >= 1
        else f"{score:.3f}"
    )
