"""The simulated world: what all processes of one schedule share, and where its faults come from."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from dataclasses import replace
from typing import final

from populace.store import MemoryStore, Store
from populace.testing.simulator._clock import LEASE_TICKS, TICK_S, SimulatedClock
from populace.testing.simulator._disk import Disk
from populace.testing.simulator._observer import Observer
from populace.testing.simulator._plan import Fault, Plan
from populace.testing.simulator._turns import Turns

_MAX_TURNS = 4000
LEASE_S = LEASE_TICKS * TICK_S


@final
class World:
    """One schedule's clocks, disk, log, observer and bad luck.

    Args:
        plan: What the schedule is.
        open_store: Opens the log anew, given the clock; None keeps it in memory.

    Attributes:
        plan: What the schedule is.
        rng: Source of everything that happens by chance.
        turns: Who moves.
        clock: The host's clocks.
        disk: Where checkpoints lie.
        log: The log as the supervisor sees it.
        observer: Who watches.
        session: Number of the session, from 1.
    """

    def __init__(self, plan: Plan, open_store: Callable[[SimulatedClock], Store] | None = None) -> None:
        self.plan = plan
        self.rng = random.Random(f"world {plan.seed}")
        self.turns = Turns(self.rng, sticky=plan.sticky, max_turns=_MAX_TURNS)
        self.clock = SimulatedClock(self.turns)
        self.disk = Disk()
        self._open_store = open_store
        self.log: Store = self._opened()
        self.observer = Observer(plan.spec, plan.toy, self.disk, LEASE_S, self.log.segment)
        self.session = 0
        self._left = plan.budget
        self._armed: list[Fault] = []
        self._undo: Callable[[], None] | None = None

    def store(self) -> Store:
        """Returns the log for one more process."""
        return self.log if self._open_store is None else self._opened()

    def fault(self, *possible: Fault) -> Fault | None:
        """Returns what goes wrong now: one of these, or nothing. What cannot happen here waits for its place."""
        plan = self.plan
        if self._left and self.rng.random() < plan.rate:
            self._left -= 1
            self._armed.append(self.rng.choices(plan.faults, plan.weights)[0])
        for fault in self._armed:
            if fault in possible:
                self._armed.remove(fault)
                self.observer.counts[fault.value] += 1
                return fault
        return None

    def before_write(self, *, durable: bool) -> None:
        """Notes the state of the log before a write that a crash of the host may undo."""
        if not isinstance(self.log, MemoryStore) or Fault.HOST_CRASH not in self.plan.faults:
            return
        if durable:
            self._undo = None
        elif self._undo is None:
            run, back = _copied(self.log), self.observer.memo()

            def undo() -> None:
                self.log.__dict__["_created"] = run
                back()

            self._undo = undo

    def pin(self) -> None:
        """Keeps a stored checkpoint, or lets one go, as a user would."""
        observer = self.observer
        pinned = sorted(observer.pinned - observer.damaged)
        if pinned and self.rng.random() < 0.3:
            id = self.rng.choice(pinned)
            observer.pinned.discard(id)
            self.before_write(durable=True)
            self.log.keep(id, keep=False)
            return
        stored = self.log.referenced()
        kept = [s.id for s in observer.published.values() if s.checkpoint in stored]
        if kept:
            id = self.rng.choice(kept)
            observer.pinned.add(id)
            self.before_write(durable=True)
            self.log.keep(id)

    def spoil(self) -> None:
        """Damages a checkpoint at rest."""
        if self.disk.visible:
            self.disk.spoil(self.rng.choice(sorted(self.disk.visible)), self.rng)

    def crash_host(self) -> None:
        """Restarts the host: what was not synced is lost, or torn, or not."""
        self.disk.crash(self.rng)
        self.clock.restart()
        if self._undo is not None and self.rng.random() < 0.7:
            self._undo()
            self.observer.counts["claims and begins lost with the host"] += 1
        self._undo = None

    def _opened(self) -> Store:
        if self._open_store is None:
            return MemoryStore(clock=self.clock, lease_s=LEASE_S)
        return self._open_store(self.clock)


def _copied(store: MemoryStore) -> object:
    """Returns a copy of the run in a memory store: its rows are values, so only their containers are copied."""
    run = store.__dict__["_created"]
    containers = {name: copy.copy(getattr(run, name)) for name in ("segments", "events", "asked")}
    return replace(run, members=[replace(member) for member in run.members], **containers)
