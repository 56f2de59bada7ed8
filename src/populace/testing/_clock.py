"""Time that stands still until a test moves it."""

from __future__ import annotations

from typing import final


@final
class FakeClock:
    """A `Clock` whose readings a test sets.

    Attributes:
        seconds: What `now` returns, in seconds.
        wall_seconds: What `wall` returns, in seconds since 1970.
        boot_name: What `boot` returns.
    """

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.wall_seconds = 1_700_000_000.0
        self.boot_name = "first"

    def now(self) -> float:
        return self.seconds

    def wall(self) -> float:
        return self.wall_seconds

    def boot(self) -> str:
        return self.boot_name

    def advance(self, seconds: float) -> None:
        """Lets time pass, on both clocks."""
        self.seconds += seconds
        self.wall_seconds += seconds

    def restart(self) -> None:
        """Restarts the host: the monotonic clock begins again."""
        self.seconds = 0.0
        self.boot_name += "'"
