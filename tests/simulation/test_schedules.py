"""Thousands of runs under simulated faults, each from one seed, and the laws of the simulator itself."""

from __future__ import annotations

import random

import pytest

from populace.testing.simulator import Report, run_batch, run_schedule, run_seeds

NUM_SCHEDULES = 10_000
NUM_KILLS = 200


@pytest.mark.slow
def test_no_schedule_of_faults_breaks_a_promise() -> None:
    """Machines die at the worst moment: nothing acknowledged is lost, doubled or mixed, and every run ends."""
    report = sum(run_batch(range(NUM_SCHEDULES)), Report(num_schedules=0, turns=0))
    assert [str(broken) for broken in report.broken] == []
    assert report.num_schedules == NUM_SCHEDULES
    assert report.num_kills >= NUM_KILLS
    assert report.scarce == []


@pytest.mark.slow
def test_seed_replays_exactly() -> None:
    """A broken law that cannot be seen twice cannot be mended."""
    for seed in range(20):
        first, second = run_schedule(seed), run_schedule(seed)
        assert first == second


@pytest.mark.slow
def test_seed_replays_exactly_in_another_process() -> None:
    """A seed that failed on another machine must fail here: nothing hangs on hash seeds, threads or timing."""
    (there,) = run_batch(range(40), num_processes=1)
    here = run_seeds(range(40))
    assert (there.turns, there.counts) == (here.turns, here.counts)


@pytest.mark.parametrize("seed", random.Random(0).sample(range(10**6), 3))
def test_seed_nobody_has_looked_at_breaks_nothing(seed: int) -> None:
    """The promise holds for every seed, not for those that were mended one by one."""
    assert run_schedule(seed).violations == ()
