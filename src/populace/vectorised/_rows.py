"""The states of all members: by member, rows of a block."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, final

from populace.core import SegmentId, Shrink
from populace.space import Hyperparameters
from populace.vectorised._block import Block
from populace.vectorised._layout import Turn


@final
class Rows:
    """The members' states, by member.

    Args:
        block: Their rows.
        members: The members, in the order of the rows.
        first_state: Makes a member's state at the beginning of a segment without parent, from its hyperparameters.
        shrunk: Makes a state of an old and a fresh one.
    """

    def __init__(
        self,
        block: Block,
        members: Sequence[int],
        first_state: Callable[[SegmentId, Hyperparameters], Any],
        shrunk: Callable[[Any, Any, Shrink], Any],
    ) -> None:
        self.block = block
        """Their rows."""
        self._first_state = first_state
        self._shrunk = shrunk
        self._row = {member: row for row, member in enumerate(members)}

    def train(
        self, turns: Sequence[Turn], plan: tuple[int, ...], chunk: int
    ) -> list[tuple[list[int | None], dict[str, Any]]]:
        """Trains members; returns what `Block.train` does."""
        return self.block.train({self._row[turn.member]: turn for turn in turns}, plan, chunk)

    def move(self, sources: Mapping[int, int]) -> None:
        """Makes members' states copies of others: by member to be overwritten, the one that it becomes a copy of.

        As few go from one device to another as can: of members whose sources are on each other's device, two change
        places instead.
        """
        self._change_places(sources)
        self.block.move({self._row[to]: self._row[source] for to, source in sources.items()})

    def _change_places(self, sources: Mapping[int, int]) -> None:
        """Has members that are to be overwritten, and are nobody's source, change places to be nearer to their own."""
        read = set(sources.values())
        away: dict[tuple[int, int], list[int]] = defaultdict(list)
        for member, source in sources.items():
            here, there = self.block.device_of(self._row[member]), self.block.device_of(self._row[source])
            if here == there or member in read:
                continue
            if away[there, here]:
                other = away[there, here].pop()
                self._row[member], self._row[other] = self._row[other], self._row[member]
            else:
                away[here, there].append(member)

    def put(self, member: int, state: Any) -> None:
        """Gives a member a state."""
        self.block.put(self._row[member], state)

    def begin_anew(self, id: SegmentId, hyperparameters: Hyperparameters) -> None:
        """Gives a member a first state, that of the segment that begins with it."""
        self.put(id.member, self._first_state(id, hyperparameters))

    def shrink(self, id: SegmentId, hyperparameters: Hyperparameters, shrink: Shrink) -> None:
        """Shrinks and perturbs a member's state before the segment that begins with it."""
        fresh = self._first_state(id, hyperparameters)
        self.put(id.member, self._shrunk(self.take(id.member), fresh, shrink))

    def take(self, member: int) -> Any:
        """Returns a copy of a member's state."""
        return self.block.take(self._row[member])

    def copied(self) -> dict[int, Callable[[], Any]]:
        """Returns what gives each member's state as it is now."""
        frozen = self.block.copied()
        return {member: partial(frozen.take, row) for member, row in self._row.items()}
