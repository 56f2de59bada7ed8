"""Selection by the t-test: whom it meets, what it compares, and what it tells."""

from __future__ import annotations

import math
import sys
from dataclasses import replace

import pytest

pytest.importorskip("scipy")

from populace._errors import MissingExtra
from populace.core import PBT, Continue, Evaluation, Exploit, Finite, Looks, Mode, Population, decide, decision_key
from populace.core.exploit import Keep, Take, TTest, welch
from populace.core.explore import NoExplore
from populace.space import Key
from populace.testing import population_of

OWN = [1.0, 1.2, 0.9, 1.1]
RIVAL = [2.0, 2.1, 1.9, 2.2]


def _measured(*records: list[float] | None, mode: Mode = Mode.MAX) -> Population:
    """A population whose members have these evaluations; None for one that has ended nothing."""
    scores = [None if record is None else 0.0 if not record else record[-1] for record in records]
    population = population_of(scores, mode=mode)
    measured = []
    for segment, record in zip(population.latest, records, strict=True):
        if segment is not None:
            evaluations = tuple(Evaluation(step=1, score=score, metrics={}) for score in record or [])
            measured.append(replace(segment, evaluations=evaluations))
    return population.with_ended(measured, 9)


def _choose(population: Population, member: int = 0, strategy: TTest | None = None) -> Keep | Take:
    return (strategy or TTest()).choose(population, member, Key(0))


def test_significantly_better_rival_is_copied_with_its_numbers() -> None:
    """The log holds all that somebody needs to compute the test again."""
    answer = _choose(_measured(OWN, RIVAL))
    test = welch(OWN[::-1], RIVAL[::-1])
    assert isinstance(answer, Take)
    assert answer.donor == 1
    assert answer.why == {
        **{"rule": "t-test", "rival": 1, "alpha": 0.05, "n": [4, 4]},
        **{"t": test.t, "df": test.df, "p": test.p},
    }


def test_significantly_worse_or_equal_rival_is_not_copied() -> None:
    """The test is two-sided: significance alone says only that they differ."""
    worse = _choose(_measured(RIVAL, OWN))
    assert isinstance(worse, Keep)
    assert worse.why["p"] < 0.05
    assert isinstance(_choose(_measured(OWN, OWN)), Keep)


def test_difference_within_noise_is_not_copied() -> None:
    """That is what the test is for."""
    answer = _choose(_measured([1.0, 3.0, 2.0], [1.5, 3.5, 2.2]))
    assert isinstance(answer, Keep)
    assert answer.why["t"] > 0
    assert answer.why["p"] >= 0.05


def test_smaller_alpha_asks_for_more() -> None:
    """A user with noisy scores lowers it, and fewer copies must follow."""
    population = _measured(OWN, [1.3, 1.5, 1.2, 1.4])
    p = _choose(population).why["p"]
    assert isinstance(_choose(population, strategy=TTest(alpha=p * 1.001)), Take)
    assert isinstance(_choose(population, strategy=TTest(alpha=p)), Keep)


def test_windows_that_do_not_vary_are_told_by_p_alone() -> None:
    """JSON has no infinity."""
    answer = _choose(_measured([1.0, 1.0], [2.0, 2.0]))
    assert isinstance(answer, Take)
    assert answer.why == {"rule": "t-test", "rival": 1, "alpha": 0.05, "n": [2, 2], "p": 0.0}


def test_smaller_loss_is_better() -> None:
    """A loss is no second-class score."""
    assert isinstance(_choose(_measured(OWN, RIVAL, mode=Mode.MIN)), Keep)
    assert isinstance(_choose(_measured(RIVAL, OWN, mode=Mode.MIN)), Take)


@pytest.mark.parametrize(
    ("records", "n"),
    [(([1.0], RIVAL), [1, 4]), ((OWN, [2.0]), [4, 1]), (([1.0, math.nan], RIVAL), [1, 4])],
)
def test_fewer_than_two_evaluations_never_copy(records: tuple[list[float], ...], n: list[int]) -> None:
    """One number has no spread; what is not finite is no evaluation."""
    population = _measured(*records)
    finite = population.with_ended([replace(population.latest[0], outcome=Finite(value=1.0))], 9)
    assert _choose(finite).why == {
        **{"rule": "t-test", "rival": 1, "alpha": 0.05, "n": n},
        "too_few_evaluations": True,
    }
    assert isinstance(_choose(finite), Keep)


def test_two_evaluations_are_enough() -> None:
    """The least a spread can be computed from."""
    assert isinstance(_choose(_measured([1.0, 1.1], [5.0, 5.1])), Take)


def test_evaluations_that_are_not_finite_are_left_out() -> None:
    """One overflow inside a segment says nothing of its mean."""
    answer = _choose(_measured([math.inf, *OWN], [math.nan, *RIVAL]))
    assert isinstance(answer, Take)
    assert answer.why["n"] == [4, 4]


def test_window_limits_what_is_compared() -> None:
    """Old evaluations of weights that have changed much are no evidence."""
    long = [9.0] * 5 + OWN
    assert isinstance(_choose(_measured(long, RIVAL), strategy=TTest(window=4)), Take)
    assert isinstance(_choose(_measured(long, RIVAL), strategy=TTest(window=9)), Keep)
    assert TTest(window=7).looks(8) == Looks(memory=7)
    assert TTest().looks(8) == Looks(memory=10)


@pytest.mark.parametrize(
    ("records", "why"),
    [
        ((OWN,), {"rule": "t-test", "no_donor": True}),
        ((OWN, None), {"rule": "t-test", "rival": 1, "no_donor": True}),
        ((OWN, [2.0, math.nan]), {"rule": "t-test", "rival": 1, "no_donor": True}),
    ],
)
def test_rival_that_cannot_be_copied_is_told(records: tuple[list[float] | None, ...], why: dict[str, object]) -> None:
    """Alone, not yet known, or diverged."""
    answer = _choose(_measured(*records))
    assert isinstance(answer, Keep)
    assert answer.why == why


def test_diverged_member_takes_anyone_who_can_donate() -> None:
    """It is not asked for evidence: anything is better than what it has."""
    population = _measured([math.nan], OWN, None, RIVAL)
    assert TTest().donors(population, 0) == [1, 3]
    policy = PBT(exploit=TTest(), explore=NoExplore())
    assert isinstance(decide(population, 0, policy, decision_key(0, 0, 1)), Exploit)
    assert isinstance(decide(population, 3, policy, decision_key(0, 3, 1)), Continue)


def test_population_of_one_is_told_that_it_is_plain_training() -> None:
    """Whoever copies a setting from a large run to a small one should know what is left of it."""
    assert TTest().warnings(1) == ["a population of 1 has nobody to copy from: this run is plain training"]
    assert TTest().warnings(2) == []


def test_alpha_outside_its_range_is_refused() -> None:
    """At 0 nothing would ever be copied, at 1 anything that is better by a hair."""
    for alpha in (0.0, 1.0, math.nan):
        with pytest.raises(ValueError, match=r"`0 < alpha < 1` must hold, but got TTest\(alpha="):
            TTest(alpha=alpha)
    assert TTest(window=2).window == 2


def test_missing_scipy_is_named_when_the_strategy_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not an hour later, at the first ready point."""
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(MissingExtra, match=r'^TTest needs scipy: pip install "populace\[stats\]"$'):
        TTest()
