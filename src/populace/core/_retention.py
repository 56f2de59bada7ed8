"""Retention: which checkpoints are kept. Everything that a decision, a worker or the user may still need; no more.

Kept are: each member's base (its newest ended segment; where that failed, the one it would go on from), the best
segment so far, the parents of running segments (a worker may be loading them), and what the user asked for. So disk
in use stays near population x size + best.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from populace.core._score import Failed
from populace.core._segment import Segment, SegmentId


def base_of(newest: Segment) -> SegmentId | None:
    """Returns the segment whose checkpoint a member goes on from where it copies nobody; None: from nothing."""
    if newest.parent_damaged:
        return newest.fallback
    return newest.parent if isinstance(newest.outcome, Failed) else newest.id


def last_good(
    base: SegmentId | None, find: Callable[[SegmentId], Segment | None], *, lost: SegmentId | None = None
) -> SegmentId | None:
    """Returns the nearest segment, from a base up its ancestry, that has a finite score and a kept checkpoint.

    Args:
        base: Where to begin; that counts too.
        find: Gives a segment as it stands.
        lost: A segment whose checkpoint has just been found damaged.
    """
    while base is not None:
        segment = find(base)
        if segment is None:
            return None
        if segment.can_donate and base != lost:
            return base
        base = segment.parent
    return None


def kept(
    *,
    newest: Iterable[Segment],
    best: SegmentId | None,
    running: Iterable[Segment],
    asked: Collection[SegmentId] = (),
) -> set[SegmentId]:
    """Returns the segments whose checkpoints are kept.

    Args:
        newest: Each member's newest ended segment.
        best: The best segment so far.
        running: Segments that train now.
        asked: Segments the user asked to keep.
    """
    bases = {base for segment in newest if (base := base_of(segment)) is not None}
    pinned = {segment.parent for segment in running if segment.parent is not None}
    return bases | pinned | set(asked) | ({best} if best is not None else set())
