"""Ray Tune's domains (ray.tune.search.sample), read by their public attributes.

A domain carries a sampler, which says how its range is drawn; no sampler means evenly. `tune.randint` and
`tune.lograndint` exclude their upper bound, the quantized ones include it, as Ray documents.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, cast

from populace._errors import SpaceError
from populace.space._adapt_grid import grid, integer_range, real_range
from populace.space._dimension import Dimension
from populace.space._discrete import Choice
from populace.space._value import Value


class _Range(Protocol):
    lower: float
    upper: float
    sampler: object


class _Categorical(Protocol):
    categories: Sequence[Value]
    sampler: object


class _Quantized(Protocol):
    sampler: object
    q: float


def _read_float(entry: object) -> Dimension:
    known = cast(_Range, entry)
    log, step = _read_sampler(known.sampler)
    if step is not None:
        return _quantized(known, step, log=log)
    return real_range(known.lower, known.upper, log=log)


def _read_integer(entry: object) -> Dimension:
    known = cast(_Range, entry)
    log, step = _read_sampler(known.sampler)
    if step is None:
        return integer_range(int(known.lower), int(known.upper) - 1, log=log)
    if step == 1:
        return integer_range(int(known.lower), int(known.upper), log=log)
    return _quantized(known, step, log=log)


def _read_categorical(entry: object) -> Dimension:
    known = cast(_Categorical, entry)
    _read_sampler(known.sampler)
    return Choice(known.categories)


def _refuse_function(entry: object) -> Dimension:
    raise SpaceError(
        f"tune.sample_from cannot be read, but got {entry!r}: a function has no bounds to perturb within, name a range"
    )


def _quantized(known: _Range, step: float, *, log: bool) -> Dimension:
    # Ray brings the bounds to whole multiples of q inside the range before it draws.
    low, high = math.ceil(known.lower / step - 1e-9) * step, math.floor(known.upper / step + 1e-9) * step
    return grid(low, high, step, log=log)


def _read_sampler(sampler: object) -> tuple[bool, float | None]:
    """Returns (on a log scale, step or None)."""
    kind = type(sampler).__name__
    if kind == "Quantized":
        quantized = cast(_Quantized, sampler)
        return _read_sampler(quantized.sampler)[0], quantized.q
    if sampler is not None and kind not in ("_Uniform", "_LogUniform"):
        raise SpaceError(
            f"a Ray Tune domain must be drawn uniformly or log-uniformly, but got the sampler {kind}: "
            "use tune.uniform, tune.loguniform, tune.randint or tune.choice"
        )
    return kind == "_LogUniform", None


READERS: Mapping[str, Callable[[object], Dimension]] = {
    "Float": _read_float,
    "Integer": _read_integer,
    "Categorical": _read_categorical,
    "Function": _refuse_function,
}
"""Class name -> reader."""
