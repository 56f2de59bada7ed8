"""The default policy: a greedy half, a frozen half, restarts from that, the guard against noise."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace._errors import UsageError
from populace.core import (
    PBT,
    Continue,
    Decision,
    Diverged,
    Exploit,
    Failed,
    Population,
    SegmentId,
    decide,
    decision_key,
    outcome_of,
)
from populace.core._levels import levels
from populace.core.exploit import Halves, Truncation, TTest
from populace.core.exploit._roles import is_greedy
from populace.core.explore import NoExplore, Perturb, Resample, Strides
from populace.space import Choice, LogUniform, Space, Uniform
from populace.testing import Problem, population_of_lives, simulate

GREEDY, FROZEN = (0, 1, 3, 5, 7), (2, 4, 6, 8, 9)
SPACE = Space.of({"lr": LogUniform(1e-5, 1e-1), "x": Uniform(0, 1), "layers": (1, 4), "kind": Choice(["a", "b"])})
STILL = PBT(exploit=Halves(), explore=NoExplore())
FRESH = PBT(exploit=Halves(), explore=Resample())


def _levels(greedy: Sequence[float], frozen: Sequence[float]) -> list[float]:
    by_member = {**dict(zip(GREEDY, greedy, strict=True)), **dict(zip(FROZEN, frozen, strict=True))}
    return [by_member[m] for m in range(10)]


def _rising(levels: Sequence[float], length: int, noise: float = 0.01) -> list[list[float]]:
    """Lives of a given level and noise that zigzags."""
    return [[level + noise * (1, -1, 0.4)[at % 3] for at in range(length)] for level in levels]


def _answers(population: Population, policy: PBT = STILL) -> dict[int, Decision]:
    return {
        member: decide(population, member, policy, decision_key(0, member, newest.generation + 1))
        for member, newest in enumerate(population.latest)
        if newest is not None
    }


def _donors(population: Population, policy: PBT = STILL) -> dict[int, int]:
    answers = _answers(population, policy)
    return {member: answer.donor.member for member, answer in answers.items() if isinstance(answer, Exploit)}


def _halved(lives: Sequence[Sequence[float]], **settings: object) -> Population:
    """A population whose halves have been settled."""
    population = population_of_lives(lives, **settings)
    return _with_whys(population, {m: {"greedy": True} for m in GREEDY})


def _with_whys(population: Population, whys: Mapping[int, Mapping[str, object]]) -> Population:
    told = [replace(s, why={**s.why, **why}) for m, why in whys.items() if (s := population.latest[m]) is not None]
    return population.with_ended(told, population.sequence + len(told))


@pytest.mark.slow
@given(st.lists(st.floats(-5, 5), min_size=4, max_size=30, unique=True), st.integers(1, 3))
def test_best_fifth_stays_as_it_is_where_intervals_are_long(levels: list[float], points: int) -> None:
    """There few turns are patience enough, but the best draw must not be explored away."""
    population = population_of_lives(_rising(levels, points), steps=10)
    frozen = {m for m, answer in _answers(population, FRESH).items() if answer.why.get("place") == "frozen"}
    best = sorted(range(len(levels)), key=levels.__getitem__)[-max(1, round(len(levels) / 5)) :]
    assert frozen == ({*best} if points == 1 else set())
    later = _with_whys(population, {best[0]: {"place": "frozen"}})
    assert _answers(later, FRESH)[best[0]].why["place"] == "frozen"
    assert len(Halves().donors(later, best[0])) > 0


@pytest.mark.slow
@settings(max_examples=40)
@given(st.lists(st.floats(-5, 5), min_size=4, max_size=30, unique=True), st.sampled_from([19, 20, 21, 40]))
def test_worse_half_becomes_greedy_when_a_fifth_is_over(levels: list[float], points: int) -> None:
    """Until then every draw is kept that is not clearly worse; after it half of them are, and the better ones."""
    population = population_of_lives(_rising(levels, points, noise=20.0))
    answers = _answers(population, FRESH)
    left = {m for m, answer in answers.items() if answer.why.get("greedy")}
    assert len(left) == (len(levels) - len(levels) // 2 if points >= 20 else 0)
    better = levels_of(population)
    assert not left or max(better[m] for m in left) <= min(better[m] for m in set(answers) - left)
    for member, answer in answers.items():
        if member in left and isinstance(answer, Exploit):
            assert answer.donor.member not in left


def levels_of(population: Population) -> Sequence[float]:
    return levels(population, Halves().window).mean_P.tolist()


def test_who_is_clearly_worse_becomes_greedy_at_once_and_half_stay() -> None:
    """Where greed is right no time is lost: a rate that does nothing need not be trained for a fifth of the run."""
    answers = _answers(population_of_lives(_rising([9, 8, 7, 6, 5, 4, 3, 2, 1, 0], 4)), FRESH)
    assert {m: a.donor.member for m, a in answers.items() if isinstance(a, Exploit)} == dict.fromkeys(range(5, 10), 0)
    assert {a.why["place"] for a in answers.values()} == {"leaves", "frozen"}
    near = _rising([0.4, 0.3, 0.2, 0.1, 0.05, 0, 0, 0, 0, 0], 4, noise=0.2)
    assert _donors(population_of_lives(near)) == {}


def test_members_that_are_greedy_stay_so() -> None:
    """Their own log tells, so that anybody who reads it knows."""
    answers = _answers(_halved(_rising([5] * 10, 6)), FRESH)
    assert {m for m, answer in answers.items() if answer.why.get("greedy")} == {*GREEDY}


@pytest.mark.parametrize(
    ("steps", "points", "joins"),
    [(100, 80, True), (100, 79, False), (100, 60, False), (34, 28, True), (None, 80, False)],
)
def test_worse_of_the_frozen_join_when_a_fifth_is_left(steps: int | None, points: int, joins: bool) -> None:
    """Patience has had its time: what is clearly behind now will not be ahead at the end."""
    frozen = [5, 4, 3, 2, 1]
    answers = _answers(_halved(_rising(_levels([0, 0, 0, 0, 0], frozen), points), steps=steps), FRESH)
    joined = {m: a.donor.member for m, a in answers.items() if a.why["place"] == "joins"}
    assert joined == ({6: 2, 8: 2, 9: 2} if joins else {})
    assert all(answers[m].why["since"] == points and answers[m].why["greedy"] is True for m in joined)


def test_who_joins_goes_on_from_greed_where_that_has_got_away() -> None:
    """The best of all is worth most when little is left."""
    answers = _answers(_halved(_rising(_levels([20, 19, 18, 17, 16], [5, 4, 3, 2, 1]), 80)))
    assert {m: a.donor.member for m, a in answers.items() if a.why["place"] == "joins"} == {6: 0, 8: 0, 9: 0}


@pytest.mark.parametrize(
    ("points", "noise", "ends"), [(90, 0.01, True), (89, 0.01, False), (91, 0.01, False), (90, 5, False)]
)
def test_worse_half_goes_on_from_the_best_when_a_tenth_is_left(points: int, noise: float, ends: bool) -> None:
    """And nothing happens where that best may be luck."""
    answers = _answers(_halved(_rising(_levels([9, 8, 7, 2, 1], [6, 5, 4, 3, 0]), points, noise=noise)))
    ended = {m: a.donor.member for m, a in answers.items() if a.why["place"] == "ends"}
    assert ended == (dict.fromkeys([5, 6, 7, 8, 9], 0) if ends else {})


def test_worse_half_goes_on_from_the_best_at_the_end_of_long_intervals_too() -> None:
    """The last turn of a run of ten is the time when a tenth is left."""
    levels = [9, 8, 7, 2, 1, 6, 5, 4, 3, 0]
    for points, ends in ((8, False), (9, True)):
        answers = _answers(population_of_lives(_rising(levels, points), steps=10), FRESH)
        ended = {m: a.donor.member for m, a in answers.items() if a.why.get("place") == "ends"}
        assert ended == (dict.fromkeys([3, 4, 7, 8, 9], 0) if ends else {})


def _climbing(
    slopes: tuple[float, float], lead: float = 1, noise: float = 0.01, points: int = 40, behind: int = 0
) -> Population:
    """A population whose best greedy member leads its best frozen one, which is far above the worst frozen one.

    Greedy and frozen gain by these slopes; all of the greedy but the best are some intervals behind.
    """
    greedy, frozen = [5 + lead, 0.4, 0.3, 0.2, 0.1], [5, 3, 2, 1, 0.5]
    slope_of = dict(zip((*GREEDY, *FROZEN), (slopes[0],) * 5 + (slopes[1],) * 5, strict=True))
    lives = _rising(_levels(greedy, frozen), points, noise)
    climbing = [[x - slope_of[m] * (points - 1 - at) for at, x in enumerate(life)] for m, life in enumerate(lives)]
    return _halved([life[: points - behind] if m in GREEDY[1:] else life for m, life in enumerate(climbing)])


@pytest.mark.parametrize(
    ("given", "pulls_away"),
    [
        ({"slopes": (0.1, 0)}, True),
        ({"slopes": (0.1, 0), "points": 20}, True),
        ({"slopes": (0.1, 0), "points": 41}, False),
        ({"slopes": (0.1, 0.05)}, True),
        ({"slopes": (0.1, 0.08)}, False),
        ({"slopes": (0.1, 0.1)}, False),
        ({"slopes": (0, 0)}, False),
        ({"slopes": (0.1, 0), "lead": 0.01}, False),
        ({"slopes": (0.1, 0), "noise": 0.5}, False),
    ],
)
def test_frozen_join_at_once_where_greed_pulls_away(given: Mapping[str, object], pulls_away: bool) -> None:
    """Patience that is behind and slower has nothing to show; trials from it held greed up for a tenth of the run."""
    answers = _answers(_climbing(**given))
    joined = {m: a for m, a in answers.items() if a.why.get("place") == "joins"}
    assert {m: a.donor.member for m, a in joined.items()} == (dict.fromkeys([6, 8, 9], 0) if pulls_away else {})
    assert all(a.why["greedy"] is True and "since" not in a.why for a in joined.values())
    set_out = any(a.why.get("place") == "restart" for a in answers.values())
    assert set_out is (not pulls_away and given.get("points") != 41)


def test_who_sees_few_of_the_greedy_does_not_judge_greed() -> None:
    """A member that has run ahead sees those alone that are better, and all look as if they pulled away."""
    for behind, joins in ((0, True), (2, False)):
        assert (_answers(_climbing((0.1, 0), behind=behind))[9].why["place"] == "joins") is joins


def test_damaged_best_is_copied_by_nobody() -> None:
    """What cannot be loaded cannot be gone on from, however good it was."""
    for points in (4, 20, 90):
        population = population_of_lives(_rising([9, 8, 7, 6, 5, 4, 3, 2, 1, 0], points))
        hurt = population.with_damaged([replace(population.latest[0], damaged=99, checkpoint_kept=False)])
        assert 0 not in _donors(hurt).values()


def test_where_intervals_are_long_clones_explore_the_further_the_less_is_certain() -> None:
    """What is hardly better than noise says little about hyperparameters: on pure noise all would soon be alike."""
    space = Space.of({"lr": LogUniform(1e-30, 1e30)})
    policy, moved = PBT(exploit=Halves(), explore=Strides(resample=0)), {}
    for steps, lead in itertools.product((20, 25), (0.06, 1.0)):
        population = population_of_lives(_rising([lead, 0.0], 8, noise=0.02), space=space, steps=steps)
        answers = [decide(population, 1, policy, decision_key(seed, 1, 8)) for seed in range(200)]
        start = population.latest[0].hyperparameters["lr"]
        moved[steps, lead] = np.median([abs(math.log(a.hyperparameters["lr"] / start)) for a in answers])
    assert moved[20, 0.06] > 2 * moved[20, 1.0]
    assert moved[25, 0.06] == pytest.approx(moved[25, 1.0])


@pytest.mark.slow
@given(st.lists(st.floats(-5, 5), min_size=10, max_size=10), st.integers(4, 79))
def test_frozen_members_train_on_as_they_were_drawn(levels: list[float], points: int) -> None:
    """They are the insurance: half of what random search would have found is always there."""
    population = _halved(_rising(levels, points))
    for member, answer in _answers(population, FRESH).items():
        if not is_greedy(population, member):
            assert isinstance(answer, Continue)
            assert answer.why == {"rule": "halves", "turn": points, "place": "frozen", "score": answer.why["score"]}


@pytest.mark.parametrize(("steps", "period"), [(100, 1), (30, 1), (1000, 10), (250, 2), (None, 1)])
def test_greedy_members_act_at_every_hundredth_of_the_run(steps: int | None, period: int) -> None:
    """How often to select is the setting that nobody knows; the length of the run is known."""
    for points in (4, 5, 10, 11):
        copied = set(_donors(_halved(_rising(_levels([5, 0, 4, 3, 8], [0] * 5), points), steps=steps)))
        assert copied <= set(GREEDY)
        assert bool(copied) is (points % period == 0)


def test_worse_half_copies_the_best_and_the_middle_takes_what_was_frozen() -> None:
    """The greedy live by trying; who has become better by patience comes in by the middle, as it is."""
    population = _halved(_rising(_levels([1, 2, 9, 3, 4], [0, 0, 8, 1, 5]), 4), space=SPACE)
    answers = _answers(population, FRESH)
    assert {m: a.donor.member for m, a in answers.items() if isinstance(a, Exploit)} == {0: 3, 1: 3, 5: 6}
    assert [answers[m].why.get("place") for m in GREEDY] == ["last", "last", "top", "middle", "middle"]
    assert answers[5].hyperparameters == population.latest[6].hyperparameters
    assert answers[0].hyperparameters != population.latest[3].hyperparameters


@pytest.mark.parametrize(("points", "sets_out"), [(19, False), (20, True), (21, False), (40, True), (80, True)])
def test_worse_half_sets_out_anew_at_every_fifth_of_the_run(points: int, sets_out: bool) -> None:
    """Patience looks bad until somebody has been greedy with it, so its worth is tried though it is behind."""
    population = _halved(_rising(_levels([6, 5.9, 5.8, 5.7, 5.6], [0, 5, 1, 2, 3]), points), space=SPACE)
    answers = _answers(population, FRESH)
    anew = {m for m, a in answers.items() if a.why.get("place") == "restart"}
    assert anew == ({3, 5, 7} if sets_out else set())
    for member in anew:
        assert answers[member].donor.member == 4
        assert answers[member].why["since"] == points
    if sets_out:
        given = population.latest[4].hyperparameters
        assert [answers[m].hyperparameters == given for m in (7, 5, 3)] == [True, False, False]


@given(st.floats(0, 100), st.floats(0, 100))
def test_nobody_sets_out_where_greed_has_got_clearly_away(lead: float, spread: float) -> None:
    """Where greed is right, trials would cost members that follow."""
    levels = _levels([spread + lead] * 5, [spread, 0, 0, 0, 0])
    answers = _answers(_halved(_rising(levels, 20, noise=0)))
    assert any(a.why.get("place") == "restart" for a in answers.values()) is (lead < spread)


def test_who_has_set_out_learns_from_one_another_alone_while_the_trial_lasts() -> None:
    """Compared with those that were greedy all along they would be copied over before they show anything."""
    for points, on_their_own in ((21, True), (24, True), (29, True), (30, False)):
        population = _halved(_rising(_levels([1, 2, 3, 8, 9], [0] * 5), points))
        trying = _with_whys(population, {m: {"since": 20} for m in (0, 1, 3)})
        answers = _answers(trying)
        donors = {m: a.donor.member for m, a in answers.items() if isinstance(a, Exploit)}
        assert donors == ({0: 3, 5: 7} if on_their_own else {0: 7, 1: 7})
        assert [answers[m].why.get("since") for m in (0, 1, 3)] == [20 if on_their_own else None] * 3


def test_noise_holds_copies_back() -> None:
    """Scores that differ by luck alone must not cost anybody its weights."""
    luck = np.random.default_rng(0).standard_normal((40, 10))
    lives = [_halved(luck[at : at + 8].T.tolist()) for at in range(20)]
    copies = sum(len(_donors(life)) for life in lives)
    eager = PBT(exploit=Halves(z=0), explore=NoExplore())
    assert copies <= 20 * 5 * 0.25
    assert sum(len(_donors(life, eager)) for life in lives) >= 4 * copies


def test_difference_beyond_noise_copies() -> None:
    """Two noise-free levels that differ are different, however little."""
    levels = np.array(_levels([0, 1, 2, 3, 4], [0] * 5))
    answers = _answers(_halved(_rising(1e-6 * levels, 6, noise=0)))
    assert {m for m, a in answers.items() if isinstance(a, Exploit)} == {0, 1}
    assert answers[0].why["noise"] == 0
    assert "z" not in answers[0].why
    assert _answers(_halved(_rising(levels, 6, noise=0.5)))[0].why["z"] > 2


@pytest.mark.parametrize(("steps", "copies"), [(100, False), (20, True), (10, True), (None, False)])
def test_unknown_noise_waits_where_intervals_are_short(steps: int | None, copies: bool) -> None:
    """At 1 % of the run there is time to learn what the noise is; at 5 % or more there is not."""
    lives = _rising(_levels([5, 0, 4, 3, 8], [0] * 5), 1)
    assert bool(_donors(population_of_lives(lives, steps=steps))) is copies


@pytest.mark.slow
@given(st.integers(1, 100), st.integers(1, 20))
def test_exact_tie_copies_nobody(size: int, points: int) -> None:
    """A plateau says nothing about anybody, so nobody loses its weights to it."""
    assert _donors(population_of_lives([[1.0] * points] * size, steps=20)) == {}


@pytest.mark.slow
@settings(max_examples=40)
@given(st.permutations(range(10)), st.integers(0, 2**32))
def test_who_loses_is_of_the_worse_half_of_those_that_have_come_as_far(order: Sequence[int], seed: int) -> None:
    """Members report one after another: nobody is judged by what others have not yet trained."""
    levels = np.random.default_rng(seed).permutation(10).astype(float)
    population, after = _halved(_rising(levels, 6)), _halved(_rising(levels, 7))
    for member in order:
        population = population.with_ended([after.latest[member]], population.sequence + 1)
        answer = decide(population, member, STILL, decision_key(0, member, 7))
        if isinstance(answer, Exploit) and answer.why["place"] == "last":
            others = [m for m in GREEDY if m != member]
            above = sum(levels[m] > levels[member] for m in others)
            level = sum(levels[m] < levels[member] and population.latest[m].end_step == 7 for m in others)
            assert above > level


def test_member_counts_its_own_turns() -> None:
    """A slow worker's members set out as often as others, when they have trained as much themselves."""
    lives = _rising(_levels([6, 5.9, 5.8, 5.7, 5.6], [0, 5, 1, 2, 3]), 21)
    lives[7] = lives[7][:20]
    answers = _answers(_halved(lives))
    assert answers[7].why["place"] == "restart"
    assert answers[7].why["since"] == 20
    assert not any(answers[m].why.get("place") == "restart" for m in GREEDY if m != 7)


@pytest.mark.slow
@given(st.integers(2, 25), st.integers(0, 10_000), st.booleans())
def test_nobody_copies_weights_trained_more_than_an_interval_longer_than_it(size: int, seed: int, diverged) -> None:
    """Few workers take many members in turns: `steps=40` must not return a model that was trained for 150."""
    random = np.random.default_rng(seed)
    population = population_of_lives(
        [_rising([random.uniform(0, 9)], int(random.integers(1, 10)))[0] for _ in range(size)]
    )
    own = population.latest[0]
    if diverged:
        own = replace(own, outcome=Diverged(reason="nan"), evaluations=())
        population = population.with_ended([own], population.sequence + 1)
    answer = decide(population, 0, STILL, decision_key(0, 0, own.generation + 1))
    near = {s.member for s in population.latest[1:] if s.end_step <= own.member_end + 1}
    assert isinstance(answer, Exploit) or not diverged
    if isinstance(answer, Exploit):
        assert answer.donor.member in near or (diverged and not near)


@pytest.mark.slow
@pytest.mark.parametrize("size", [8, 20])
def test_members_in_a_queue_train_no_weights_longer_than_the_run(size: int) -> None:
    """Clones of clones of whoever was served first went on for more than three times the steps of the run."""
    luck = np.random.default_rng(size)
    population = population_of_lives(_rising([0.0] * size, 1))
    for generation, member in itertools.product(range(1, 40), range(size)):
        newest = population.latest[member]
        answer = decide(population, member, PBT(), decision_key(0, member, generation))
        parent = population.latest[answer.donor.member] if isinstance(answer, Exploit) else newest
        (evaluation,) = newest.evaluations
        step, score = parent.end_step + 1, parent.end_step + luck.normal(0, 0.03)
        ended = replace(
            newest,
            generation=generation,
            parent=parent.id,
            donor=answer.donor if isinstance(answer, Exploit) else None,
            start_step=parent.end_step,
            end_step=step,
            member_start=generation,
            outcome=outcome_of(score),
            evaluations=(replace(evaluation, step=step, score=score),),
        )
        population = population.with_ended([ended], population.sequence + 1)
    assert any(segment.donor is not None for segment in population.forest.values())
    assert max(segment.end_step for segment in population.forest.values()) <= 41


@pytest.mark.parametrize("outcome", [Diverged(reason="nan"), Failed(reason="boom")])
@pytest.mark.parametrize("member", range(10))
def test_lost_member_is_replaced_at_once_by_one_of_its_own_half(outcome: Diverged | Failed, member: int) -> None:
    """Were it frozen: a dead member is worth nothing, and greed must not come in with its replacement."""
    population = _halved(_rising([5, 0, 1, 4, 0, 3, 2, 8, 9, 7], 3))
    lost = replace(population.latest[member], outcome=outcome, evaluations=())
    answer = decide(population.with_ended([lost], 99), member, PBT(), decision_key(0, member, 3))
    assert isinstance(answer, Exploit)
    assert answer.donor.member in (GREEDY if member in GREEDY else FROZEN)


@pytest.mark.parametrize(("lost", "half"), [(0, GREEDY), (9, FROZEN)])
def test_lost_member_whose_half_is_lost_is_replaced_by_the_best_of_the_other(lost: int, half: Sequence[int]) -> None:
    """A half that has died out comes back; else its members would train nothing for the rest of the run."""
    scores = [math.nan if m in half else float(m) for m in range(10)]
    best = max(m for m in range(10) if m not in half)
    answer = decide(_halved([[s] for s in scores]), lost, PBT(), decision_key(0, lost, 1))
    assert isinstance(answer, Exploit)
    assert answer.donor.member == best


@pytest.mark.slow
@given(
    st.lists(
        st.lists(st.floats(width=64) | st.sampled_from([0.0, 1.0, 1.7e308, -1.7e308]), min_size=1, max_size=12),
        min_size=1,
        max_size=25,
    ),
    st.sampled_from([None, 5, 20, 100]),
)
def test_decision_is_a_value_that_a_log_can_hold(lives: list[list[float]], steps: int | None) -> None:
    """Whatever is reported, also numbers whose differences no float can hold."""
    for answer in _answers(population_of_lives(lives, steps=steps, space=SPACE), PBT()).values():
        assert json.loads(json.dumps(answer.why, allow_nan=False)) == answer.why
        SPACE.check(answer.hyperparameters)


@pytest.mark.slow
@pytest.mark.parametrize("synchronous", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_pure_noise_does_not_collapse_the_population(synchronous: bool, seed: int) -> None:
    """A score without meaning must leave the hyperparameters as widely spread as they were."""
    luck = np.random.default_rng(seed)
    nothing = Problem(state=0.0, train=lambda state, h, n: state, evaluate=lambda state: float(luck.standard_normal()))
    space, ends = Space.of({"lr": LogUniform(1e-5, 1e-1)}), []
    run = simulate(nothing, PBT(), space=space, size=10, intervals=60, synchronous=synchronous)
    for place in (0, 59):
        ends.append(np.std([math.log(run.decisions[SegmentId(m, place)].hyperparameters["lr"]) for m in range(10)]))
    assert ends[1] >= 0.5 * ends[0]


def test_parts_that_are_left_out_are_all_the_default_or_the_papers() -> None:
    """PBT() alone is robust; whoever composes by hand gets the paper's parts, as ever."""
    assert PBT() == PBT(exploit=Halves(), explore=Strides())
    assert PBT.paper() == PBT(exploit=Truncation(0.2)) == PBT(explore=Perturb((0.8, 1.2)))
    pytest.importorskip("scipy")
    assert PBT(exploit=TTest()) == PBT(exploit=TTest(), explore=Perturb())


def test_strides_grow_with_the_square_root_of_the_generation() -> None:
    """One setting for every interval: a random walk gets as far in many short strides as in few long ones."""
    space = Space.of({"lr": LogUniform(1e-30, 1e30)})
    moved = []
    for generation in (0.01, 0.04, 0.16):
        explore = Strides(resample=0).paced(generation)
        moves = [explore.explore({"lr": 1.0}, space, decision_key(seed, 0, 1))["lr"] for seed in range(200)]
        moved.append(np.median(np.abs(np.log(moves))))
    assert moved == pytest.approx([0.2, 0.4, 0.8], rel=0.12)


@pytest.mark.parametrize(("steps", "stride"), [(100, 0.2), (25, 0.4), (10, 0.2 * math.sqrt(10))])
def test_members_explore_by_the_time_until_their_next_turn(steps: int, stride: float) -> None:
    """Who may not change for a tenth of the run changes more than who may at the next hundredth."""
    space = Space.of({"lr": LogUniform(1e-30, 1e30)})
    population = _halved(_rising(_levels([1, 2, 9, 3, 4], [5] * 5), 5), space=space, steps=steps)
    policy, moves = PBT(exploit=Halves(), explore=Strides(resample=0)), []
    for seed in range(100):
        answer = decide(population, 0, policy, decision_key(seed, 0, 5))
        donor = population.latest[answer.donor.member].hyperparameters["lr"]
        moves.append(abs(math.log(answer.hyperparameters["lr"] / donor)))
    assert np.median(moves) == pytest.approx(stride, rel=0.25)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Halves(turn=0),
            "`0 < turn <= restart <= 1` and `0 < grace <= restart` must hold, but got Halves(turn=0",
        ),
        (
            lambda: Halves(turn=0.5),
            "but got Halves(turn=0.5, restart=0.2, grace=0.1): turn 0.01, restart 0.2 and grace",
        ),
        (lambda: Halves(grace=0.3), "but got Halves(turn=0.01, restart=0.2, grace=0.3): turn 0.01, restart 0.2 and"),
        (lambda: Halves(grace=0), "but got Halves(turn=0.01, restart=0.2, grace=0): turn 0.01, restart 0.2 and grace"),
        (lambda: Halves(restart=1.5), "`0 < turn <= restart <= 1` and `0 < grace <= restart` must hold"),
        (lambda: Halves(restart="x"), "must hold, but got Halves(turn=0.01, restart='x', grace=0.1)"),
        (lambda: Halves(tail=0), "`0 < tail <= 0.5` and `0 <= z` must hold, but got Halves(tail=0, z=2.0): tail 0.25"),
        (lambda: Halves(tail=0.6), "must hold, but got Halves(tail=0.6, z=2.0): tail 0.25 and z 2 are usual"),
        (lambda: Halves(z=-0.1), "must hold, but got Halves(tail=0.25, z=-0.1): tail 0.25 and z 2 are usual"),
        (lambda: Halves(z=math.inf), "must hold, but got Halves(tail=0.25, z=inf): tail 0.25 and z 2 are usual"),
        (lambda: Halves(z=math.nan), "`0 < tail <= 0.5` and `0 <= z` must hold, but got Halves(tail=0.25, z=nan)"),
        (lambda: Halves(window=0), "`window >= 1` must hold, but got window=0: it is how many evaluations"),
        (lambda: Strides(0), "`0 < stride <= 10`, `0 <= resample <= 1` and `0 < generation <= 1` must hold"),
        (lambda: Strides(resample=2), "but got Strides(stride=0.2, resample=2, generation=0.01): stride 0.2 and"),
    ],
)
def test_bad_arguments_are_refused(make, message: str) -> None:
    """The message is read by somebody who has never seen this code."""
    with pytest.raises(UsageError, match=re.escape(message)):
        make()


def test_outermost_settings_are_allowed() -> None:
    """What a message names as the limit may be asked for: a single turn, and no guard against noise."""
    policy = PBT(exploit=Halves(turn=1, restart=1, grace=1, tail=0.5, z=0, window=1), explore=NoExplore())
    for points in (7, 8):
        copied = _donors(population_of_lives(_rising(_levels([5, 0, 4, 3, 8], [0] * 5), points), steps=8), policy)
        assert set(copied.values()) == ({0, 3, 5, 7} if points == 8 else set())


def test_small_populations_are_told() -> None:
    """Two halves need members."""
    assert PBT().warnings(1) == ["a population of 1 has nobody to copy from: this run is plain training"]
    (line,) = PBT().warnings(6)
    assert line == "the default policy needs about 10 members for its two halves, and has 6: 10 to 20 are better"
    assert PBT().warnings(7) == []
