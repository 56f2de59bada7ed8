"""Welch's test: its numbers, and that no finite scores upset it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("scipy")

from populace.core.exploit import TTest, welch

A = [12.1, 11.4, 13.0, 12.7, 11.9, 12.3, 12.8, 11.6, 12.2, 12.5]
B = [13.2, 14.1, 12.9, 13.8, 15.0, 12.4, 14.4, 13.1, 13.9, 14.6]

anything = st.floats(allow_nan=False, allow_infinity=False)
samples = st.lists(anything, min_size=2, max_size=10)


def test_numbers_of_a_worked_example() -> None:
    """Computed independently: whoever compares our decisions with another package's finds the same p."""
    t, df, p = welch(A, B)
    assert (t, df) == (pytest.approx(4.834481, abs=1e-6), pytest.approx(15.161548, abs=1e-6))
    assert p == pytest.approx(2.12227e-4, rel=1e-5)
    assert welch(A, [x + 0.25 for x in A]).p == pytest.approx(0.295731, abs=1e-6)


@pytest.mark.slow
def test_agrees_with_scipys_own_test() -> None:
    """The test is written out here only because scipy's takes far longer to import and to call."""
    stats = pytest.importorskip("scipy.stats")
    theirs = stats.ttest_ind(B, A[:4], equal_var=False)
    ours = welch(A[:4], B)
    assert (ours.t, ours.p) == (pytest.approx(theirs.statistic), pytest.approx(theirs.pvalue))


@given(samples, samples)
def test_every_pair_of_samples_has_an_answer(a: list[float], b: list[float]) -> None:
    """Scores as large as a float holds, or as small, must not stop a run."""
    t, df, p = welch(a, b)
    assert 0 <= p <= 1
    assert df > 0
    assert not math.isnan(t)
    # Means closer than floats can tell may fall either way.
    if min(b) > max(a):
        assert t > 0
    assert welch(b, a).p == pytest.approx(p)


@given(anything, anything, st.integers(2, 12), st.integers(2, 12))
def test_samples_that_do_not_vary_are_compared_by_value(one: float, other: float, n: int, m: int) -> None:
    """Rounding noise in the mean of equal scores once looked like a significant difference."""
    t, _, p = welch([one] * n, [other] * m)
    assert p == float(one == other)
    assert (t > 0) == (other > one)


@pytest.mark.slow
@pytest.mark.parametrize(("shift", "share"), [(0.0, 0.0237), (1.0, 0.555), (2.0, 0.987)])
def test_share_of_copies_at_a_given_difference(shift: float, share: float) -> None:
    """How often noise alone makes a member copy, and how often a real difference is seen, at 10 evaluations."""
    generator, strategy, rounds = np.random.default_rng(0), TTest(), 2000
    copied = 0
    for _ in range(rounds):
        test = welch(generator.normal(0, 1, 10), generator.normal(shift, 1, 10))
        copied += test.t > 0 and test.p < strategy.alpha
    assert copied / rounds == pytest.approx(share, abs=4.5 * math.sqrt(share * (1 - share) / rounds))
