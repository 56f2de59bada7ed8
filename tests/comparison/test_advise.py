"""Advice on tasks whose answer is known."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import populace
from populace import Inline, LogUniform, advise
from populace._errors import UsageError
from populace.comparison import Pilot
from populace.comparison._advice import advise_on
from populace.comparison._pilot import _noise
from populace.core import Mode
from populace.demos import TRIANGLE_SPACE, TriangleWave
from populace.run import Result, verify
from populace.space import Space

SPACE = Space({"lr": LogUniform(1e-3, 0.5)})


def constant_is_best(member):
    """The same rate is the best at every step."""
    w = np.full(8, 1.0)
    member.track(w=w)
    for _ in member:
        w *= 1 - member["lr"]
        member.report(-float(np.log(np.mean(w**2) + 1e-300)) + 0.01 * float(member.key.generator().standard_normal()))


def nothing_but_noise(member):
    """No setting is better than another."""
    member.track(w=np.zeros(1))
    for _ in member:
        member.report(float(member.key.generator().standard_normal()))


def pilot_of(tmp_path, trainable, space=SPACE, **changes):
    usual = {"steps": 100, "seed": 0, "executor": Inline(), "directory": tmp_path, "name": "pilot"}
    return advise(trainable, space, **{**usual, **changes})


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("task", "space", "strategy"),
    [
        (constant_is_best, SPACE, "SequentialSearch()"),
        (nothing_but_noise, SPACE, "RandomSearch()"),
        (TriangleWave(), TRIANGLE_SPACE, "PBT()"),
    ],
)
def test_known_tasks_get_the_strategy_that_suits_them(tmp_path, task, space, strategy, seed):
    """Advice that is the same for every task is no advice."""
    advice = pilot_of(tmp_path, task, space, seed=seed)
    assert advice.strategy == strategy
    assert 3 <= advice.interval <= 10
    assert strategy in " ".join(advice.reasons)


@pytest.mark.slow
def test_pilot_is_an_ordinary_run_and_costs_what_it_says(tmp_path):
    """Whoever doubts the advice looks at the pilot."""
    advice = pilot_of(tmp_path, constant_is_best, members=4, interval=2, intervals=2, until=0.2)
    result = Result.load("pilot", str(tmp_path))
    assert advice.pilot.member_steps == sum(result.state.steps) == 4 * (20 + 4)
    assert verify(result.directory) == []
    # Everybody but the best took the best member's weights, once, and kept its own setting.
    rallied = [s for s in result.segments if s.donor is not None]
    assert len(rallied) == 3
    assert len({s.donor for s in rallied}) == 1
    assert all(len({s.hyperparameters["lr"] for s in result.segments if s.member == m}) == 1 for m in range(4))
    # A pilot this short cannot tell that a constant suffices, and says so.
    assert advice.strategy == "PBT()"
    assert "too few to tell that a constant suffices" in advice.to_text()
    json.dumps(advice.to_json(), allow_nan=False)


@given(st.integers(0, 2**32), st.floats(1e-3, 1e3), st.floats(-5, 5))
def test_noise_is_found_beneath_a_trend(seed, size, slope):
    """Progress must not be taken for noise, or every steep task would be called noisy."""
    generator = np.random.default_rng(seed)
    chains = [slope * np.arange(60) + size * generator.standard_normal(60) for _ in range(8)]
    found = _noise([chain.tolist() for chain in chains])
    assert found == pytest.approx(size, rel=0.35)


def test_noise_of_too_few_scores_is_not_told():
    """A number from three scores would be believed."""
    assert _noise([[1.0, 2.0, 4.0], [math.nan] * 9]) is None


def measured(**changes):
    usual = {
        **{"members": 8, "interval": 2, "rally": 50, "window": 8, "num_diverged": 0, "noise": 1.0, "progress": 1.0},
        **{"differences": {2: 1.0, 4: 2.0, 6: 3.0, 8: 4.0}, "gain": 5.0},
    }
    return Pilot(**{**usual, **changes})


def advised(pilot, steps=100, space=SPACE):
    return advise_on(pilot, space=space, steps=steps, metric=None, mode=Mode.MAX)


def test_interval_is_the_shortest_in_which_hyperparameters_show():
    """Shorter ones select on luck, longer ones waste ready points."""
    assert advised(measured()).interval == 6
    assert advised(measured(differences={2: 9.0, 4: 9.0})).interval == 3
    assert advised(measured(differences={2: 0.1, 4: 0.1})).interval == 10
    assert advised(measured(noise=None)).interval == 6


@given(
    st.floats(0, 1e6) | st.none(),
    st.dictionaries(st.integers(1, 50), st.floats(0, 1e6), max_size=5),
    st.floats(-1e6, 1e6) | st.none(),
    st.integers(1, 10**6),
)
def test_advice_is_total_and_within_the_run(noise, differences, gain, steps):
    """Whatever a pilot measures, its owner gets an interval that the run has room for."""
    advice = advised(measured(noise=noise, differences=dict(sorted(differences.items())), gain=gain), steps)
    assert 1 <= advice.interval <= max(1, steps // 10)
    assert advice.population >= 10
    assert len(advice.reasons) >= 4
    assert "recommended" in advice.to_text()


def test_diverging_settings_are_pointed_at():
    """A space of which half explodes is the cheapest thing to mend."""
    assert "narrow the space" in advised(measured(num_diverged=4)).to_text()
    assert "narrow the space" not in advised(measured(num_diverged=1)).to_text()


def test_more_hyperparameters_ask_for_more_members():
    """Two of six dimensions are not searched by ten members."""
    wide = Space({f"x{i}": populace.Uniform(0, 1) for i in range(6)} | {"depth": populace.Constant(3)})
    assert advised(measured()).population < advised(measured(), space=wide).population


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "`steps >= 1` must hold"),
        ({"members": 3}, "`members >= 4` must hold"),
        ({"intervals": 1}, "`intervals >= 2` must hold"),
        ({"until": 0}, "`0 < until <= 1` must hold, but got 0"),
        ({"until": "half"}, "`0 < until <= 1` must hold"),
        ({"mode": "best"}, "`mode` must be 'max' or 'min'"),
        ({"interval": 0}, "`interval >= 1` must hold"),
        ({"name": "a/b"}, "a run's name has"),
    ],
)
def test_bad_arguments_create_nothing(tmp_path, changes, message):
    """As everywhere."""
    with pytest.raises(UsageError, match=message):
        pilot_of(tmp_path / "runs", constant_is_best, **changes)
    assert not (tmp_path / "runs").exists()
