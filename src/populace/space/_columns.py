"""Columns: one dimension's values of a whole population as an array of numbers, changed all at once.

A column changes codes exactly as its dimension changes values one by one, and does so with numpy or with JAX in 64
bits, whose arithmetic is the same: what a device has perturbed can be derived again on any host. The code of a number
is the number itself, that of a listed value its place in the list.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import ClassVar, final

import numpy as np
import numpy.typing as npt

from populace.space._continuous import Complement, Continuous, LogUniform, Uniform
from populace.space._dimension import Dimension
from populace.space._discrete import Choice, Constant, Listed, Ordinal
from populace.space._factors import Factors
from populace.space._integer import Integral
from populace.space._keys import bounded, doubles_of
from populace.space._range import SHARE_LEAVING_ZERO
from populace.space._value import Value

Floats = npt.NDArray[np.float64]
Plain = Floats | npt.NDArray[np.int64] | npt.NDArray[np.bool_]
Bools = npt.NDArray[np.bool_]
Math = ModuleType
"""numpy, or jax.numpy in 64 bits; arrays are of whichever it is."""


@dataclass(frozen=True)
class Column(ABC):
    """A dimension as an array."""

    redraws: ClassVar[bool] = False
    """Whether perturbing is a draw from the prior."""
    is_fixed: ClassVar[bool] = False
    """Whether there is one value only."""

    @property
    @abstractmethod
    def kind(self) -> type[float] | type[int] | type[bool] | None:
        """The type that all values have; None where they differ, are no numbers, or do not fit into 32 bits."""

    @abstractmethod
    def code(self, value: Value) -> float | None:
        """Returns the code of a value; None where only the dimension itself knows what to make of it."""

    @abstractmethod
    def value(self, code: float) -> Value:
        """Returns the value of a code."""

    @abstractmethod
    def drawn(self, longs: npt.NDArray[np.uint64]) -> Floats:
        """Returns draws from the prior, each from an output of its generator; NaN where that does not suffice."""

    @abstractmethod
    def perturbed(self, m: Math, codes: Floats, is_second: Bools, drawn: Floats, factors: Factors) -> Floats:
        """Returns codes after a perturbation each.

        Args:
            m: Whose arrays these are.
            codes: Where to start from.
            is_second: Whether the second factor was drawn, or the upper neighbour.
            drawn: Draws from the prior.
            factors: As in `Dimension.perturb`.
        """

    @abstractmethod
    def plain(self, m: Math, codes: Floats) -> Plain:
        """Returns the values as numbers, in 64 bits; for columns that have a kind."""


_LARGEST = 2**31 - 1


def column_of(dimension: Dimension) -> Column | None:
    """Returns a dimension as a column; None for one that is in force under conditions only, or of another kind."""
    if dimension.conditions:
        return None
    if type(dimension) in _TIMES:
        assert isinstance(dimension, Continuous)
        return _Real(dimension)
    if isinstance(dimension, Integral):
        return _Whole(dimension)
    if isinstance(dimension, Choice):
        return _Unordered(dimension)
    if isinstance(dimension, Ordinal):
        return _Ordered(dimension)
    return _Fixed(dimension) if isinstance(dimension, Constant) else None


@final
@dataclass(frozen=True)
class _Real(Column):
    dimension: Continuous

    @property
    def kind(self) -> type[float]:
        return float

    def code(self, value: Value) -> float | None:
        return value if type(value) is float else None

    def value(self, code: float) -> float:
        return code

    def drawn(self, longs: npt.NDArray[np.uint64]) -> Floats:
        # One by one: numpy's logarithm is not the mathematical library's to the last bit.
        places = doubles_of(longs)
        return np.array([self.dimension.from_unit(p) for p in places.ravel().tolist()]).reshape(places.shape)

    def perturbed(self, m: Math, codes: Floats, is_second: Bools, drawn: Floats, factors: Factors) -> Floats:
        low, high = self.dimension.low, self.dimension.high
        first, second = self.dimension.factors or factors
        moved = _TIMES[type(self.dimension)](m, self.dimension, codes, m.where(is_second, second, first))
        return _within(m, moved, low, high)

    def plain(self, m: Math, codes: Floats) -> Plain:
        return codes


@final
@dataclass(frozen=True)
class _Whole(Column):
    dimension: Integral

    @property
    def kind(self) -> type[float] | type[int] | type[bool] | None:
        return _kind_of([self.dimension.low, self.dimension.high])

    def code(self, value: Value) -> float | None:
        return float(value) if type(value) is int else None

    def value(self, code: float) -> int:
        return int(code)

    def drawn(self, longs: npt.NDArray[np.uint64]) -> Floats:
        places = doubles_of(longs)
        return np.array([float(self.dimension.from_unit(p)) for p in places.ravel().tolist()]).reshape(places.shape)

    def perturbed(self, m: Math, codes: Floats, is_second: Bools, drawn: Floats, factors: Factors) -> Floats:
        low, high = self.dimension.low, self.dimension.high
        first, second = self.dimension.factors or factors
        up = m.where(is_second, math.copysign(1.0, second - 1), math.copysign(1.0, first - 1))
        moved = codes * m.where(is_second, second, first)
        away = m.where(codes > 0, codes + up, codes - up)
        left = up * max(1, round(SHARE_LEAVING_ZERO * (high - low)))
        moved = m.where(codes == 0, left, m.where(m.round(moved) != codes, moved, away))
        rounded: Floats = m.round(_within(m, moved, float(low), float(high)))
        return rounded

    def plain(self, m: Math, codes: Floats) -> Plain:
        return codes


@dataclass(frozen=True)
class _Places(Column):
    dimension: Listed

    @property
    def kind(self) -> type[float] | type[int] | type[bool] | None:
        return _kind_of(self.dimension.values)

    def code(self, value: Value) -> float | None:
        known = enumerate(self.dimension.values)
        return next((float(i) for i, held in known if type(held) is type(value) and held == value), None)

    def value(self, code: float) -> Value:
        return self.dimension.values[int(code)]

    def drawn(self, longs: npt.NDArray[np.uint64]) -> Floats:
        drawn, is_rejected = bounded(longs, len(self.dimension.values))
        return np.where(is_rejected, np.nan, drawn)

    def plain(self, m: Math, codes: Floats) -> Plain:
        values: Plain = m.asarray(np.array(self.dimension.values))[codes.astype(np.int32)]
        return values


@final
@dataclass(frozen=True)
class _Unordered(_Places):
    redraws: ClassVar[bool] = True

    def perturbed(self, m: Math, codes: Floats, is_second: Bools, drawn: Floats, factors: Factors) -> Floats:
        return drawn


@final
@dataclass(frozen=True)
class _Ordered(_Places):
    def perturbed(self, m: Math, codes: Floats, is_second: Bools, drawn: Floats, factors: Factors) -> Floats:
        return _within(m, codes + m.where(is_second, 1.0, -1.0), 0.0, float(len(self.dimension.values) - 1))


@final
@dataclass(frozen=True)
class _Fixed(Column):
    dimension: Constant
    is_fixed: ClassVar[bool] = True

    @property
    def kind(self) -> type[float] | type[int] | type[bool] | None:
        return _kind_of([self.dimension.value])

    def code(self, value: Value) -> float | None:
        held = self.dimension.value
        return 0.0 if type(value) is type(held) and value == held else None

    def value(self, code: float) -> Value:
        return self.dimension.value

    def drawn(self, longs: npt.NDArray[np.uint64]) -> Floats:
        return np.zeros(longs.shape)

    def perturbed(self, m: Math, codes: Floats, is_second: Bools, drawn: Floats, factors: Factors) -> Floats:
        return codes

    def plain(self, m: Math, codes: Floats) -> Plain:
        values: Plain = m.full(codes.shape, self.dimension.value)
        return values


def _kind_of(values: Sequence[Value]) -> type[float] | type[int] | type[bool] | None:
    kinds = {type(value) for value in values}
    if any(isinstance(value, int) and abs(value) > _LARGEST for value in values):
        return None
    return next((kind for kind in (float, int, bool) if kinds == {kind}), None)


def _within(m: Math, codes: Floats, low: float, high: float) -> Floats:
    """Returns codes within bounds; not by minimum and maximum, which may give a zero another sign than Python does."""
    raised = m.where(codes < low, low, codes)
    within: Floats = m.where(raised > high, high, raised)
    return within


def _uniform(m: Math, dimension: Continuous, codes: Floats, factors: Floats) -> Floats:
    moved = codes * factors
    step = SHARE_LEAVING_ZERO * (dimension.high - dimension.low)
    left: Floats = m.where(moved != codes, moved, codes + m.where(factors > 1, step, -step))
    return left


def _log_uniform(m: Math, dimension: Continuous, codes: Floats, factors: Floats) -> Floats:
    return codes * factors


def _complement(m: Math, dimension: Continuous, codes: Floats, factors: Floats) -> Floats:
    # A device may fuse a product and a difference and round once instead of twice. The detour by mantissa and exponent
    # changes no bit, and ends in a product that is exact however it is rounded.
    distances: Floats = m.ldexp(*m.frexp((1 - codes) * factors))
    return 1 - distances


_TIMES: Mapping[type, Callable[[Math, Continuous, Floats, Floats], Floats]] = {
    Uniform: _uniform,
    LogUniform: _log_uniform,
    Complement: _complement,
}
"""What each kind's `_times` does, for arrays."""
