"""`python -m populace.testing.simulator --seeds 0:10000`: runs schedules and says what they broke.

Exit codes: 0 nothing is broken (with `--mutant`: the bug was found), 1 something is, or something never happened.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from populace.testing.simulator._batch import Report, run_batch, run_seeds
from populace.testing.simulator._mutants import MUTANTS

_MAX_SHOWN = 20


def _main() -> int:
    parser = argparse.ArgumentParser(prog="python -m populace.testing.simulator", description=__doc__)
    parser.add_argument("--seeds", type=_seeds, default=range(10_000), help="A:B runs the seeds A to B-1")
    parser.add_argument("--mutant", choices=[*MUTANTS, "all"], help="plant this bug, and stop where it is found")
    parser.add_argument("--processes", type=int, help="number of processes; the default is one per core")
    given = parser.parse_args()
    if given.mutant is None:
        return _run(given.seeds, given.processes)
    names = list(MUTANTS) if given.mutant == "all" else [given.mutant]
    missed = [name for name in names if not _is_found(name, given.seeds)]
    if missed:
        _say(f"not found: {', '.join(missed)}")
    return int(bool(missed))


def _seeds(text: str) -> range:
    first, _, last = text.partition(":")
    return range(int(first), int(last) if last else int(first) + 1)


def _run(seeds: Sequence[int], num_processes: int | None) -> int:
    began = time.perf_counter()
    report = Report(num_schedules=0, turns=0)
    for part in run_batch(seeds, num_processes=num_processes):
        for broken in part.broken[: max(0, _MAX_SHOWN - len(report.broken))]:
            _say(f"BROKEN {broken}")
        report += part
    seconds = time.perf_counter() - began
    for name, count in sorted(report.counts.items()):
        _say(f"{count:10,d}  {name}")
    _say(
        f"{report.num_schedules:,d} schedules, {report.turns:,d} operations, {report.num_kills:,d} kills in "
        f"{seconds:.0f} s ({report.num_schedules / seconds:.0f}/s): {len(report.broken)} broke a law"
    )
    if report.scarce:
        _say(f"too seldom to prove anything: {', '.join(report.scarce)}")
    return int(bool(report.broken or report.scarce))


def _is_found(name: str, seeds: Sequence[int]) -> bool:
    report = run_seeds(seeds, mutant=name, stop=True)
    found = f"found by {report.broken[0]}" if report.broken else "NOT FOUND"
    _say(f"{name} ({MUTANTS[name].about}): {report.num_schedules} schedules, {report.seconds:.1f} s: {found}")
    return bool(report.broken)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(_main())
