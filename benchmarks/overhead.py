"""What populace costs beside the training: every demand on speed and size, with the measured value.

Times are medians. A machine that does other things meanwhile waits in slices of milliseconds, and disks differ by a
hundred times; so the raw costs of the disk and what other processes used are measured in the same minutes.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks import _large, _sharing, _start, _training, _variants
from benchmarks._figures import Figure, heading, wait_for_quiet

POLICIES = "policies"


def main(arguments: list[str]) -> int:
    """Runs the sections and prints their figures; returns 1 where a demand was missed."""
    parser = argparse.ArgumentParser(prog="benchmarks overhead", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, and a hundredth of the large runs")
    parser.add_argument("--directory", help="where runs are written; a temporary directory otherwise")
    parser.add_argument("--wait", type=float, default=5.0, help="seconds to wait for a quiet machine before each run")
    parser.add_argument("--only", action="append", choices=[*_SECTIONS, POLICIES], help="one section; may be repeated")
    parser.add_argument(
        "--policies",
        default=",".join(_variants.POLICIES),
        help=f"those of the section `policies`, with commas between, of {', '.join(_variants.POLICIES)}",
    )
    told = parser.parse_args(arguments)
    names = told.policies.split(",")
    if unknown := {*names} - {*_variants.POLICIES}:
        parser.error(f"no policy {', '.join(unknown)}: name some of {', '.join(_variants.POLICIES)}")
    print(heading())
    missed = 0
    with tempfile.TemporaryDirectory(dir=told.directory) as folder:
        for name in _SECTIONS if told.only is None else (each for each in told.only if each != POLICIES):
            missed += _section(name, Path(folder) / name, quick=told.quick, wait_s=told.wait)
        if told.only is None or POLICIES in told.only:
            _policies(Path(folder) / POLICIES, names, 1 if told.quick else 5, told.wait)
    print(f"\n{missed} demands missed" if missed else "\nall demands met")
    return int(missed > 0)


def _section(name: str, folder: Path, *, quick: bool, wait_s: float) -> int:
    folder.mkdir()
    busy = wait_for_quiet(wait_s)
    print(f"\n{name}: {_TITLES[name]} (other processes used {busy:.2f} cores just before)", flush=True)
    missed = 0
    for figure in _SECTIONS[name](folder, quick, wait_s):
        print(figure, flush=True)
        missed += figure.demand is not None and figure.value > figure.demand
    return missed


def _policies(folder: Path, names: list[str], repeats: int, wait_s: float) -> None:
    """Prints what each policy costs; nothing is demanded but that it is its own arithmetic."""
    for synchronous in (False, True):
        busy = wait_for_quiet(wait_s)
        how = "generation by generation" if synchronous else "asynchronously"
        title = f"processor time of an interval, {how} (other processes used {busy:.2f} cores just before)"
        print(f"\n{POLICIES}: {title}\n", flush=True)
        chosen = [*dict.fromkeys((_variants.BASE, *names))]
        for line in _variants.table(folder / how, chosen, repeats, synchronous=synchronous):
            print(line, flush=True)


def _torch(folder: Path, quick: bool, wait_s: float) -> Iterable[Figure]:
    if importlib.util.find_spec("torch") is None:
        print("  skipped: it needs torch (./do setup --all installs it)")
        return ()
    return _sharing.changes(folder)


_SECTIONS: dict[str, Callable[[Path, bool, float], Iterable[Figure]]] = {
    "async": lambda folder, quick, wait_s: _training.whole_runs(folder, 2 if quick else 5, wait_s, synchronous=False),
    "sync": lambda folder, quick, wait_s: _training.whole_runs(folder, 2 if quick else 5, wait_s, synchronous=True),
    "parts": lambda folder, quick, _: [*_training.parts(folder, 1), *_training.parts(folder, 2)],
    "exploit": lambda folder, quick, _: _training.exploits(folder),
    "report": lambda folder, quick, _: _training.reports(folder),
    "sharing": _torch,
    "start": lambda folder, quick, _: _start.times(3 if quick else 5),
    "decide": lambda folder, quick, _: _large.decisions(folder, 50 if quick else 300),
    "answers": lambda folder, quick, _: _large.answers(folder, 10_000 if quick else 1_000_000),
    "memory": lambda folder, quick, _: _large.memory(folder, 20 if quick else 80),
}
_TITLES = {
    "async": "zero-cost steps, 10 kB of state, 2 worker processes, durable SQLite",
    "sync": "the same, generation by generation",
    "parts": "where the time of an interval goes",
    "exploit": "an exploit in place, where workers keep their members",
    "report": "a report inside an interval",
    "sharing": "16 members of a torch loop on 2 workers",
    "start": "how soon something happens",
    "decide": "a large population",
    "answers": "a long run",
    "memory": "the process that supervises",
}
