"""How many members train in one call: measured, since no rule holds for every model and device.

A chunk as wide as the population keeps a GPU busy; on a processor a narrower one may stay in its caches. The candidates
are tried while the run trains, so no work is lost; one that needs a program of its own is tried only where compiling it
can pay off in the generations that are left. Since the last bits of a result depend on the chunk, a run whose log is to
depend on its seed alone takes a fixed one.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, final

import jax

from populace.vectorised._layout import Turn
from populace.vectorised._rows import Rows

_HOPE = 0.2  # by how much another chunk is expected to be faster, at most
_WORTH = 2.0  # how many times the compiling must be saved


@final
class Chunks:
    """Chooses the chunk.

    Args:
        chunk: The members in one call; None: found by measuring.
        largest: The most members that a device holds.
        generations: How many the run has left.
    """

    def __init__(self, chunk: int | None, largest: int, generations: int) -> None:
        usual = [c for c in (16, largest, 4, 2, 1) if c <= largest] or [largest]
        self._candidates = list(dict.fromkeys(usual)) if chunk is None else [min(chunk, largest)]
        self._times: dict[int, float] = {}
        self._left = generations
        self._compile_s = 0.0
        self._warm: set[object] = set()
        self._settled = len(self._candidates) == 1
        self.chosen = self._candidates[0]
        """The chunk in use."""

    @property
    def is_settled(self) -> bool:
        """Whether it will not change any more."""
        return self._settled

    def train(self, rows: Rows, turns: Sequence[Turn], plan: tuple[int, ...]) -> Any:
        """Trains an interval; returns what `Rows.train` does."""
        self._left -= 1
        if self._settled:
            return rows.train(turns, plan, self.chosen)
        began = time.perf_counter()
        told = rows.train(turns, plan, self.chosen)
        jax.block_until_ready([metrics for _, metrics in told])
        took = time.perf_counter() - began
        if (plan, self.chosen) not in self._warm:
            self._warm.add((plan, self.chosen))
            self._compile_s = max(self._compile_s, took)
        else:
            self._times[self.chosen] = took
            self._next(took)
        return told

    def _next(self, took: float) -> None:
        """Goes on to the next candidate, or settles on the fastest."""
        untried = [c for c in self._candidates if c not in self._times]
        pays = self._left * took * _HOPE > _WORTH * self._compile_s
        slower = len(self._times) > 2 and took > 1.5 * min(self._times.values())  # and narrower ones would be yet
        if untried and pays and not slower:
            self.chosen = untried[0]
        else:
            self.chosen = min(self._times, key=self._times.__getitem__)
            self._settled = True
