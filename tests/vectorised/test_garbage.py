"""Laws of setting aside: the collector leaves alone what was there, within and nowhere else."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from populace.vectorised._garbage import set_aside


class _Knot:
    """Something that only the collector frees."""

    def __init__(self) -> None:
        self.own = self


@pytest.fixture(autouse=True)
def _nothing_is_set_aside() -> Iterator[None]:
    gc.unfreeze()
    yield
    gc.unfreeze()


def test_what_was_there_is_not_looked_at_within_and_is_afterwards() -> None:
    """To look through all that JAX holds takes a tenth of a second, while the device waits."""
    there = weakref.ref(_Knot())
    with set_aside():
        gc.collect()
        assert there() is not None
    gc.collect()
    assert there() is None


def test_what_is_made_within_is_collected_within() -> None:
    """A long run must not fill the memory."""
    with set_aside():
        made = weakref.ref(_Knot())
        gc.collect()
        assert made() is None


def test_afterwards_nothing_is_set_aside_even_where_it_failed() -> None:
    """The user's program goes on, with a collector that works."""
    with pytest.raises(ValueError, match="it fails"), set_aside():
        raise ValueError("it fails")
    assert gc.get_freeze_count() == 0


def test_what_the_program_set_aside_itself_stays_so_and_nothing_else_is() -> None:
    """Only all can be taken back, so a program that uses this itself keeps what it asked for."""
    kept = weakref.ref(_Knot())
    gc.freeze()
    made = weakref.ref(_Knot())
    with set_aside():
        gc.collect()
        assert made() is None
    gc.collect()
    assert kept() is not None
