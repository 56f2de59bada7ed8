"""Batches of schedules: many seeds, what they broke, and whether everything that should have happened did."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import final

from populace.core import Violation
from populace.testing.simulator._mutants import MUTANTS
from populace.testing.simulator._plan import Fault
from populace.testing.simulator._schedule import run_schedule

_CHUNK = 100
_ONCE_IN = 500
"""In so many schedules, everything should happen once at least; a batch that is smaller tells nothing about that."""

BRANCHES = (
    *("published", "exploit", "work lost", "segment taken up again", "given up", "retired", "donor gone"),
    *("lease ran out", "stale claim at begin", "stale claim at publish", "stale claim at renew"),
    *("killed after claim", "killed after begin", "killed after put", "killed after publish", "killed after fail"),
    *("fell back", "replaced after damage", "began anew after damage", "damaged checkpoint"),
    *("waited for a donor", "waited at the barrier", "handed over in place"),
    *("handed over to another member", "resumed", "resumed with other limits", "stopped", "sweep cut short"),
    *("claims and begins lost with the host", "compared with the log without faults", "run failed", "all retired"),
    *("hopeless", "no finite score"),
)
"""What must have happened sometimes, besides every fault: the branches of the protocol."""


@final
@dataclass(frozen=True, kw_only=True)
class Broken:
    """A schedule that broke a law."""

    seed: int
    """Its seed."""
    violation: Violation
    """The first law that it broke."""

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.violation}"


@final
@dataclass(frozen=True, kw_only=True)
class Report:
    """What a batch of schedules came to."""

    num_schedules: int
    """Schedules run."""
    turns: int
    """Operations of all simulated processes."""
    counts: Counter[str] = field(default_factory=Counter)
    """How often each thing has happened."""
    broken: tuple[Broken, ...] = ()
    """The schedules that broke a law."""
    seconds: float = 0.0
    """Time taken, on one core."""

    def __add__(self, other: Report) -> Report:
        return Report(
            num_schedules=self.num_schedules + other.num_schedules,
            turns=self.turns + other.turns,
            counts=self.counts + other.counts,
            broken=self.broken + other.broken,
            seconds=self.seconds + other.seconds,
        )

    @property
    def scarce(self) -> list[str]:
        """What happened too seldom: a batch that lacks a fault or a branch of the protocol proves nothing about it."""
        least = self.num_schedules // _ONCE_IN
        return [name for name in (*(fault.value for fault in Fault), *BRANCHES) if self.counts[name] < least]

    @property
    def num_kills(self) -> int:
        """Worker processes that were killed one by one; crashes of whole runs and hosts come on top."""
        return self.counts[Fault.KILL_BEFORE.value] + self.counts[Fault.KILL_AFTER.value]


def run_seeds(seeds: Iterable[int], *, mutant: str | None = None, stop: bool = False) -> Report:
    """Runs the schedules of some seeds in this process.

    Args:
        seeds: The seeds.
        mutant: Which bug to plant; None leaves the engine as it is.
        stop: Whether the first schedule that breaks a law is the last.
    """
    counts: Counter[str] = Counter()
    broken: list[Broken] = []
    num_schedules = turns = 0
    began = time.perf_counter()
    with MUTANTS[mutant].planted() if mutant else nullcontext():
        for seed in seeds:
            outcome = run_schedule(seed)
            num_schedules += 1
            turns += outcome.turns
            counts.update(outcome.counts)
            if outcome.violations:
                broken.append(Broken(seed=seed, violation=outcome.violations[0]))
                if stop:
                    break
    seconds = time.perf_counter() - began
    return Report(num_schedules=num_schedules, turns=turns, counts=counts, broken=tuple(broken), seconds=seconds)


def run_batch(seeds: Sequence[int], *, num_processes: int | None = None) -> Iterator[Report]:
    """Yields reports on parts of a batch as they come in, from several processes."""
    chunks = [seeds[start : start + _CHUNK] for start in range(0, len(seeds), _CHUNK)]
    context = multiprocessing.get_context("spawn")
    count = min(len(chunks), num_processes or len(os.sched_getaffinity(0)))
    with ProcessPoolExecutor(max_workers=count, mp_context=context) as processes:
        yield from processes.map(run_seeds, chunks)
