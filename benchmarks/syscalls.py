"""Every system call of a run on its folder, hit once with every fault: `./do bench syscalls --sample 500`.

A small synchronous run is traced with strace. Then, call by call, it is run again and the call is hit: the process is
killed just before or just after it, or the call fails with EIO, ENOSPC or EINTR. The run must end by itself, finished
or with one line, or be dead; it is taken up again, and then nothing that was acknowledged may be missing, no law may be
broken, nothing may be left over, and the log must be that of the undisturbed run.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from benchmarks._faulty import NAME, fingerprint, train
from benchmarks._strace import CALLS, FAULTS, CannotTrace, Ending, Site, injecting, run_child, sites, tracing, was_hit
from populace._errors import PopulaceError
from populace.run import verify
from populace.store import SqliteStore

Case: TypeAlias = tuple[Site, str]
_SHOWN = 3
_ATTEMPTS = 5  # now and then something else opens a file, and all that comes after has another number


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of one case."""

    case: Case
    """The call and the fault."""
    ended: str
    """What the disturbed run did: "finished", "told", "killed"; "hung" or "missed" where it cannot be judged."""
    violations: tuple[str, ...]
    """What should not be."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Where cases run, and what they are compared with."""

    directory: Path
    """For everybody's files."""
    expected: tuple[str, ...]
    """The log of the undisturbed run."""

    @property
    def cut_short(self) -> Path:
        """The folder of a run that was killed."""
        return self.directory / "cut-short" / NAME

    def place(self, name: str, scenario: str) -> Path:
        """Makes a place for one run, with the run's folder in it if the scenario has one."""
        place = self.directory / name
        place.mkdir()
        if scenario == "resumed":
            shutil.copytree(self.cut_short, place / NAME)
        return place

    def list_sites(self, scenario: str) -> list[Site]:
        """Returns the calls of an undisturbed run, once two runs in a row have made the same.

        Now and then one opens a file once more than all others do, and what it alone did cannot be hit again.
        """
        lists: list[list[Site]] = []
        while len(lists) < 2 or lists[-1] != lists[-2]:
            assert len(lists) < _ATTEMPTS, "two undisturbed runs in a row make the same system calls"
            lists.append(self._listed(scenario, self.place(f"trace-{scenario}-{len(lists)}", scenario)))
        return lists[-1]

    def _listed(self, scenario: str, place: Path) -> list[Site]:
        ending = _child(place, "create" if scenario == "fresh" else "resume", tracing())
        assert ending is not None
        assert ending.code == 0, ending.said
        found = list(sites(scenario, place / NAME, ending.trace))
        assert _log(place) == self.expected, "the run depends on the seed alone"
        # What comes after a run was taken up is what a fresh run does too.
        return found if scenario == "fresh" else list(itertools.takewhile(lambda site: site.phase != "save", found))

    def cut_a_run_short(self, renames: Sequence[Site]) -> None:
        """Leaves a run that was killed with a checkpoint not yet published, a half one and a file of the user's."""
        place = self.place("cut-short", "fresh")
        killed = _child(place, "create", injecting(renames[len(renames) // 2], "kill after"))
        assert killed is not None
        assert killed.code < 0, killed.said
        (place / NAME / "checkpoints" / "tmp" / "half").write_bytes(b"half")
        (place / NAME / "scratch").mkdir(exist_ok=True)
        (place / NAME / "scratch" / "file").write_bytes(b"file")

    def judge(self, case: Case) -> Verdict:
        """Disturbs a run, takes it up again, and says what should not be."""
        site, fault = case
        for attempt in range(_ATTEMPTS):
            name = f"{site.scenario}-{site.call}-{site.number}-{fault.replace(' ', '-')}-{attempt}"
            place = self.place(name, site.scenario)
            ending = _child(place, "create" if site.scenario == "fresh" else "resume", injecting(site, fault))
            if ending is None:
                return Verdict(case=case, ended="hung", violations=("the run hangs",))
            if was_hit(site, fault, place / NAME, ending.trace):
                break
            shutil.rmtree(place)
        else:
            return Verdict(case=case, ended="missed", violations=("another call was hit than was meant",))
        ended = "killed" if ending.code < 0 else "finished" if ending.code == 0 else "told"
        found = [*_judge_ending(ending, ended, fault)]
        if ended != "finished":
            again = _child(place, "resume", None)
            if again is None or again.code:
                found.append(f"it cannot be taken up again: {'it hangs' if again is None else again.said}")
        if not found:
            found += self._judge_run(place, ending.acknowledged)
        shutil.rmtree(place)
        return Verdict(case=case, ended=ended, violations=tuple(found))

    def _judge_run(self, place: Path, acknowledged: tuple[str, ...]) -> Iterable[str]:
        yield from map(str, verify(place / NAME))
        log = _log(place)
        yield from (f"it was acknowledged and is not in the log: {line}" for line in acknowledged if line not in log)
        if log != self.expected:
            yield f"the log differs from the undisturbed run's: {sorted({*log} ^ {*self.expected})}"
        store = SqliteStore(place / NAME)
        needed = store.referenced()
        store.close()
        files = {path for path in (place / NAME).rglob("*") if path.is_file() and not path.name.startswith("store.")}
        left = sorted(str(path.relative_to(place)) for path in files if path.name not in {*needed, "run.lock"})
        yield from (f"it was left over: {name}" for name in left)


def main(arguments: list[str]) -> int:
    """Runs the cases; returns 1 where one shows what should not be."""
    epilog = f"calls: {', '.join(CALLS)}"
    parser = argparse.ArgumentParser(prog="./do bench syscalls", description=__doc__, epilog=epilog)
    parser.add_argument("--sample", type=int, help="number of cases, spread over phases and faults (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="what chooses the sample (default 0)")
    parser.add_argument("--only", default="", help="cases whose line, as printed for a violation, contains this text")
    parser.add_argument("--calls", default=",".join(CALLS), help="the calls to hit (default: all below)")
    parser.add_argument("--jobs", type=int, default=2, help="cases at a time (default 2)")
    options = parser.parse_args(arguments)
    if shutil.which("strace") is None:
        print("syscalls: there is no strace here: install it (Debian: apt-get install strace)", file=sys.stderr)
        return 2
    os.environ["POPULACE_PROGRESS"] = "off"
    os.nice(10)
    began = time.monotonic()
    # In memory where there is such a place: a kill of the process loses nothing there that a disk would keep.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        try:
            bench, found = _prepare(Path(folder))
        except CannotTrace as error:
            print(f"syscalls: strace may not trace here ({error}): allow ptrace", file=sys.stderr)
            return 2
        hit = [site for site in found if site.call in options.calls.split(",")]
        cases = [case for case in itertools.product(hit, FAULTS) if options.only in _line(case)]
        if options.sample is not None:
            cases = _spread(cases, options.sample, random.Random(options.seed))
        with multiprocessing.get_context("fork").Pool(options.jobs) as pool:
            verdicts = list(pool.imap_unordered(bench.judge, cases, chunksize=1))
    return _report(found, verdicts, time.monotonic() - began)


def _prepare(directory: Path) -> tuple[Bench, list[Site]]:
    place = directory / "undisturbed"
    place.mkdir()
    reader, writer = os.pipe()
    train(place, "create", writer)  # also loads what is loaded at first use, so that all forks are alike
    os.close(reader)
    os.close(writer)
    bench = Bench(directory=directory, expected=_log(place))
    fresh = bench.list_sites("fresh")
    bench.cut_a_run_short([site for site in fresh if site.call.startswith("rename")])
    return bench, [*fresh, *bench.list_sites("resumed")]


def _child(place: Path, phase: str, strace: list[str] | None) -> Ending | None:
    return run_child(partial(_train, place, phase), strace=strace, notes=place / "child")


def _train(place: Path, phase: str, tell: int) -> None:
    try:
        train(place, phase, tell)
    except PopulaceError as error:
        os.write(2, f"{error}\n".encode())
        os._exit(3)


def _judge_ending(ending: Ending, ended: str, fault: str) -> Iterable[str]:
    if fault.startswith("kill") != (ended == "killed"):
        yield f"it {ended}, after the fault {fault!r}: {ending.said}"
    elif "Traceback" in ending.said or (ended == "told" and ending.said.count("\n") != 1):
        yield f"it did not end with one line: {ending.said}"


def _log(place: Path) -> tuple[str, ...]:
    store = SqliteStore(place / NAME)
    segments = store.segments()
    store.close()
    return tuple(sorted(repr(fingerprint(segment)) for segment in segments))


def _line(case: Case) -> str:
    site, fault = case
    return f"{site.scenario} {site.phase}: {site.call} {site.number} of {site.target}, {fault}."


def _gist(verdict: Verdict) -> str:
    """Returns the end of what is wrong, without what differs from case to case."""
    last = verdict.violations[0].rstrip().splitlines()[-1]
    return re.sub(r"\S*/(?:fresh|resumed)-[^/]*", "...", last)


def _spread(cases: Iterable[Case], num_cases: int, chooser: random.Random) -> list[Case]:
    """Returns so many cases, as many of every phase, call and fault as can be."""
    groups: dict[tuple[str, str, str], list[Case]] = defaultdict(list)
    for site, fault in cases:
        groups[site.phase, site.call, fault].append((site, fault))
    rows = list(groups.values())
    for row in (*rows, rows):
        chooser.shuffle(row)
    taken = (case for turn in itertools.zip_longest(*rows) for case in turn if case is not None)
    return list(itertools.islice(taken, num_cases))


def _report(found: Sequence[Site], verdicts: Sequence[Verdict], took_s: float) -> int:
    print(f"{len(found)} system calls x {len(FAULTS)} faults; {len(verdicts)} cases in {took_s:.0f} s")
    print(f"{'phase':<10} {'fault':<12} {'cases':>6} {'finished':>9} {'told':>6} {'killed':>7} {'violations':>11}")
    rows: dict[tuple[str, str], list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        rows[verdict.case[0].phase, verdict.case[1]].append(verdict)
    for phase in dict.fromkeys(site.phase for site in found):
        for fault in FAULTS:
            row = rows[phase, fault]
            ended = Counter(verdict.ended for verdict in row)
            bad = sum(bool(verdict.violations) for verdict in row)
            counts = f"{ended['finished']:>9} {ended['told']:>6} {ended['killed']:>7} {bad:>11}"
            print(f"{phase:<10} {fault:<12} {len(row):>6} {counts}")
    broken = [verdict for verdict in verdicts if verdict.violations]
    alike: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in broken:
        alike[_gist(verdict)].append(verdict)
    for gist, group in sorted(alike.items(), key=lambda item: -len(item[1])):
        print(f"{len(group)} x {gist}")
        for verdict in group[:_SHOWN]:
            print(f"    {_line(verdict.case)}")
        print("  " + group[0].violations[0].rstrip().replace("\n", "\n  "))
    resumed = sum(verdict.ended != "finished" for verdict in verdicts)
    print(f"{resumed} runs were taken up again; {len(broken)} cases show what should not be")
    print("passed" if not broken else "FAILED: repeat a case with --only and its line")
    return int(bool(broken))
