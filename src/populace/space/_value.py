"""Values of hyperparameters: the plain Python types that survive JSON, a database and a change of process unchanged."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np

from populace._errors import SpaceError

Value: TypeAlias = bool | int | float | str | None
"""One hyperparameter's value."""

Hyperparameters: TypeAlias = Mapping[str, Value]
"""An assignment: one value for every name of a space."""


def plain(value: object) -> Value:
    """Returns `value` as a plain Python value; a numpy scalar becomes the Python number it holds.

    Raises:
        SpaceError: `value` is of another type, or a float that is NaN or infinite.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        raise SpaceError(f"a hyperparameter must be finite, but got {value!r}: give a finite number")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise SpaceError(
        f"a hyperparameter must be a bool, int, float, str or None, but got {value!r} of type "
        f"{type(value).__name__}: give it a name or a number here and look the object up in your own code"
    )


def same(one: Value, other: Value) -> bool:
    """Returns whether two values are one value: 1 and 1.0 are, 1 and True are not (Python says they are equal)."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def as_number(value: object) -> int | float | None:
    """Returns `value` as a finite Python number, or None when it is anything else; a bool is no number."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    # Also no infinity, no NaN and no integer too large for a float.
    return value if abs(value) <= sys.float_info.max else None


def show(value: object) -> str:
    """Returns `value` as a reader would type it: whole floats without `.0`."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return repr(value)
