"""Decisions for all at once are those of `decide`, member by member."""

import math
from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from populace.core import (
    PBT,
    Exploit,
    Failed,
    Guard,
    Mode,
    Segment,
    SegmentId,
    Together,
    decide,
    decision_key,
    outcome_of,
)
from populace.core.exploit import BinaryTournament, NoExploit, Truncation, TTest
from populace.core.explore import Mixture, NoExplore, Perturb, Resample
from populace.space import (
    Choice,
    Complement,
    Constant,
    IntUniform,
    LogIntUniform,
    LogUniform,
    Ordinal,
    Space,
    Uniform,
)
from populace.testing import population_of

DIMENSIONS = {
    "lr": LogUniform(1e-5, 1e-1),
    "shift": Uniform(-1.0, 2.0, factors=(1.5, 0.5)),
    "gamma": Complement(0.5, 0.999),
    "depth": IntUniform(-2, 9),
    "batch": LogIntUniform(1, 512),
    "act": Choice(["relu", "tanh", None]),
    "power": Ordinal([1, 2.0, 8]),
    "fixed": Constant("adam"),
    "on": Choice([True, False]),
}
SPACES = st.sets(st.sampled_from(sorted(DIMENSIONS)), min_size=1).map(
    lambda names: Space({name: DIMENSIONS[name] for name in sorted(names)})
)
EXPLORES = st.sampled_from(
    [Perturb(), Perturb((1.25, 0.8)), Resample(), Resample(0.3), Mixture(), Mixture(1.0), NoExplore()]
)
# Few values, so that many are equal; what diverged is NaN or infinite.
SCORES = st.lists(st.sampled_from([0.0, -0.0, 1.0, -2.5, 3.0, math.nan, math.inf]), min_size=2, max_size=9)
MODES = st.sampled_from(Mode)


def _next(population, decisions, scores):
    """Returns the population after everybody has trained a generation as decided."""
    ended = []
    for member, decision in enumerate(decisions):
        before = population.latest[member]
        parent = decision.donor if isinstance(decision, Exploit) else before.id
        outcome = outcome_of(scores[member])
        ended.append(
            replace(
                before,
                generation=before.generation + 1,
                parent=parent,
                hyperparameters=decision.hyperparameters,
                outcome=outcome,
                end_step=before.end_step + 1,
            )
        )
    return population.with_ended(ended, population.sequence + 1)


@given(SPACES, EXPLORES, SCORES, MODES, st.floats(0.05, 0.5), st.integers(0, 2**128 - 1), st.data())
def test_answers_for_all_are_those_for_each(space, explore, scores, mode, fraction, seed, data):
    """The log of a run must not tell whether its decisions were taken one by one."""
    policy = PBT(exploit=Truncation(fraction), explore=explore, guard=Guard())
    together = Together.of(policy, space=space, mode=mode, seed=seed, size=len(scores))
    population = population_of(scores, mode=mode, seed=seed, space=space)
    level = together.level(population)
    draws = together.draws(1, 3)
    for generation in (1, 2, 3):
        expected = [decide(population, m, policy, decision_key(seed, m, generation)) for m in range(len(scores))]
        answers = together.answers(level, draws)
        for member, decision in enumerate(expected):
            source = decision.donor.member if isinstance(decision, Exploit) else member
            assert answers.sources[member] == source
            assert dict(answers.hyperparameters[member]) == dict(decision.hyperparameters)
            assert list(answers.whys[member].items()) == list(decision.why.items())
        assert np.array_equal(draws.tie_GP[generation - 1], population.tie_P)
        scores = data.draw(st.permutations(scores))
        population = _next(population, expected, scores)
        level = together.level_after(answers, generation, population.better_P)
        again = together.level(population)
        assert np.array_equal(level.codes_PD, again.codes_PD)


def _of(policy, space=None, size=4):
    space = space or Space.of({"x": Uniform(0, 1)})
    return Together.of(policy, space=space, mode=Mode.MAX, seed=0, size=size)


def test_truncation_with_the_explores_of_the_paper_is_known():
    """A strategy that learnt something new would leave everything to the slow way, and nobody would notice."""
    for explore in (Perturb(), Resample(), Mixture(), NoExplore()):
        assert _of(PBT(exploit=Truncation(), explore=explore, guard=Guard())) is not None


@pytest.mark.parametrize(
    "policy",
    [
        PBT(exploit=TTest()),
        PBT(exploit=BinaryTournament()),
        PBT(exploit=NoExploit()),
        PBT(exploit=Truncation(), guard=Guard(min_std=0.5)),
        PBT(exploit=Truncation(), guard=Guard(spare=True)),
        PBT(exploit=Truncation(), guard=Guard(), copy="weights"),
        PBT(exploit=Truncation(), guard=Guard(), compare="equal progress"),
        PBT(exploit=Truncation(), guard=Guard(), explore=lambda hp, space, key: hp),
    ],
)
def test_every_other_policy_is_left_to_decide(policy):
    """Better slow than almost right."""
    assert _of(policy) is None


def test_conditions_and_single_members_are_left_to_decide():
    """What is in force under a condition changes with another value."""
    space = Space({"a": Choice(["x", "y"]), "b": Uniform(0, 1, when={"a": "x"})})
    known = PBT(exploit=Truncation(), explore=Perturb(), guard=Guard())
    assert _of(known, space) is None
    assert _of(known, size=1) is None


@pytest.mark.parametrize("change", ["behind", "failed", "collected", "damaged", "young", "integer", "unknown"])
def test_population_that_does_not_stand_level_is_left_to_decide(change):
    """Such a population comes from a run that was begun elsewhere, or whose code failed."""
    policy = PBT(exploit=Truncation(), explore=Perturb(), guard=Guard(), burn_in=2 if change == "young" else 0)
    population = population_of([1.0, None if change == "unknown" else 2.0, 3.0])
    odd: Segment | None = population.latest[1]
    if change == "behind":
        odd = replace(odd, generation=1)
    elif change == "failed":
        odd = replace(odd, outcome=Failed(reason="boom"), checkpoint=None)
    elif change == "collected":
        odd = replace(odd, checkpoint_kept=False)
    elif change == "damaged":
        odd = replace(odd, parent_damaged=True, fallback=SegmentId(0, 0))
    elif change == "integer":  # given as a first value; once perturbed it is a float as all others
        odd = replace(odd, hyperparameters={"x": 1})
    population = population if odd is None else population.with_ended([odd], 9)
    assert _of(policy, size=3).level(population) is None


def test_number_that_takes_several_outputs_is_drawn_as_the_generator_would(monkeypatch):
    """Once in a thousand million draws; here every time."""
    import populace.core._together as module

    policy = PBT(exploit=Truncation(0.5), explore=Perturb(), guard=Guard())
    space = Space.of({"c": Choice([1, 2, 3]), "x": Uniform(0, 1)})
    together = _of(policy, space, size=6)
    population = population_of([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], space=space)
    level, draws = together.level(population), together.draws(1, 1)
    usual = together.answers(level, draws)

    def rejecting(longs, bound):
        return np.zeros(np.shape(longs), np.int64), np.ones(np.shape(longs), np.bool_)

    monkeypatch.setattr(module, "bounded", rejecting)
    monkeypatch.setattr("populace.space._columns.bounded", rejecting)
    assert together.ahead(draws).is_odd_G.all()
    again = together.answers(level, draws)
    assert (again.sources, again.hyperparameters) == (usual.sources, usual.hyperparameters)


def test_device_is_given_the_bits_that_pick_a_donor():
    """It has 32 of them, as numpy takes the lower half of a word first."""
    together = _of(PBT(exploit=Truncation(), explore=Perturb(), guard=Guard()), size=40)
    draws = together.draws(1, 3)
    assert (draws.pick_GP >= 2**32).any()
    assert np.array_equal(together.ahead(draws).pick_GP, draws.pick_GP % 2**32)


def test_level_keeps_what_diverged():
    """NaN ranks last; it has no score to compare with."""
    together = _of(PBT(exploit=Truncation(), explore=Perturb(), guard=Guard()), size=3)
    level = together.level(population_of([math.nan, 1.0, 2.0]))
    assert level.better_P.tolist() == [-math.inf, 1.0, 2.0]


@given(st.integers(1, 4), st.integers(1, 6), st.data())
def test_part_of_the_draws_is_what_would_have_been_drawn_for_it(first, count, data):
    """A program is called for as many generations as fit; where it begins must not change what is drawn."""
    start = data.draw(st.integers(0, count - 1))
    length = data.draw(st.integers(1, count - start))
    together = _of(PBT(exploit=Truncation(), explore=Perturb(), guard=Guard()))
    part, apart = together.draws(first, count).part(start, length), together.draws(first + start, length)
    assert part.first == apart.first
    assert np.array_equal(part.tie_GP, apart.tie_GP)
    assert np.array_equal(part.pick_GP, apart.pick_GP)
    assert all(map(np.array_equal, part.longs_GPD, apart.longs_GPD))


@pytest.mark.parametrize("kind", [PBT, Guard, Truncation, Perturb])
def test_strategy_that_has_learnt_something_new_is_left_to_decide(kind, monkeypatch):
    """Whoever adds a setting to one of them must not find it ignored where all are decided on at once."""
    import populace.core._together as module

    policy = PBT(exploit=Truncation(), explore=Perturb(), guard=Guard())
    assert _of(policy) is not None
    monkeypatch.setitem(module._FIELDS, kind, module._FIELDS[kind] - {"fraction", "factors", "trim", "burn_in"})
    assert _of(policy) is None
