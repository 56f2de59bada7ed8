"""Stores for tests of those who use one: what happens between two of their calls, and what they saw long ago."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, final

from populace.checkpoints import CheckpointStore
from populace.core import Segment, SegmentId, Stand
from populace.store import Changes, Standings, Store


@final
class Between:
    """A store, of a log or of checkpoints, in whose calls something happens first.

    Args:
        store: The store.
        first: By method: called with its positional arguments before it; what it raises, the method raises.
    """

    def __init__(self, store: Store | CheckpointStore, **first: Callable[..., object]) -> None:
        self._store = store
        self._first = first

    def __getattr__(self, name: str) -> Callable[..., Any]:
        act: Callable[..., Any] = getattr(self._store, name)
        first = self._first.get(name)
        if first is None:
            return act

        def call(*arguments: object, **options: object) -> Any:
            first(*arguments)
            return act(*arguments, **options)

        return call


@final
class PastLog:
    """The reading side of a log whose end is known, as it was at a sequence number.

    Args:
        whole: All that it holds in the end: no segment runs, and no checkpoint is damaged.

    Attributes:
        whole: The same.
        now: The sequence number.
        asked: The single segments that were asked for, in order.
    """

    def __init__(self, whole: Mapping[SegmentId, Segment]) -> None:
        self.whole = whole
        self.now = 0
        self.asked: list[SegmentId] = []

    def snapshot(self, after: int = 0) -> Changes:
        """Returns what had ended, as a store does."""
        ended = [s for s in self.whole.values() if s.ended is not None and after < s.ended <= self.now]
        ended.sort(key=lambda s: s.ended or 0)
        if after == 0:
            last = {s.member: s for s in ended}
            ended = [s for s in ended if last[s.member] is s]
        return Changes(sequence=self.now, ended=tuple(ended), damaged=())

    def standings(self, after: int = 0) -> Standings:
        """Returns where members had come to, as a store does."""
        last = {s.member: s for s in self.snapshot(after).ended}
        stands = tuple(Stand(s.member, s.generation, s.score, s.can_donate) for s in last.values())
        return Standings(sequence=self.now, stands=stands)

    def segments(self) -> list[Segment]:
        """Returns all that it holds in the end: a log that others write may be ahead of a snapshot of it."""
        return list(self.whole.values())

    def segment(self, id: SegmentId) -> Segment | None:
        """Returns one segment, if it had ended."""
        self.asked.append(id)
        found = self.whole.get(id)
        return None if found is None or found.ended is None or found.ended > self.now else found
