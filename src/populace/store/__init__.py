"""The store: a run's log, and the leases by which workers share it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from populace.store._clock import Clock, HostClock
from populace.store._filesystem import FULL, file_system, has_room, refuse_network
from populace.store._lock import RunLock
from populace.store._memory import MemoryStore
from populace.store._protocol import (
    Changes,
    Claim,
    Draft,
    Ending,
    Event,
    EventKind,
    FailureVerdict,
    FellBack,
    Idle,
    Published,
    RunState,
    RunStatus,
    Standings,
    Store,
)

if TYPE_CHECKING:
    from populace.store._sqlite import SqliteStore

__all__ = [
    "FULL",
    "Changes",
    "Claim",
    "Clock",
    "Draft",
    "Ending",
    "Event",
    "EventKind",
    "FailureVerdict",
    "FellBack",
    "HostClock",
    "Idle",
    "MemoryStore",
    "Published",
    "RunLock",
    "RunState",
    "RunStatus",
    "SqliteStore",
    "Standings",
    "Store",
    "file_system",
    "has_room",
    "refuse_network",
]


def __getattr__(name: str) -> object:
    if name == "SqliteStore":  # SQLAlchemy takes a third of a second to import
        from populace.store._sqlite import SqliteStore

        return SqliteStore
    raise AttributeError(name)
