"""Patience on a full disk: what was refused is done as soon as there is space, and nobody counts as dead for it."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from populace._errors import DiskFull, StaleClaim, StoreError
from populace.checkpoints import MemoryCheckpoints
from populace.store import Claim, EventKind, MemoryStore
from populace.testing import FakeClock, FillableCheckpoints, FillableStore
from populace.testing._store_calls import spec_of
from populace.worker import Patience, PatientCheckpoints, PatientStore, Record

LEASE_S = 10.0
TICK_S = LEASE_S / 40
BEAT_S, SOONER_S = LEASE_S / 4, LEASE_S / 20


class Refusing:
    """An act that a full disk refuses some times before it does what it is for."""

    def __init__(self, refusals, outcome="done"):
        self.left, self.outcome = refusals, outcome

    def __call__(self):
        self.left -= 1
        if self.left >= 0:
            raise DiskFull
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class World:
    """One process's patience on a clock that moves while it waits."""

    def __init__(self, stopping=lambda: False):
        self.clock, self.told, self.pauses = FakeClock(), [], []
        self.record = Record(now=self.clock.now, lease_s=LEASE_S, has_room=lambda: True, since=self.clock.now())
        self.patience = Patience(
            record=self.record,
            pause=self._pause,
            paused=lambda: self.told.append("paused"),
            resumed=lambda: self.told.append("resumed"),
            stopping=stopping,
        )

    def _pause(self, seconds):
        self.pauses.append(seconds)
        self.clock.advance(seconds)


@given(refusals=st.integers(0, 30))
def test_what_was_refused_is_done_and_told_once(refusals):
    """A night without space is one line in the log, not one per attempt."""
    world, act = World(), Refusing(refusals)
    assert world.patience.through(act) == "done"
    assert world.told == (["paused", "resumed"] if refusals else [])


@given(refusals=st.integers(1, 30))
def test_space_is_noticed_within_a_second_and_waiting_does_not_spin(refusals):
    """The run goes on soon after space returns, and leaves the processor to whoever makes it."""
    world, act = World(), Refusing(refusals)
    before = world.clock.now()
    world.patience.through(act)
    waited = world.clock.now() - before
    assert waited <= refusals * 1.0 + 1e-6
    assert waited >= max(refusals * 0.05, (refusals - 10) * 0.9) - 1e-6
    assert max(world.pauses) <= 0.1 + 1e-9


@pytest.mark.parametrize("error", [StaleClaim(), StoreError("the disk is broken")])
def test_other_errors_end_the_wait(error):
    """A broken disk is no full one, and a member that was taken meanwhile is not waited for."""
    world = World()
    with pytest.raises(type(error)):
        world.patience.through(Refusing(3, error))
    assert world.told == ["paused", "resumed"]
    with pytest.raises(type(error)):
        world.patience.through(Refusing(0, error))
    assert world.told == ["paused", "resumed"]


@given(looks=st.integers(0, 50))
def test_wish_to_stop_ends_the_wait_at_the_next_look(looks):
    """The user who presses Ctrl-C while the disk is full has no space to give, and is told of none."""
    asked = iter([False] * looks + [True] * 1000)
    world = World(stopping=lambda: next(asked))
    with pytest.raises(KeyboardInterrupt):
        world.patience.through(Refusing(10**6))
    assert world.told == ["paused"]
    assert len(world.pauses) == looks


def test_chunks_are_written_whole_after_a_refusal():
    """Chunks are made one after the other; a second attempt that got none would save an empty checkpoint."""
    disk = FillableCheckpoints()
    disk.is_full = True

    def make_space(_):
        disk.is_full = False

    record = Record(now=lambda: 0.0, lease_s=LEASE_S, has_room=lambda: True, since=0.0)
    told = []
    patience = Patience(
        record=record, pause=make_space, paused=lambda: told.append("paused"), resumed=lambda: told.append("resumed")
    )
    patient = PatientCheckpoints(disk, patience)
    assert patient.get(patient.put(iter([b"one", b"two"]))) == b"onetwo"
    assert told == ["paused", "resumed"]


def test_patience_changes_no_answer():
    """What reads a run through it, to collect or to verify, must see all there is."""
    kept = MemoryCheckpoints()
    patient = PatientCheckpoints(kept, World().patience)
    digest = patient.put([b"weights"])
    assert patient.exists(digest)
    assert list(patient.list()) == [digest]
    patient.delete(digest)
    assert not patient.exists(digest)
    assert list(patient.list()) == []


class Waits(Exception):
    """Stands for a process that waits until the next tick."""


def _wait(_):
    raise Waits


class Process:
    """A worker's process on a shared log, moved tick by tick; what is refused is tried again at its next tick."""

    def __init__(self, name, clock, disk):
        self.name, self._clock = name, clock
        record = Record(now=clock.now, lease_s=LEASE_S, has_room=lambda: not disk.is_full, since=clock.now())
        patience = Patience(record=record, pause=_wait, paused=lambda: None, resumed=lambda: None)
        self.store = PatientStore(disk, patience)
        self.claim = None
        self._beats_at = clock.now() + BEAT_S

    def look_for_work(self):
        try:
            found = self.store.claim(self.name)
        except Waits:
            return
        if isinstance(found, Claim):
            self.claim = found

    def beat(self):
        if self.claim is not None and self._clock.now() >= self._beats_at:
            try:
                self.store.renew(self.claim)
                self._beats_at = self._clock.now() + BEAT_S
            except DiskFull:
                self._beats_at = self._clock.now() + SOONER_S


# Phases of a disk, in ticks, full and free in turn. A free one lasts as long as it takes every heartbeat to try again.
PHASES = st.lists(st.tuples(st.integers(1, 120), st.integers(3, 60)), min_size=1, max_size=6)


def _live(phases, *, dies_at=None, wakes=()):
    """Lets two workers train and two look for work, one of them rarely, on a disk that fills and empties.

    Returns the events of lost members.
    """
    clock = FakeClock()
    log = MemoryStore(clock=clock, lease_s=LEASE_S)
    log.create(spec_of(population=2, steps=10**6))
    disk = FillableStore(log)
    training = [Process(name, clock, disk) for name in ("ann", "bob")]
    for process in training:
        process.look_for_work()
    idle, rare = Process("eve", clock, disk), Process("joe", clock, disk)
    ticks = [full for many, few in phases for full in [True] * many + [False] * few]
    was_full = False
    for tick, disk.is_full in enumerate([False] * 5 + ticks + [False] * 100):
        clock.advance(TICK_S)
        comes = tick in wakes or was_full > disk.is_full or tick > len(ticks)
        was_full = disk.is_full
        for process in [rare, idle] if comes else [idle]:  # before all heartbeats, and who knows least comes first
            if process.claim is None:
                process.look_for_work()
        for process in [*training[dies_at is not None and tick >= dies_at :], idle, rare]:
            process.beat()
    return [event for event in log.events() if event.kind is EventKind.LOST]


@pytest.mark.slow
@given(phases=PHASES, wakes=st.sets(st.integers(0, 400), max_size=5))
def test_no_outage_costs_a_healthy_worker_its_member(phases, wakes):
    """Who claims first after an outage finds leases that nobody could renew, in whatever order everybody wakes."""
    assert _live(phases, wakes=wakes) == []


@pytest.mark.slow
@given(phases=PHASES, dies_at=st.integers(0, 60))
def test_member_of_a_worker_that_died_is_still_taken_over(phases, dies_at):
    """Leases that are extended at every doubt must not keep a dead worker's member for ever."""
    assert [event.member for event in _live(phases, dies_at=dies_at)] == [0]
