"""Translation: PBT against its rivals by BLEU, and what its schedule is worth when it is replayed.

The suite's task of that name. Two controls train ten models anew, from other weights and random numbers: along the
schedule of PBT's winner, and with the last hyperparameters of that held fixed. Of the gain of PBT over random search, a
control keeps (control - random search) / (PBT - random search), in means over the seeds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.algorithms import PAGE as SUITE
from benchmarks.algorithms import RESULTS, write_page

PAGE = SUITE.parent / "translation.md"
TASK, BASE, SUBJECT = "translation", "random", "default"
CONTROLS = {"schedule": "its schedule, replayed", "final": "its last values, held"}
RIVALS = (BASE, "tpe", "gp", "asha")
NAMES = {BASE: "random search", "tpe": "TPE", "gp": "GP", "asha": "ASHA", SUBJECT: "PBT()", **CONTROLS}

Scores = Mapping[int, float]
"""BLEU on the held-out sentences, by seed."""


def main(arguments: Sequence[str]) -> int:
    """Measures what has not been measured yet, prints the tables, and writes them into the page."""
    parser = argparse.ArgumentParser(prog="./do bench translation", description=__doc__)
    parser.add_argument("--seeds", default="400:408", help="first and last+1 (default 400:408)")
    parser.add_argument("--algorithms", default=f"{','.join(RIVALS)},{SUBJECT},schedule,final", help="which to measure")
    parser.add_argument("--interval", type=int, default=3, help="percent of the run (default 3)")
    parser.add_argument("--population", type=int, default=10, help="members (default 10)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the lines; what it holds is kept")
    parser.add_argument("--page", type=Path, default=PAGE, help="page that gets the tables")
    parser.add_argument("--table", action="store_true", help="measure nothing, make the tables of what is known")
    told = parser.parse_args(arguments)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from benchmarks.suite import task_named
    from benchmarks.suite._contestants import measure
    from benchmarks.suite._results import Results

    results, seeds = Results(told.results), list(range(*map(int, told.seeds.split(":"))))
    for name in [] if told.table else told.algorithms.split(","):
        began = time.monotonic()
        given = {"population": told.population, "interval": told.interval, "timing": "sync", "results": results}
        count = measure(task_named(TASK), name, seeds=seeds, **given)  # type: ignore[arg-type]
        print(f"{name}: {count} seeds measured ({time.monotonic() - began:.0f} s)", flush=True)
    held: dict[str, dict[int, float]] = {}
    for line in results.read(seeds):
        if (line["task"], line["interval"], line["population"]) == (TASK, told.interval, told.population):
            held.setdefault(line["algorithm"], {})[line["seed"]] = line["test"]
    text = text_of(held)
    print(f"\n{text}")
    write_page(told.page, text)
    return 0


def text_of(held: Mapping[str, Scores]) -> str:
    """Returns the tables: every seed, the default policy against its rivals, and what the controls keep."""
    from benchmarks.suite._table import paired

    names = [name for name in NAMES if name in held]
    seeds = sorted({seed for scores in held.values() for seed in scores})
    rows = [[str(seed), *(_show(held[name].get(seed)) for name in names)] for seed in seeds]
    rows.append(["median", *(_show(statistics.median(held[name].values())) for name in names)])
    parts = [_table(["seed", *(NAMES[name] for name in names)], rows)]
    mine = held.get(SUBJECT)
    if mine is None:
        return parts[0]
    against = [(name, paired(mine, held[name])) for name in names if name != SUBJECT]
    parts.append(
        _table(
            [f"{NAMES[SUBJECT]} against", "better on, p", "median difference"],
            [[NAMES[name], str(each), f"{each.gap:+.2f}"] for name, each in against if each is not None],
        )
    )
    parts += [_told(held, control) for control in CONTROLS if BASE in held and control in held]
    return "\n\n".join(parts)


def kept(pbt: Sequence[float], random: Sequence[float], control: Sequence[float]) -> float:
    """Returns which share of the mean gain over random search a control keeps."""
    gain = statistics.fmean(pbt) - statistics.fmean(random)
    return (statistics.fmean(control) - statistics.fmean(random)) / gain


def _told(held: Mapping[str, Scores], control: str) -> str:
    seeds = sorted(held[SUBJECT].keys() & held[BASE].keys() & held[control].keys())
    pbt, random, mine = ([held[name][seed] for seed in seeds] for name in (SUBJECT, BASE, control))
    gain = statistics.fmean(pbt) - statistics.fmean(random)
    return (
        f"{NAMES[SUBJECT]}, {NAMES[control]}: a mean of {statistics.fmean(mine):.2f} on {len(seeds)} seeds, where "
        f"{NAMES[SUBJECT]} has {statistics.fmean(pbt):.2f} and random search {statistics.fmean(random):.2f} (a gain of "
        f"{gain:+.2f}): {kept(pbt, random, mine):.0%} of the gain is kept."
    )


def _show(score: float | None) -> str:
    return "-" if score is None else f"{score:.2f}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
