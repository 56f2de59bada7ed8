"""The search space: named dimensions, and whole assignments drawn, changed and checked at once.

An assignment always holds every name. A dimension with `when` that is not in force keeps its value unchanged
(remembered), so that it is there when the condition holds again. Each dimension draws from its own stream, named after
it: two dimensions never share a draw, and adding one changes no other's.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import cast, final

import numpy as np
import numpy.typing as npt

from populace._errors import SpaceError
from populace.space._adapt import read_space
from populace.space._dimension import Dimension
from populace.space._factors import DEFAULT_FACTORS, Factors
from populace.space._json import dimension_from_json
from populace.space._key import Key
from populace.space._value import Hyperparameters, Value


@final
class Space(Mapping[str, Dimension]):
    """A frozen mapping of names to dimensions, in the order given.

    Two spaces are equal when they hold the same dimensions under the same names, in any order.

    >>> from populace.space import LogUniform
    >>> space = Space.of({"lr": LogUniform(1e-5, 1e-1), "dropout": (0.0, 0.6), "layers": (1, 4), "batch": [32, 64]})
    >>> space["layers"], space["batch"]
    (IntUniform(1, 4), Choice([32, 64]))
    >>> sorted(space.sample(Key(0))) == sorted(space)
    True
    """

    __slots__ = ("_dimensions", "_is_conditional", "_parents_first")

    def __init__(self, dimensions: Mapping[str, Dimension]) -> None:
        """Checks the names, the dimensions and the conditions between them.

        Raises:
            SpaceError: The space is empty, a name is not a non-empty string, or a condition names no dimension,
                an impossible value of it, or goes in a circle.
        """
        self._dimensions = dict(dimensions)
        if not self._dimensions:
            raise SpaceError("a space must have at least one dimension, but got none: name what is tuned")
        for name, dimension in cast(Mapping[object, object], dimensions).items():
            if not isinstance(name, str) or not name:
                raise SpaceError(f"a dimension's name must be a non-empty string, but got {name!r}: rename it")
            if not isinstance(dimension, Dimension):
                raise SpaceError(f"{name!r} must be a Dimension, but got {dimension!r}: use Space.of")
        for name, dimension in self._dimensions.items():
            self._check_conditions(name, dimension)
        parents = {name: tuple(dimension.conditions) for name, dimension in self._dimensions.items()}
        self._is_conditional = any(parents.values())
        try:
            self._parents_first = tuple(TopologicalSorter(parents).static_order())
        except CycleError as error:
            circle = " -> ".join(error.args[1])
            raise SpaceError(f"conditions must not go in a circle, but got {circle}: remove one `when`") from error

    @staticmethod
    def of(entries: object) -> Space:
        """Returns a space read from what users write.

        Args:
            entries: A Space; a ConfigSpace.ConfigurationSpace; or a mapping of names to dimensions, to distributions of
                Optuna, Ray Tune, ConfigSpace or scipy.stats, or to shorthand: `(low, high)` is Uniform, or IntUniform
                when both are ints; a list is Choice; a bare number, string, bool or None is Constant.

        Raises:
            SpaceError: An entry cannot be read; the message names it and lists what can.
        """
        return entries if isinstance(entries, Space) else Space(read_space(entries))

    @staticmethod
    def from_json(data: object) -> Space:
        """Returns the space that `to_json` wrote.

        Raises:
            SpaceError: The data are no space.
        """
        listed = data.get("dimensions") if isinstance(data, Mapping) else None
        if not isinstance(listed, list) or not all(isinstance(item, Mapping) and "name" in item for item in listed):
            raise SpaceError(f"a space must hold a list of named `dimensions`, but got {data!r}: use what to_json gave")
        return Space(
            {item["name"]: dimension_from_json({k: v for k, v in item.items() if k != "name"}) for item in listed}
        )

    def to_json(self) -> dict[str, object]:
        """Returns the space in strict JSON types; a list, because some stores do not keep the order of a mapping."""
        return {"dimensions": [{"name": name} | dimension.to_json() for name, dimension in self.items()]}

    def sample(self, key: Key) -> dict[str, Value]:
        """Returns a draw of every dimension from its prior."""
        return {name: dimension.sample(_stream(key, name)) for name, dimension in self.items()}

    def perturb(self, hp: Hyperparameters, key: Key, factors: Factors = DEFAULT_FACTORS) -> dict[str, Value]:
        """Returns `hp` with every dimension in force perturbed; a dimension's own factors win over `factors`."""
        return self.perturb_or_resample(hp, key, factors, resample_probability=0.0)

    def resample(self, hp: Hyperparameters, key: Key, probability: float = 1.0) -> dict[str, Value]:
        """Returns `hp` with every dimension in force drawn anew with `probability`, else unchanged.

        Args:
            hp: An assignment of every name; conditions are read from it, not from the draws.
            key: Where the draws come from.
            probability: In [0, 1]; each dimension tries for itself.

        Raises:
            SpaceError: A name is unknown or missing, or the probability is out of range.
        """
        return self._change(hp, key, probability, lambda dimension, value, generator: dimension.clip(value))

    def perturb_or_resample(
        self, hp: Hyperparameters, key: Key, factors: Factors = DEFAULT_FACTORS, resample_probability: float = 0.25
    ) -> dict[str, Value]:
        """Returns `hp` with every dimension in force, each on its own, either drawn anew or perturbed."""

        def change(dimension: Dimension, value: Value, generator: np.random.Generator) -> Value:
            return dimension.perturb(value, generator, factors)

        return self._change(hp, key, resample_probability, change)

    def move_or_resample(
        self, hp: Hyperparameters, key: Key, stride: float, resample_probability: float = 0.1
    ) -> dict[str, Value]:
        """Returns `hp` with every dimension in force, each on its own, either drawn anew or moved by about `stride`."""

        def change(dimension: Dimension, value: Value, generator: np.random.Generator) -> Value:
            return dimension.move(value, generator, stride)

        return self._change(hp, key, resample_probability, change)

    def clip(self, hp: Hyperparameters) -> dict[str, Value]:
        """Returns `hp` with every value brought within bounds, in the space's order.

        Raises:
            SpaceError: A name is unknown or missing, or a value has no nearest possible one.
        """
        self._check_names(hp)
        return {name: dimension.clip(hp[name]) for name, dimension in self.items()}

    def check(self, hp: Mapping[str, object]) -> None:
        """Checks that `hp` is an assignment of this space.

        Raises:
            SpaceError: A name is unknown or missing, or a value is of a wrong type or out of bounds.
        """
        self._check_names(hp)
        for name, dimension in self._dimensions.items():
            dimension.check(name, hp[name])

    def active(self, hp: Hyperparameters) -> dict[str, Value]:
        """Returns the part of `hp` that is in force: conditions hold, and the parents are in force themselves."""
        if not self._is_conditional:
            return {name: hp[name] for name in self._dimensions}
        in_force: dict[str, Value] = {}
        for name in self._parents_first:
            conditions = self[name].conditions
            if all(parent in in_force for parent in conditions) and conditions.hold(hp):
                in_force[name] = hp[name]
        return {name: hp[name] for name in self if name in in_force}

    def to_unit(self, hp: Hyperparameters) -> npt.NDArray[np.float64]:
        """Returns the places of the values in the unit cube, shape (D,), in the space's order."""
        return np.array([dimension.to_unit(hp[name]) for name, dimension in self.items()], dtype=np.float64)

    def differences(self, other: Space) -> list[str]:
        """Returns one line for each dimension that is another in `other`, the later space; none when they are equal."""
        return [
            *(f"{name}: {old!r} was removed" for name, old in self.items() if name not in other),
            *(f"{name}: {old!r} became {other[name]!r}" for name, old in self.items() if other.get(name, old) != old),
            *(f"{name}: {new!r} was added" for name, new in other.items() if name not in self),
        ]

    def _change(
        self,
        hp: Hyperparameters,
        key: Key,
        resample_probability: float,
        otherwise: Callable[[Dimension, Value, np.random.Generator], Value],
    ) -> dict[str, Value]:
        if not 0 <= resample_probability <= 1:
            raise SpaceError(
                f"the probability of resampling must be in [0, 1], but got {resample_probability!r}: "
                "use for example 0.25"
            )
        self._check_names(hp)
        in_force = self.active(hp)
        changed: dict[str, Value] = {}
        for name, dimension in self._dimensions.items():
            generator = _stream(key, name)
            if name not in in_force:
                changed[name] = hp[name]
            elif generator.random() < resample_probability:
                changed[name] = dimension.resample(generator)
            else:
                changed[name] = otherwise(dimension, hp[name], generator)
        return changed

    def _check_names(self, hp: Mapping[str, object]) -> None:
        if hp.keys() == self._dimensions.keys():
            return
        for name in hp:
            if name not in self:
                near = difflib.get_close_matches(str(name), self, n=1)
                remedy = f"did you mean {near[0]!r}?" if near else f"use {', '.join(map(repr, self))}"
                raise SpaceError(f"every hyperparameter must be a dimension of the space, but got {name!r}: {remedy}")
        missing = [name for name in self if name not in hp]
        if missing:
            raise SpaceError(
                "every dimension must have a value, also one that is not in force, but "
                f"{', '.join(map(repr, missing))} had none: add it"
            )

    def _check_conditions(self, name: str, dimension: Dimension) -> None:
        for parent, values in dimension.conditions.items():
            if parent not in self:
                near = difflib.get_close_matches(parent, self, n=1)
                remedy = f"did you mean {near[0]!r}?" if near else "add it or correct the name"
                raise SpaceError(f"`when` of {name!r} must name dimensions, but got {parent!r}: {remedy}")
            for value in values:
                if not self[parent].contains(value):
                    raise SpaceError(
                        f"`when` of {name!r} must use possible values, but {parent!r} is {self[parent].domain}, "
                        f"never {value!r}: correct the value"
                    )

    def __getitem__(self, name: str) -> Dimension:
        return self._dimensions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._dimensions)

    def __len__(self) -> int:
        return len(self._dimensions)

    def __hash__(self) -> int:
        return hash(frozenset(self._dimensions.items()))

    def __repr__(self) -> str:
        return f"Space({self._dimensions!r})"


def _stream(key: Key, name: str) -> np.random.Generator:
    return key.fold(name).generator()
