"""What a program measured is what the log and decisions hold of it."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from populace._errors import UsageError
from populace.core import PBT, Mode, RunSpec, outcome_of
from populace.core.exploit import Truncation
from populace.jax import SCORE
from populace.space import Space, Uniform
from populace.vectorised._measured import Measured, by_member, plan_of

FLOATS = st.floats(width=32)


def _spec(mode=Mode.MAX, metric=None):
    policy = PBT(exploit=Truncation())
    return RunSpec(
        name="r", space=Space({"x": Uniform(0, 1)}), policy=policy, seed=0, population=4, steps=9, mode=mode,
        metric=metric,
    )  # fmt: skip


@given(st.lists(st.lists(FLOATS, min_size=2, max_size=2), min_size=1, max_size=9), st.sampled_from(Mode))
def test_scores_to_decide_by_are_those_of_the_outcomes_in_the_log(scores, mode):
    """Decisions are taken before anything is made for the log, which must tell the same when it is."""
    measured = Measured(_spec(mode), (3, 2), {SCORE: np.array(scores, np.float32)})
    taken = measured.evaluations([10 * m for m in range(len(scores))])
    for m, (better, evaluations) in enumerate(zip(measured.better_P, taken, strict=True)):
        assert [e.step for e in evaluations] == [10 * m + 3, 10 * m + 5]
        assert np.array_equal([e.score for e in evaluations], np.float64(scores[m]), equal_nan=True)
        value = getattr(outcome_of(evaluations[-1].score), "value", None)
        assert better == (-np.inf if value is None else mode.orient(value))


@given(st.permutations(range(6)), st.integers(0, 6), st.integers(0, 3))
def test_metrics_come_in_the_order_of_members(members, first, padding):
    """Members change places between devices, and chunks are filled up."""
    told = []
    for some in (members[:first], members[first:]):
        rows = [*[None] * padding, *some, *[None] * ((padding + len(some)) % 2)]
        if rows:
            values = [99 if row is None else row for row in rows]
            told.append((rows, {"a": np.array(values, np.float32).reshape(2, -1, 1)}))
    assert by_member(range(6), told)["a"].ravel().tolist() == [0, 1, 2, 3, 4, 5]


def test_metric_that_is_not_measured_is_told():
    """A typing error in the metric's name must not end as a KeyError."""
    with pytest.raises(UsageError, match="loss"):
        Measured(_spec(metric="loss"), (1,), {"error": np.zeros((1, 1))})


@given(st.integers(1, 50), st.integers(1, 60))
def test_evaluations_divide_an_interval(num_steps, every):
    """The last one is at its end, where the score is taken that decides."""
    plan = plan_of(num_steps, every)
    assert sum(plan) == num_steps
    assert max(plan) <= every
