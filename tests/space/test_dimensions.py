"""Laws of single dimensions: bounds, movement, the unit interval, JSON, and what construction refuses."""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from populace._errors import SpaceError
from populace.space import (
    Choice,
    Complement,
    Constant,
    Dimension,
    IntUniform,
    LogIntUniform,
    LogUniform,
    Ordinal,
    Uniform,
    Value,
    dimension_from_json,
)

seeds = st.integers(0, 2**32 - 1)
factors = st.tuples(st.floats(0.01, 0.99), st.floats(1.01, 100)) | st.just((1.2, 0.8))
options = st.fixed_dictionaries({}, optional={"factors": factors, "when": st.just({"parent": ["a", "b"]})})
values = st.none() | st.booleans() | st.integers() | st.floats(-1e9, 1e9) | st.text(max_size=4)


def _pairs(numbers: st.SearchStrategy[float]) -> st.SearchStrategy[tuple[float, float]]:
    return st.tuples(numbers, numbers).filter(lambda pair: pair[0] != pair[1]).map(lambda p: (min(p), max(p)))


def _key(value: Value) -> tuple[bool, Value]:
    return isinstance(value, bool), value


numeric = st.one_of(
    st.builds(lambda b, o: Uniform(*b, **o), _pairs(st.floats(-1e300, 1e300)), options),
    st.builds(lambda b, o: LogUniform(*b, **o), _pairs(st.floats(1e-300, 1e300)), options),
    st.builds(lambda b, o: Complement(*b, **o), _pairs(st.floats(-1e6, 1 - 1e-9)), options),
    st.builds(lambda b, o: IntUniform(*b, **o), _pairs(st.integers(-(2**40), 2**40)), options),
    st.builds(lambda b, o: IntUniform(*b, **o), _pairs(st.integers(-5, 5)), options),
    st.builds(lambda b, o: LogIntUniform(*b, **o), _pairs(st.integers(1, 2**40)), options),
    st.builds(lambda b, o: LogIntUniform(*b, **o), _pairs(st.integers(1, 9)), options),
)
discrete = st.one_of(
    st.builds(Choice, st.lists(values, min_size=1, max_size=6, unique_by=_key)),
    st.builds(Ordinal, st.lists(values, min_size=2, max_size=6, unique_by=_key)),
    st.builds(Constant, values),
)
dimensions = numeric | discrete


@given(dimensions, seeds, st.lists(st.booleans(), max_size=6), factors)
def test_no_chain_of_changes_leaves_the_bounds(
    dimension: Dimension, seed: int, changes: list[bool], given_factors: tuple[float, float]
) -> None:
    """A learning rate that slips out of its range ruins a run that took days."""
    generator = np.random.default_rng(seed)
    value = dimension.sample(generator)
    for perturbs in changes:
        value = dimension.perturb(value, generator, given_factors) if perturbs else dimension.resample(generator)
        assert dimension.contains(value)
        assert type(value) in (bool, int, float, str, type(None))
        dimension.check("x", value)


@given(numeric, st.floats(0, 1) | st.sampled_from([0.0, 1.0]), seeds)
def test_number_is_never_stuck(dimension: Dimension, place: float, seed: int) -> None:
    """Peers lose small integers and zeros for ever: 1 times 1.2 rounds to 1, and 0 times anything is 0."""
    value = dimension.from_unit(place)
    generator = np.random.default_rng(seed)
    assert any(dimension.perturb(value, generator) != value for _ in range(64))


@given(st.integers(-20, 20), seeds)
def test_integer_moves_unless_its_factor_points_out_of_the_range(value: int, seed: int) -> None:
    """Layers, epochs and unroll lengths are small integers: every exploration must try something new."""
    dimension = IntUniform(-20, 20)
    moved = dimension.perturb(value, np.random.default_rng(seed))
    assert moved != value or abs(value) == 20


@pytest.mark.parametrize(
    ("dimension", "value", "down", "up"),
    [
        (Uniform(0, 1), 0.5, 0.4, 0.6),
        (Uniform(0, 1), 0.9, 0.72, 1.0),
        (Uniform(0, 2), 0.0, 0.0, 0.2),
        (Uniform(-1, 1), 0.0, -0.2, 0.2),
        (Uniform(-1, 0), 0.0, -0.1, 0.0),
        (Uniform(-1, 1), -0.5, -0.4, -0.6),
        (Uniform(0, 2), 5e-324, 0.0, 0.2),
        (LogUniform(1e-4, 1e-1), 1e-4, 1e-4, 1.2e-4),
        (LogUniform(1e-4, 1e-1), 1e-2, 8e-3, 1.2e-2),
        (Complement(0.9, 0.999), 0.99, 0.992, 0.988),
        (Complement(0.9, 0.999), 0.999, 0.999, 0.9988),
        (IntUniform(0, 100), 0, 0, 10),
        (IntUniform(-3, 3), 0, -1, 1),
        (IntUniform(1, 8), 1, 1, 2),
        (IntUniform(1, 8), 2, 1, 3),
        (IntUniform(1, 8), 8, 6, 8),
        (IntUniform(-8, 8), -1, 0, -2),
        (IntUniform(-8, 8), -5, -4, -6),
        (LogIntUniform(1, 1000), 100, 80, 120),
        (LogIntUniform(1, 1000), 1, 1, 2),
        (Ordinal([16, 32, 64]), 32, 16, 64),
        (Ordinal([16, 32, 64]), 16, 16, 32),
        (Ordinal([16, 32, 64]), 64, 32, 64),
        (Constant("adam"), "adam", "adam", "adam"),
    ],
)
def test_perturbing_gives_one_of_two_values(dimension: Dimension, value: Value, down: Value, up: Value) -> None:
    """The table a reader checks the rules by: factors 0.8 and 1.2, clipped, never wrapped round."""
    generator = np.random.default_rng(0)
    seen = {dimension.perturb(value, generator) for _ in range(40)}
    assert all(
        any(found == pytest.approx(wanted) if isinstance(found, float) else found == wanted for wanted in (down, up))
        for found in seen
    )
    assert len(seen) == len({down, up})


@pytest.mark.parametrize("dimension", [Uniform(0, 1e9), LogUniform(1e-9, 1e9)])
def test_factors_are_the_two_named_and_equally_likely(dimension: Dimension) -> None:
    """The paper's explore: 0.8 or 1.2 with equal odds, so the mean log factor is log(sqrt(0.96))."""
    generator = np.random.default_rng(1)
    ratios = np.array([dimension.perturb(1.0, generator) for _ in range(2000)], dtype=float)
    assert set(ratios) == {0.8, 1.2}
    # Four standard errors of a fair choice between two values.
    allowed = 4 * math.log(1.5) / 2 / math.sqrt(len(ratios))
    assert abs(np.log(ratios).mean() - math.log(math.sqrt(0.96))) < allowed


def test_own_factors_win() -> None:
    """Someone who wants a finer search of one dimension says it there, whatever the policy."""
    generator = np.random.default_rng(0)
    dimension = Uniform(0, 10, factors=(0.5, 2.0))
    assert {dimension.perturb(1.0, generator, (0.8, 1.2)) for _ in range(30)} == {0.5, 2.0}


def test_choice_perturbs_among_all_its_values_evenly() -> None:
    """Unordered values have no neighbours: the change is a fresh draw, the present value included."""
    generator = np.random.default_rng(0)
    drawn = [Choice(["a", "b", "c"]).perturb("a", generator) for _ in range(900)]
    assert {name: drawn.count(name) for name in "abc"} == pytest.approx({"a": 300, "b": 300, "c": 300}, abs=60)


@given(dimensions, st.floats(0, 1))
def test_unit_interval_keeps_discrete_values_and_nearly_keeps_real_ones(dimension: Dimension, place: float) -> None:
    """A model of the score works in the unit cube; its proposal must come back as the value it meant."""
    value = dimension.from_unit(place)
    again = dimension.from_unit(dimension.to_unit(value))
    assert 0 <= dimension.to_unit(value) <= 1
    if isinstance(dimension, (Uniform, LogUniform, Complement)):
        assert dimension.to_unit(again) == pytest.approx(dimension.to_unit(value), abs=1e-9)
        if isinstance(dimension, LogUniform):
            assert again == pytest.approx(value, rel=1e-9)
        else:
            assert isinstance(again, float)
            assert isinstance(value, float)
            assert abs(again - value) <= 1e-9 * max(abs(dimension.low), abs(dimension.high))
    else:
        assert (type(again), again) == (type(value), value)


@pytest.mark.parametrize(
    "dimension", [Uniform(-3, 7), LogUniform(1e-5, 0.1), Complement(0.5, 0.999), IntUniform(0, 4), Ordinal([1, 2, 3])]
)
def test_ends_of_the_unit_interval_are_the_bounds(dimension: Dimension) -> None:
    """No corner of the space is out of reach, and a proposal just outside the cube is not lost."""
    ends = dimension.from_unit(0.0), dimension.from_unit(1.0)
    assert ends == (dimension.clip(-1e9), dimension.clip(1e9))
    assert ends == (dimension.from_unit(-1e-9), dimension.from_unit(1 + 1e-9))


def test_every_integer_has_its_share() -> None:
    """With plain rounding the two ends of a range would be drawn half as often as the others."""
    places = (np.arange(6000) + 0.5) / 6000
    linear = [IntUniform(1, 6).from_unit(place) for place in places]
    assert [linear.count(k) for k in range(1, 7)] == [1000] * 6
    log = [LogIntUniform(1, 6).from_unit(place) for place in places]
    wanted = [6000 * math.log((k + 0.5) / (k - 0.5)) / math.log(13) for k in range(1, 7)]
    assert [log.count(k) for k in range(1, 7)] == pytest.approx(wanted, abs=1)


@pytest.mark.parametrize(
    ("dimension", "middle"),
    [(Uniform(0, 1), 0.5), (LogUniform(1e-4, 1), 1e-2), (Complement(0.9, 0.999), 0.99)],
)
def test_prior_is_even_on_the_scale_of_the_kind(dimension: Dimension, middle: float) -> None:
    """Half of all first learning rates must lie below the geometric middle."""
    generator = np.random.default_rng(0)
    below = sum(float(str(dimension.sample(generator))) < middle for _ in range(1000))
    assert 430 < below < 570


@given(dimensions)
def test_json_gives_the_dimension_back(dimension: Dimension) -> None:
    """A run is resumed years later from what its log says of the space."""
    text = json.dumps(dimension.to_json(), allow_nan=False)
    assert dimension_from_json(json.loads(text)) == dimension
    assert pickle.loads(pickle.dumps(dimension)) == dimension
    assert hash(dimension_from_json(json.loads(text))) == hash(dimension)


@given(dimensions)
def test_repr_is_the_constructor_call(dimension: Dimension) -> None:
    """What a message shows can be pasted into a script."""
    assert eval(repr(dimension)) == dimension


def test_repr_reads_as_typed() -> None:
    """Whole numbers stay whole in messages about a changed space."""
    assert repr(LogUniform(1e-5, 0.1)) == "LogUniform(1e-05, 0.1)"
    assert repr(Uniform(0, 1, factors=(0.5, 2), when={"a": "x"})) == "Uniform(0, 1, factors=(0.5, 2), when={'a': 'x'})"
    assert repr(Choice(["a", 1.0], when={"a": ["x", "y"]})) == "Choice(['a', 1.0], when={'a': ['x', 'y']})"


@given(numeric, st.floats(allow_nan=False) | st.integers())
def test_clip_gives_the_nearest_bound(dimension: Dimension, value: float) -> None:
    """A space narrowed on resume pulls old values in, infinities included."""
    assert isinstance(dimension, (Uniform, LogUniform, Complement, IntUniform, LogIntUniform))
    clipped = dimension.clip(value)
    assert dimension.contains(clipped)
    if dimension.contains(value):
        assert clipped == value
    elif value < dimension.low or value > dimension.high:
        assert clipped == (dimension.low if value < dimension.low else dimension.high)


def test_ordinal_clips_to_the_nearest_number() -> None:
    """A batch size of an older run falls on the grid of the new one."""
    assert Ordinal([16, 32, 64]).clip(40) == 32
    with pytest.raises(SpaceError, match="there is no value of Ordinal"):
        Ordinal(["small", "large"]).clip("medium")


@pytest.mark.parametrize("value", ["fast", True, None, math.nan])
@pytest.mark.parametrize("dimension", [Uniform(0, 1), IntUniform(0, 1)])
def test_what_is_no_number_is_not_clipped(dimension: Dimension, value: Value) -> None:
    """Guessing a number for a word would hide a mistake."""
    with pytest.raises(SpaceError, match="only a number can be clipped to"):
        dimension.clip(value)


@pytest.mark.parametrize(
    ("dimension", "value"),
    [
        (Uniform(0, 1), 1.5),
        (Uniform(0, 1), "0.5"),
        (Uniform(0, 1), True),
        (Uniform(0, 1), math.nan),
        (Uniform(0, 1), 10**400),
        (IntUniform(1, 8), 2.0),
        (Choice([0, 1]), True),
        (Choice(["a"]), ["a"]),
        (Constant(3), 4),
        (Constant(3), object),
    ],
)
def test_impossible_value_is_named(dimension: Dimension, value: object) -> None:
    """A value set by hand is refused where it was set, with the range beside it."""
    assert not dimension.contains(value)
    with pytest.raises(SpaceError, match=r"^'x' must be .*, but got .*: change the value or widen the space$"):
        dimension.check("x", value)


def test_numpy_scalars_are_values() -> None:
    """Values computed with numpy are welcome and come back as plain Python."""
    assert Uniform(0, 1).contains(np.float32(0.5))
    assert IntUniform(0, 9).contains(np.int64(3))
    assert type(IntUniform(0, 9).clip(np.int64(3))) is int  # type: ignore[arg-type]  # what users do
    choice = Choice([np.int64(1), np.bool_(True)])  # type: ignore[list-item]  # what users do
    assert [type(value) for value in choice.values] == [int, bool]


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (Uniform, {"low": 3, "high": 1}, r"`low < high` must hold, but got \(low=3, high=1\): swap them"),
        (Uniform, {"low": 1, "high": 1}, r"`low < high` must hold, .* use Constant\(1\)"),
        (Uniform, {"low": 2**53, "high": 2**53 + 1}, r"`low < high` must hold"),  # one number, as floats go
        (Uniform, {"low": 0, "high": math.inf}, r"must be finite numbers, but got \(low=0, high=inf\)"),
        (Uniform, {"low": "0", "high": 1}, r"must be finite numbers"),
        (Uniform, {"low": -1.7e308, "high": 1.7e308}, r"`high - low` must be finite"),
        (LogUniform, {"low": 0, "high": 1}, r"`0 < low` must hold on a log scale, but got \(low=0, high=1\)"),
        (Complement, {"low": 0.9, "high": 1}, r"`low < high < 1` must hold, but got \(low=0.9, high=1\)"),
        (IntUniform, {"low": 0, "high": 1.5}, r"must be integers within .* use Uniform"),
        (IntUniform, {"low": False, "high": True}, r"must be integers within"),
        (IntUniform, {"low": 0, "high": 2**41}, r"must be integers within"),
        (LogIntUniform, {"low": 0, "high": 8}, r"`1 <= low` must hold on a log scale"),
        (Uniform, {"low": 0, "high": 1, "factors": (1.2, 1.5)}, r"`factors` must be one number in .* and one"),
        (Uniform, {"low": 0, "high": 1, "factors": (0.8, 1.0)}, r"`factors` must be"),
        (Uniform, {"low": 0, "high": 1, "factors": 1.2}, r"`factors` must be"),
        (IntUniform, {"low": 0, "high": 1, "factors": (-0.8, 1.2)}, r"`factors` must be"),
        (Choice, {"values": []}, r"must hold at least 1, but got \[\]"),
        (Choice, {"values": "abc"}, r"`values` must be a list, but got 'abc'"),
        (Choice, {"values": [1, 1.0]}, r"must be unique, but got \[1, 1.0\]: remove the second 1.0"),
        (Choice, {"values": [(64, 64)]}, r"must be a bool, int, float, str or None, but got \(64, 64\) of type tuple"),
        (Choice, {"values": [math.nan]}, r"must be finite, but got nan"),
        (Ordinal, {"values": [16]}, r"must hold at least 2, .* or use Constant"),
        (Constant, {"value": object}, r"must be a bool, int, float, str or None"),
        (Constant, {"value": 1, "when": {"a": []}}, r"`when` must allow at least one value of 'a', but got \[\]"),
        (Constant, {"value": 1, "when": "a"}, r"`when` must map a parent's name to its values, but got 'a'"),
        (Constant, {"value": 1, "when": {"": 1}}, r"a name in `when` must be a non-empty string"),
    ],
)
def test_broken_rule_is_named_with_its_values_and_remedy(
    kind: type[Dimension], arguments: Mapping[str, object], message: str
) -> None:
    """A mistake in a space shows at its line, not after an hour of training."""
    with pytest.raises(SpaceError, match=message):
        kind(**arguments)  # type: ignore[arg-type]  # the mistakes are the test


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"kind": "Normal", "low": 0}, "the kind of a dimension must be one of Uniform, .* but got 'Normal'"),
        ({"low": 0}, "the kind of a dimension must be"),
        (3, "the kind of a dimension must be"),
        ({"kind": "Uniform", "low": 0}, "Uniform must be given its own arguments"),
        ({"kind": "Uniform", "low": 0, "high": 1, "mean": 3}, "Uniform must be given its own arguments"),
    ],
)
def test_unreadable_json_is_refused(data: object, message: str) -> None:
    """A log of a later version says so and is not misread."""
    with pytest.raises(SpaceError, match=message):
        dimension_from_json(data)


def test_conditions_compare_by_meaning() -> None:
    """One value, a list or a set of them, and a round trip through JSON are the same condition."""
    assert Uniform(0, 1, when={"a": "x"}) == Uniform(0, 1, when={"a": ["x"]}) == Uniform(0, 1, when={"a": {"x"}})  # type: ignore[dict-item]  # sets are taken too
    assert Uniform(0, 1) != Uniform(0, 1, when={"a": "x"})


@given(dimensions)
def test_scale_is_one_a_plot_knows(dimension: Dimension) -> None:
    """Figures choose their axes by it."""
    assume(not isinstance(dimension, Constant))
    assert dimension.scale in ("linear", "log", "complement", "none")
