"""Descent: what of a run the final population descends from, and what died out.

Every figure answers the same first question: of all that was tried, what lives on in the population at the end? A
segment lives on if some member's newest segment descends from it. Segments that live on are told apart by their root,
the initial member whose weights they go back to; all others are one grey crowd.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import final

from populace.core import Lineage, Mode, Segment, SegmentId


@final
@dataclass(frozen=True, kw_only=True)
class Chain:
    """Segments that follow one another in one member, each from the checkpoint of the one before: one line to draw."""

    anchor: Segment | None
    """The segment whose checkpoint the first link started from; None for a root."""
    links: tuple[Segment, ...]
    """The segments, at least one."""
    root: SegmentId | None
    """The root they descend from where they live on; None where they died out."""


@final
@dataclass(frozen=True, kw_only=True)
class Descent:
    """A run seen from its end."""

    lineage: Lineage
    """All segments."""
    roots: Mapping[SegmentId, int]
    """Roots that live on, with how many members descend from each; the winner's first, then the largest."""
    living: frozenset[SegmentId]
    """The segments that live on."""
    winner: tuple[Segment, ...]
    """The path from a root to the winning segment; empty where there is none."""
    chains: tuple[Chain, ...]
    """All segments as lines."""

    @classmethod
    def of(cls, segments: Iterable[Segment], winner: SegmentId | str | None) -> Descent:
        """Returns a run seen from its end.

        Args:
            segments: All segments of one run.
            winner: The segment whose path is to stand out; None: no path does.

        Raises:
            UsageError: There is no such segment.
        """
        lineage = Lineage(segments)
        newest: dict[int, Segment] = {}
        for segment in lineage:
            if segment.member not in newest or segment.generation > newest[segment.member].generation:
                newest[segment.member] = segment
        path = () if winner is None else tuple(lineage.ancestry(winner))
        sizes = Counter(lineage.root(segment) for segment in newest.values())
        first = path[0].id if path else None
        living: set[SegmentId] = set()
        for segment in newest.values():
            walker: SegmentId | None = segment.id
            while walker is not None and walker not in living:
                living.add(walker)
                walker = lineage[walker].parent
        return cls(
            lineage=lineage,
            roots={root: sizes[root] for root in sorted(sizes, key=lambda r: (r != first, -sizes[r], r))},
            living=frozenset(living),
            winner=path,
            chains=_chains(lineage, living),
        )

    @property
    def num_members(self) -> int:
        """Number of members."""
        return len({segment.member for segment in self.lineage})


def best_segment(segments: Iterable[Segment], mode: Mode) -> SegmentId | None:
    """Returns the best segment, of equals that of the earliest place; None where no score is finite."""
    finite = [segment for segment in segments if segment.score is not None]
    return max(finite, key=lambda s: s.precedence(mode)).id if finite else None


def _chains(lineage: Lineage, living: set[SegmentId]) -> tuple[Chain, ...]:
    """Returns the segments joined into as few lines as follow one member and one fate."""
    grown: list[list[Segment]] = []
    tails: dict[SegmentId, list[Segment]] = {}
    # A parent began before its child, so a child always finds its parent's line.
    for segment in sorted(lineage, key=lambda s: s.begun):
        line = None
        if segment.parent is not None and segment.parent.member == segment.member:
            same_fate = (segment.parent in living) == (segment.id in living)
            line = tails.pop(segment.parent, None) if same_fate else None
        if line is None:
            line = []
            grown.append(line)
        line.append(segment)
        tails[segment.id] = line
    return tuple(
        Chain(
            anchor=None if line[0].parent is None else lineage[line[0].parent],
            links=tuple(line),
            root=lineage.root(line[0]) if line[0].id in living else None,
        )
        for line in grown
    )
