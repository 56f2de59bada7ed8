"""Time, passed in: leases run on the host's monotonic clock, wall time is for display."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path
from typing import Protocol, final


class Clock(Protocol):
    """A source of time for everybody on one host."""

    def now(self) -> float:
        """Returns seconds on a clock that never jumps and that all processes of the host share."""

    def wall(self) -> float:
        """Returns seconds since 1970."""

    def boot(self) -> str:
        """Returns the name of the period in which `now` is comparable: it changes when the host restarts."""


@final
class HostClock:
    """The host's own clocks."""

    def now(self) -> float:
        return time.monotonic()

    def wall(self) -> float:
        return time.time()

    def boot(self) -> str:
        return _boot_id()


@cache
def _boot_id() -> str:
    path = Path("/proc/sys/kernel/random/boot_id")
    # Elsewhere a constant serves: who resumes a run frees all leases, while the moment of the boot, computed from wall
    # time, would differ between two processes of one boot.
    return path.read_text().strip() if path.exists() else "unknown"
