"""Laws of whole spaces: independent draws, conditions, checks, comparison, JSON."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace._errors import SpaceError
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

DIMENSIONS: Mapping[str, Dimension] = {
    "lr": LogUniform(1e-5, 0.1),
    "dropout": Uniform(0, 0.6),
    "gamma": Complement(0.9, 0.999),
    "layers": IntUniform(1, 4),
    "unroll": LogIntUniform(1, 128),
    "batch": Ordinal([16, 32, 64]),
    "optimizer": Choice(["sgd", "adam"]),
    "nesterov": Choice([True, False], when={"optimizer": "sgd"}),
    "momentum": Complement(0.5, 0.99, when={"optimizer": ["sgd"], "nesterov": True}),
    "seed": Constant(3),
}
SPACE = Space(DIMENSIONS)
keys = st.integers(0, 2**32 - 1).map(Key)
names = st.sampled_from(list(SPACE))


@given(keys, st.lists(st.sampled_from(["perturb", "resample", "either"]), max_size=4))
def test_assignment_stays_valid_through_any_changes(key: Key, changes: list[str]) -> None:
    """Hours into a run, every hyperparameter is still one that the user allowed."""
    hp = SPACE.sample(key)
    for index, change in enumerate(changes):
        below = key.fold(change, index)
        if change == "perturb":
            hp = SPACE.perturb(hp, below)
        elif change == "resample":
            hp = SPACE.resample(hp, below)
        else:
            hp = SPACE.perturb_or_resample(hp, below)
        SPACE.check(hp)
        assert list(hp) == list(SPACE)


@given(keys, names)
def test_adding_a_dimension_changes_no_other_draw(key: Key, removed: str) -> None:
    """Adding a hyperparameter to a study leaves the other draws comparable."""
    free = {name: dimension for name, dimension in DIMENSIONS.items() if not dimension.conditions and name != removed}
    if not set(free) >= {"optimizer"}:
        free["optimizer"] = DIMENSIONS["optimizer"]
    smaller = Space(dict(reversed(free.items())))
    whole, part = SPACE.sample(key), smaller.sample(key)
    assert part == {name: whole[name] for name in smaller}
    moved = SPACE.perturb_or_resample(whole, key.fold(1))
    assert smaller.perturb_or_resample(part, key.fold(1)) == {name: moved[name] for name in smaller}


def test_dimensions_draw_independently() -> None:
    """In a peer all hyperparameters go up or down together, and the search sees a diagonal of the space."""
    space = Space.of({"a": Uniform(0, 10), "b": Uniform(0, 10)})
    moves = {tuple(space.perturb({"a": 1.0, "b": 1.0}, Key(seed)).values()) for seed in range(40)}
    assert moves == {(0.8, 0.8), (0.8, 1.2), (1.2, 0.8), (1.2, 1.2)}
    drawn = np.array([list(space.sample(Key(seed)).values()) for seed in range(300)], dtype=float)
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.2


@given(keys)
def test_what_is_not_in_force_is_remembered(key: Key) -> None:
    """Back with sgd, the momentum that worked before is tried again."""
    hp = SPACE.sample(key) | {"optimizer": "adam", "nesterov": True, "momentum": 0.7}
    for changed in (SPACE.perturb(hp, key), SPACE.resample(hp, key), SPACE.perturb_or_resample(hp, key)):
        assert changed["momentum"] == 0.7
        assert changed["nesterov"] is True


def test_conditions_hold_down_the_chain() -> None:
    """A child of a child is out of force as soon as the first parent is."""
    hp = SPACE.sample(Key(0)) | {"optimizer": "sgd", "nesterov": True}
    assert set(SPACE.active(hp)) == set(SPACE)
    assert set(SPACE) - set(SPACE.active(hp | {"nesterov": False})) == {"momentum"}
    assert set(SPACE) - set(SPACE.active(hp | {"optimizer": "adam"})) == {"nesterov", "momentum"}
    assert list(SPACE.active(hp)) == list(SPACE)


def test_condition_tells_true_from_one() -> None:
    """In Python True == 1; a space with both means two things."""
    space = Space.of({"mode": [1, True], "x": Uniform(0, 1, when={"mode": True})})
    assert set(space.active({"mode": True, "x": 0.5})) == {"mode", "x"}
    assert set(space.active({"mode": 1, "x": 0.5})) == {"mode"}


@given(keys)
def test_resampling_with_probability_zero_changes_nothing(key: Key) -> None:
    """The probability is each dimension's own; at zero the assignment is the old one."""
    hp = SPACE.sample(key)
    assert SPACE.resample(hp, key.fold(1), 0.0) == hp


def test_resampling_has_the_probability_asked_for() -> None:
    """A quarter of the dimensions leave for elsewhere at each exploration, not a quarter of the members."""
    space = Space.of({"a": Uniform(0, 1), "b": Uniform(0, 1)})
    changed = [
        tuple(value != 0.5 for value in space.resample({"a": 0.5, "b": 0.5}, Key(seed), 0.25).values())
        for seed in range(1000)
    ]
    shares = np.array(changed).mean(axis=0)
    assert shares == pytest.approx([0.25, 0.25], abs=0.06)
    assert np.mean([a and b for a, b in changed]) == pytest.approx(0.0625, abs=0.03)


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_impossible_probability_is_refused(probability: float) -> None:
    """25 for 25 percent would resample everything, always."""
    with pytest.raises(SpaceError, match=r"must be in \[0, 1\], but got"):
        SPACE.resample(SPACE.sample(Key(0)), Key(0), probability)


def test_own_factors_win_in_a_space() -> None:
    """The policy's factors are for the dimensions that say nothing."""
    space = Space.of({"a": Uniform(0, 10, factors=(0.5, 2.0)), "b": Uniform(0, 10)})
    seen = [space.perturb({"a": 1.0, "b": 1.0}, Key(seed), (0.9, 1.1)) for seed in range(20)]
    assert {hp["a"] for hp in seen} == {0.5, 2.0}
    assert {hp["b"] for hp in seen} == {0.9, 1.1}


@given(keys)
def test_unit_cube_has_one_axis_per_dimension(key: Key) -> None:
    """A model of the score reads an assignment as one row."""
    hp = SPACE.sample(key)
    places = SPACE.to_unit(hp)
    assert places.shape == (len(SPACE),)
    assert places.dtype == np.float64
    assert [SPACE[name].to_unit(hp[name]) for name in SPACE] == list(places)


def test_json_gives_the_space_back_in_its_order() -> None:
    """A store that sorts or shuffles the keys of a mapping must not reorder the axes of the unit cube."""
    text = json.dumps(SPACE.to_json(), allow_nan=False, sort_keys=True)
    again = Space.from_json(json.loads(text))
    assert again == SPACE
    assert list(again) == list(SPACE)
    assert hash(again) == hash(SPACE)
    assert pickle.loads(pickle.dumps(SPACE)) == SPACE


@pytest.mark.parametrize("data", [None, {}, {"dimensions": [{"kind": "Uniform", "low": 0, "high": 1}]}])
def test_json_that_is_no_space_is_refused(data: object) -> None:
    """A damaged log is named as such."""
    with pytest.raises(SpaceError, match="a space must hold a list of named `dimensions`, but got"):
        Space.from_json(data)


def test_differences_read_as_sentences() -> None:
    """A resumed run whose script was edited says what changed before anything is trained."""
    old = Space.of({"lr": LogUniform(1e-5, 0.1), "batch": [16, 32], "layers": (1, 4)})
    new = Space.of({"lr": Uniform(0, 1), "layers": (1, 4), "gamma": Complement(0.9, 0.99)})
    assert old.differences(new) == [
        "batch: Choice([16, 32]) was removed",
        "lr: LogUniform(1e-05, 0.1) became Uniform(0, 1)",
        "gamma: Complement(0.9, 0.99) was added",
    ]
    assert old.differences(Space(dict(reversed(list(old.items()))))) == []


def test_clip_brings_old_values_into_a_narrower_space() -> None:
    """One remedy for a changed space: keep the run, pull its values in."""
    space = Space.of({"lr": LogUniform(1e-4, 1e-2), "layers": (1, 2), "batch": Ordinal([16, 32])})
    assert space.clip({"batch": 100, "layers": 7, "lr": 1.0}) == {"lr": 1e-2, "layers": 2, "batch": 32}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dropuot": 0.1}, r"must be a dimension of the space, but got 'dropuot': did you mean 'dropout'\?"),
        ({"zzz": 0.1}, r"but got 'zzz': use 'lr', 'dropout'"),
        ({"dropout": 0.7}, r"'dropout' must be a number in \[0, 0.6\], but got 0.7"),
        ({"layers": 2.5}, r"'layers' must be an integer in \[1, 4\], but got 2.5"),
        ({"optimizer": "adm"}, r"'optimizer' must be one of \['sgd', 'adam'\], but got 'adm'"),
        ({"seed": 4}, r"'seed' must be 3, but got 4"),
    ],
)
def test_wrong_assignment_is_named_with_its_remedy(change: Mapping[str, object], message: str) -> None:
    """A replay with values typed by hand finds the slip at once."""
    with pytest.raises(SpaceError, match=message):
        SPACE.check({**SPACE.sample(Key(0)), **change})


def test_missing_names_are_all_named() -> None:
    """An assignment holds every name, also of what is not in force."""
    with pytest.raises(SpaceError, match=r"but 'lr', 'gamma' had none: add it"):
        SPACE.perturb(
            {name: value for name, value in SPACE.sample(Key(0)).items() if name not in ("lr", "gamma")}, Key(0)
        )


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({}, "a space must have at least one dimension"),
        ({"": 1}, "a dimension's name must be a non-empty string, but got ''"),
        ({3: 1}, "a dimension's name must be a non-empty string, but got 3"),
        ([("lr", 1)], r"a space must map names to dimensions, but got \[\('lr', 1\)\] of type list"),
        (
            {"a": Uniform(0, 1, when={"optimiser": "x"}), "optimizer": ["x"]},
            "`when` of 'a' must name dimensions, but got 'optimiser': did you mean 'optimizer'",
        ),
        (
            {"a": Uniform(0, 1, when={"b": "z"}), "b": ["x"]},
            r"`when` of 'a' must use possible values, but 'b' is one of \['x'\], never 'z'",
        ),
        (
            {"a": Choice([1], when={"b": 1}), "b": Choice([1], when={"a": 1})},
            "conditions must not go in a circle, but got [ab] -> [ab] -> [ab]",
        ),
        ({"a": Choice([1], when={"a": 1})}, "conditions must not go in a circle"),
    ],
)
def test_impossible_space_is_refused(entries: object, message: str) -> None:
    """A space that cannot be drawn from or reached is a mistake in the script."""
    with pytest.raises(SpaceError, match=message):
        Space.of(entries)


def test_only_dimensions_make_a_space() -> None:
    """The constructor is strict; shorthand is for `Space.of`."""
    with pytest.raises(SpaceError, match=r"'lr' must be a Dimension, but got 3: use Space\.of"):
        Space({"lr": 3})  # type: ignore[dict-item]  # the mistake is the test
