"""Waiting on a full disk: what it refused is done again until it goes through.

A call that raised `DiskFull` has written nothing, so it can be made again.
The run then goes on as if the call had only taken long.

One thing did change meanwhile: nobody could renew a lease, so leases of healthy workers have run out.
The first claim after the outage would count a failure for each.
So every process keeps a `Record` of when it could write. One that knows of an outage, or for a while knows nothing,
extends all leases before it claims. Extending too often only delays that a dead worker's member is taken over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, final

from populace._errors import DiskFull, PopulaceError

T = TypeVar("T")
_FIRST_PAUSE_S, _LAST_PAUSE_S, _GROWTH = 0.05, 1.0, 1.5
_LOOK_EVERY_S = 0.1


@final
class Record:
    """What a process knows of whether leases could be renewed; shared by its worker and its heartbeat.

    Args:
        now: Source of time; the clock that leases run on.
        lease_s: Seconds that a claim lasts. A heartbeat comes every quarter of it.
        has_room: Whether the disk takes a small file now.
        since: When the run was last known to be writable.
    """

    def __init__(self, *, now: Callable[[], float], lease_s: float, has_room: Callable[[], bool], since: float) -> None:
        self._now = now
        self._lease_s = lease_s
        self._has_room = has_room
        self._since = since
        self._in_doubt = False

    def written(self) -> None:
        """Notes that something could be written."""
        now = self._now()
        # In a gap as long as this, every heartbeat of somebody else may have failed.
        self._in_doubt |= now - self._since > self._lease_s / 2
        self._since = now

    def refused(self) -> None:
        """Notes that the disk was full."""
        self._in_doubt = True

    def doubts_leases(self) -> bool:
        """Whether leases may have run out because nobody could renew them; asked once for each time it is true."""
        # A worker that finds nobody to claim writes nothing, and would learn nothing.
        if self._now() - self._since > self._lease_s / 4:
            if self._has_room():
                self.written()
            else:
                self.refused()
        # Cleared before anything is done about it: what the heartbeat notes from now on counts again.
        doubted, self._in_doubt = self._in_doubt, False
        return doubted


@final
class Patience:
    """Repeats what a full disk refuses.

    Args:
        record: Told of every outage.
        pause: Waits for some seconds.
        paused: Called when an outage begins to hold this process up.
        resumed: Called when it holds it up no more.
        stopping: Whether to give the run up rather than to wait.
    """

    def __init__(
        self,
        *,
        record: Record,
        pause: Callable[[float], None],
        paused: Callable[[], None],
        resumed: Callable[[], None],
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self.record = record
        self._pause = pause
        self._paused = paused
        self._resumed = resumed
        self._stopping = stopping

    def through(self, act: Callable[[], T]) -> T:
        """Returns what an act returns as soon as there is space for it.

        Raises:
            KeyboardInterrupt: The run is to stop while there is no space.
            PopulaceError: What the act raises other than `DiskFull`.
        """
        try:
            return act()
        except DiskFull:
            self.record.refused()
        self._paused()
        pause_s = _FIRST_PAUSE_S
        while True:
            self._wait(pause_s)
            pause_s = min(pause_s * _GROWTH, _LAST_PAUSE_S)
            try:
                answer = act()
            except DiskFull:
                self.record.refused()
                continue
            except PopulaceError:  # it came as far as to be refused for another reason
                self._resumed()
                raise
            self._resumed()
            return answer

    def _wait(self, seconds: float) -> None:
        """Waits, and looks whether to stop often enough for a user who waits for that."""
        while seconds > 0:
            if self._stopping():
                raise KeyboardInterrupt
            self._pause(min(seconds, _LOOK_EVERY_S))
            seconds -= _LOOK_EVERY_S
