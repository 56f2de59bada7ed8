"""Lineage: the forest of segments, walked from leaves to roots and back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import final

from populace._errors import UsageError
from populace.core._segment import Segment, SegmentId


@final
class Lineage:
    """Who descends from whom, by weights: an edge leads from a segment to the one whose checkpoint it started from.

    Args:
        segments: Segments of one run.
    """

    def __init__(self, segments: Iterable[Segment]) -> None:
        self._segments: Mapping[SegmentId, Segment] = {s.id: s for s in segments}

    def __getitem__(self, id: SegmentId | str) -> Segment:
        """Returns a segment by id, also written as `m03/12`."""
        key = SegmentId.parse(id) if isinstance(id, str) else id
        if key not in self._segments:
            raise UsageError(f"there is no segment {key}: this run holds {len(self._segments)} segments")
        return self._segments[key]

    def __iter__(self) -> Iterator[Segment]:
        return iter(self._segments.values())

    def __len__(self) -> int:
        return len(self._segments)

    def ancestry(self, id: SegmentId | str) -> list[Segment]:
        """Returns the path from the root to a segment, both included."""
        path = [self[id]]
        while path[-1].parent is not None:
            path.append(self[path[-1].parent])
        return path[::-1]

    def root(self, segment: Segment) -> SegmentId:
        """Returns the first ancestor of a segment."""
        return self._roots[segment.id]

    def children(self, id: SegmentId) -> list[Segment]:
        """Returns the segments that started from this one's checkpoint."""
        return self._children.get(id, [])

    @property
    def exploits(self) -> list[Segment]:
        """The segments begun by an exploit, in the order in which they began."""
        return sorted((s for s in self if s.donor is not None), key=lambda s: s.begun)

    @property
    def survivors(self) -> set[SegmentId]:
        """Roots that still have descendants among the members' newest ended segments."""
        newest: dict[int, Segment] = {}
        for segment in self:
            if segment.ended is not None:
                held = newest.get(segment.member)
                newest[segment.member] = segment if held is None or segment.generation > held.generation else held
        return {self.root(segment) for segment in newest.values()}

    @cached_property
    def _children(self) -> dict[SegmentId, list[Segment]]:
        children: dict[SegmentId, list[Segment]] = defaultdict(list)
        for segment in self:
            if segment.parent is not None:
                children[segment.parent].append(segment)
        return dict(children)

    @cached_property
    def _roots(self) -> dict[SegmentId, SegmentId]:
        roots: dict[SegmentId, SegmentId] = {}
        # A parent began before its child, so one pass in order of begin meets every parent first.
        for segment in sorted(self, key=lambda s: s.begun):
            roots[segment.id] = segment.id if segment.parent is None else roots[segment.parent]
        return roots
