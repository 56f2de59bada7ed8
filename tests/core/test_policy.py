"""What policies and strategies say to bad arguments, and where they begin."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace._errors import UsageError
from populace.core import PBT, Copy, Guard, Mode, RandomSearch, decide, decision_key, start
from populace.core.exploit import NoExploit, Truncation, TTest
from populace.core.explore import Mixture, Perturb, Resample
from populace.space import LogUniform, Space, Uniform
from populace.testing import population_of

SPACE = Space.of({"lr": LogUniform(1e-5, 1e-1), "x": Uniform(0, 1)})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Truncation(0),
            "`0 < fraction <= 0.5` must hold, but got Truncation(fraction=0): choose for example 0.2",
        ),
        (lambda: Truncation(0.6), "`0 < fraction <= 0.5` must hold, but got Truncation(fraction=0.6)"),
        (lambda: Truncation(math.nan), "`0 < fraction <= 0.5` must hold"),
        (
            lambda: Resample(0),
            "`0 < probability <= 1` must hold, but got Resample(probability=0): 1 redraws everything",
        ),
        (lambda: Mixture(resample=2), "`0 <= resample <= 1` must hold, but got Mixture(resample=2): 0.25 is usual"),
        (
            lambda: Perturb((0.8, 0.9)),
            "`factors` must be one number in (0, 0.999] and one >= 1.001, but got (0.8, 0.9)",
        ),
        (lambda: Perturb((0.9999, 1.2)), "`factors` must be one number in (0, 0.999] and one >= 1.001"),
        (lambda: Perturb((0.8,)), "`factors` must be one number in (0, 0.999] and one >= 1.001, but got (0.8,)"),
        (lambda: Mixture(factors=(0.0, 2.0)), "`factors` must be one number in (0, 0.999] and one >= 1.001"),
        (lambda: Guard(min_std=-1), "`min_std >= 0`, `min_percent >= 0` and `0 <= trim < 1` must hold, but got Guard("),
        (lambda: Guard(min_percent=math.nan), "but got Guard(min_std=0.0, min_percent=nan, trim=0.2): 0 turns"),
        (lambda: Guard(trim=1.0), "`0 <= trim < 1` must hold"),
        (lambda: PBT(copy="weight"), "`copy` must be one of 'both', 'weights', 'hyperparameters', 'nothing', but got"),
        (lambda: PBT(compare="all"), "`compare` must be one of 'latest', 'equal progress', but got 'all'"),
        (lambda: PBT(exploit=0.2), "`exploit` must be a strategy such as Truncation(0.2) or TTest(), but got 0.2"),
        (lambda: PBT(exploit=Truncation), "`exploit` must be a strategy such as Truncation(0.2)"),
        (
            lambda: PBT(explore="perturb"),
            "`explore` must be a strategy such as Perturb() or a function, but got 'perturb'",
        ),
        (lambda: PBT(explore=lambda hp: hp), "an explore function takes (hyperparameters, space, key), but"),
        (lambda: PBT(guard=0.5), "`guard` must be a Guard such as Guard(min_std=0.5), but got 0.5"),
        (lambda: PBT(initial={"lr": 0.1}), "`initial` must be a list of hyperparameters, one mapping per member, but"),
        (lambda: PBT(initial=[0.1]), "but got [0.1]: write [{'lr': 0.1}]"),
        (lambda: PBT(initial=3), "`initial` must be a list of hyperparameters, one mapping per member, but got 3"),
        (lambda: PBT(burn_in=-1), "`burn_in >= 0` must hold, but got burn_in=-1: it counts steps"),
        (lambda: PBT(burn_in=0.5), "`burn_in` must be a whole number, but got 0.5: it counts steps"),
    ],
)
def test_bad_arguments_are_refused_with_rule_value_and_remedy(make: Callable[[], object], message: str) -> None:
    """The message is read by somebody who has never seen this code."""
    with pytest.raises(UsageError, match=re.escape(message)):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TTest(alpha=0), "`0 < alpha < 1` must hold, but got TTest(alpha=0): 0.05 is usual"),
        (lambda: TTest(window=1), "`window >= 2` must hold, but got window=1: 10 evaluations are the paper's"),
        (lambda: TTest(window=2.5), "`window` must be a whole number, but got 2.5"),
    ],
)
def test_bad_arguments_of_the_t_test_are_refused(make: Callable[[], object], message: str) -> None:
    """The same, for the strategy that needs an extra."""
    pytest.importorskip("scipy")
    with pytest.raises(UsageError, match=re.escape(message)):
        make()


def test_options_may_be_written_as_words() -> None:
    """In a settings file there are only words."""
    assert PBT(copy="weights") == PBT(copy=Copy.WEIGHTS)
    assert RandomSearch() == PBT(exploit=NoExploit())


@given(st.integers(0, 2**64), st.integers(0, 99))
def test_start_depends_on_seed_and_member_alone(seed: int, member: int) -> None:
    """Random search and PBT of one seed begin with the same members, in any population: a fair comparison."""
    first = start(SPACE, seed, member)
    assert first == start(SPACE, seed, member)
    assert first.hyperparameters != start(SPACE, seed, member + 1).hyperparameters
    SPACE.check(first.hyperparameters)


def test_given_starts_come_first_and_the_rest_is_drawn() -> None:
    """Known good values should be in the race; names left out, and members beyond them, are drawn as ever."""
    starts = PBT(initial=[{"lr": 1e-3}]).starts
    given_one = start(SPACE, 7, 0, starts)
    assert given_one.hyperparameters == {**start(SPACE, 7, 0).hyperparameters, "lr": 1e-3}
    assert given_one.why == {"rule": "given", "names": ["lr"]}
    assert start(SPACE, 7, 1, starts) == start(SPACE, 7, 1)


@pytest.mark.parametrize("seed", range(5))
def test_users_function_stays_inside_the_space(seed: int) -> None:
    """A user's explore may overshoot: what is trained never leaves the bounds, and names it leaves out stay."""
    policy = PBT(exploit=Truncation(0.5), explore=lambda hp, space, key: {"x": 99.0})
    population = population_of([1.0, 2.0], space=SPACE, seed=seed)
    answer = decide(population, 0, policy, decision_key(seed, 0, 1))
    assert answer.hyperparameters == {"lr": population.latest[1].hyperparameters["lr"], "x": 1.0}


def test_guard_spares_a_member_that_was_as_good_inside_its_segment() -> None:
    """One unlucky last evaluation must not cost a member its weights."""
    population = population_of([2.0, 1.0], mode=Mode.MIN, space=SPACE)
    (record,) = population.latest[0].evaluations
    lucky = _with_evaluations(population, [record.score, 0.9, 2.0])
    policy = PBT(exploit=Truncation(0.5), guard=Guard(spare=True))
    assert "best evaluation" in str(decide(lucky, 0, policy, decision_key(0, 0, 1)).why["guard"])
    unlucky = _with_evaluations(population, [record.score, 1.1, 2.0])
    assert "guard" not in decide(unlucky, 0, policy, decision_key(0, 0, 1)).why


def _with_evaluations(population, scores):
    newest = population.latest[0]
    (record,) = newest.evaluations
    return population.with_ended([replace(newest, evaluations=tuple(replace(record, score=s) for s in scores))], 9)
