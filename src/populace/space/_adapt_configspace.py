"""ConfigSpace's hyperparameters and spaces, read by their public attributes.

Equality and membership conditions become `when`; a conjunction of them becomes several names in one `when`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, cast

from populace._errors import SpaceError
from populace.space._adapt_grid import integer_range, real_range
from populace.space._dimension import Dimension
from populace.space._discrete import Choice, Constant, Ordinal
from populace.space._value import Value, plain, same


class _Range(Protocol):
    lower: float
    upper: float
    log: bool


class _Categorical(Protocol):
    choices: Sequence[Value]
    weights: Sequence[float] | None


class _Ordinal(Protocol):
    sequence: Sequence[Value]


class _Constant(Protocol):
    value: Value


class _Named(Protocol):
    name: str


class _Condition(Protocol):
    child: _Named
    parent: _Named
    value: object
    values: Sequence[Value]
    components: Sequence[object]


class _Whole(Protocol):
    conditions: Sequence[object]
    forbidden_clauses: Sequence[object]


def _read_float(entry: object) -> Dimension:
    known = cast(_Range, entry)
    return real_range(known.lower, known.upper, log=known.log)


def _read_integer(entry: object) -> Dimension:
    known = cast(_Range, entry)
    return integer_range(int(known.lower), int(known.upper), log=known.log)


def _read_categorical(entry: object) -> Dimension:
    known = cast(_Categorical, entry)
    if known.weights is not None and len(set(known.weights)) > 1:
        raise SpaceError(f"choices must have equal weights, but got {known.weights!r}: leave the weights out")
    return Choice(known.choices)


def _read_ordinal(entry: object) -> Dimension:
    values = cast(_Ordinal, entry).sequence
    return Ordinal(values) if len(values) > 1 else Constant(plain(values[0]))


def _read_constant(entry: object) -> Dimension:
    return Constant(cast(_Constant, entry).value)


def read_whole(space: object, read_entry: Callable[[object, object], Dimension]) -> dict[str, Dimension]:
    """Returns the dimensions of a ConfigurationSpace with their conditions.

    Args:
        space: The ConfigurationSpace.
        read_entry: Reads one hyperparameter, given its name and itself.

    Raises:
        SpaceError: It has forbidden combinations, or a condition that `when` cannot say.
    """
    known = cast(_Whole, space)
    if known.forbidden_clauses:
        raise SpaceError(
            f"a space must have no forbidden combinations, but got {list(known.forbidden_clauses)!r}: "
            "say them with conditions, or make them one choice"
        )
    read = {name: read_entry(name, entry) for name, entry in cast(Mapping[str, object], space).items()}
    allowed: dict[str, dict[str, list[Value]]] = {}
    for condition in known.conditions:
        for child, parent, values in _read_condition(condition):
            earlier = allowed.setdefault(child, {}).get(parent, values)
            allowed[child][parent] = [value for value in values if any(same(value, other) for other in earlier)]
    return {
        name: dataclasses.replace(dimension, when=allowed[name]) if name in allowed else dimension
        for name, dimension in read.items()
    }


def _read_condition(condition: object) -> list[tuple[str, str, list[Value]]]:
    """Returns (child, parent, allowed values) for each part of a condition, all of which must hold."""
    kind, known = type(condition).__name__, cast(_Condition, condition)
    if kind == "AndConjunction":
        return [part for component in known.components for part in _read_condition(component)]
    if kind == "EqualsCondition":
        return [(known.child.name, known.parent.name, [plain(known.value)])]
    if kind == "InCondition":
        return [(known.child.name, known.parent.name, [plain(value) for value in known.values])]
    raise SpaceError(
        f"a condition must be EqualsCondition, InCondition or AndConjunction, but got {kind} ({condition!r}): "
        "name the parent's allowed values with InCondition"
    )


READERS: Mapping[str, Callable[[object], Dimension]] = {
    "UniformFloatHyperparameter": _read_float,
    "UniformIntegerHyperparameter": _read_integer,
    "CategoricalHyperparameter": _read_categorical,
    "OrdinalHyperparameter": _read_ordinal,
    "Constant": _read_constant,
}
"""Class name -> reader."""
