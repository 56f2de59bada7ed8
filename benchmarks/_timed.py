"""A stopwatch around the engine: where the time of an interval goes, without a switch in the library.

The store and the user's code are wrapped, and each notes the moments at which it was entered and left. Those moments
cut every interval into parts without gaps:

    claim -> decide -> begin -> restore -> train -> save -> publish -> forget
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from populace import Key, Trainable
from populace.core import RunSpec
from populace.executors import Executor, Job, Outages
from populace.store import Claim, Draft, Ending, Idle, Published, Store
from populace.worker import Worker, loop_of

PARTS = ("claim", "decide", "begin", "restore", "train", "save", "publish", "forget")


@dataclass(frozen=True, kw_only=True)
class Interval:
    """One interval, cut into its parts."""

    parts_s: dict[str, float]
    """Seconds of each part."""
    exploited: bool
    """Whether it began by copying another member."""
    handed_over: bool
    """Whether its worker trained another member before."""

    @property
    def cost_s(self) -> float:
        """Seconds of everything that is not training."""
        return sum(self.parts_s.values()) - self.parts_s["train"]


class Stopwatch:
    """Collects moments in one worker, and makes intervals of them."""

    def __init__(self) -> None:
        self.intervals: list[Interval] = []
        self._moments: dict[str, float] = {}
        self._exploited = self._handed_over = False

    def note(self, name: str, *, again: bool = True) -> None:
        """Notes that something happened now; with `again=False` only the first time in an interval."""
        if again or name not in self._moments:
            self._moments[name] = time.perf_counter()

    def begun(self, *, exploited: bool) -> None:
        """Notes what kind of interval begins."""
        self._exploited = exploited

    def next_interval(self, *, claimed: bool) -> None:
        """Ends an interval and begins the next; called when the next is about to be decided on."""
        m, now = self._moments, time.perf_counter()
        if "published" in m and "first step" in m:
            cuts = ("start", "claimed", "beginning", "begun", "first step", "trained", "publishing", "published")
            moments = [*(m[name] for name in cuts), m.get("claiming", now)]
            parts = dict(zip(PARTS, (b - a for a, b in pairwise(moments)), strict=True))
            self.intervals.append(Interval(parts_s=parts, exploited=self._exploited, handed_over=self._handed_over))
        self._moments = {"start": m.get("claiming", now), "claimed": now}
        self._handed_over = claimed


class TimedStore:
    """A store that tells a stopwatch what it does."""

    def __init__(self, store: Store, watch: Stopwatch) -> None:
        self._store = store
        self._watch = watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def claim(self, worker: str, *, prefer: int | None = None) -> Claim | Idle:
        self._watch.note("claiming", again=False)
        claim = self._store.claim(worker, prefer=prefer)
        self._watch.next_interval(claimed=True)
        return claim

    def begin(self, claim: Claim, draft: Draft) -> Any:
        self._watch.begun(exploited=draft.donor is not None)
        self._watch.note("beginning")
        segment = self._store.begin(claim, draft)
        self._watch.note("begun")
        return segment

    def publish(self, claim: Claim, ending: Ending) -> Published:
        self._watch.note("publishing")
        published = self._store.publish(claim, ending)
        self._watch.note("published")
        if published.claim is not None:
            self._watch.next_interval(claimed=False)
        return published


class Timed(Trainable):
    """A trainable that tells a stopwatch when it trains."""

    def __init__(self, trainable: Trainable, watch: Stopwatch) -> None:
        self._trainable = trainable
        self._watch = watch

    def init(self, key: Key, hp: Any) -> Any:
        return self._trainable.init(key, hp)

    def step(self, key: Key, state: Any, hp: Any) -> Any:
        self._watch.note("first step", again=False)
        return self._trainable.step(key, state, hp)

    def evaluate(self, key: Key, state: Any) -> Any:
        score = self._trainable.evaluate(key, state)
        self._watch.note("trained")
        return score


class TimedProcesses(Executor):
    """Worker processes under stopwatches; without the supervision that a real run has."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self.intervals: list[Interval] = []

    def execute(self, job: Job, *, watch: Callable[[], None], stopping: Callable[[], bool], outages: Outages) -> None:
        context = multiprocessing.get_context("fork")
        pipes = [context.Pipe(duplex=False) for _ in range(self._workers)]
        processes = [context.Process(target=_work, args=(job, f"w{i}", pipes[i][1])) for i in range(self._workers)]
        for process in processes:
            process.start()
        for (ours, theirs), process in zip(pipes, processes, strict=True):
            theirs.close()  # so that a worker that dies is heard of
            while not ours.poll(0.05):
                watch()
            self.intervals += ours.recv()
            process.join()

    def check(self, job: Job) -> None:
        loop_of(job.trainable)

    def warnings(self, spec: RunSpec) -> list[str]:
        return []


def _work(job: Job, name: str, results: Any) -> None:
    watch = Stopwatch()
    assert isinstance(job.trainable, Trainable)
    store: Any = TimedStore(job.store(), watch)
    loop = loop_of(Timed(job.trainable, watch))
    spec, checkpoints = job.spec, job.checkpoints()
    Worker(name=name, spec=spec, store=store, checkpoints=checkpoints, loop=loop, pause=time.sleep).run()
    store.close()
    results.send(watch.intervals)


def parts_ms(intervals: Sequence[Interval]) -> dict[str, float]:
    """Returns the median of each part, in milliseconds."""
    return {name: 1e3 * statistics.median(i.parts_s[name] for i in intervals) for name in PARTS}
