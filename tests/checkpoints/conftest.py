"""Equality as strict as a checkpoint must keep it."""

from __future__ import annotations

import struct
from collections import OrderedDict

import numpy as np
import pytest


def _bits(value: complex) -> bytes:
    return struct.pack("<dd", value.real, value.imag)


def _same(one: object, other: object) -> bool:
    if type(one) is not type(other):
        return False
    match one:
        case np.ndarray() | np.generic():
            return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
        case float() | complex():
            return _bits(one) == _bits(other)
        case dict():
            return (
                len(one) == len(other)
                and all(map(_same, one, other))
                and all(map(_same, one.values(), other.values()))
                and (not isinstance(one, OrderedDict) or _same(vars(one), vars(other)))
            )
        case list() | tuple():
            return len(one) == len(other) and all(map(_same, one, other))
        case set() | frozenset():
            return len(one) == len(other) and all(map(_same, sorted(one, key=repr), sorted(other, key=repr)))
        case _:
            return one == other


@pytest.fixture(scope="session")
def same():
    """Returns whether two states are of equal types, orders and bits throughout."""
    return _same
