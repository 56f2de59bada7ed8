"""One schedule: a run from its creation to its end, through every crash and resume that its seed holds."""

from __future__ import annotations

import logging
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import final

from populace.core import PBT, Compare, Failed, Segment, Violation, chapters, verify_log
from populace.store import Event, EventKind, RunStatus, SqliteStore, Store
from populace.testing.simulator._clock import SimulatedClock
from populace.testing.simulator._judge import (
    differences,
    judge_budget,
    judge_events,
    judge_log,
    judge_ranks,
    judge_retention,
)
from populace.testing.simulator._plan import Fault, Plan
from populace.testing.simulator._session import Session
from populace.testing.simulator._world import LEASE_S, World

_MAX_SESSIONS = 30
_MEMORY_FOLDER = Path("/dev/shm")


@final
@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a schedule came to."""

    seed: int
    """Its seed."""
    violations: tuple[Violation, ...]
    """What it broke, in the order in which it was seen."""
    segments: tuple[Segment, ...]
    """The log's segments, in the order of their begins."""
    events: tuple[Event, ...]
    """The log's events."""
    counts: Counter[str]
    """How often each thing has happened."""
    turns: int
    """Turns taken."""


def run_schedule(seed: int) -> Outcome:
    """Returns what the schedule of a seed comes to; the same for the same seed, always."""
    plan = Plan.of(seed)
    outcome = _run(plan)
    spec = plan.spec
    if outcome.violations or not spec.synchronous or plan.later != spec or outcome.counts["given up"]:
        return outcome
    if outcome.counts["run failed"] or any(isinstance(s.outcome, Failed) for s in outcome.segments):
        return outcome
    calm = _run(plan.without_faults())
    outcome.counts["compared with the log without faults"] += 1
    violations = tuple(differences(outcome.segments, calm.segments)) + calm.violations
    return Outcome(**{**outcome.__dict__, "violations": violations})


def _run(plan: Plan) -> Outcome:
    with _quiet(), _opener(plan) as opener:
        world = World(plan, opener)
        _Life(world).run()
        log = world.log
        segments, events = log.segments(), log.events(limit=10**6)
        log.close()
    world.observer.counts["turns ran out"] += world.turns.stuck
    return Outcome(
        seed=plan.seed,
        violations=tuple(world.observer.violations),
        segments=tuple(segments),
        events=tuple(events),
        counts=world.observer.counts,
        turns=world.turns.taken,
    )


@final
class _Life:
    """The sessions of one run, as a user and a supervisor take it from one to the next."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._notes = world.observer
        self._spec = world.plan.spec

    def run(self) -> None:
        """Trains the run to its end and judges what it left behind."""
        self._world.log.create(self._spec)
        for _ in range(_MAX_SESSIONS):
            if self._has_ended():
                break
        else:
            self._notes.violate("liveness", "run", f"is not done after {_MAX_SESSIONS} sessions")
        if not self._notes.violations:
            self._check()

    def _has_ended(self) -> bool:
        """Goes through one session; returns whether the run has ended."""
        world = self._world
        world.session += 1
        if world.session > 1:
            self._spec = world.plan.later
            self._notes.counts["resumed"] += 1
            self._notes.counts["resumed with other limits"] += self._spec != world.plan.spec
        world.before_write(durable=True)
        world.log.open(self._spec)
        self._notes.opened(self._spec)
        self._sweep(whole=world.rng.random() < 0.9)
        session = Session(world, self._spec)
        session.run()
        if self._notes.violations:
            return True
        if world.turns.stuck:
            self._notes.violate("liveness", "run", f"goes on after {world.turns.taken} turns")
            return True
        if session.crash is Fault.HOST_CRASH:
            world.crash_host()
        if session.crash is not None:
            return False
        if session.failure is not None:
            self._judge_failure(str(session.failure))
            return True
        return self._judge_end(session)

    def _judge_end(self, session: Session) -> bool:
        """Judges that workers which ended by themselves had nothing left to do; returns whether the run has ended."""
        state = self._world.log.state()
        unfinished = [
            member
            for member, steps in enumerate(state.steps)
            if steps < self._spec.steps and member not in state.retired
        ]
        if unfinished and session.stopped:
            self._notes.counts["stopped"] += 1
            return False
        if unfinished:
            self._notes.violate("liveness", "run", f"nobody trains members {unfinished}, which are not done")
            return True
        if len(state.retired) == self._spec.population:
            if not all(self._notes.member(id).retired for id in range(self._spec.population)):
                self._notes.violate("retired", "run", "all members count as retired, but they are not")
            self._notes.counts["all retired"] += 1
        elif (state.best and state.best.id) != (self._notes.best and self._notes.best.id):
            self._notes.violate("best", "run", f"its best is {state.best}, not {self._notes.best}")
        self._world.before_write(durable=True)
        self._world.log.end(RunStatus.FINISHED)
        judge_budget(self._notes)
        return True

    def _judge_failure(self, message: str) -> None:
        """Judges that a run which gave up had reason to."""
        self._notes.counts["run failed"] += 1
        if "every member failed" in message:
            justified = self._notes.hopeless
            self._notes.counts["hopeless"] += 1
        else:
            justified = "no member has reported a finite" in message and self._notes.nothing_finite
            self._notes.counts["no finite score"] += 1
        if not justified:
            self._notes.violate("failure", "run", message)
        self._world.log.end(RunStatus.FAILED, message)

    def _sweep(self, *, whole: bool = True) -> None:
        """Removes what a crash may have left; a crash may also stop it half way."""
        world = self._world
        world.before_write(durable=True)
        world.log.collect()
        if whole:
            world.disk.sweep(world.log.referenced())
        else:
            self._notes.counts["sweep cut short"] += 1

    def _check(self) -> None:
        """Judges the log and the disk at the end."""
        world, notes = self._world, self._notes
        before = set(world.disk.visible)
        self._sweep()
        stored = world.log.referenced()
        calm = (
            not any(notes.counts[fault.value] for fault in Fault)
            and not notes.counts["run failed"] + notes.counts["retired"]
        )
        if calm and before != stored:
            notes.violate("retention", "run", f"{len(before)} checkpoints on disk, but {len(stored)} in the log")
        if left := (set(world.disk.visible) ^ stored) - world.disk.spoilt:
            notes.violate("retention", "run", f"disk and log differ in {sorted(left)} after a sweep")
        judge_retention(notes, stored)
        segments = {s.id: s for s in world.log.segments()}
        judge_log(notes, segments)
        policy = self._spec.policy
        if self._spec == world.plan.spec and isinstance(policy, PBT) and policy.compare is Compare.LATEST:
            judge_ranks(notes, segments.values())
        events = world.log.events(limit=10**6)
        judge_events(notes, events, segments)
        changes = [(e.sequence, e.detail["changed"]) for e in events if e.kind is EventKind.OPENED]
        held = world.log.read()
        story = chapters(held, changes, self._spec.policy)  # type: ignore[arg-type]  # as `open` wrote it
        finished = world.log.state().status is RunStatus.FINISHED
        found = verify_log(self._spec, list(segments.values()), story, finished=finished)
        notes.violations.extend(found)


@contextmanager
def _opener(plan: Plan) -> Iterator[Callable[[SimulatedClock], Store] | None]:
    """Gives what opens the log of a plan; a file's folder lives as long as the block."""
    if not plan.sqlite:
        yield None
        return
    parent = _MEMORY_FOLDER if _MEMORY_FOLDER.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="populace-", dir=parent) as folder:
        yield lambda clock: SqliteStore(Path(folder), clock=clock, lease_s=LEASE_S)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps simulated mishaps out of the real log."""
    logger = logging.getLogger("populace")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)
