"""Translation: PBT against random search, TPE and ASHA by BLEU, and what its schedule is worth when replayed.

`populace.compare` on the suite's task (numbers from English to French, a Transformer of two layers): 500 steps, an
interval of 4 %, since that divides them. Two controls train anew, from other weights and random numbers: along the
winner's schedule, and with its last hyperparameters. Of the gain of PBT over random search, a control keeps
(control - random) / (PBT - random).
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path

import populace
from benchmarks.suite import task_named
from populace.comparison import Algorithm, Comparison

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks" / "translation.md"
BEGIN, END = "<!-- written by the benchmark: begin -->", "<!-- end -->"
SUBJECT, BASE, REPLAY, FINAL = "PBT", "random search", "schedule replayed", "final values held"
ALGORITHMS: dict[str, Algorithm] = {
    SUBJECT: populace.PBT(),
    BASE: populace.RandomSearch(),
    "TPE": populace.SequentialSearch(sampler="tpe", startup=3),
    "ASHA": populace.SuccessiveHalving(),
    "GP": populace.SequentialSearch(sampler="gp", startup=3),
    REPLAY: populace.WinningSchedule(SUBJECT),
    FINAL: populace.FinalHyperparameters(SUBJECT),
}


def main(arguments: Sequence[str]) -> int:
    """Trains what has not been trained yet, prints the tables, and writes them into docs/benchmarks/translation.md."""
    parser = argparse.ArgumentParser(prog="./do bench translation", description=__doc__)
    parser.add_argument("--seeds", default="400:408", help="first and last+1 (default 400:408)")
    parser.add_argument("--algorithms", default=",".join(ALGORITHMS), help=f"some of {', '.join(ALGORITHMS)}")
    parser.add_argument("--population", type=int, default=10, help="members (default 10)")
    parser.add_argument("--interval", type=int, default=20, help="steps between ready points (default 20)")
    parser.add_argument("--directory", type=Path, default=Path("runs"), help="where runs lie; what is there goes on")
    parser.add_argument("--name", default="translation", help="the comparison's name")
    parser.add_argument("--workers", type=int, default=None, help="runs at a time; one per core otherwise")
    parser.add_argument("--no-page", action="store_true", help="only print")
    told = parser.parse_args(arguments)
    task = task_named("translation")
    found = populace.compare(
        task.trainable,  # type: ignore[arg-type]
        task.space,
        population=told.population,
        steps=task.num_steps,
        interval=told.interval,
        algorithms={name: ALGORITHMS[name] for name in told.algorithms.split(",")},
        seeds=list(range(*map(int, told.seeds.split(":")))),
        workers=told.workers,
        directory=told.directory,
        name=told.name,
    )
    text = text_of(found)
    print(text)
    if not told.no_page:
        head, rest = PAGE.read_text("utf-8").split(BEGIN)
        PAGE.write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}", "utf-8")
    return 0


def text_of(found: Comparison) -> str:
    """Returns the verdicts and tables of a comparison."""
    heads, rows = found.table()
    scores = {name: found.scores(name) for name in found.algorithms}
    seeds = [
        [str(seed), *("none" if (score := of[place]) is None else f"{score:.2f}" for of in scores.values())]
        for place, seed in enumerate(found.seeds)
    ]
    parts = [
        "\n".join(f"* {sentence}" for sentence in found.verdicts),
        _table(heads, rows),
        f"BLEU on the held-out sentences, seed by seed:\n\n{_table(['seed', *scores], seeds)}",
    ]
    return "\n\n".join([*parts, *_kept(found)])


def kept(pbt: Sequence[float], random: Sequence[float], control: Sequence[float]) -> float:
    """Returns which share of the mean gain over random search a control keeps."""
    gain = statistics.fmean(pbt) - statistics.fmean(random)
    return (statistics.fmean(control) - statistics.fmean(random)) / gain


def _kept(found: Comparison) -> list[str]:
    """Returns a line for each control; a seed on which anybody found nothing counts for none of them."""
    if not {SUBJECT, BASE} <= {*found.algorithms}:
        return []
    lines = []
    for control in (name for name in (REPLAY, FINAL) if name in found.algorithms):
        every = zip(*(found.scores(name) for name in (SUBJECT, BASE, control)), strict=True)
        whole = [(a, b, c) for a, b, c in every if a is not None and b is not None and c is not None]
        pbt, random, mine = zip(*whole, strict=True)
        gain = statistics.fmean(pbt) - statistics.fmean(random)
        lines.append(
            f"* {control}: {statistics.fmean(mine):.2f} BLEU in the mean of {len(whole)} seeds, where PBT has "
            f"{statistics.fmean(pbt):.2f} and random search {statistics.fmean(random):.2f} (a gain of {gain:.2f}): it "
            f"keeps {kept(pbt, random, mine):.0%} of the gain."
        )
    return ["\n".join(lines)] if lines else []


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
