"""Optuna's distributions (optuna.distributions), read by their public attributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, cast

from populace.space._adapt_grid import grid, integer_range, real_range
from populace.space._dimension import Dimension
from populace.space._discrete import Choice
from populace.space._value import Value


class _Float(Protocol):
    low: float
    high: float
    log: bool
    step: float | None


class _Int(Protocol):
    low: int
    high: int
    log: bool
    step: int


class _Categorical(Protocol):
    choices: Sequence[Value]


def _read_float(entry: object) -> Dimension:
    known = cast(_Float, entry)
    if known.step is not None:
        return grid(known.low, known.high, known.step, log=known.log)
    return real_range(known.low, known.high, log=known.log)


def _read_int(entry: object) -> Dimension:
    known = cast(_Int, entry)
    if known.step != 1:
        return grid(known.low, known.high, known.step, log=known.log)
    return integer_range(known.low, known.high, log=known.log)


def _read_categorical(entry: object) -> Dimension:
    return Choice(cast(_Categorical, entry).choices)


READERS: Mapping[str, Callable[[object], Dimension]] = {
    "FloatDistribution": _read_float,
    "IntDistribution": _read_int,
    "CategoricalDistribution": _read_categorical,
}
"""Class name -> reader."""
