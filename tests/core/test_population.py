"""Laws of the snapshot that decisions are taken from."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace.core import (
    Diverged,
    Evaluation,
    Failed,
    Finite,
    Latest,
    Mode,
    Population,
    Segment,
    SegmentId,
    Status,
    outcome_of,
    status_of,
)
from populace.testing import population_of

scores = st.lists(st.sampled_from([0.0, 1.0, 2.0, math.nan, None]), min_size=1, max_size=9)


@given(scores, st.sampled_from(Mode), st.integers(0, 2**70))
def test_ranking_holds_every_known_member_once(scores: list[float | None], mode: Mode, seed: int) -> None:
    """Whoever is missing from the ranking can neither be replaced nor copied."""
    population = population_of(scores, mode=mode, seed=seed)
    known = [member for member, score in enumerate(scores) if score is not None]
    assert sorted(population.ranking.tolist()) == known
    assert population.num_unknown == len(scores) - len(known)
    ranked = [population.better_P[member] for member in population.ranking]
    assert ranked == sorted(ranked, reverse=True)
    for place, member in enumerate(population.ranking):
        assert population.num_above(int(member)) == place
        assert all(population.is_above(int(member), int(below)) for below in population.ranking[place + 1 :])


@given(scores)
def test_old_snapshot_does_not_change(scores: list[float | None]) -> None:
    """A decision recorded against a snapshot must find that snapshot again."""
    old = population_of(scores)
    before = old.better_P.copy(), old.latest, len(old.forest)
    segment = population_of([5.0]).latest[0]
    new = old.with_ended([replace(segment, generation=3)], 99)
    assert np.array_equal(old.better_P, before[0], equal_nan=True)
    assert (old.latest, len(old.forest)) == before[1:]
    assert new.sequence == 99
    assert new.latest[0].generation == 3


@given(scores)
def test_empty_population_becomes_any_other(scores: list[float | None]) -> None:
    """A worker that joins late sees what one that was there from the start sees."""
    population = population_of(scores)
    ended = [segment for segment in population.latest if segment is not None]
    empty = Population.empty(space=population.space, mode=population.mode, seed=0, size=population.size)
    again = empty.with_ended(ended, population.sequence)
    for name in ("better_P", "tie_P", "donates_P"):
        assert np.array_equal(getattr(again, name), getattr(population, name), equal_nan=True)
    assert again.latest == population.latest


def _two_lives() -> Population:
    first = population_of([1.0, 2.0])
    second = [replace(s, generation=1, parent=s.id, start_step=1, end_step=2, ended=9) for s in first.latest]
    return first.with_ended(second[:1], 9)


def test_at_generation_shows_everybody_at_one_age() -> None:
    """In lockstep a member that is ahead must not be seen ahead."""
    population = _two_lives()
    assert [s.generation for s in population.latest] == [1, 0]
    back = population.at_generation(0)
    assert [s.generation for s in back.latest] == [0, 0]
    assert back.sequence == max(s.ended for s in back.latest)
    assert np.array_equal(back.tie_P, population_of([1.0, 2.0]).tie_P)
    assert population.at_generation(7).latest == population.latest


def test_member_that_joined_later_sees_the_others_where_they_wait() -> None:
    """A synchronous run was resumed with more members: what the others were at its age is no longer stored."""
    population = _two_lives()
    assert [s.generation for s in population.at_generation(0, since=10).latest] == [1, 0]
    assert [s.generation for s in population.at_generation(0, since=9).latest] == [0, 0]


def test_at_progress_shows_everybody_at_one_number_of_weight_steps() -> None:
    """Whoever has trained longer is compared by what it had at the same age; who was not there yet is unknown."""
    population = _two_lives()
    assert [s.end_step for s in population.at_progress(1).latest] == [1, 1]
    assert population.at_progress(2).latest == population.latest
    assert population.at_progress(0).num_unknown == 2
    assert population.at_progress(1).sequence == population.sequence


def test_population_is_shown_without_what_was_made_of_it() -> None:
    """A failing test prints it."""
    population = _two_lives()
    population.recent(3)
    assert "_told" not in repr(population)


def test_member_that_cannot_donate_now_cannot_at_an_earlier_progress() -> None:
    """Its earlier score may be good; but what would be copied is its newest segment, and that diverged."""
    population = _two_lives()
    newest = replace(population.latest[0], outcome=Diverged(reason="nan"))
    then = population.with_ended([newest], 10).at_progress(1)
    assert then.better_P[0] == 1.0
    assert not then.can_donate(0)
    assert then.can_donate(1)


def test_collected_checkpoint_cannot_be_copied() -> None:
    """A good score without its weights is no donor."""
    population = population_of([1.0, 2.0])
    collected = population.with_ended([replace(population.latest[1], checkpoint_kept=False)], 9)
    assert [collected.can_donate(member) for member in range(2)] == [True, False]


def test_window_stops_where_the_forest_does() -> None:
    """A worker that forgot old segments sees a shorter record, not an error."""
    population = _two_lives()
    newest = population.latest[0]
    assert population.window(newest, 5) == [1.0, 1.0]
    assert replace(population, forest={newest.id: newest}).window(newest, 5) == [1.0]


@pytest.mark.parametrize(
    ("score", "status", "reason"),
    [
        (0.5, Status.FINISHED, None),
        (-math.inf, Status.DIVERGED, "the score is -inf"),
        (math.nan, Status.DIVERGED, "the score is nan"),
        (None, Status.DIVERGED, "no score was reported in this segment"),
    ],
)
def test_last_score_names_the_outcome(score: float | None, status: Status, reason: str | None) -> None:
    """Users read in a table why a member was replaced."""
    outcome = outcome_of(score)
    assert status_of(outcome) is status
    if isinstance(outcome, Diverged):
        assert outcome.reason == reason
    assert (status_of(None), status_of(Failed(reason=""))) == (Status.RUNNING, Status.FAILED)


def test_values_of_a_segment_follow_from_its_fields() -> None:
    """Tables, curves and budgets read these everywhere."""
    segment = replace(population_of([2.5]).latest[0], start_step=10, end_step=14, member_start=6)
    assert segment.member_end == 10
    assert (segment.score, segment.better(Mode.MAX), segment.better(Mode.MIN)) == (2.5, 2.5, -2.5)
    diverged = replace(segment, outcome=Diverged(reason="nan"))
    assert (diverged.score, diverged.better(Mode.MIN), diverged.can_donate) == (None, -math.inf, False)
    assert replace(segment, evaluations=()).metrics == {}
    several = tuple(Evaluation(step=step, score=1.0, metrics={"loss": step}) for step in (11, 12, 14))
    assert replace(segment, evaluations=several).metrics == {"loss": 14}


def test_score_of_negative_zero_is_zero() -> None:
    """SQLite keeps no sign of zero: a store in memory and one in a file must tell the same."""
    outcome = outcome_of(-0.0)
    assert isinstance(outcome, Finite)
    assert math.copysign(1.0, outcome.value) == 1.0


lives = st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.0, 1.0, 2.0, math.nan])), max_size=12)


@given(lives, st.integers(1, 4), st.integers(0, 12), st.sampled_from(Mode))
def test_records_are_the_same_whenever_one_began_to_look(lives, size: int, seen: int, mode: Mode) -> None:
    """A worker that joins late reads what was the best before; members that have left the run count as well."""
    first = population_of([0.0], mode=mode).latest[0]
    segments = [
        replace(first, member=member, generation=place, outcome=outcome_of(score), ended=place + 1)
        for place, (member, score) in enumerate(lives)
    ]
    empty = Population.empty(space=population_of([0.0]).space, mode=mode, seed=0, size=size)
    whole = empty.with_ended(segments, len(segments))
    late = empty.with_ended(segments[:seen], seen).with_ended(segments[seen:], len(segments))
    assert late.records == whole.records == empty.with_records(segments).records
    assert whole.best == max(
        (s for s in segments if isinstance(s.outcome, Finite)), key=lambda s: (s.better(mode), -s.ended), default=None
    )
    assert {s.member for s in whole.latest if s is not None} == {m for m, _ in lives if m < size}


def test_lives_are_those_that_the_forest_holds() -> None:
    """A worker forgets what is old: what it has not loaded again must not be mistaken for a hole in the log."""
    both = _two_lives()
    without = replace(both, forest={id: s for id, s in both.forest.items() if id.generation == 1 or id.member == 1})
    assert [str(s.id) for s in both.lives(2)] == ["m00/0", "m00/1", "m01/0"]
    assert [str(s.id) for s in without.lives(2)] == ["m00/1", "m01/0"]
    assert [str(s.id) for s in both.lives(1)] == ["m00/1", "m01/0"]
    assert list(population_of([None, None]).lives(3)) == []


def test_newest_segments_are_read_once_and_only_when_they_are_looked_at() -> None:
    """A snapshot of a thousand members whose scores alone count must not read a thousand segments."""
    newest = {s.id: s for s in population_of([1.0, 2.0, 3.0]).latest}
    asked = []

    def read(id: SegmentId) -> Segment:
        asked.append(id)
        return newest[id]

    known = newest[SegmentId(2, 0)]
    latest = Latest([0, None, 0], read, {known.id: known})
    assert (len(latest), latest.generations) == (3, (0, None, 0))
    assert latest[2] is known
    assert latest[-1] is known
    assert latest[1] is None
    assert asked == []
    assert list(latest) == [newest[SegmentId(0, 0)], None, known]
    assert latest[:2] == (newest[SegmentId(0, 0)], None)
    assert asked == [SegmentId(0, 0)]


def test_segment_that_has_just_begun_has_nothing_yet() -> None:
    """What is shown of a member that trains must not look like what it has reached."""
    segment = Segment(
        member=0,
        generation=0,
        parent=None,
        donor=None,
        start_step=0,
        end_step=2,
        member_start=0,
        hyperparameters={"x": 0.5},
        why={},
        snapshot=0,
        begun=1,
    )
    assert (segment.ended, segment.outcome, segment.evaluations, segment.metrics) == (None, None, (), {})
    assert (segment.status, segment.score, segment.can_donate) == (Status.RUNNING, None, False)
    assert (segment.checkpoint, segment.checkpoint_bytes, segment.checkpoint_kept) == (None, 0, False)
    assert (segment.damaged, segment.parent_damaged, segment.fallback) == (None, False, None)
    assert (segment.worker, segment.epoch, segment.begun_at, segment.ended_at) == ("", 0, 0.0, None)


@pytest.mark.slow
@given(st.data(), st.sampled_from(Mode), st.integers(1, 5))
def test_recent_scores_are_those_of_the_ancestry_whatever_was_made_before(data, mode, width) -> None:
    """Snapshots follow one another by the thousand; what is handed on must be what a first look would find."""
    size = 4
    population = Population.empty(space=population_of([0.0]).space, mode=mode, seed=0, size=size)
    scores = st.lists(st.sampled_from([0.5, 1.0, -2.0, math.nan, math.inf]), max_size=3)
    for turn in range(1, 7):
        ended = []
        for member in data.draw(st.sets(st.integers(0, size - 1), min_size=1)):
            newest = population.latest[member]
            donors = [s for s in population.latest if s is not None]
            parent = data.draw(st.sampled_from(donors)).id if donors and newest is not None else None
            evaluations = [replace(population_of([1.0]).latest[0].evaluations[0], score=x) for x in data.draw(scores)]
            ended.append(
                replace(
                    population_of([0.0] * size).latest[member],
                    generation=0 if newest is None else newest.generation + 1,
                    parent=parent,
                    evaluations=tuple(evaluations),
                )
            )
        population = population.with_ended(ended, turn)
        for part in data.draw(st.sets(st.sampled_from([size, size - 1]))):
            recent_PW = population.first(part).recent(width)
            for member, segment in enumerate(population.latest[:part]):
                window = [] if segment is None else [mode.orient(x) for x in population.window(segment, width)]
                assert np.array_equal(recent_PW[member], window + [math.nan] * (width - len(window)), equal_nan=True)


def test_what_depends_on_the_run_alone_is_made_once() -> None:
    """Groups of members do not change while they train; a run that goes on with more members has others."""
    population = population_of([1.0, 2.0])
    made: list[int] = []
    for snapshot in (population, population.with_ended(population.latest, 9), population, population.first(1)):
        assert snapshot.always("size", lambda whole: made.append(1) or whole.size) == snapshot.size
    assert len(made) == 2


@given(st.lists(st.integers(0, 3), max_size=8))
def test_what_depends_on_one_member_is_made_anew_when_it_has_moved_on(turns: list[int]) -> None:
    """A curve is smoothed once a segment, not once for each member that looks at it; who has ended none has none."""
    population, made = population_of([None] * 4), []

    def end_of(whole: Population, segment: Segment) -> int:
        made.append(segment)
        return segment.generation

    for turn, member in enumerate(turns):
        ended = replace(population_of([0.0] * 4).latest[member], generation=turn)
        population = population.with_ended([ended], turn)
        for _ in range(2):
            known = [None if s is None else s.generation for s in population.latest]
            assert [population.of_one("end", m, end_of) for m in range(4)] == known
    assert len(made) == len(turns)
