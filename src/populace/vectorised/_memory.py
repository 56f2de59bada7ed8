"""Freed memory goes back to the system: the C library would keep blocks of the size of a model's state for later."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

_WORTH_BYTES = 2**25


def give_back(num_bytes: int) -> None:
    """Gives freed memory back, where the C library can (glibc, `malloc_trim`) and it is worth the time.

    Args:
        num_bytes: How much has been freed, or a little more.
    """
    if num_bytes >= _WORTH_BYTES:
        _trim()(0)


@cache
def _trim() -> Callable[[int], Any]:
    try:
        trim: Callable[[int], Any] = ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library; on Windows there is none to look in
        return lambda pad: None
    return trim
