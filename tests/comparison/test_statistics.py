"""Paired statistics: what may be concluded from a few seeds, and what not."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("scipy")

from scipy.stats import wilcoxon

from populace.comparison import Paired
from populace.comparison._statistics import corrected, paired

SCORES = st.lists(
    st.tuples(st.floats(-100, 100), st.floats(-100, 100)) | st.tuples(st.floats(-100, 100), st.just(-math.inf)),
    min_size=1,
    max_size=12,
)


@pytest.mark.slow
@settings(max_examples=20)
@given(SCORES)
def test_who_is_called_the_rival_does_not_matter(pairs):
    """A verdict that depends on the order of two names is no verdict."""
    mine, theirs = zip(*pairs, strict=True)
    one, other = paired(mine, theirs), paired(theirs, mine)
    assert (one.wins, one.losses, one.p) == (other.losses, other.wins, other.p)
    assert one.median == pytest.approx(-other.median)
    mirrored = {"better": "worse", "worse": "better"}
    # The two ends are quantiles of the same resamples, so they mirror each other up to rounding.
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    assert one.verdict == mirrored.get(other.verdict, other.verdict)


@pytest.mark.slow
@settings(max_examples=20)
@given(SCORES)
def test_interval_holds_the_median_and_p_is_a_probability(pairs):
    """A reader takes the interval for what the difference may be."""
    found = paired(*zip(*pairs, strict=True))
    assert found.low <= found.median <= found.high
    assert 0 <= found.p <= found.adjusted_p <= 1
    assert found.wins + found.losses <= found.num_seeds == len(pairs)


@pytest.mark.slow
@given(st.lists(st.floats(-100, 100), min_size=6, max_size=12))
def test_an_algorithm_is_level_with_itself(scores):
    """Two names for one algorithm must never differ."""
    found = paired(scores, scores)
    assert (found.wins, found.losses, found.p, found.verdict) == (0, 0, 1.0, "within noise")


@pytest.mark.slow
@given(st.lists(st.floats(-100, 100).filter(lambda x: abs(x) > 1e-6), min_size=6, max_size=12, unique_by=abs))
def test_p_is_wilcoxons(differences):
    """Readers look the test up under its name."""
    found = paired(differences, [0.0] * len(differences))
    assert found.p == pytest.approx(wilcoxon(differences).pvalue)


def test_eight_wins_of_eight_are_a_difference_and_five_of_five_are_none():
    """With five seeds no result whatever reaches 0.05: saying so is the point of a minimum."""
    scores = [1.0, 1.2, 1.1, 1.3, 1.5, 1.05, 1.4, 1.6]
    rival = [score - gap for score, gap in zip(scores, (0.1, 0.2, 0.3, 0.15, 0.12, 0.4, 0.22, 0.33), strict=True)]
    whole = paired(scores, rival)
    assert whole.p == pytest.approx(2 / 2**8)
    assert whole.verdict == "better"
    assert paired(scores[:5], rival[:5]).verdict == "too few seeds"
    assert paired(rival, scores).verdict == "worse"


def test_finding_nothing_is_the_worst_result():
    """A run that diverged on every member must not drop out of the statistics as if it had not been run."""
    found = paired([-math.inf] * 7, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])
    assert (found.losses, found.verdict) == (7, "worse")
    assert math.isfinite(found.median)
    assert paired([-math.inf, 1.0], [-math.inf, 1.0]).losses == 0


@given(st.lists(st.floats(1e-6, 1), min_size=1, max_size=8))
def test_correction_never_makes_a_difference_surer(ps):
    """With many rivals, one small p is to be expected."""
    found = corrected([_with_p(p) for p in ps])
    assert all(f.p <= f.adjusted_p <= min(1.0, f.p * len(ps) * (1 + 1e-12)) for f in found)
    ordered = sorted(found, key=lambda f: f.p)
    assert [f.adjusted_p for f in ordered] == sorted(f.adjusted_p for f in ordered)
    assert min(f.adjusted_p for f in found) == pytest.approx(min(1.0, min(ps) * len(ps)))


def _with_p(p):
    return Paired(num_seeds=8, wins=8, losses=0, median=1.0, low=0.5, high=2.0, p=p, adjusted_p=p)
