"""Making many values quickly."""

from __future__ import annotations

from typing import Any, TypeVar

T = TypeVar("T")


def quickly(kind: type[T], **fields: Any) -> T:
    """Returns a value of a frozen dataclass that checks nothing at its making, given all its fields.

    Some thousand of these are made per second while the device waits, and the guarded assignments of a frozen dataclass
    would take most of the time.
    """
    made = object.__new__(kind)
    vars(made).update(fields)
    return made
