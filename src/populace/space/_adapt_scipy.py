"""scipy.stats' frozen distributions, read by their public attributes and methods."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Protocol, cast

from populace._errors import SpaceError
from populace.space._adapt_grid import integer_range, real_range
from populace.space._dimension import Dimension


class _Family(Protocol):
    name: str


class _Frozen(Protocol):
    dist: _Family

    def support(self) -> tuple[float, float]: ...

    def median(self) -> float: ...


def _read_frozen(entry: object) -> Dimension:
    known = cast(_Frozen, entry)
    # `name` is what the family was created with; scipy calls one family by two names.
    family = known.dist.name
    low, high = known.support()
    if family == "uniform":
        return real_range(low, high, log=False)
    if family == "randint":
        return integer_range(int(low), int(high), log=False)
    if family in ("loguniform", "reciprocal"):
        # A `loc` shifts the support away from where it was logarithmic; the median then gives it away.
        if not math.isclose(known.median(), math.sqrt(low) * math.sqrt(max(high, 0)), rel_tol=1e-6):
            raise SpaceError(f"loguniform must have loc=0, but got the support [{low}, {high}]: leave `loc` out")
        return real_range(low, high, log=True)
    raise SpaceError(
        f"a scipy.stats distribution must be uniform, loguniform or randint, but got {family}: use one of them"
    )


READERS: Mapping[str, Callable[[object], Dimension]] = {"rv_frozen": _read_frozen}
"""Class name -> reader."""
