"""Deep RL: PPO on Breakout, PBT against random search at equal frames, every seed reported."""

from __future__ import annotations

import argparse
import os
import re
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks._constants import constants
from populace.demos import FRAMES_PER_STEP, breakout_contest, fresh_returns_of

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks" / "breakout.md"
BEGIN, END = "<!-- written by the benchmark: begin -->", "<!-- end -->"
HEAD = (
    "| seed | PBT, fresh episodes | random search | PBT, score | random search | PBT passed random's final score at |"
)


def measure(seed: int) -> str:
    """Returns a seed's row."""
    with tempfile.TemporaryDirectory() as directory:
        held = breakout_contest(directory=Path(directory), seed=seed, stem="bench")
        runs = (held.pbt, held.random)
        fresh = [fresh_returns_of(result) for result in runs]
        cells = [f"{each.mean():.2f} ± {each.std(ddof=1) / len(each) ** 0.5:.2f}" for each in fresh]
        cells += [f"{result.best.score:.2f}" for result in runs]
        passing, steps = held.passing_step, held.pbt.spec.steps
    at = "never" if passing is None else f"{passing * FRAMES_PER_STEP:,} of {steps * FRAMES_PER_STEP:,} frames"
    return f"| {seed} | {' | '.join(cells)} | {at} |"


def table_of(rows: dict[int, str]) -> str:
    """Returns rows by seed as a table, with medians and in how many PBT was better."""
    cells = [[float(cell.split("±")[0]) for cell in row.split("|")[2:6]] for row in rows.values()]
    medians = [f"{statistics.median(column):.2f}" for column in zip(*cells, strict=True)]
    better = sum(pbt > random for pbt, random, *_ in cells)
    lines = [HEAD, "|---|---|---|---|---|---|", *(rows[seed] for seed in sorted(rows))]
    lines += [f"| median | {' | '.join(medians)} | |", ""]
    return "\n".join([*lines, f"PBT better on fresh episodes on {better} of {len(cells)} seeds."])


def update(page: Path, rows: dict[int, str]) -> None:
    """Puts rows into the page's table; seeds measured before and not now keep theirs."""
    text = page.read_text("utf-8")
    head, rest = text.split(BEGIN)
    old, tail = rest.split(END)
    known = {int(row[1]): row[0] for row in re.finditer(r"^\| (\d+) \|.*$", old, re.MULTILINE)}
    page.write_text(f"{head}{BEGIN}\n{table_of({**known, **rows})}\n{END}{tail}", "utf-8")


def main(arguments: list[str]) -> int:
    """Prints a line per seed and the medians, and writes them into docs/benchmarks/breakout.md."""
    parser = argparse.ArgumentParser(prog="./do bench breakout", description=__doc__)
    parser.add_argument("--seeds", default="0:8", help="first and last+1 (default 0:8)")
    parser.add_argument("--no-page", action="store_true", help="only print: for seeds on which a setting is chosen")
    parser.add_argument(
        "--constants", type=int, metavar="SEEDS", help="instead: constant learning rates against falling ones"
    )
    asked = parser.parse_args(arguments)
    if asked.constants:
        for line in constants(asked.constants):
            print(line, flush=True)
        return 0
    first, last = map(int, asked.seeds.split(":"))
    os.environ["POPULACE_PROGRESS"] = "off"
    rows: dict[int, str] = {}
    for seed in range(first, last):
        begun = time.monotonic()
        rows[seed] = measure(seed)
        print(f"{rows[seed]}   ({time.monotonic() - begun:.0f} s)", flush=True)
        if not asked.no_page:
            update(PAGE, rows)
    print(f"\n{table_of(rows)}")
    return 0
