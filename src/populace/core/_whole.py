"""The rule that counts obey."""

from __future__ import annotations

from populace._errors import UsageError


def check_whole(name: str, value: object, least: int, remedy: str) -> None:
    """Checks that a setting is a whole number of at least `least`.

    Raises:
        UsageError: It is not; `remedy` says what it is for.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise UsageError(f"`{name}` must be a whole number, but got {value!r}: {remedy}")
    if value < least:
        raise UsageError(f"`{name} >= {least}` must hold, but got {name}={value}: {remedy}")
