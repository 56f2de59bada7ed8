"""What figures are made from: curves, the shown stretch of an axis, and who descends from whom."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace._errors import UsageError
from populace.core import Finite, Mode, SegmentId
from populace.report import Band, best_so_far
from populace.report._descent import Descent, best_segment
from populace.report._shown import Shown

MODES = st.sampled_from(Mode)
SCORES = st.floats(allow_nan=True, allow_infinity=True)
FINITE = st.floats(-1e9, 1e9)


@pytest.mark.slow
@given(st.lists(SCORES, max_size=30), MODES)
def test_shown_stretch_holds_the_best_and_all_that_is_not_cut(scores, mode):
    """A figure that hides the best score hides the result."""
    shown = Shown.of(scores, mode)
    finite = [min(max(score, -1e150), 1e150) for score in scores if abs(score) < float("inf")]
    if shown is None:
        assert finite == []
        return
    assert shown.low < shown.high
    assert shown.num_all == len(finite)
    assert sum(not shown.low <= score <= shown.high for score in finite) == shown.num_cut
    assert shown.low <= max(finite, key=mode.orient) <= shown.high


@pytest.mark.slow
@given(st.lists(FINITE, min_size=1, max_size=30), st.lists(FINITE, min_size=1, max_size=5), MODES)
def test_shown_stretch_holds_what_must_be_seen(scores, always, mode):
    """The winner's own path may begin far below all others."""
    shown = Shown.of(scores + always, mode, always)
    assert all(shown.low <= score <= shown.high for score in always)


@pytest.mark.slow
@given(st.lists(FINITE, min_size=8, max_size=30), st.floats(1e12, 1e300), MODES)
def test_exploded_score_is_cut(scores, size, mode):
    """One member out of many must not decide the axis of all."""
    shown = Shown.of([*scores, mode.orient(-size)], mode)
    assert shown.num_cut >= 1 or shown.is_log
    assert max(abs(shown.low), abs(shown.high)) < size


def test_losses_over_many_magnitudes_get_a_log_axis():
    """On an even axis, everything after the first step is one flat line."""
    assert Shown.of([1.0, 0.1, 0.01, 1.0, 1.0], Mode.MIN).is_log
    assert not Shown.of([1.0, 0.1, 0.0, 1.0, 1.0], Mode.MIN).is_log
    assert not Shown.of([1.0, 0.1, 0.01, 1.0, 1.0], Mode.MAX).is_log


@pytest.mark.parametrize("mode", Mode)
def test_best_so_far_never_gets_worse_and_ends_at_the_best(simulate, mode):
    """A comparison at equal steps needs what each algorithm had in hand at that step, not what it had last."""
    run = simulate(5, 6, mode=mode, diverges=lambda id: id == (1, 2))
    points = best_so_far(run.segments, mode=mode)
    oriented = [mode.orient(score) for _, score in points]
    assert oriented == sorted(oriented)
    assert points[-1][1] == mode.orient(max(s.better(mode) for s in run.segments))
    assert [step for step, _ in points] == [4, 8, 12, 16, 20, 24]


def test_best_so_far_of_nothing_is_nothing(simulate):
    """A run in which everything diverged has no best."""
    assert best_so_far(simulate(2, 2, diverges=lambda _: True).segments, mode=Mode.MIN) == []


@given(st.lists(st.lists(FINITE, min_size=3, max_size=3), min_size=1, max_size=6))
def test_band_holds_its_middle(runs):
    """A median outside its own spread is a drawing error that looks like a finding."""
    band = Band.of([list(zip((1.0, 2.0, 3.0), scores, strict=True)) for scores in runs])
    assert band.steps == [1.0, 2.0, 3.0]
    assert all(low <= middle <= high for low, middle, high in zip(band.low, band.middle, band.high, strict=True))


def test_band_begins_where_all_have_begun():
    """A median over those that were early is not comparable with one over all."""
    band = Band.of([[(1, 5.0), (4, 1.0)], [(2, 3.0)]])
    assert (band.steps, band.middle) == ([2.0, 4.0], [4.0, 2.0])


@pytest.mark.parametrize("curves", [[], [[(1, 2.0)], []]])
def test_band_of_an_empty_curve_is_refused(curves):
    """A seed that found nothing must not vanish from a comparison unnoticed."""
    with pytest.raises(UsageError, match="a band needs curves with points"):
        Band.of(curves)


def test_band_of_unequal_lengths_is_refused():
    """A spread shifted against its line says something false at every step."""
    with pytest.raises(UsageError, match=r"one length, but got \(steps=2, low=1, middle=2, high=2\)"):
        Band(steps=[1, 2], low=[0], middle=[1, 1], high=[2, 2])


@pytest.mark.parametrize("lag", [0, 1])
@pytest.mark.parametrize("running", [False, True])
def test_every_segment_is_in_one_chain(simulate, lag, running):
    """A segment drawn twice or never makes the population look larger or smaller than it was."""
    run = simulate(5, 5, lag=lag, running=running, fails=lambda id: id == (3, 2))
    descent = Descent.of(run.segments, run.best)
    linked = [segment.id for chain in descent.chains for segment in chain.links]
    assert sorted(linked) == sorted(segment.id for segment in run.segments)
    for chain in descent.chains:
        assert {segment.member for segment in chain.links} == {chain.links[0].member}
        assert [segment.parent for segment in chain.links[1:]] == [segment.id for segment in chain.links[:-1]]


def test_what_lives_on_is_the_ancestry_of_the_newest(simulate):
    """The final population is what the user takes home."""
    run = simulate(5, 5)
    descent = Descent.of(run.segments, run.best)
    expected = {s.id for member in range(5) for s in descent.lineage.ancestry(SegmentId(member, 4))}
    assert descent.living == expected
    assert sum(descent.roots.values()) == 5
    assert set(descent.roots) == descent.lineage.survivors


def test_best_segment_is_the_earliest_of_equals(simulate):
    """Of two equal results the cheaper one is the better."""
    run = simulate(3, 3)
    assert best_segment(run.segments, run.mode) == run.best
    equal = [replace(segment, outcome=Finite(value=0.0)) for segment in run.segments]
    assert best_segment(equal, run.mode) == min(equal, key=lambda s: s.ended).id
    assert best_segment([], Mode.MIN) is None
