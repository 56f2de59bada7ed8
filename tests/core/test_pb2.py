"""Facts and laws of PB2: the numbers of its model, and what a decision of it depends on."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace._errors import UsageError
from populace.core import PBT, Exploit, Mode, Population, SegmentId, decide, decision_key
from populace.core.exploit import Truncation
from populace.core.explore import PB2, Scene
from populace.core.explore._pb2 import _Search, gains, root_beta, standardised
from populace.core.explore._process import Kernel, Points, Posterior, fit, log_likelihood
from populace.space import Choice, Constant, Key, LogUniform, Space, Uniform
from populace.testing import Problem, population_of, simulate

ROWS = np.array(
    [
        *[(0, 0, 0.1, 0.05), (0, 0, 0.5, 0.20), (0, 0, 0.9, 0.10), (0.5, 0.3, 0.2, 0.08)],
        *[(0.5, 0.4, 0.6, 0.25), (1, 0.7, 0.3, 0.12), (1, 0.8, 0.7, 0.30)],
    ]
)
Y = standardised(ROWS[:, 3])


def _points(rows: object) -> Points:
    array = np.array(rows, dtype=np.float64)
    return Points(array[:, 0], array[:, 1:3], np.zeros((len(array), 0), dtype=np.intp))


MEASURED, NOBODY = _points(ROWS), _points(np.zeros((0, 3)))
TARGET = _points([(1, 0.8, 0)])
GRID = _points([(1, 0.8, h) for h in np.linspace(0, 1, 1001)])


def _search(length: float, under_way: Points = NOBODY, *, variance_bonus: bool = False) -> _Search:
    return _Search(
        posterior=Posterior(Kernel(length=length), MEASURED, Y, under_way),
        target=TARGET,
        low_D=np.zeros(1),
        high_D=np.ones(1),
        num_options=[],
        root_beta=0.453788,
        variance_bonus=variance_bonus,
    )


def test_weight_of_the_deviation_is_the_papers() -> None:
    """sqrt(beta) decides how bold a choice is; a slip in the logarithm would show in no error, only in worse runs."""
    expected = {2: 0, 3: 0.190956, 5: 0.372330, 10: 0.526554, 20: 0.644894, 100: 0.858939, 1000: 1.094666}
    assert {n: round(root_beta(n), 6) for n in expected} == expected


def test_kernel_is_the_papers() -> None:
    """There is no 2 under the squared distance, and time counts by half: another kernel is another algorithm."""
    at = _points([(0, 0.2, 0.3)])
    assert Kernel()(at, _points([(1, 0.5, 0.7)]))[0, 0] == pytest.approx(0.738835, abs=1e-6)
    assert Kernel()(at, _points([(1, 0.2, 0.3)]))[0, 0] == pytest.approx(0.948683, abs=1e-6)


def test_gains_are_standardised() -> None:
    """The process believes in a mean of zero and a variance of one."""
    expected = [-1.231994, 0.492798, -0.657063, -0.887036, 1.067728, -0.427091, 1.642658]
    np.testing.assert_allclose(Y, expected, atol=1e-6)
    assert standardised(np.array([0.0] * 99 + [1.0])).max() == 2.0
    assert standardised(np.ones(3)).tolist() == [0.0] * 3


@pytest.mark.parametrize(
    ("length", "at_half", "at_one", "likelihood"),
    [(1, (0.750457, 0.056355), (1.611363, 0.195530), -15.505956), (0.25, (0.748964, 0.124279), None, -10.185253)],
)
def test_posterior_is_that_of_the_fixture(length, at_half, at_one, likelihood) -> None:
    """Mean, variance and likelihood were computed apart from this code, from the formulas alone."""
    mean, variance = Posterior(Kernel(length=length), MEASURED, Y, NOBODY).at(GRID)
    assert (mean[500], variance[500]) == pytest.approx(at_half, abs=1e-6)
    assert at_one is None or (mean[-1], variance[-1]) == pytest.approx(at_one, abs=1e-6)
    assert log_likelihood(Kernel(length=length), MEASURED, Y) == pytest.approx(likelihood, abs=5e-6)


@pytest.mark.parametrize(
    ("search", "place", "worth"),
    [
        (_search(1), 1.0, 1.812023),
        (_search(0.25), 0.832, 1.737622),
        (_search(0.25, variance_bonus=True), 0.825, 1.626275),
        (_search(0.25, _points([(1, 0.8, 0.7)])), 0.840, 1.713955),
        (_search(0.25).without(_points([(1, 0.8, 0.7)])), 0.840, 1.713955),
    ],
)
def test_choice_is_the_maximum_of_the_fixture(search, place, worth) -> None:
    """By the deviation, by the variance (as the reference code has it), and with a point under way."""
    on_grid = search.worth(GRID)
    assert GRID.x_ND[int(np.argmax(on_grid)), 1] == pytest.approx(place, abs=1e-9)
    assert on_grid.max() == pytest.approx(worth, abs=1e-6)
    found = search.best(Key(0).generator())
    assert found.x_ND[0, 1] == pytest.approx(place, abs=0.01)
    assert search.worth(found)[0] == pytest.approx(worth, abs=1e-4)


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.integers(1, 40), st.sampled_from([0, 2]))
def test_fit_is_at_least_as_likely_as_the_papers_first_guess(seed, num, choices) -> None:
    """A fit that lost its way would make every later choice worse than no fit."""
    generator = np.random.default_rng(seed)
    points = Points(generator.random(num), generator.random((num, 3)), generator.integers(3, size=(num, choices)))
    y = standardised(generator.standard_normal(num))
    fitted, guess = fit(points, y), Kernel()
    assert log_likelihood(fitted, points, y) >= log_likelihood(guess, points, y) - 1e-9


SPACE = Space.of(
    {
        "x": Uniform(0, 1),
        "lr": LogUniform(1e-4, 1e-1),
        "layers": (1, 4),
        "kind": Choice(["a", "b", "c"]),
        "slope": Uniform(0, 1, when={"kind": "a"}),
        "shape": Choice(["round", "square"], when={"kind": "b"}),
        "fixed": Constant(3),
    }
)
CLIMB = Problem(
    state=0.0,
    train=lambda state, h, n: state + n * (1 - abs(h["x"] - 0.7) + 0.5 * (h["kind"] == "b")),
    evaluate=lambda state: state,
)
explores = st.builds(
    PB2, rows=st.integers(2, 60), choices=st.sampled_from(["random", "modelled"]), variance_bonus=st.booleans()
)


def _run(explore: PB2, *, seed: int, size: int = 6, intervals: int = 6, **options: object) -> Population:
    policy = PBT(exploit=Truncation(0.5), explore=explore)
    return simulate(CLIMB, policy, space=SPACE, size=size, intervals=intervals, seed=seed, **options).population


@pytest.mark.slow
@settings(max_examples=30)
@given(explores, st.integers(0, 2**32), st.booleans(), st.integers(2, 6))
def test_decision_needs_no_more_of_the_log_than_it_says(explore, seed, synchronous, size) -> None:
    """A worker that joins late loads so much and no more, and must decide as everybody else does."""
    population = _run(explore, seed=seed, synchronous=synchronous, size=size)
    policy = PBT(exploit=Truncation(0.5), explore=explore)
    lives = list(population.lives(explore.depth(population.size)))
    needed = {s.id for s in lives} | {s.parent for s in lives}
    short = replace(population, forest={id: s for id, s in population.forest.items() if id in needed})
    for member in range(size):
        key = decision_key(seed, member, 6)
        assert decide(short, member, policy, key) == decide(population, member, policy, key)


@settings(max_examples=30)
@given(
    explores, st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=6, max_size=6), st.sampled_from(Mode)
)
def test_choice_is_in_the_space_whatever_the_scores(explore, scores, mode) -> None:
    """Scores may be huge, tiny or equal: no overflow, no division by zero, no value out of bounds."""
    first = population_of(scores[:3], space=SPACE, mode=mode)
    later = [
        replace(
            s, generation=1, parent=s.id, start_step=1, end_step=2, outcome=replace(s.outcome, value=score), ended=9
        )
        for s, score in zip(first.latest, scores[3:], strict=True)
    ]
    population = first.with_ended(later, 9)
    assert len(gains(population, 2)) == 3
    base = population.latest[0]
    scene = Scene(population=population, member=1, base=base)
    chosen = explore.explore(base.hyperparameters, scene, Key(3))
    SPACE.check(chosen)
    assert chosen["slope"] == base.hyperparameters["slope"] or base.hyperparameters["kind"] == "a"


def test_copy_is_no_gain() -> None:
    """A clone's segment counts from its donor's score: else copying the best would look like the best choice."""
    first = population_of([0.0, 10.0], space=SPACE)
    clone = replace(
        first.latest[0], generation=1, parent=SegmentId(1, 0), donor=SegmentId(1, 0), start_step=1, end_step=3,
        outcome=replace(first.latest[0].outcome, value=11.0), ended=9,
    )  # fmt: skip
    (gain,) = gains(first.with_ended([clone], 9), 2)
    assert (gain.step, gain.score, gain.after, gain.steps) == (1, 10.0, 11.0, 2)


def test_first_segment_counts_from_its_first_evaluation() -> None:
    """What `init` scored is not known, but from its first evaluation on a first segment has gained something too."""
    (first,) = population_of([4.0], space=SPACE).latest
    measured = tuple(replace(first.evaluations[0], step=step, score=score) for step, score in [(2, 1.0), (6, 4.0)])
    (gain,) = gains(
        population_of([None], space=SPACE).with_ended([replace(first, end_step=6, evaluations=measured)], 2), 1
    )
    assert (gain.step, gain.score, gain.after, gain.steps) == (2, 1.0, 4.0, 4)


def test_first_segments_without_earlier_evaluations_are_no_rows() -> None:
    """What was gained from an unknown beginning is not known; then hyperparameters are drawn anew."""
    population = population_of([0.0, 1.0], space=SPACE)
    assert gains(population, 2) == []
    scene = Scene(population=population, member=0, base=population.latest[1])
    given_values = population.latest[1].hyperparameters
    chosen = {PB2().explore(given_values, scene, Key(seed))["x"] for seed in range(20)}
    assert len(chosen) == 20


@pytest.mark.slow
def test_clones_of_one_donor_do_not_all_choose_the_same() -> None:
    """In lockstep they decide from one snapshot: without foresight they would train the same thing twice."""
    population = _run(PB2(), seed=3, size=8)
    policy = PBT(exploit=Truncation(0.5), explore=PB2())
    answers = [decide(population, m, policy, decision_key(3, m, 6)) for m in range(8)]
    chosen = [
        (a.donor, round(SPACE["lr"].to_unit(a.hyperparameters["lr"]), 2)) for a in answers if isinstance(a, Exploit)
    ]
    assert len(chosen) == 4
    assert len(set(chosen)) > 2


@pytest.mark.slow
@pytest.mark.parametrize(("choices", "within"), [("random", 0.2), ("modelled", 0.1)])
def test_choices_improve_with_what_was_learnt(choices, within) -> None:
    """Later clones train nearer to the best value than chance has it, by a quarter of the range; more so with a model.

    What an unordered choice gains is noise to the process that does not see it.
    """
    found = []
    for seed in range(8):
        clones = [s for s in _run(PB2(choices=choices), seed=seed, intervals=15).forest.values() if s.donor is not None]
        found += [abs(s.hyperparameters["x"] - 0.7) for s in clones if s.generation > 9]
    assert np.median(found) < within


@pytest.mark.slow
def test_modelled_choices_find_the_better_one() -> None:
    """A choice that gains more each interval is taken more often than chance would have it: 1 in 3."""
    clones = [
        s.hyperparameters["kind"] == "b"
        for seed in range(4)
        for s in _run(PB2(choices="modelled"), seed=seed, intervals=15).forest.values()
        if s.donor is not None and s.generation > 7
    ]
    assert np.mean(clones) > 0.6


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"rows": 1}, r"`rows >= 2` must hold"),
        ({"choices": "all"}, r"`choices` must be 'random' or 'modelled'"),
        ({"variance_bonus": 1}, r"`variance_bonus` must be True or False"),
    ],
)
def test_wrong_settings_are_refused(wrong, text) -> None:
    """A wrong setting ends before the first step, with what to write instead."""
    with pytest.raises(UsageError, match=text):
        PB2(**wrong)


def test_depth_shares_the_rows_among_the_members() -> None:
    """The cost is bounded by `rows` whatever the population."""
    assert [PB2(rows=500).depth(size) for size in (1, 4, 8, 500, 1000)] == [500, 125, 62, 1, 1]
    assert PBT(explore=PB2()).looks(8).depth == 62
    assert PBT().looks(8).depth == 0
    assert math.isclose(root_beta(2), 0)
