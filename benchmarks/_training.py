"""What training costs beside the training: whole runs, and the parts of their intervals."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import populace
from benchmarks._disk import Disk, measure
from benchmarks._figures import Figure, median_ms, wait_for_quiet
from benchmarks._timed import PARTS, Interval, TimedProcesses, parts_ms

SPACE = {"lr": populace.LogUniform(1e-5, 1e-1), "dropout": populace.Uniform(0.0, 0.6)}
POPULATION, STEPS, INTERVAL = 64, 50, 5


class Nothing(populace.Trainable):
    """Steps that cost nothing, on a state of 10 kB."""

    def init(self, key: populace.Key, hp: Any) -> Any:
        return {"weights": np.zeros(1250), "lr": 0.0}

    def step(self, key: populace.Key, state: Any, hp: Any) -> Any:
        state["lr"] = hp["lr"]
        return state

    def evaluate(self, key: populace.Key, state: Any) -> float:
        return -abs(np.log10(state["lr"]) + 3.0)


def whole_runs(folder: Path, repeats: int, wait_s: float, *, synchronous: bool) -> Iterator[Figure]:
    """Runs the population of the demand in two worker processes, supervised as any run is."""
    walls, workers, disks, calm, lasts = [], [], [], [], []
    populace.tune(Nothing(), SPACE, population=2, steps=1, executor=populace.Processes(workers=2), directory=folder)
    num_intervals = POPULATION * STEPS // INTERVAL
    for _ in range(repeats):
        calm.append(wait_for_quiet(wait_s))
        disks.append(measure(folder / f"raw-{time.monotonic_ns()}"))
        start = time.time()
        segments = populace.tune(
            Nothing(),
            SPACE,
            population=POPULATION,
            steps=STEPS,
            interval=INTERVAL,
            seed=0,
            synchronous=synchronous,
            executor=populace.Processes(workers=2),
            directory=folder,
        ).segments
        lasts.append(time.time() - start)
        first = min(segment.begun_at for segment in segments)
        walls.append(max(segment.ended_at or 0.0 for segment in segments) - first)
        workers.append(2 * walls[-1] / num_intervals)
    kind = "synchronous" if synchronous else "asynchronous"
    disk = Disk(
        file_ms=statistics.median(d.file_ms for d in disks), commit_ms=statistics.median(d.commit_ms for d in disks)
    )
    raw_s = num_intervals * disk.interval_ms / 1e3
    wall = statistics.median(walls)
    title = f"{kind}: {POPULATION} members x {STEPS} steps, interval {INTERVAL}"
    spread = f"runs: {', '.join(f'{wall:.2f}' for wall in sorted(walls))}"
    yield Figure(name=title, value=wall, unit="s", demand=2.0, note=spread)
    yield Figure(name="  the same, tune called to tune returned", value=statistics.median(lasts), unit="s")
    yield Figure(name="  worker time per interval, all of it", value=median_ms(workers), unit="ms")
    busy = f"other processes used {statistics.median(calm):.2f} cores just before"
    yield Figure(name="  raw durable 10 kB file", value=disk.file_ms, unit="ms", note=busy)
    yield Figure(name="  raw durable commit", value=disk.commit_ms, unit="ms")
    note = "1 file and 2 commits per interval, one after the other"
    yield Figure(name="  wall time / raw durable costs of the run", value=wall / raw_s, unit="x", note=note)


def parts(folder: Path, workers: int) -> Iterator[Figure]:
    """Cuts the intervals of a time-shared run into parts: every interval changes the member."""
    intervals = _timed_run(folder, workers, population=POPULATION, steps=STEPS, policy=populace.PBT.paper())
    title = f"an interval, {workers} worker{'s' if workers > 1 else ''}: median"
    note = "every interval loads another member's state"
    yield Figure(name=title, value=median_ms([i.cost_s for i in intervals]), unit="ms", demand=3.0, note=note)
    for name, value in parts_ms(intervals).items():
        yield Figure(name=f"  {name}", value=value, unit="ms")


def exploits(folder: Path) -> Iterator[Figure]:
    """Compares intervals that begin with an exploit with those that do not, where workers keep their members."""
    policy = populace.PBT(exploit=populace.BinaryTournament())
    intervals = _timed_run(folder, 2, population=2, steps=1000, policy=policy)
    kept = [i for i in intervals if not i.handed_over]
    plain, cloned = ([i for i in kept if i.exploited is wanted] for wanted in (False, True))
    yield Figure(
        name="an interval of a member that goes on", value=median_ms([i.cost_s for i in plain]), unit="ms", demand=3.0
    )
    more = median_ms([i.cost_s for i in cloned]) - median_ms([i.cost_s for i in plain])
    yield Figure(name="an exploit, more", value=more, unit="ms", demand=3.0, note=f"{len(cloned)} of {len(kept)}")
    went_on, copied = parts_ms(plain), parts_ms(cloned)
    for name in PARTS:
        note = f"with an exploit {copied[name]:.2g}"
        yield Figure(name=f"  {name}", value=went_on[name], unit="ms", note=note)


def reports(folder: Path) -> Iterator[Figure]:
    """Times `report` inside a loop."""
    seconds: list[float] = []

    def train(member: populace.Member) -> None:
        member.track(state={"weights": np.zeros(2)})
        for step in member:
            start = time.perf_counter()
            member.report({"score": step, "loss": 1.0, "accuracy": 0.5})
            seconds.append(time.perf_counter() - start)

    populace.tune(
        train,
        SPACE,
        population=1,
        steps=2000,
        interval=1000,
        metric="score",
        executor=populace.Inline(),
        directory=folder,
    )
    yield Figure(name="report, of three metrics", value=1e3 * median_ms(seconds), unit="us", demand=20.0)


def _timed_run(folder: Path, workers: int, *, population: int, steps: int, policy: populace.PBT) -> list[Interval]:
    executor = TimedProcesses(workers)
    populace.tune(
        Nothing(),
        SPACE,
        population=population,
        steps=steps,
        interval=INTERVAL,
        seed=0,
        policy=policy,
        executor=executor,
        directory=folder,
    )
    return executor.intervals
