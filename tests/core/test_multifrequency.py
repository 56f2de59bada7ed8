"""MF-PBT: the published fixture, groups of any size, and who may learn from whom."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace._errors import UsageError
from populace.core import MFPBT, PBT, Continue, Exploit, Population, decide, decision_key
from populace.core.exploit import MultiFrequency
from populace.core.explore import NoExplore
from populace.space import Space, Uniform
from populace.testing import Problem, population_of, simulate

FIXTURE = [5, 9, 3, 7, 6, 8, 2, 4]
STILL = MFPBT(periods=(1, 2), explore=NoExplore())


def _after(scores, rounds: int) -> Population:
    """A population in which everybody has trained so many intervals and hyperparameters tell who was who."""
    population = population_of(scores)
    later = [replace(s, generation=rounds - 1, member_start=rounds - 1) for s in population.latest]
    return population.with_ended(later, population.sequence + 1)


def _round(population: Population, policy: PBT = STILL) -> tuple[list[int], list[int], list[int]]:
    """Returns by member whose weights and whose hyperparameters it goes on with, and who explores."""
    owner = {s.hyperparameters["x"]: s.member for s in population.latest}
    weights, hyperparameters, explores = [], [], []
    for member, newest in enumerate(population.latest):
        key = decision_key(population.seed, member, newest.generation + 1)
        answer = decide(population, member, policy, key)
        weights.append(answer.donor.member if isinstance(answer, Exploit) else member)
        hyperparameters.append(owner[answer.hyperparameters["x"]])
        moved = decide(population, member, replace(policy, explore=lambda hp, space, key: {"x": 1.0}), key)
        explores += [member] if moved.hyperparameters["x"] == 1.0 else []
    return weights, hyperparameters, explores


@pytest.mark.parametrize(
    ("rounds", "weights", "hyperparameters", "explores"),
    [
        (1, [5, 1, 1, 3, 4, 5, 6, 7], [5, 1, 1, 3, 4, 5, 6, 7], [2]),
        (2, [5, 1, 1, 3, 4, 5, 5, 1], [5, 1, 1, 3, 4, 5, 5, 5], [2, 6]),
    ],
)
def test_published_fixture(rounds, weights, hyperparameters, explores) -> None:
    """What the authors' code does with two groups of four in its first two rounds."""
    assert _round(_after(FIXTURE, rounds)) == (weights, hyperparameters, explores)


def test_source_of_hyperparameters_is_told_where_it_is_not_the_donor() -> None:
    """Promise 2 has one exception, and the log must say so."""
    population = _after(FIXTURE, 2)
    migrant = decide(population, 7, STILL, decision_key(0, 7, 2))
    assert (str(migrant.donor), str(migrant.source)) == ("m01/1", "m05/1")
    assert migrant.why["hyperparameters"] == "m05/1"
    assert migrant.copies_weights
    for member, donor in [(0, "m05/1"), (2, "m01/1")]:
        answer = decide(population, member, STILL, decision_key(0, member, 2))
        assert (str(answer.donor), answer.source) == (donor, None)
        assert "hyperparameters" not in answer.why


scores = st.lists(st.sampled_from([-1.0, 0.0, 0.5, 2.0]) | st.floats(-10, 10), min_size=1, max_size=40)
periods = st.sampled_from([(1,), (1, 2), (1, 5), (1, 2, 4), (1, 10, 25, 50)])


@given(scores, periods, st.integers(1, 100))
def test_groups_split_everybody_and_take_their_turns(scores, periods, turn) -> None:
    """With sizes that do not divide, nobody is forgotten and nobody belongs twice."""
    strategy = MultiFrequency(periods)
    groups = strategy.layout(len(scores)).groups
    assert [m for group in groups for m in group.members] == list(range(len(scores)))
    assert max(len(g.members) for g in groups) - min(len(g.members) for g in groups) <= 1
    population = _after(scores, turn)
    for group in groups:
        for member in group.members:
            answer = decide(population, member, MFPBT(periods=periods), decision_key(0, member, turn))
            assert turn % group.period == 0 or isinstance(answer, Continue)


@given(scores, periods)
def test_winners_train_on_and_losers_copy_them(scores, periods) -> None:
    """Selection stays inside the group; what comes from outside comes to the third quarter only."""
    strategy, policy = MultiFrequency(periods), MFPBT(periods=periods, explore=NoExplore())
    population = _after(scores, 1)
    group = strategy.layout(len(scores)).groups[0]
    ranked = [int(m) for m in population.ranking if m in group.members]
    k = strategy.num_selected(len(ranked))
    answers = {m: decide(population, m, policy, decision_key(0, m, 1)) for m in ranked}
    donors = [answers[m].donor.member if isinstance(answers[m], Exploit) else None for m in ranked]
    assert donors[:k] == [None] * k
    assert donors[len(ranked) - k :] == ranked[:k]
    for member, donor in zip(ranked, donors, strict=True):
        assert donor is None or population.is_above(donor, member)
        assert donor in (None, *ranked[:k]) or donor not in group.members
    outside = [donor for donor in donors[k : len(ranked) - k] if donor is not None]
    assert len(set(outside)) == len(outside)


def test_group_in_which_nobody_can_be_copied_waits() -> None:
    """Everybody's checkpoint is damaged: the last ones train on, and the log says why."""
    population = population_of([4.0, 3.0, 2.0, 1.0])
    population = population.with_ended([replace(s, checkpoint_kept=False) for s in population.latest], 9)
    answer = decide(population, 3, MFPBT(periods=(1,)), decision_key(0, 3, 1))
    assert isinstance(answer, Continue)
    assert answer.why["no_donor"] is True
    assert (answer.why["rank"], answer.why["k"]) == (4, 1)


def test_member_that_is_open_for_migration_and_finds_nobody_better_says_so() -> None:
    """Member 2 is in the third quarter of all four, and outside of the only group there is nobody."""
    answer = decide(population_of([4.0, 3.0, 2.0, 1.0]), 2, MFPBT(periods=(1,)), decision_key(0, 2, 1))
    assert isinstance(answer, Continue)
    assert answer.why["open"] is True
    assert answer.why["rule"] == "multi-frequency"


def test_two_policies_share_no_groups_in_one_population() -> None:
    """What is made once for a snapshot is made once for each policy that looks at it."""
    population = _after([float(m) for m in range(8)], 2)
    one, other = MultiFrequency((1,)), MultiFrequency((1, 2))
    periods = [s.choose(population, 0, decision_key(0, 0, 2)).why["period"] for s in (one, other)]
    periods += [s.choose(population, 7, decision_key(0, 7, 2)).why["period"] for s in (one, other)]
    assert sorted(periods) == [1, 1, 1, 2]


def test_one_frequency_is_plain_pbt() -> None:
    """The original has no members from outside then, and stops with an error."""
    answers = _round(_after([4.0, 1.0, 3.0, 2.0], 1), MFPBT(periods=(1,), explore=NoExplore()))
    assert answers == ([0, 0, 2, 3], [0, 0, 2, 3], [1])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MultiFrequency(()), "`periods` must rise from 1, but got (): (1, 10, 25, 50) are the paper's"),
        (lambda: MultiFrequency((2, 4)), "`periods` must rise from 1, but got (2, 4)"),
        (lambda: MultiFrequency((1, 5, 5)), "`periods` must rise from 1, but got (1, 5, 5)"),
        (lambda: MultiFrequency((1, 0)), "`periods >= 1` must hold, but got periods=0"),
        (lambda: MultiFrequency(7), "`periods` must rise from 1, but got 7"),
        (lambda: MultiFrequency(tail=0.6), "`0 < tail <= 0.5` must hold, but got tail=0.6: 0.25 is the paper's"),
    ],
)
def test_bad_arguments_are_refused(make, message) -> None:
    """A mistake is met at the first line."""
    with pytest.raises(UsageError, match=re.escape(message)):
        make()


def test_small_groups_are_told() -> None:
    """Four groups of 8 members have nobody in the third quarter, so they never learn from one another."""
    assert MFPBT().warnings(16) == []
    (line,) = MFPBT().warnings(12)
    assert line.startswith("4 groups of 12 members have as few as 3: 4 are needed for every part of a group")
    assert MFPBT().warnings(1) == ["a population of 1 has nobody to copy from: this run is plain training"]


@pytest.mark.parametrize("synchronous", [True, False])
def test_slow_groups_copy_seldom_in_a_run(synchronous: bool) -> None:
    """Each member counts its own intervals, in whatever order they report."""
    climb = Problem(state=0.0, train=lambda state, h, n: state + h["x"], evaluate=lambda state: state)
    run = simulate(
        climb,
        MFPBT(periods=(1, 4)),
        space=Space.of({"x": Uniform(0, 1)}),
        size=8,
        intervals=13,
        synchronous=synchronous,
    )
    slow = [id for id, d in run.decisions.items() if isinstance(d, Exploit) and id.member >= 4]
    assert slow
    assert all(id.generation % 4 == 0 for id in slow)


@pytest.mark.parametrize(
    ("tail", "size", "num"), [(0.25, 8, 2), (0.25, 7, 1), (0.29, 100, 29), (0.5, 5, 2), (0.1, 4, 1), (0.5, 1, 0)]
)
def test_parts_of_a_group_are_the_share_that_was_asked_for(tail: float, size: int, num: int) -> None:
    """0.29 times 100 is a little less than 29 to a computer; one member fewer would be copied than the paper says."""
    assert MultiFrequency(tail=tail).num_selected(size) == num
