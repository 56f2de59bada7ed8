"""Facts and laws of the explores that look back: trust region and pairwise learning."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace._errors import UsageError
from populace.core import PBT, Diverged, Failed, Mode, Population, SegmentId, decide, decision_key
from populace.core.exploit import Truncation
from populace.core.explore import PB2, InformedExplore, Pairwise, Scene, TrustRegion
from populace.core.explore._pairwise import last_move, moved
from populace.core.explore._region import Box, bounds
from populace.space import Choice, Constant, IntUniform, Key, LogUniform, Space, Uniform
from populace.testing import Problem, population_of, simulate

SPACE = Space.of(
    {
        "x": Uniform(0, 1),
        "lr": LogUniform(1e-4, 1e-1),
        "layers": IntUniform(1, 4),
        "kind": Choice(["a", "b", "c"]),
        "slope": Uniform(0, 1, when={"kind": "a"}),
        "fixed": Constant(3),
    }
)
CLIMB = Problem(
    state=0.0, train=lambda state, h, n: state + n * (1 - abs(h["x"] - 0.7)), evaluate=lambda state: round(state, 1)
)
regions = st.builds(TrustRegion, rounds=st.integers(1, 6), successes=st.integers(1, 3), failures=st.integers(1, 3))
explores = regions | st.builds(Pairwise, rounds=st.integers(1, 6), resample=st.sampled_from([0.0, 0.25]))
explores |= st.builds(PB2, rows=st.just(20), region=regions)


def _sides(region: TrustRegion, success: bool, num: int) -> list[float]:
    """The box's side after each of some rounds, where it changes."""
    box, sides = region.first, [region.first.length]
    for _ in range(num):
        box = region.after(box, success=success)
        if box.length != sides[-1]:
            sides.append(box.length)
    return sides


def test_box_grows_and_shrinks_as_in_the_paper() -> None:
    """By 1.5 after three winning rounds up to the whole range; after ten others down to 0.15, where it begins anew."""
    assert _sides(TrustRegion(), True, 12) == pytest.approx([0.4, 0.6, 0.9, 1.0])
    shrunk = _sides(TrustRegion(), False, 30)
    assert shrunk == pytest.approx([0.4, 0.26667, 0.17778, 0.15], abs=1e-5)
    assert TrustRegion().begins_anew(Box(shrunk[-1], 0.1))
    assert _sides(TrustRegion(), False, 31)[-1] == 0.4


def test_one_other_round_breaks_a_row() -> None:
    """Rounds in a row are meant: two wins, a loss and two wins leave the box as it was."""
    region = TrustRegion()
    box = region.first
    for success in (True, True, False, True, True):
        box = region.after(box, success=success)
    assert box == Box(0.4, 1.0, 2, 0)


@given(st.floats(0, 1), st.floats(0.15, 1))
def test_box_lies_around_the_donor_and_in_the_range(place, length) -> None:
    """A box that left the range would make its ends likelier than anything between."""
    low, high = bounds(place, Box(length, 1.0))
    assert 0 <= low <= place <= high <= 1
    assert high - low <= length + 1e-12


def _with_rounds(wins: list[bool], size: int = 4) -> Population:
    """A population in which, round after round, member 0 tried something new, and was the best or not."""
    population = population_of([0.0] * size, space=SPACE)
    segments = []
    for generation, win in enumerate(wins, start=1):
        for member in range(size):
            first = population.latest[member]
            new = {"x": 0.1 * (generation % 7)} if member == 0 else {}
            segments.append(
                replace(
                    first,
                    generation=generation,
                    parent=SegmentId(member, generation - 1),
                    hyperparameters={**first.hyperparameters, **new},
                    outcome=replace(first.outcome, value=float(member == (0 if win else 2))),
                    ended=100 * generation + member,
                )
            )
    return population.with_ended(segments, 10**6)


def test_box_is_read_from_the_log() -> None:
    """Nothing is remembered between decisions, so that each can be derived again from the log alone."""
    region = TrustRegion()
    assert region.box(_with_rounds([])) == region.first
    assert region.box(population_of([None, None], space=SPACE)) == region.first
    assert region.box(_with_rounds([True] * 3)).length == pytest.approx(0.6)
    assert region.box(_with_rounds([False] * 10)).length == pytest.approx(0.4 / 1.5)
    assert region.box(_with_rounds([False] * 10 + [True] * 3)).length == pytest.approx(0.4)
    assert replace(region, rounds=3).box(_with_rounds([False] * 10 + [True] * 3)).length == pytest.approx(0.6)


@pytest.mark.parametrize(("ahead", "length"), [(4, 0.6), (2, 0.6), (1, 0.4)])
def test_round_counts_as_soon_as_half_have_come_to_its_end(ahead: int, length: float) -> None:
    """Where members take turns, a round of which too few are known tells nothing yet."""
    whole = _with_rounds([True] * 3)
    left = [s for s in whole.forest.values() if s.member < ahead or s.generation == 0]
    empty = Population.empty(space=SPACE, mode=whole.mode, seed=0, size=4)
    assert TrustRegion().box(empty.with_ended(left, 10**6)).length == pytest.approx(length)


def test_rounds_without_anything_new_do_not_count() -> None:
    """While nobody copies anybody, the box has neither won nor lost."""
    population = _with_rounds([True] * 9)
    first = population.latest[1].hyperparameters
    still = {id: replace(s, hyperparameters=first) for id, s in population.forest.items()}
    unmoved = replace(population, forest=still, latest=tuple(still[s.id] for s in population.latest))
    assert TrustRegion().box(unmoved) == TrustRegion().first


def test_smallest_box_draws_everything_anew() -> None:
    """A search that has come to rest would otherwise stay where it is for ever."""
    population = _with_rounds([False] * 30)
    base = population.latest[2]
    scene = Scene(population=population, member=1, base=base)
    drawn = [TrustRegion().explore(base.hyperparameters, scene, Key(seed))["x"] for seed in range(50)]
    assert max(drawn) - min(drawn) > 0.8
    near = [TrustRegion(failures=40).explore(base.hyperparameters, scene, Key(seed))["x"] for seed in range(50)]
    assert max(abs(x - base.hyperparameters["x"]) for x in near) <= 0.2


def test_pull_towards_the_winner_is_the_papers() -> None:
    """Half the way first; then inertia takes it the rest."""
    velocity = moved(0.2, 0.6, 0.0, kept=0.5, drawn=0.5)
    assert velocity == pytest.approx(0.2)
    place = 0.2 + velocity
    velocity = moved(place, 0.6, velocity, kept=0.5, drawn=0.5)
    assert (velocity, place + velocity) == pytest.approx((0.2, 0.6))


def _copies(own: dict[str, object], theirs: dict[str, object], seeds: int = 40, **settings: object) -> list[dict]:
    """What a member that has never copied would train with."""
    population = population_of([0.0, 1.0], space=SPACE, hyperparameters=[own, theirs])
    scene = Scene(population=population, member=0, base=population.latest[1])
    return [Pairwise(**settings).explore(theirs, scene, Key(seed)) for seed in range(seeds)]


LOW = {"x": 0.2, "lr": 1e-3, "layers": 1, "kind": "b", "slope": 0.1, "fixed": 3}
HIGH = {"x": 0.6, "lr": 1e-2, "layers": 4, "kind": "a", "slope": 0.9, "fixed": 3}


def test_first_move_ends_between_loser_and_winner() -> None:
    """Without inertia, values are those of neither: that is what crossing over means."""
    places = [h["x"] for h in _copies(LOW, HIGH, resample=0.0)]
    assert 0.2 <= min(places) < 0.3
    assert 0.5 < max(places) <= 0.6
    assert {h["kind"] for h in _copies(LOW, HIGH, resample=0.0)} == {"a"}


def test_some_values_are_redrawn() -> None:
    """Pulling alone keeps everybody between the first members' values."""
    redrawn = [not 0.2 <= h["x"] <= 0.6 for h in _copies(LOW, HIGH, seeds=400)]
    assert 0.08 < sum(redrawn) / 400 < 0.25  # a quarter is redrawn, of which three fifths lie outside


def test_last_move_is_read_from_the_members_own_life() -> None:
    """The donor's record is the donor's; a member that never copied stands still."""
    first = population_of([0.0], space=SPACE, hyperparameters=[LOW]).latest[0]
    kept = replace(first, generation=1, parent=first.id)
    clone = replace(kept, generation=2, donor=SegmentId(5, 1), hyperparameters=HIGH)
    after = replace(clone, generation=3, donor=None)
    assert set(last_move([first, kept], SPACE).values()) == {0.0}
    assert last_move([first, kept, clone, after], SPACE)["x"] == pytest.approx(0.4)


@pytest.mark.parametrize("outcome", [Diverged(reason="nan"), Failed(reason="boom")])
def test_member_that_failed_goes_to_the_winners_values(outcome) -> None:
    """Half the way from where it failed may fail again."""
    population = population_of([outcome, 1.0], space=SPACE, hyperparameters=[LOW, HIGH])
    scene = Scene(population=population, member=0, base=population.latest[1])
    assert Pairwise().explore(HIGH, scene, Key(1)) == SPACE.perturb(HIGH, Key(1))


@pytest.mark.slow
@settings(max_examples=60)
@given(explores, st.integers(0, 2**32), st.booleans(), st.integers(2, 6), st.sampled_from(Mode))
def test_decision_needs_no_more_of_the_log_than_it_says(explore, seed, synchronous, size, mode) -> None:
    """A worker that joins late loads so much and no more, and must decide as everybody else does."""
    assert isinstance(explore, InformedExplore)
    policy = PBT(exploit=Truncation(0.5), explore=explore)
    options = {"space": SPACE, "size": size, "intervals": 7, "seed": seed, "mode": mode, "synchronous": synchronous}
    population = simulate(CLIMB, policy, **options).population
    lives = list(population.lives(explore.depth(size)))
    needed = {s.id for s in lives} | {s.parent for s in lives}
    short = replace(population, forest={id: s for id, s in population.forest.items() if id in needed})
    for member in range(size):
        answer = decide(population, member, policy, decision_key(seed, member, 7))
        assert decide(short, member, policy, decision_key(seed, member, 7)) == answer
        SPACE.check(answer.hyperparameters)


@pytest.mark.parametrize(
    ("kind", "wrong", "text"),
    [
        (TrustRegion, {"length": 0.1}, "`0 < shortest < length <= longest <= 1` must hold"),
        (TrustRegion, {"factor": 1}, "`1 < factor < inf` must hold"),
        (TrustRegion, {"failures": 0}, "`failures >= 1` must hold"),
        (TrustRegion, {"rounds": 0}, "`rounds >= 1` must hold"),
        (Pairwise, {"pull": 0}, "`0 <= inertia < inf` and `0 < pull < inf` must hold"),
        (Pairwise, {"resample": 1}, "`0 <= resample < 1` must hold"),
        (Pairwise, {"rounds": 0}, "`rounds >= 1` must hold"),
        (PB2, {"region": 0.4}, r"`region` must be a TrustRegion\(...\) or None"),
    ],
)
def test_wrong_settings_are_refused(kind, wrong, text) -> None:
    """A wrong setting ends before the first step, with what to write instead."""
    with pytest.raises(UsageError, match=text):
        kind(**wrong)
