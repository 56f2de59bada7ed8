"""Laws of the oversampled start: the best starts go on, each in one member, at the price of one interval each."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace._errors import UsageError
from populace.core import (
    OVERSAMPLED,
    PBT,
    Chapter,
    Continue,
    Diverged,
    Exploit,
    Mode,
    Oversampled,
    Population,
    RandomSearch,
    Retire,
    RunSpec,
    Wait,
    decide,
    decision_key,
    verify_log,
)
from populace.core.exploit import Backtrack, Truncation
from populace.core.explore import PB2
from populace.space import Space, Uniform
from populace.testing import Problem, population_of, simulate

SPACE = Space.of({"x": Uniform(0, 1)})
CLIMB = Problem(state=0.0, train=lambda state, h, n: state + n * h["x"], evaluate=lambda state: round(state, 1))
scores = st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0]) | st.just(Diverged(reason="nan")), min_size=6, max_size=12)


def _answers(population: Population, policy: Oversampled) -> list[object]:
    return [decide(population, m, policy, decision_key(0, m, 1)) for m in range(population.size)]


@given(scores, st.integers(1, 5), st.sampled_from(Mode))
def test_best_starts_go_on_each_in_one_member(outcomes, keep, mode) -> None:
    """A start that went on twice, or was lost, would make the extra intervals a waste."""
    population = population_of(outcomes, mode=mode)
    answers = _answers(population, Oversampled(keep=keep, policy=RandomSearch()))
    assert all(isinstance(answer, Retire) for answer in answers[keep:])
    best = {int(m) for m in population.ranking[:keep] if population.can_donate(int(m))}
    went_on = [
        answer.donor.member if isinstance(answer, Exploit) else m
        for m, answer in enumerate(answers[:keep])
        if isinstance(answer, Exploit) or m in best
    ]
    assert sorted(went_on) == sorted(best)
    for m, answer in enumerate(answers[:keep]):
        source = population.latest[answer.donor.member if isinstance(answer, Exploit) else m]
        assert answer.hyperparameters == source.hyperparameters


@pytest.mark.parametrize(("size", "keep"), [(24, 8), (9, 3), (4, 4), (3, 5)])
def test_cost_is_that_of_the_kept_and_an_interval_for_each_other(size, keep) -> None:
    """Three times as many starts as members add twice the population's intervals, and no more."""
    run = simulate(CLIMB, Oversampled(keep=keep), space=SPACE, size=size, intervals=7, interval=5)
    trained = sum(s.end_step - s.start_step for s in run.lineage)
    assert trained == min(keep, size) * 7 * 5 + max(0, size - keep) * 5


def test_nobody_goes_on_before_every_start_is_known() -> None:
    """The last start to be told may be the best."""
    known = population_of([1.0, 2.0, 3.0, None])
    policy = Oversampled(keep=2)
    answers = [decide(known, m, policy, decision_key(0, m, 1)) for m in range(3)]
    assert [type(answer) for answer in answers] == [Wait, Wait, Retire]
    assert answers[0].why == {"rule": OVERSAMPLED, "num_unknown": 1}


def test_member_that_decides_late_sees_the_starts_as_they_were() -> None:
    """Others may have gone on already; the places of the starts must not be given away twice."""
    population = population_of([3.0, 0.0, 1.0, 2.0])
    policy = Oversampled(keep=2)
    first = decide(population, 0, policy, decision_key(0, 0, 1))
    assert isinstance(first, Continue)
    ahead = replace(population.latest[0], generation=1, parent=(0, 0), ended=99)
    ahead = replace(ahead, outcome=replace(ahead.outcome, value=-5.0))
    late = decide(population.with_ended([ahead], 99), 1, policy, decision_key(0, 1, 1))
    assert late == decide(population, 1, policy, decision_key(0, 1, 1))
    assert late.donor.member == 3


@pytest.mark.slow
@settings(max_examples=25)
@given(
    st.sampled_from([PBT(), RandomSearch(), PBT(explore=PB2(rows=12)), PBT(exploit=Backtrack(Truncation(0.5)))]),
    st.integers(0, 2**32),
    st.booleans(),
    st.sampled_from(Mode),
)
def test_log_can_be_derived_again(policy, seed, synchronous, mode) -> None:
    """Whatever decides among the kept, and whoever was first."""
    oversampled = Oversampled(keep=3, policy=policy)
    how = {"space": SPACE, "seed": seed, "mode": mode, "synchronous": synchronous}
    spec = RunSpec(name="r", population=7, steps=6, policy=oversampled, **how)
    run = simulate(CLIMB, oversampled, size=7, intervals=6, **how)
    log = [replace(s, snapshot=2 * s.snapshot, begun=2 * s.begun - 1, ended=2 * s.ended) for s in run.lineage]
    story = [Chapter(after=0, spec=spec, population=7, steps=6)]
    found = [str(v) for v in verify_log(spec, log, story, finished=synchronous, retired=range(3, 7))]
    assert found == []


def test_member_that_was_given_up_without_a_reason_is_told() -> None:
    """A run that ends members which had not failed is not the run that was asked for."""
    spec = RunSpec(name="r", space=SPACE, population=4, steps=1, seed=0, policy=PBT())
    run = simulate(CLIMB, PBT(), space=SPACE, size=4, intervals=1)
    log = [replace(s, begun=2 * s.begun - 1, ended=2 * s.ended) for s in run.lineage]
    story = [Chapter(after=0, spec=spec, population=4, steps=1)]
    found = [str(v) for v in verify_log(spec, log, story, finished=True, retired=[2])]
    assert found == ["budget: segment m02/0: is its member's last, which was given up though its code had not failed"]


def test_wrong_settings_are_refused_and_useless_ones_told() -> None:
    """A population no larger than what is kept has no start to drop."""
    with pytest.raises(UsageError, match="`keep >= 1` must hold"):
        Oversampled(keep=0)
    with pytest.raises(UsageError, match="`policy` must be a policy such as PBT"):
        Oversampled(keep=2, policy=Oversampled(keep=1))
    assert Oversampled(keep=8).warnings(24) == PBT().warnings(8)
    assert "needs a larger one" in Oversampled(keep=8).warnings(8)[-1]
