"""Outages as the user hears of them: one line when the run pauses, one when it goes on, however many workers wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import final

from populace.store import HostClock, has_room
from populace.worker import Patience, Record

_NO_LATE_NEWS_S = 2.0


@final
class Outages:
    """Gathers who waits for space on the disk.

    Args:
        directory: The run's folder.
        say: Called with what to tell the user, in a line.
    """

    def __init__(self, directory: Path, say: Callable[[str], None]) -> None:
        self._directory = directory
        self._say = say
        self._waiting: dict[str, float] = {}  # since when
        self._told = False

    @property
    def lasting(self) -> bool:
        """Whether anybody waits."""
        return bool(self._waiting)

    def patience(self, who: str, *, lease_s: float, stopping: Callable[[], bool]) -> Patience:
        """Returns the patience of somebody in this process.

        Args:
            who: Who waits, by a name of its own.
            lease_s: Seconds that a claim of the run lasts.
            stopping: Whether to give the run up rather than to wait.
        """
        clock = HostClock()
        return Patience(
            record=Record(
                now=clock.now, lease_s=lease_s, has_room=lambda: has_room(self._directory), since=clock.now()
            ),
            pause=time.sleep,
            paused=lambda: self.begin(who),
            resumed=lambda: self.end(who),
            stopping=stopping,
        )

    def begin(self, who: str) -> None:
        """Notes that somebody in this process begins to wait."""
        self.hear(who)
        self._tell()

    def hear(self, who: str) -> None:
        """Notes that a worker elsewhere has begun to wait: news that may come when there is space again."""
        self._waiting.setdefault(who, time.monotonic())

    def end(self, who: str) -> None:
        """Notes that it waits no more, or is no more."""
        self._waiting.pop(who, None)

    def look(self) -> None:
        """Says that the run pauses, or that it goes on if nobody waits and there is space; to be called now and then.

        A checkpoint that goes may let one worker through on a disk that is as good as full: that ends no outage.
        """
        if self._told:
            if not self._waiting and has_room(self._directory):
                self._told = False
                self._say("there is space again: the run goes on")
        elif self._waiting:
            # Where a small file has room, a worker tries again within a second; its checkpoint may still have none.
            waited_s = time.monotonic() - min(self._waiting.values())
            if waited_s > _NO_LATE_NEWS_S or not has_room(self._directory):
                self._tell()

    def _tell(self) -> None:
        if not self._told:
            self._told = True
            self._say(f"disk full: the run pauses until space returns in {self._directory}; what was published is safe")
