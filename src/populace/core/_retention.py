"""Retention: which checkpoints are kept. Everything that a decision, a worker or the user may still need; no more.

Kept are: each member's base (its newest ended segment; where that failed, the one it would go on from), the best
segment so far, the parents of running segments (a worker may be loading them), and what the user asked for. So disk
in use stays near population x size + best.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from populace.core._score import Failed
from populace.core._segment import Segment, SegmentId


def base_of(newest: Segment) -> SegmentId | None:
    """Returns the segment whose checkpoint a member goes on from where it copies nobody."""
    return newest.parent if isinstance(newest.outcome, Failed) else newest.id


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
