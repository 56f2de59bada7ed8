"""The rules that every store follows, pure: who is claimed first, when a worker hands over, when a run is hopeless."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True, kw_only=True)
class Standing:
    """A member as far as claiming is concerned."""

    member: int
    """Its id."""
    generation: int
    """Segments it has ended."""
    failures: int
    """Failures in a row."""
    free: bool
    """Whether nobody holds a valid lease on it."""


def claimable(standings: Iterable[Standing], *, synchronous: bool) -> list[Standing]:
    """Returns the free ones among the members that still have to train.

    In synchronous mode a generation begins when every member has ended the one before.
    """
    unfinished = list(standings)
    barrier = min((s.generation for s in unfinished), default=0)
    return [s for s in unfinished if s.free and (not synchronous or s.generation == barrier)]


def first(candidates: Sequence[Standing], *, prefer: int | None) -> Standing | None:
    """Returns the least advanced candidate: of the lowest generation, and there of the fewest failures.

    A segment that was given up counts as well, so a member that keeps failing holds nobody up for more than its
    allowed failures; and a member that waits for others to end their first segment never comes before them.
    """
    if not candidates:
        return None
    least = min(map(_advance, candidates))
    equals = [s for s in candidates if _advance(s) == least]
    return next((s for s in equals if s.member == prefer), equals[0])


def hands_over(holder: Standing, candidates: Sequence[Standing]) -> bool:
    """Whether a worker gives up its member for another: one waits that is less advanced."""
    return any(_advance(s) < _advance(holder) for s in candidates if s.member != holder.member)


def storable(text: str) -> str:
    """Returns a text that every database takes: what is no Unicode (a file name in a traceback) is escaped."""
    return text.encode("utf-8", "backslashreplace").decode()


def _advance(standing: Standing) -> tuple[int, int]:
    return standing.generation, standing.failures
