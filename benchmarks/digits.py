"""The digits demo on many seeds: PBT against random search at equal member-steps."""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from pathlib import Path

from populace.demos import Digits, digits_contest


def main(arguments: list[str]) -> int:
    """Prints a line per seed and the medians."""
    parser = argparse.ArgumentParser(prog="./do bench digits", description=__doc__)
    parser.add_argument("--seeds", default="0:8", help="first and last+1 (default 0:8)")
    first, last = map(int, parser.parse_args(arguments).seeds.split(":"))
    os.environ["POPULACE_PROGRESS"] = "off"
    task = Digits()
    rows: list[tuple[dict[str, float], dict[str, float], int | None]] = []
    print(
        "| seed | PBT test log-loss | accuracy | random search | accuracy | PBT passed random's final validation at |"
    )
    print("|---|---|---|---|---|---|")
    for seed in range(first, last):
        with tempfile.TemporaryDirectory() as directory:
            held = digits_contest(directory=Path(directory), seed=seed, stem="bench")
            pbt, random = (task.test(result.best.restore()) for result in (held.pbt, held.random))
            passing = held.passing_step
        rows.append((pbt, random, passing))
        at = "never" if passing is None else f"step {passing} of 60"
        print(
            f"| {seed} | {pbt['log_loss']:.3f} | {pbt['accuracy']:.1%} | {random['log_loss']:.3f} "
            f"| {random['accuracy']:.1%} | {at} |",
            flush=True,
        )
    medians = [statistics.median(row[i][name] for row in rows) for i in (0, 1) for name in ("log_loss", "accuracy")]
    better = sum(pbt["log_loss"] < random["log_loss"] for pbt, random, _ in rows)
    print(f"| median | {medians[0]:.3f} | {medians[1]:.1%} | {medians[2]:.3f} | {medians[3]:.1%} | |")
    print(f"\nPBT better by test log-loss on {better} of {len(rows)} seeds.")
    return 0
