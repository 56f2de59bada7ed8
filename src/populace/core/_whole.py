"""The rules that counts, other numbers, names and options obey."""

from __future__ import annotations

from enum import Enum
from typing import TypeVar

from populace._errors import UsageError

E = TypeVar("E", bound=Enum)
MOST = 10**12  # the sums of a whole population still fit the 64 bits of a database's integers


def check_whole(name: str, value: object, least: int, remedy: str, most: int | None = MOST) -> None:
    """Checks that a setting is a whole number of at least `least` and at most `most`; None is no upper bound.

    Raises:
        UsageError: It is not; `remedy` says what it is for.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise UsageError(f"`{name}` must be a whole number, but got {value!r}: {remedy}")
    if value < least:
        raise UsageError(f"`{name} >= {least}` must hold, but got {name}={value}: {remedy}")
    if most is not None and value > most:
        raise UsageError(f"`{name} <= {most}` must hold, but got {name}={value}: {remedy}")


def is_number(value: object) -> bool:
    """Returns whether a setting is a number that can be compared with its bounds; a bool is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def option_of(kind: type[E], name: str, value: E | str) -> E:
    """Returns the option that a setting names, or is.

    Raises:
        UsageError: There is none.
    """
    try:
        return kind(value)
    except ValueError:
        allowed = ", ".join(repr(option.value) for option in kind)
        raise UsageError(f"`{name}` must be one of {allowed}, but got {value!r}") from None


def check_metric(metric: object) -> None:
    """Checks that a setting is the name of a metric, or None where a single number is reported.

    Raises:
        UsageError: It is neither.
    """
    if metric is not None and (not isinstance(metric, str) or not metric):
        raise UsageError(
            f"`metric` must be the name of a reported metric, but got {metric!r}: leave it out where a single number "
            "is reported"
        )
