"""The simulated host's clocks."""

from __future__ import annotations

from typing import final

from populace.testing.simulator._turns import Turns

TICK_S = 0.05
"""Seconds of a tick."""
LEASE_TICKS = 10
"""Ticks that a claim lasts without a sign of life."""


@final
class SimulatedClock:
    """A `Clock` on virtual time, whose wall time jumps and whose host restarts.

    Attributes:
        wall_offset_s: What is wrong with the wall clock.
    """

    def __init__(self, turns: Turns) -> None:
        self.wall_offset_s = 0.0
        self._turns = turns
        self._booted = 0
        self._boots = 0

    def now(self) -> float:
        return (self._turns.now - self._booted) * TICK_S

    def wall(self) -> float:
        return 1e9 + self._turns.now * TICK_S + self.wall_offset_s

    def boot(self) -> str:
        return f"boot {self._boots}"

    def restart(self) -> None:
        """Restarts the host: the monotonic clock begins again."""
        self._boots += 1
        self._booted = self._turns.now
