"""The simulator's own parts: turns, the clock and the disk behave as the real things at their worst."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace._errors import DamagedCheckpoint
from populace.testing.simulator._clock import TICK_S, SimulatedClock
from populace.testing.simulator._disk import Disk, SimulatedCheckpoints
from populace.testing.simulator._turns import Turns

SEEDS = st.integers(0, 10**6)


def _turns(seed: int = 0, max_turns: int = 1000) -> Turns:
    return Turns(random.Random(seed), sticky=0.3, max_turns=max_turns)


@given(seed=SEEDS, names=st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True))
def test_one_actor_moves_at_a_time_in_an_order_that_the_seed_determines(seed, names):
    """Threads that ran together would make a failing seed pass the next time."""

    def order() -> list[str]:
        turns, seen = _turns(seed), []

        def body(name: str) -> None:
            for step in range(3):
                seen.append(f"{name}{step}")
                turns.pass_on()

        for name in names:
            turns.start(name, lambda name=name: body(name))
        turns.run()
        return seen

    first = order()
    assert first == order()
    assert sorted(first) == sorted(f"{name}{step}" for name in names for step in range(3))


def test_time_passes_when_all_wait():
    """Leases of minutes run out in microseconds, and never earlier than they should."""
    turns, seen = _turns(), []
    clock = SimulatedClock(turns)

    def body(ticks: int) -> None:
        turns.wait(ticks)
        seen.append((ticks, clock.now()))

    for ticks in (30, 10, 20):
        turns.start(str(ticks), lambda ticks=ticks: body(ticks))
    turns.run()
    assert seen == [(ticks, ticks * TICK_S) for ticks in (10, 20, 30)]


def test_killed_actor_moves_no_more():
    """A dead process has no effect, whatever its handlers try."""
    turns, seen = _turns(), []

    def victim() -> None:
        try:
            turns.wait(5)
        finally:
            try:
                turns.pass_on()
            finally:
                seen.append("unwound")
        seen.append("lived on")

    actor = turns.start("victim", victim)

    turns.start("killer", lambda: (turns.wait(1), turns.kill(actor)))
    turns.run()
    assert seen == ["unwound"]


def test_endless_schedule_is_ended():
    """A hang is a broken promise, and must not become one of the test run."""
    turns = _turns(max_turns=50)

    def body() -> None:
        while True:
            turns.wait(1)

    turns.start("a", body)
    turns.start("b", body)
    turns.run()
    assert turns.stuck


@given(seed=SEEDS, contents=st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=5, unique=True))
def test_crash_spares_what_was_synced_and_nothing_else_is_certain(seed, contents):
    """What `put` has returned survives a power cut; what it has not may be gone, torn or whole."""
    disk, rng = Disk(), random.Random(seed)
    synced = [disk.write(content) for content in contents[::2]]
    for digest in synced:
        disk.sync(digest)
    loose = [disk.write(content) for content in contents[1::2]]
    disk.crash(rng)
    assert all(disk.visible[digest] == disk.written[digest] for digest in synced)
    assert set(disk.visible) <= {*synced, *loose}
    assert disk.visible == disk.durable


@given(seed=SEEDS, content=st.binary(min_size=1, max_size=40))
def test_spoilt_checkpoint_is_never_returned(seed, content):
    """A flipped bit, a short file or a lost one is told, never trained from."""
    disk = Disk()
    checkpoints = SimulatedCheckpoints(disk, lambda _: None)
    digest = checkpoints.put([content])
    assert checkpoints.get(digest) == content
    disk.spoil(digest, random.Random(seed))
    with pytest.raises(DamagedCheckpoint):
        checkpoints.get(digest)
