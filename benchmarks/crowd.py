"""64 workers on one log, with nothing to train: how many publishes a second, how long one waits, who gets how many.

Every worker is a process with the real worker loop, heartbeat, log and checkpoints; a step costs nothing, so that all
of them want to write all the time. A worker's publishes are timed from its call to its return.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import populace
from benchmarks._figures import heading
from benchmarks._training import SPACE, Nothing
from populace._errors import PopulaceError, RunInterrupted
from populace.core import RunSpec
from populace.executors import Executor, Job, Outages
from populace.run import verify
from populace.store import Claim, Ending, Published, Store
from populace.worker import Heartbeat, Worker, loop_of

_PATIENCE_S = 120.0
_WARM_UP = 5  # publishes of a worker before its processor time counts


@dataclass(kw_only=True)
class Told:
    """What one worker has seen."""

    waits_s: list[float] = field(default_factory=list)
    """Seconds of each publish."""
    spent_s: list[tuple[float, float]] = field(default_factory=list)
    """Processor time of its own code, and of the system's on its behalf, when it was warm and at its end."""
    error: str = ""
    """What ended it early."""


@final
class Counted:
    """A store whose publishes are timed."""

    def __init__(self, store: Store, told: Told) -> None:
        self._store = store
        self._told = told

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def publish(self, claim: Claim, ending: Ending) -> Published:
        start = time.perf_counter()
        published = self._store.publish(claim, ending)
        self._told.waits_s.append(time.perf_counter() - start)
        if len(self._told.waits_s) == _WARM_UP:
            self._told.spent_s.append(os.times()[:2])
        return published


@final
class Crowd(Executor):
    """Many worker processes, asked to stop after some time."""

    def __init__(self, workers: int, seconds: float) -> None:
        self._workers = workers
        self._seconds = seconds
        self.told: list[Told] = []
        self.wall_s = 0.0

    def execute(self, job: Job, *, watch: Callable[[], None], stopping: Callable[[], bool], outages: Outages) -> None:
        context = multiprocessing.get_context("fork")
        pipes = [context.Pipe(duplex=False) for _ in range(self._workers)]
        processes = [context.Process(target=_work, args=(job, f"w{i}", pipe[1])) for i, pipe in enumerate(pipes)]
        start = time.monotonic()
        for process in processes:
            process.start()
        while time.monotonic() < start + self._seconds:
            time.sleep(0.5)
            watch()
        self.wall_s = time.monotonic() - start
        store = job.store()
        store.command("stop")
        store.close()
        for (ours, theirs), process in zip(pipes, processes, strict=True):
            theirs.close()
            self.told.append(ours.recv() if ours.poll(_PATIENCE_S) else Told(error="it did not stop"))
            process.join()

    def check(self, job: Job) -> None:
        loop_of(job.trainable)

    def warnings(self, spec: RunSpec) -> list[str]:
        return []


def main(arguments: list[str]) -> int:
    """Runs the crowd; returns 1 where a demand was missed."""
    parser = argparse.ArgumentParser(prog="./do bench crowd", description=__doc__)
    parser.add_argument("--workers", type=int, default=64, help="worker processes (default 64)")
    parser.add_argument("--members", type=int, default=64, help="members (default 64)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default 60; the demand is for 600)")
    parser.add_argument("--directory", help="where the run is written; a temporary directory otherwise")
    parser.add_argument("--paper", action="store_true", help="the paper's policy, which looks at newest scores alone")
    options = parser.parse_args(arguments)
    print(heading())
    with tempfile.TemporaryDirectory(dir=options.directory) as folder:
        crowd = Crowd(options.workers, options.seconds)
        with suppress(RunInterrupted):
            populace.tune(
                Nothing(),
                SPACE,
                population=options.members,
                steps=10**9,
                interval=1,
                seed=0,
                policy=populace.PBT.paper() if options.paper else None,
                name="crowd",
                executor=crowd,
                directory=folder,
            )
        broken = verify(Path(folder) / "crowd")
    return _report(crowd, len(broken))


def _report(crowd: Crowd, num_broken: int) -> int:
    waits = sorted(wait for told in crowd.told for wait in told.waits_s)
    counts = sorted(len(told.waits_s) for told in crowd.told)
    errors = [told.error for told in crowd.told if told.error]
    rate, p99 = len(waits) / crowd.wall_s, waits[int(0.99 * len(waits))]
    fair = counts[0] / counts[-1]
    warm = [told for told in crowd.told if len(told.spent_s) == 2]
    num_warm = sum(len(told.waits_s) - _WARM_UP for told in warm) or 1
    own_ms, system_ms = (1e3 * sum(t.spent_s[1][i] - t.spent_s[0][i] for t in warm) / num_warm for i in (0, 1))
    print(f"{len(crowd.told)} workers, {crowd.wall_s:.0f} s: {len(waits)} publishes, {rate:.0f} a second (>= 500)")
    middle_ms, longest = 1e3 * statistics.median(waits), waits[-1]
    print(f"a publish: median {middle_ms:.0f} ms, p99 {p99:.2f} s (<= 0.5), longest {longest:.2f} s")
    print(f"processor time of a publish and all that comes with it: {own_ms:.2f} ms + {system_ms:.2f} ms of the system")
    print(f"a worker: {counts[0]} to {counts[-1]} publishes, the slowest at {fair:.0%} of the fastest (>= 10 %)")
    print(f"{len(errors)} workers ended by an error (0), {num_broken} laws broken (0)")
    for error in errors[:3]:
        print(f"  {error}")
    met = rate >= 500 and p99 <= 0.5 and fair >= 0.1 and not errors and not num_broken
    print("all demands met" if met else "a demand was missed")
    return int(not met)


def _work(job: Job, name: str, results: Any) -> None:
    told = Told()
    try:
        store: Any = Counted(job.store(), told)
        with Heartbeat(job.store, 15.0) as heartbeat:
            Worker(
                name=name,
                spec=job.spec,
                store=store,
                checkpoints=job.checkpoints(),
                loop=loop_of(job.trainable),
                pause=time.sleep,
                holding=heartbeat.hold,
                scratch=job.scratch,
            ).run()
        store.close()
    except PopulaceError as error:
        told.error = str(error)
    told.spent_s.append(os.times()[:2])
    results.send(told)
