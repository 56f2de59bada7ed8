"""The simulator is tested too: bugs are planted, and it must find every one."""

from __future__ import annotations

import pytest

from populace.testing.simulator import MUTANTS, run_schedule, run_seeds

MAX_SCHEDULES = 2000
NUM_MUTANTS = 25


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_planted_bug_is_found(name: str) -> None:
    """A checker that misses a bug which is known to be there says nothing about those that are not known."""
    broken = run_seeds(range(MAX_SCHEDULES), mutant=name, stop=True).broken
    assert broken != ()
    assert "_planting.py" not in str(broken[0]), "found because the bug itself could not be called, not by a law"


def test_mutants_are_many_and_say_what_is_wrong() -> None:
    """A list of bugs grows with every bug that was real; whoever reads it learns what can go wrong."""
    assert len(MUTANTS) >= NUM_MUTANTS
    assert all(mutant.about.endswith(".") for mutant in MUTANTS.values())
    assert len({mutant.about for mutant in MUTANTS.values()}) == len(MUTANTS)


def test_planted_bug_is_gone_afterwards() -> None:
    """One test's bug must not become another's."""
    before = run_schedule(1)
    assert run_seeds(range(1, 2), mutant="clone-not-loaded").num_schedules == 1
    assert run_schedule(1) == before
