"""What dimensions of real and of whole numbers share: bounds, an axis they stand on, and moves along it."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np

from populace._errors import SpaceError
from populace.space._dimension import Dimension
from populace.space._factors import Factors, check_factors
from populace.space._value import Value, as_number, show

N = TypeVar("N", int, float)

SHARE_LEAVING_ZERO = 0.1


@dataclass(frozen=True, repr=False)
class Range(Dimension, Generic[N]):
    """Numbers from `low` to `high` on some axis.

    Attributes:
        low: The smallest value.
        high: The largest value.
        factors: What perturbing multiplies by, here only; None: what the policy says.
    """

    low: N
    high: N
    factors: Factors | None = field(default=None, kw_only=True)

    @abstractmethod
    def _bounds(self, low: float | None, high: float | None) -> tuple[N, N]:
        """Returns the bounds in their type, None where one is no finite number, or raises SpaceError."""

    @abstractmethod
    def _check_bounds(self) -> None:
        """Raises SpaceError when the bounds do not suit the axis."""

    @abstractmethod
    def _to_axis(self, value: float) -> float:
        """Returns where `value` stands on the axis; rises with `value`."""

    @abstractmethod
    def _from_axis(self, position: float) -> float:
        """Returns the real number at `position` of the axis."""

    @abstractmethod
    def _moved(self, value: N, move: float) -> float:
        """Returns the real number where `value` goes, perhaps beyond the bounds."""

    @abstractmethod
    def _within(self, value: float) -> N:
        """Returns the possible value nearest to a number."""

    @abstractmethod
    def from_unit(self, place: float) -> N: ...

    def _settle(self) -> None:
        low, high = self._bounds(as_number(self.low), as_number(self.high))
        _check_order(low, high)
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)
        if self.factors is not None:
            object.__setattr__(self, "factors", check_factors(self.factors))
        self._check_bounds()

    def _arguments(self) -> dict[str, object]:
        options = {} if self.factors is None else {"factors": list(self.factors)}
        return {"low": self.low, "high": self.high, **options}

    def sample(self, generator: np.random.Generator) -> N:
        return self.from_unit(float(generator.random()))

    def clip(self, value: Value) -> N:
        if isinstance(value, (str, bool)) or value is None or value != value:
            raise SpaceError(f"only a number can be clipped to {self!r}, but got {value!r}: draw a new value instead")
        return self._within(value)


def _check_order(low: float, high: float) -> None:
    if low == high:
        raise SpaceError(
            f"`low < high` must hold, but got (low={show(low)}, high={show(high)}): use Constant({show(low)})"
        )
    if not low < high:
        raise SpaceError(f"`low < high` must hold, but got (low={show(low)}, high={show(high)}): swap them")
