"""Laws of the demo tasks: they are pure, they learn, and what is known about them in advance is true."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from populace.demos._digits_task import CARELESS_SHARE, DIGITS_SPACE, Digits, _descend, _measure
from populace.demos._figure2 import (
    FIGURE2_INITIAL,
    FIGURE2_INTERVAL,
    FIGURE2_PANELS,
    FIGURE2_SPACE,
    FIGURE2_STEPS,
    Figure2,
    Panel,
)
from populace.demos._quadratic_task import (
    QUADRATIC_SPACE,
    NoisyQuadratic,
    best_constant,
    expected_loss,
    oracle_schedule,
)
from populace.demos._triangle import TRIANGLE_SPACE, TriangleWave
from populace.space import Dimension, Key, Space
from populace.worker import Trainable

pytest.importorskip("sklearn")

SENSIBLE = {"learning_rate": 0.03, "momentum": 0.5, "weight_decay": 1e-5, "input_noise": 0.1}
DIGITS = Digits()
TASKS: list[tuple[Trainable, Mapping[str, Dimension]]] = [
    (DIGITS, DIGITS_SPACE),
    (NoisyQuadratic(), QUADRATIC_SPACE),
    (TriangleWave(), TRIANGLE_SPACE),
    (Figure2(), FIGURE2_SPACE),
]


@pytest.mark.parametrize(("task", "space"), TASKS, ids=lambda value: type(value).__name__)
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_task_is_pure(task: Trainable, space: Mapping[str, Dimension], seed: int) -> None:
    """Replay, resume and the vectorised executor repeat a step and must meet the same weights again."""
    key = Key(seed)
    hp = Space.of(space).sample(key.fold("space"))
    start = task.init(key.fold("init"), hp)
    before = {name: array.copy() for name, array in start.items()}
    once, again = (task.step(key.fold("step"), start, hp) for _ in range(2))
    for name, array in start.items():
        np.testing.assert_array_equal(array, before[name])
        np.testing.assert_array_equal(once[name], again[name])
        assert once[name].shape == array.shape
        assert once[name].dtype == array.dtype
        assert not np.shares_memory(once[name], array)
    assert task.evaluate(key.fold("evaluate"), once) == task.evaluate(key.fold("evaluate"), again)


def test_other_keys_give_other_starts_and_other_noise() -> None:
    """A population whose members all see the same noise would be one member, sixteen times."""
    first, second = (DIGITS.init(Key(seed), SENSIBLE) for seed in (0, 1))
    assert not np.array_equal(first["weights"], second["weights"])
    one, other = (DIGITS.step(Key(seed), first, SENSIBLE) for seed in (0, 1))
    assert not np.array_equal(one["weights"], other["weights"])


def test_digits_state_is_small() -> None:
    """Every member saves it at every step: it must cost next to nothing to store."""
    state = DIGITS.init(Key(0), SENSIBLE)
    assert {name: array.shape for name, array in state.items()} == {"weights": (2410,), "velocity": (2410,)}
    assert sum(array.nbytes for array in state.values()) == 19_280


def test_digits_starts_at_chance_and_learns() -> None:
    """A demo in which a sensible constant learns nothing would only show a bug."""
    state = DIGITS.init(Key(0), SENSIBLE)
    assert DIGITS.evaluate(Key(0), state)["accuracy"] < 0.35
    for step in range(8):
        state = DIGITS.step(Key(0).fold(step), state, SENSIBLE)
    for measured in (DIGITS.evaluate(Key(0), state), DIGITS.test(state)):
        assert measured["accuracy"] > 0.45
        assert 0.0 < measured["log_loss"] < 1.9


def test_digits_update_follows_the_gradient_of_the_loss() -> None:
    """The hand-written backward pass is fast, and nobody would see from a curve that it was slightly wrong."""
    rng = np.random.default_rng(0)
    image = rng.standard_normal((1, 64)).astype(np.float32)
    twice = np.ones((1, 2, 65), np.float32)
    twice[..., :64] = image
    start = DIGITS.init(Key(0), SENSIBLE)["weights"]
    moved = start.copy()
    targets = np.eye(10, dtype=np.float32)[[[3, 3]]]
    _descend(moved, np.zeros_like(start), twice, targets, learning_rate=1.0, momentum=0.0, weight_decay=0.0)

    def loss(weights: np.ndarray) -> float:
        likelihood = math.exp(-_measure(weights, image, np.array([3]))["log_loss"])
        return -math.log((1 - CARELESS_SHARE) * likelihood + CARELESS_SHARE / 10)

    direction = 3e-3 * rng.standard_normal(start.size).astype(np.float32)
    slope = (loss(start + direction) - loss(start - direction)) / 2
    assert float(direction @ (start - moved)) == pytest.approx(slope, rel=1e-2)


def test_digits_that_overflow_are_measured_as_not_finite() -> None:
    """A member at the wild end of the space must rank last, not crash the run or warn."""
    wild = {"learning_rate": 1.0, "momentum": 0.99, "weight_decay": 1e-2, "input_noise": 1.0}
    state = DIGITS.step(Key(0), DIGITS.init(Key(0), wild), wild)
    assert DIGITS.evaluate(Key(0), state)["log_loss"] > math.log(10)
    state["weights"][-1] = np.inf
    assert not math.isfinite(DIGITS.evaluate(Key(0), state)["log_loss"])


def test_expected_loss_is_the_mean_over_many_runs() -> None:
    """The reference lines in the figure are only as true as these recursions."""
    task = NoisyQuadratic(num_dims=5, num_updates=3)
    rates = [0.5, 0.1, 0.02]
    losses = []
    for seed in range(300):
        state = task.init(Key(seed).fold("init"), {})
        for step, rate in enumerate(rates):
            state = task.step(Key(seed).fold(step), state, {"learning_rate": rate})
        losses.append(task.evaluate(Key(seed), state)["loss"])
    error = np.std(losses) / math.sqrt(len(losses))
    assert np.mean(losses) == pytest.approx(expected_loss(task, rates), abs=4 * error)


@settings(max_examples=5, deadline=None)
@given(st.lists(st.floats(1e-3, 1.0), min_size=8, max_size=8))
def test_no_schedule_beats_the_oracle_and_no_constant_the_best_constant(rates: list[float]) -> None:
    """The figure calls these lines the best there is; a run above them in expectation would make it a lie."""
    task = NoisyQuadratic(num_dims=10)
    constant, oracle = best_constant(task, num_steps=8), oracle_schedule(task, num_steps=8)
    assert oracle.loss <= constant.loss
    grid_error = 1.001
    assert oracle.loss <= expected_loss(task, rates) * grid_error
    assert constant.loss <= expected_loss(task, rates[:1] * 8) * grid_error


@pytest.mark.slow
def test_quadratic_references_have_their_known_values() -> None:
    """The documentation quotes these numbers: 2.475 for the best constant and 2.911 for the best schedule."""
    task = NoisyQuadratic()
    constant, oracle = best_constant(task), oracle_schedule(task)
    assert -math.log10(constant.loss) == pytest.approx(2.475, abs=1e-3)
    assert constant.learning_rates[0] == pytest.approx(0.0324, abs=5e-4)
    assert -math.log10(oracle.loss) == pytest.approx(2.911, abs=1e-3)
    assert oracle.learning_rates[0] == pytest.approx(0.66, abs=0.01)
    assert oracle.learning_rates[-1] == pytest.approx(0.0054, abs=1e-4)
    assert list(oracle.learning_rates) == sorted(oracle.learning_rates, reverse=True)
    assert expected_loss(task, oracle.learning_rates) == pytest.approx(oracle.loss)


@given(st.floats(0.0, 1000.0), st.floats(1e-3, 1e-1))
def test_triangle_gains_one_at_the_best_rate_and_less_elsewhere(progress: float, rate: float) -> None:
    """The optimum after K steps is K only if no rate brings more than 1 a step."""
    task = TriangleWave()
    state = {"progress": np.asarray(progress)}
    best = task.step(Key(0), state, {"learning_rate": task.best_rate(progress)})["progress"]
    other = task.step(Key(0), state, {"learning_rate": rate})["progress"]
    assert float(best) - progress == pytest.approx(1.0)
    assert progress <= float(other) <= float(best) + 1e-9


def test_triangle_leaves_every_constant_behind() -> None:
    """The toy's point: no constant gets anywhere near 100, so a tuner that does must have changed the rate."""
    task = TriangleWave(noise=0.0)
    finals = []
    for rate in np.geomspace(1e-3, 1e-1, 21):
        state = task.init(Key(0), {})
        for _ in range(100):
            state = task.step(Key(0), state, {"learning_rate": rate})
        finals.append(task.evaluate(Key(0), state)["progress"])
    assert max(finals) < 25.0


@pytest.mark.parametrize("panel", FIGURE2_PANELS, ids=lambda panel: panel.name)
@pytest.mark.parametrize("alternating", [True, False], ids=["alternating", "synchronous"])
def test_figure_2_panels_give_their_known_values(panel: Panel, alternating: bool) -> None:
    """The engine's own runs are checked against these numbers, so they must come out of the bare protocol."""
    num_seeds = 30 if panel.explores else 1
    runs = [_figure_2(panel, np.random.default_rng(seed), alternating) for seed in range(num_seeds)]
    known = panel.alternating if alternating else panel.synchronous
    assert np.mean(runs) == pytest.approx(known, abs=4e-3 if panel.explores else 5e-5)


def _figure_2(panel: Panel, rng: np.random.Generator, alternating: bool) -> float:
    task, key = Figure2(), Key(0)
    hps = [dict(hp) for hp in FIGURE2_INITIAL]
    states = [task.init(key, hp) for hp in hps]
    for step in range(1, FIGURE2_STEPS + 1):
        ready = step % FIGURE2_INTERVAL == 0 and step < FIGURE2_STEPS
        for member in (0, 1):
            states[member] = task.step(key, states[member], hps[member])
            if alternating and ready:
                states[member], hps[member] = _act(panel, member, states, hps, rng)
        if ready and not alternating:
            acted = [_act(panel, member, states, hps, rng) for member in (0, 1)]
            states, hps = [state for state, _ in acted], [hp for _, hp in acted]
    return max(task.evaluate(key, state)["q"] for state in states)


def _act(
    panel: Panel,
    member: int,
    states: list[dict[str, np.ndarray]],
    hps: list[dict[str, float]],
    rng: np.random.Generator,
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    own, other = (Figure2().evaluate(Key(0), states[i])["q"] for i in (member, 1 - member))
    copies = panel.copies_weights and other >= own
    state = states[1 - member] if copies else states[member]
    hp = hps[1 - member] if copies and panel.copies_hyperparameters else hps[member]
    if panel.explores and (copies or not panel.copies_weights):
        hp = {"h0": rng.uniform(), "h1": rng.uniform()}
    return state, hp
