"""Algorithms on the suite of tasks: policies of populace, random search, Optuna's samplers, at equal member-steps."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "benchmarks" / "algorithms"
PAGE = ROOT / "docs" / "benchmarks" / "algorithms.md"
BEGIN, END = "<!-- written by the benchmark: begin -->", "<!-- end -->"
FIRST_REPORTED = 400


def main(arguments: list[str]) -> int:
    """Measures what has not been measured yet, prints the tables, and writes the page where seeds are reported."""
    asked = _parser().parse_args(arguments)
    # Many small programs: a pool of threads for each costs more than it brings.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from benchmarks.suite import ROWS, TASKS, task_named
    from benchmarks.suite._contestants import measure
    from benchmarks.suite._results import Results
    from benchmarks.suite._table import page_of

    first, last = map(int, asked.seeds.split(":"))
    names = {"all": TASKS, "rows": ROWS}.get(asked.tasks) or tuple(asked.tasks.split(","))
    intervals = [int(each) for each in asked.intervals.split(",")]
    results = Results(asked.results)
    for name in [] if asked.table else names:
        task = task_named(name)
        seeds = list(range(first, last))[: task.num_seeds]
        for interval in intervals:
            for algorithm in asked.policies.split(","):
                began = time.monotonic()
                count = measure(
                    task,
                    algorithm,
                    seeds=seeds,
                    population=asked.population,
                    interval=interval,
                    timing=asked.mode,
                    results=results,
                    again=asked.again,
                )
                took = f"{time.monotonic() - began:.0f} s" if count else "known"
                print(f"{name} {interval} % {algorithm}: {len(seeds)} seeds ({took})", flush=True)
    text = page_of(results.read(range(first, last)), TASKS, ROWS)
    print(f"\n{text}")
    if first >= FIRST_REPORTED or asked.page is not None:
        write_page(asked.page or PAGE, text)
    return 0


def write_page(page: Path, text: str) -> None:
    """Puts the tables into a page, between its marks; what stands around them stays."""
    if not page.exists():
        page.write_text(f"# Algorithms compared\n\n{BEGIN}\n{END}\n", "utf-8")
    old = page.read_text("utf-8")
    head, tail = old.split(BEGIN)[0], old.split(END)[1]
    page.write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{tail}", "utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./do bench algorithms", description=__doc__)
    parser.add_argument("--tasks", default="rows", help="names, or `rows` (those of the table), or `all`")
    parser.add_argument("--intervals", default="1,3,10", help="percent of the run (default 1,3,10)")
    parser.add_argument("--population", type=int, default=10, help="members (default 10)")
    parser.add_argument(
        "--seeds",
        default="400:448",
        help="first and last+1; 0:48 to choose settings on, from 400 to report (default 400:448); "
        "each task says how many of them it needs",
    )
    parser.add_argument(
        "--policies",
        default="default,paper,random,gp,tpe,asha",
        help="default, paper, random, plain, gp, tpe, asha, a policy of populace's, or module:name",
    )
    parser.add_argument(
        "--mode",
        choices=("sync", "sync-unknown", "async", "async-unequal"),
        default="sync",
        help="who waits for whom (sync-unknown: and policies are not told how long the run is)",
    )
    parser.add_argument(
        "--results", type=Path, default=RESULTS, help="folder of the lines of JSON; what it holds is kept"
    )
    parser.add_argument(
        "--page", type=Path, default=None, help="page that gets the tables (only reported seeds, otherwise)"
    )
    parser.add_argument(
        "--again", action="store_true", help="measure what is known too: after a change of code that no setting shows"
    )
    parser.add_argument("--table", action="store_true", help="measure nothing, make the tables of what is known")
    return parser
