"""Laws of backtracking: who lags may copy the best segment of the whole run."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace._errors import UsageError
from populace.core import PBT, Chapter, Exploit, Mode, Population, RunSpec, SegmentId, decide, decision_key, verify_log
from populace.core.exploit import Backtrack, BinaryTournament, NoExploit, Truncation
from populace.space import Space, Uniform
from populace.testing import Problem, population_of, simulate

SPACE = Space.of({"x": Uniform(0, 1)})
# It rises and collapses: what was good is not good for long.
WAVE = Problem(
    state=0.0,
    train=lambda state, h, n: state + n * h["x"],
    evaluate=lambda state: round(math.sin(3 * state), 1),
)
HALF = PBT(exploit=Backtrack(Truncation(0.5)))


def _then(population: Population, scores: list[float]) -> Population:
    """The population after one more segment each."""
    ended = [
        replace(
            s,
            generation=s.generation + 1,
            parent=s.id,
            outcome=replace(s.outcome, value=score),
            ended=population.sequence + 1 + s.member,
        )
        for s, score in zip(population.latest, scores, strict=True)
    ]
    return population.with_ended(ended, population.sequence + len(ended))


def _decide(population: Population, member: int, policy: PBT = HALF) -> object:
    newest = population.latest[member]
    return decide(population, member, policy, decision_key(0, member, newest.generation + 1))


def test_member_that_lags_copies_the_best_there_has_been() -> None:
    """The whole population has collapsed, but the checkpoint of its best day is there."""
    population = _then(population_of([9.0, 1.0, 1.0, 0.0]), [2.0, 1.0, 1.0, 0.0])
    answer = _decide(population, 3)
    assert isinstance(answer, Exploit)
    assert answer.donor == SegmentId(0, 0)
    assert answer.why["donor"] == "m00/0"
    assert answer.why["donor_score"] == 9.0


def test_newest_segment_is_copied_while_it_is_as_good() -> None:
    """There is nothing to go back to while things get better."""
    population = _then(population_of([1.0, 1.0, 1.0, 0.0]), [2.0, 1.5, 1.0, 0.0])
    plain = replace(HALF, exploit=Truncation(0.5))
    better = population.latest[_decide(population, 3, plain).donor.member]
    answer = _decide(population, 3)
    assert answer.donor == (SegmentId(0, 1) if better.score < 2.0 else better.id)


def test_member_may_go_back_to_its_own_best() -> None:
    """It was the best, and ruined it: its own past is as good as any other's."""
    population = _then(population_of([9.0, 1.0, 1.0, 1.0]), [0.0, 1.0, 2.0, 2.0])
    assert _decide(population, 0).donor == SegmentId(0, 0)


def test_damaged_best_is_not_copied() -> None:
    """A checkpoint that cannot be loaded would send the member back, time after time."""
    population = _then(population_of([9.0, 1.0, 1.0, 0.0]), [2.0, 1.0, 1.0, 0.0])
    lost = replace(population.best, damaged=population.sequence, checkpoint_kept=False)
    assert _decide(population.with_damaged([lost]), 3).donor.generation == 1


@given(
    st.permutations(range(6)), st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=6, max_size=6), st.sampled_from(Mode)
)
def test_best_does_not_depend_on_who_ended_first(order, scores, mode) -> None:
    """In lockstep everything depends on the seed alone, ties too."""
    first = population_of(scores, mode=mode)
    empty = Population.empty(space=first.space, mode=mode, seed=0, size=6)
    ended = [replace(first.latest[m], ended=place) for place, m in enumerate(order, start=1)]
    top = max(scores) if mode is Mode.MAX else min(scores)
    assert empty.with_ended(ended, 6).best.id == SegmentId(scores.index(top), 0)


@settings(max_examples=30)
@given(
    st.sampled_from([Truncation(0.5), BinaryTournament(), NoExploit()]),
    st.integers(0, 2**32),
    st.booleans(),
    st.sampled_from(Mode),
)
def test_log_can_be_derived_again(exploit, seed, synchronous, mode) -> None:
    """The best of a moment is that of the log up to then, whatever came after."""
    policy = PBT(exploit=Backtrack(exploit))
    how = {"space": SPACE, "seed": seed, "mode": mode, "synchronous": synchronous}
    spec = RunSpec(name="r", population=4, steps=8, policy=policy, **how)
    run = simulate(WAVE, policy, size=4, intervals=8, **how)
    log = [replace(s, snapshot=2 * s.snapshot, begun=2 * s.begun - 1, ended=2 * s.ended) for s in run.lineage]
    story = [Chapter(after=0, spec=spec, population=4, steps=8)]
    assert [str(v) for v in verify_log(spec, log, story, finished=True)] == []


def test_simulated_runs_do_go_back() -> None:
    """The laws above would hold of a strategy that never does."""
    run = simulate(WAVE, HALF, space=SPACE, size=6, intervals=12, seed=1)
    donors = [(s, run.population.forest[s.donor]) for s in run.lineage if s.donor is not None]
    assert sum(donor.generation < s.generation - 1 for s, donor in donors) > 3


def test_backtrack_takes_a_strategy() -> None:
    """A mistake is told before the first step; and going back twice is going back once."""
    with pytest.raises(UsageError, match="`exploit` must be a strategy such as"):
        Backtrack(0.2)
    with pytest.raises(UsageError, match="`exploit` must be a strategy such as"):
        Backtrack(Backtrack())
    assert HALF.looks(8).best
    assert not PBT().looks(8).best


def test_what_the_strategy_inside_warns_of_is_told() -> None:
    """The same population is too small for it, wherever the best comes from."""
    assert Backtrack(Truncation(0.2)).warnings(1) == Truncation(0.2).warnings(1) != []
