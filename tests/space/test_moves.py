"""Laws of moves by a stride: how far a value goes, on every kind of dimension."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace.space import (
    Choice,
    Complement,
    Constant,
    Dimension,
    IntUniform,
    Key,
    LogIntUniform,
    LogUniform,
    Ordinal,
    Space,
    Uniform,
)

NUMBERS = [
    Uniform(0, 1),
    Uniform(-3, 3),
    LogUniform(1e-5, 1e-1),
    Complement(0.5, 0.999),
    IntUniform(0, 1),
    IntUniform(-4, 4),
    IntUniform(1, 1000),
    LogIntUniform(1, 9),
    LogIntUniform(1, 2**40),
    Ordinal([16, 32, 64]),
    Ordinal(["small", "large"]),
]
seeds = st.integers(0, 2**32 - 1)
strides = st.sampled_from([1e-6, 0.01, 0.2, 1.0, 3.0, 100.0, 1e6])


@given(
    st.sampled_from([*NUMBERS, Choice(["a", "b", "c"]), Choice(["a"]), Constant(3)]), st.floats(0, 1), strides, seeds
)
def test_no_move_leaves_the_bounds(dimension: Dimension, place: float, stride: float, seed: int) -> None:
    """However long the generation, a value stays possible and of its type."""
    value = dimension.from_unit(place)
    moved = dimension.move(value, np.random.default_rng(seed), stride)
    dimension.check("x", moved)
    assert type(moved) is type(value)


@pytest.mark.parametrize("dimension", NUMBERS, ids=repr)
@pytest.mark.parametrize("place", [0.0, 0.4, 1.0])
def test_no_value_is_stuck(dimension: Dimension, place: float) -> None:
    """A small integer must be able to move however short the stride, and a zero to leave zero."""
    value, generator = dimension.from_unit(place), np.random.default_rng(0)
    assert any(dimension.move(value, generator, 0.1) != value for _ in range(300))


def _lengths(dimension: Dimension, value: float, stride: float, axis) -> np.ndarray:
    generator = np.random.default_rng(1)
    moved = [dimension.move(value, generator, stride) for _ in range(2000)]
    return np.array([axis(m) - axis(value) for m in moved])


@pytest.mark.parametrize(
    ("dimension", "value", "axis"),
    [
        (LogUniform(1e-6, 1e6), 1.0, math.log),
        (Complement(0.0, 1 - 1e-9), 0.999, lambda x: math.log(1 - x)),
        (Uniform(-4, 4), 0.0, lambda x: x / 2),
    ],
    ids=["log", "complement", "linear"],
)
@pytest.mark.parametrize("stride", [0.05, 0.2, 1.0])
def test_number_moves_by_about_the_stride_either_way(dimension, value, axis, stride) -> None:
    """One number of a policy means as much on a learning rate as on a dropout."""
    lengths = _lengths(dimension, value, stride, axis)
    assert np.median(np.abs(lengths)) == pytest.approx(stride, rel=0.06)
    assert np.abs(lengths).min() > 0.49 * stride
    assert np.abs(lengths).max() < 2.02 * stride
    assert np.mean(lengths > 0) == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize(
    ("dimension", "value", "axis"),
    [(IntUniform(0, 40), 20, lambda x: x / 10), (Ordinal(list(range(41))), 20, lambda x: x / 10)],
    ids=["integer", "ordinal"],
)
@pytest.mark.parametrize("stride", [0.02, 0.2])
def test_whole_numbers_move_as_far_on_average(dimension, value, axis, stride) -> None:
    """Rounded away, a short stride would never move a small number; rounded up, it would be a long one."""
    lengths = _lengths(dimension, value, stride, axis)
    mean = stride * math.sinh(0.7) / 0.7
    assert np.mean(np.abs(lengths)) == pytest.approx(mean, rel=0.1)
    assert np.mean(lengths) == pytest.approx(0, abs=4 * stride / math.sqrt(2000) * 3)


@pytest.mark.parametrize(("stride", "share"), [(0.2, 0.1), (1.0, 0.5), (5.0, 1.0)])
def test_choice_changes_as_often_as_the_stride_is_long(stride: float, share: float) -> None:
    """Redrawn at every copy, a choice would never be inherited."""
    dimension, generator = Choice(["a", "b", "c"]), np.random.default_rng(2)
    moved = [dimension.move("b", generator, stride) for _ in range(3000)]
    assert np.mean([value != "b" for value in moved]) == pytest.approx(share, abs=0.03)
    changed = [value for value in moved if value != "b"]
    assert np.mean([value == "a" for value in changed]) == pytest.approx(0.5, abs=0.1)


def test_factors_of_a_dimension_win() -> None:
    """Who writes factors knows the dimension better than any policy."""
    for dimension, start, wanted in [
        (Uniform(0, 10, factors=(0.5, 2)), 2.0, {1.0, 4.0}),
        (IntUniform(1, 10, factors=(0.5, 2)), 2, {1, 4}),
    ]:
        generator = np.random.default_rng(3)
        assert {dimension.move(start, generator, 0.01) for _ in range(40)} == wanted


def test_space_moves_what_is_in_force_and_redraws_by_chance() -> None:
    """A dimension whose condition does not hold keeps what it had, for when it holds again."""
    space = Space.of(
        {
            "optimizer": Choice(["sgd", "adam"]),
            "momentum": Uniform(0, 1, when={"optimizer": "sgd"}),
            "lr": LogUniform(1e-5, 1e-1),
        }
    )
    hp = {"optimizer": "adam", "momentum": 0.5, "lr": 1e-3}
    for seed in range(50):
        moved = space.move_or_resample(hp, Key(seed), 0.1, 0.0)
        assert moved["momentum"] == 0.5
        assert 0 < abs(math.log(moved["lr"] / 1e-3)) < 0.21
    far = [space.move_or_resample(hp, Key(seed), 0.1, 0.3)["lr"] for seed in range(300)]
    assert np.mean([abs(math.log(lr / 1e-3)) > 0.21 for lr in far]) == pytest.approx(0.3, abs=0.08)
