"""Three speeds: groups and their turns, the guard against noise, migration, frozen members."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace._errors import UsageError
from populace.core import (
    PBT,
    Compare,
    Continue,
    Decision,
    Diverged,
    Exploit,
    Failed,
    Mode,
    Population,
    SegmentId,
    decide,
    decision_key,
    outcome_of,
)
from populace.core.exploit import Speeds
from populace.core.explore import NoExplore, Resample, Strides
from populace.space import Choice, LogUniform, Space, Uniform
from populace.testing import Problem, population_of_lives, simulate

FAST, MIDDLE, SLOW, FROZEN = (0, 2, 6, 7, 8), (4, 5), (1, 3), (9,)
SPACE = Space.of({"lr": LogUniform(1e-5, 1e-1), "x": Uniform(0, 1), "layers": (1, 4), "kind": Choice(["a", "b"])})
STILL = PBT(exploit=Speeds(), explore=NoExplore())
SPEEDS = PBT(exploit=Speeds(), explore=Strides())
sizes = st.integers(1, 100)


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


@given(sizes, st.integers(1, 200), st.integers(1, 60) | st.none())
def test_everybody_belongs_to_one_group(size: int, interval: int, intervals: int | None) -> None:
    """With any population and any interval, nobody is forgotten and nobody is alone but the only one."""
    steps = None if intervals is None else interval * intervals
    population = Population.empty(space=SPACE, mode=Mode.MAX, seed=0, size=size, steps=steps, interval=interval)
    groups = Speeds().layout(population).groups
    assert sorted(m for group in groups for m in group.members) == list(range(size))
    assert all(len(group.members) > 1 or group.period == 0 or size == 1 for group in groups)
    periods = [group.period for group in groups if group.period]
    assert periods == sorted(set(periods))
    assert sum(len(group.members) for group in groups if not group.period) == size // 10


@given(st.integers(7, 99))
def test_population_that_grows_moves_nobody_to_another_speed(size: int) -> None:
    """A run may be given more members when it goes on; those there were keep the patience they had."""
    layouts = [
        Speeds().layout(Population.empty(space=SPACE, mode=Mode.MAX, seed=0, size=n, steps=100))
        for n in (size, size + 1)
    ]
    assert [layouts[0].of(m).period for m in range(size)] == [layouts[1].of(m).period for m in range(size)]


@pytest.mark.parametrize(
    ("steps", "interval", "periods"),
    [
        (100, 1, [1, 5, 20, 0]),
        (100, 3, [1, 2, 7, 0]),
        (100, 10, [1, 2, 0]),
        (100, 100, [1, 0]),
        (5000, 5, [10, 50, 200, 0]),
        (None, 7, [1, 5, 20, 0]),
    ],
)
def test_speeds_are_shares_of_the_run(steps: int | None, interval: int, periods: list[int]) -> None:
    """How often to select is the setting that nobody knows; the length of the run is known."""
    population = Population.empty(space=SPACE, mode=Mode.MAX, seed=0, size=10, steps=steps, interval=interval)
    groups = Speeds().layout(population).groups
    assert [group.period for group in groups] == periods
    if len(periods) == 4:
        assert [group.members for group in groups] == [FAST, MIDDLE, SLOW, FROZEN]


@pytest.mark.parametrize("points", [1, 4, 5, 19, 20, 21])
def test_group_decides_at_its_own_turns(points: int) -> None:
    """Only the fast group acts at each ready point, the slow one every fifth of the run."""
    copied = set(_donors(population_of_lives(_rising([5, 0, 1, 4, 0, 3, 2, 8, 9, 0], points))))
    acting = {*FAST, *(MIDDLE if points % 5 == 0 else ()), *(SLOW if points % 20 == 0 else ())}
    assert copied <= acting
    if points >= 4:
        assert {0, 2, 6} & copied
        assert (4 in copied) is (points % 5 == 0)
        assert (1 in copied) is (points % 20 == 0)


def test_half_of_the_fast_group_copies_its_best_and_one_takes_from_outside() -> None:
    """The fast group lives by trying; whoever is best elsewhere comes in by the middle."""
    answers = _answers(population_of_lives(_rising([1, 0, 2, 9, 0, 0, 3, 4, 5, 7], 4)))
    assert {m: a.donor.member for m, a in answers.items() if isinstance(a, Exploit)} == {0: 8, 2: 8, 6: 3}
    assert [answers[m].why.get("place") for m in FAST] == ["last", "last", "middle", "middle", "top"]


def test_hyperparameters_come_with_the_weights_from_slower_groups_only() -> None:
    """A greedy learning rate must not travel to those who are there to be patient."""
    slow_ahead = population_of_lives(_rising([1, 9, 2, 0, 0, 0, 3, 4, 5, 0], 4))
    from_slow = _answers(slow_ahead)[6]
    assert (str(from_slow.donor), from_slow.source) == ("m01/3", None)
    assert from_slow.hyperparameters == slow_ahead.latest[1].hyperparameters
    frozen_ahead = _answers(population_of_lives(_rising([1, 0, 2, 0, 0, 0, 3, 4, 5, 9], 4)))[6]
    assert (str(frozen_ahead.donor), frozen_ahead.source) == ("m09/3", None)
    levels = [9 if m % 10 in FAST else 5 if m % 10 in MIDDLE else m % 9 + m / 100 for m in range(30)]
    fast_ahead = population_of_lives(_rising(levels, 20))
    answers, slow = _answers(fast_ahead), [m for m in range(30) if m % 10 in SLOW]
    best = max(slow, key=lambda m: levels[m])
    migrants = [m for m in slow if isinstance(answers[m], Exploit) and answers[m].why["place"] == "middle"]
    assert migrants
    for member in migrants:
        assert answers[member].source.member == best
        assert answers[member].hyperparameters == fast_ahead.latest[best].hyperparameters
        assert answers[member].why["hyperparameters"] == str(answers[member].source)


def test_migrants_keep_the_hyperparameters_they_come_with() -> None:
    """What is proven elsewhere is tried as it is."""
    population = population_of_lives(_rising([1, 9, 2, 0, 0, 0, 3, 4, 5, 0], 4), space=SPACE)
    answers = _answers(population, PBT(exploit=Speeds(), explore=Resample()))
    assert answers[6].hyperparameters == population.latest[1].hyperparameters
    assert answers[0].hyperparameters != population.latest[8].hyperparameters


@pytest.mark.slow
@given(st.lists(st.floats(-5, 5), min_size=10, max_size=40), st.integers(4, 40))
def test_frozen_members_train_on_as_they_were_drawn(levels: list[float], points: int) -> None:
    """They are the insurance: what random search would have found is always there."""
    answers = _answers(population_of_lives(_rising(levels, points)), PBT(exploit=Speeds(), explore=Resample()))
    for member in range(9, len(levels), 10):
        assert isinstance(answers[member], Continue)
        assert answers[member].why == {
            "rule": "speeds",
            "period": 0,
            "turn": points,
            "score": answers[member].why["score"],
        }


def test_noise_holds_copies_back() -> None:
    """Scores that differ by luck alone must not cost anybody its weights."""
    luck = np.random.default_rng(0).standard_normal((40, 10))
    copies = sum(len(_donors(population_of_lives(luck[at : at + 8].T.tolist()))) for at in range(20))
    eager = PBT(exploit=Speeds(z=0), explore=NoExplore())
    assert copies <= 20 * 5 * 0.25
    assert sum(len(_donors(population_of_lives(luck[at : at + 8].T.tolist()), eager)) for at in range(20)) >= 4 * copies


def test_difference_beyond_noise_copies() -> None:
    """Two noise-free levels that differ are different, however little."""
    tiny = population_of_lives(_rising([0.0, 0, 1e-6, 0, 0, 0, 2e-6, 3e-6, 4e-6, 0], 6, noise=0))
    answers = _answers(tiny)
    assert {m for m, a in answers.items() if isinstance(a, Exploit)} == {0, 2}
    assert answers[0].why["noise"] == 0
    assert "z" not in answers[0].why
    noisy = _answers(population_of_lives(_rising([0.0, 0, 1.0, 0, 0, 0, 2.0, 3.0, 4.0, 0], 6, noise=0.5)))
    assert noisy[0].why["z"] > 2


@pytest.mark.parametrize(("steps", "copies"), [(100, False), (20, True), (10, True), (None, False)])
def test_unknown_noise_waits_where_intervals_are_short(steps: int | None, copies: bool) -> None:
    """At 1 % of the run there is time to learn what the noise is; at 5 % or more there is not."""
    assert bool(_donors(population_of_lives(_rising([5, 0, 1, 4, 0, 3, 2, 8, 9, 0], 1), steps=steps))) is copies


@pytest.mark.slow
@given(st.integers(1, 100), st.integers(1, 20))
def test_exact_tie_copies_nobody(size: int, points: int) -> None:
    """A plateau says nothing about anybody, so nobody loses its weights to it."""
    assert _donors(population_of_lives([[1.0] * points] * size, steps=20)) == {}


@pytest.mark.slow
@settings(max_examples=40)
@given(st.permutations(range(10)), st.integers(0, 2**32))
def test_who_loses_is_of_the_worse_half_of_those_that_have_come_as_far(order, seed) -> None:
    """Members report one after another: nobody is judged by what others have not yet trained."""
    levels = np.random.default_rng(seed).permutation(10).astype(float)
    population, after = (
        population_of_lives(_rising(levels, 6)),
        population_of_lives(_rising(levels, 7)),
    )
    for member in order:
        population = population.with_ended([after.latest[member]], population.sequence + 1)
        answer = decide(population, member, STILL, decision_key(0, member, 7))
        if isinstance(answer, Exploit) and answer.why["place"] == "last":
            others = [m for m in FAST if m != member]
            above = sum(levels[m] > levels[member] for m in others)
            level = sum(levels[m] < levels[member] and population.latest[m].end_step == 7 for m in others)
            assert above > level


def test_member_counts_its_own_turns() -> None:
    """A slow worker's members act as often as others, when they have trained as much themselves."""
    lives = _rising([5, 0, 1, 4, 0, 3, 2, 8, 9, 0], 20)
    lives[4] = lives[4][:15]
    lives[5] = lives[5][:13]
    answers = _answers(population_of_lives(lives))
    assert answers[4].why["turn"] == 15
    assert answers[5].why["turn"] == 13
    assert "place" in answers[4].why
    assert "place" not in answers[5].why


def test_equal_progress_spares_those_who_are_late() -> None:
    """The late one is as good as the others were then; compared with their newest it would be the worst."""
    climbing = [[level + 10 * at + 0.001 * (1, -1, 0.4)[at % 3] for at in range(20)] for level in range(10)]
    late = [life if m != 8 else life[:19] for m, life in enumerate(climbing)]
    population = population_of_lives(late)
    fair = PBT(exploit=Speeds(), explore=NoExplore(), compare=Compare.EQUAL_PROGRESS)
    assert 8 not in _donors(population, fair)
    assert 8 in _donors(population, STILL)


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
        answer = decide(population, member, SPEEDS, decision_key(0, member, generation))
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
def test_lost_member_is_replaced_at_once_by_one_of_its_own(outcome, member: int) -> None:
    """Whatever its speed, and were it frozen, a dead member is worth nothing."""
    population = population_of_lives(_rising([5, 0, 1, 4, 0, 3, 2, 8, 9, 7], 3))
    lost = replace(population.latest[member], outcome=outcome, evaluations=())
    answer = decide(population.with_ended([lost], 99), member, SPEEDS, decision_key(0, member, 3))
    assert isinstance(answer, Exploit)
    own = next(group for group in (FAST, MIDDLE, SLOW, FROZEN) if member in group)
    assert answer.donor.member in own or len(own) == 1


@pytest.mark.slow
@given(
    st.lists(
        st.lists(st.floats(width=64) | st.sampled_from([0.0, 1.0, 1.7e308, -1.7e308]), min_size=1, max_size=12),
        min_size=1,
        max_size=25,
    ),
    st.sampled_from([None, 5, 20, 100]),
)
def test_decision_is_a_value_that_a_log_can_hold(lives, steps) -> None:
    """Whatever is reported, also numbers whose differences no float can hold."""
    for answer in _answers(population_of_lives(lives, steps=steps, space=SPACE), SPEEDS).values():
        assert json.loads(json.dumps(answer.why, allow_nan=False)) == answer.why
        SPACE.check(answer.hyperparameters)


@pytest.mark.slow
@pytest.mark.parametrize("synchronous", [True, False])
def test_pure_noise_does_not_collapse_the_population(synchronous: bool) -> None:
    """A score without meaning must leave the hyperparameters as widely spread as they were."""
    luck = np.random.default_rng(4)
    nothing = Problem(state=0.0, train=lambda state, h, n: state, evaluate=lambda state: float(luck.standard_normal()))
    space, ends = Space.of({"lr": LogUniform(1e-5, 1e-1)}), []
    run = simulate(nothing, SPEEDS, space=space, size=10, intervals=60, synchronous=synchronous)
    for place in (0, 59):
        ends.append(np.std([math.log(run.decisions[SegmentId(m, place)].hyperparameters["lr"]) for m in range(10)]))
    assert ends[1] >= 0.5 * ends[0]


def test_members_explore_by_their_groups_generation() -> None:
    """Who may not change for a fifth of the run changes more than who may at the next ready point."""
    space = Space.of({"lr": LogUniform(1e-30, 1e30)})
    population = population_of_lives(_rising([1, 1, 2, 9, 1, 9, 3, 4, 9, 0], 20), space=space)
    policy = PBT(exploit=Speeds(), explore=Strides(resample=0))
    lengths = {0: [], 4: [], 1: []}
    for seed in range(60):
        for member, moves in lengths.items():
            answer = decide(population, member, policy, decision_key(seed, member, 20))
            donor = population.latest[answer.donor.member].hyperparameters["lr"]
            moves.append(abs(math.log(answer.hyperparameters["lr"] / donor)))
    fast, middle, slow = (np.median(moves) for moves in lengths.values())
    assert middle / fast == pytest.approx(math.sqrt(5), rel=0.3)
    assert slow / fast == pytest.approx(math.sqrt(20), rel=0.3)


def test_clone_explores_the_further_the_less_certain_its_donor_is_better() -> None:
    """What is hardly better than noise says hardly more about hyperparameters."""
    space = Space.of({"lr": LogUniform(1e-30, 1e30)})
    policy, far = PBT(exploit=Speeds(), explore=Strides(resample=0)), []
    for gap in (1.5, 2.0, 20.0):
        population = population_of_lives(_rising([0, 0, 0.1, 0, 0, 0, 0.2, 0.3, gap, 0], 6, noise=0.5), space=space)
        moves = []
        for seed in range(60):
            answer = decide(population, 0, policy, decision_key(seed, 0, 6))
            donor = population.latest[answer.donor.member].hyperparameters["lr"]
            moves.append(abs(math.log(answer.hyperparameters["lr"] / donor)))
        far.append((answer.why["z"], np.median(moves)))
    assert [z for z, _ in far] == sorted(z for z, _ in far)
    assert 2 < far[0][0] < far[1][0] < 4 < far[2][0]
    for z, median in far:
        assert median == pytest.approx(0.2 * math.sqrt(100 * 0.01 ** min(1, 0.25 + 0.75 * (z / 2 - 1))), rel=0.3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Speeds((0.1, 0.2)), "`speeds` must be three rising shares of the run in (0, 1], but got (0.1, 0.2)"),
        (lambda: Speeds((0.2, 0.1, 0.3)), "`speeds` must be three rising shares of the run in (0, 1]"),
        (lambda: Speeds((0.1, 0.2, 1.5)), "`speeds` must be three rising shares of the run in (0, 1]"),
        (lambda: Speeds((0, 0.2, 0.5)), "`speeds` must be three rising shares of the run in (0, 1]"),
        (lambda: Speeds(0.1), "`speeds` must be three rising shares of the run in (0, 1], but got 0.1: (0.01,"),
        (lambda: Speeds(tail=0), "`0 < tail <= 0.5` and `0 <= z` must hold, but got Speeds(tail=0, z=2.0): tail 0.25"),
        (lambda: Speeds(z=math.nan), "`0 < tail <= 0.5` and `0 <= z` must hold, but got Speeds(tail=0.25, z=nan)"),
        (
            lambda: Speeds(window=0),
            "`window >= 1` must hold, but got window=0: it is how many evaluations are averaged",
        ),
        (lambda: Strides(0), "`0 < stride <= 10`, `0 <= resample <= 1` and `0 < generation <= 1` must hold"),
        (lambda: Strides(resample=2), "but got Strides(stride=0.2, resample=2, generation=0.01): stride 0.2 and"),
    ],
)
def test_bad_arguments_are_refused(make, message: str) -> None:
    """The message is read by somebody who has never seen this code."""
    with pytest.raises(UsageError, match=re.escape(message)):
        make()


def test_small_populations_are_told() -> None:
    """Three speeds need members."""
    assert SPEEDS.warnings(1) == ["a population of 1 has nobody to copy from: this run is plain training"]
    (line,) = SPEEDS.warnings(6)
    assert line == "three speeds need about 10 members, and there are 6: 10 to 20 are better"
    assert SPEEDS.warnings(7) == []
