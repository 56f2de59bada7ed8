"""Where members stand, in a few numbers: what most decisions look at of most members.

With many workers, each reads at every ready point what all the others have ended since its last look. Of nearly all of
them it needs the rank alone; what they trained with is read of the one that it copies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, final, overload

from populace.core._segment import Segment, SegmentId


class Stand(NamedTuple):
    """A member's newest ended segment, in short."""

    member: int
    """The member, 0..N-1."""
    generation: int
    """The segment's generation."""
    score: float | None
    """Its score; None where it has no finite one."""
    can_donate: bool
    """Whether it can be copied."""


@final
class Latest(Sequence[Segment | None]):
    """Each member's newest ended segment, read when it is first looked at.

    It is a value all the same, as long as `read` is a function of its argument: what has ended does not change.

    Args:
        generations: By member, the generation of its newest ended segment; None where none has ended.
        read: Returns an ended segment as decisions saw it at the snapshot's time.
        known: Segments that need not be read.
    """

    def __init__(
        self,
        generations: Sequence[int | None],
        read: Callable[[SegmentId], Segment],
        known: Mapping[SegmentId, Segment],
    ) -> None:
        self._generations = tuple(generations)
        self._read = read
        self._known = dict(known)

    @overload
    def __getitem__(self, index: int) -> Segment | None: ...
    @overload
    def __getitem__(self, index: slice[int | None, int | None, int | None]) -> tuple[Segment | None, ...]: ...
    def __getitem__(
        self, index: int | slice[int | None, int | None, int | None]
    ) -> Segment | tuple[Segment | None, ...] | None:
        members = range(len(self._generations))
        return self._of(members[index]) if isinstance(index, int) else tuple(map(self._of, members[index]))

    def __iter__(self) -> Iterator[Segment | None]:
        return map(self._of, range(len(self._generations)))

    def __len__(self) -> int:
        return len(self._generations)

    @property
    def generations(self) -> tuple[int | None, ...]:
        """By member, the generation of its newest ended segment; None where none has ended."""
        return self._generations

    def _of(self, member: int) -> Segment | None:
        generation = self._generations[member]
        if generation is None:
            return None
        id = SegmentId(member, generation)
        if id not in self._known:
            self._known[id] = self._read(id)
        return self._known[id]
