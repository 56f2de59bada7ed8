"""The states of all members: blocks of rows on one or several devices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar, final

from populace.core import SegmentId, Shrink
from populace.space import Hyperparameters
from populace.vectorised._block import Block, Turn

T = TypeVar("T")


def batched(items: Sequence[T], size: int) -> list[Sequence[T]]:
    """Returns items in parts of at most this size."""
    return [items[i : i + size] for i in range(0, len(items), size)]


@final
class Rows:
    """The members' states, by member.

    Args:
        blocks: One for each device.
        members: The members in each block, in the order of its rows.
        first_state: Makes a member's state at the beginning of a segment without parent, from its hyperparameters.
        shrunk: Makes a state of an old and a fresh one.
    """

    def __init__(
        self,
        blocks: Sequence[Block],
        members: Sequence[Sequence[int]],
        first_state: Callable[[SegmentId, Hyperparameters], Any],
        shrunk: Callable[[Any, Any, Shrink], Any],
    ) -> None:
        self._blocks = blocks
        self._first_state = first_state
        self._shrunk = shrunk
        self._place = {m: (b, row) for b, held in enumerate(members) for row, m in enumerate(held)}

    def train(self, turns: Sequence[Turn], plan: tuple[int, ...], chunk: int) -> list[tuple[list[int], dict[str, Any]]]:
        """Trains members; returns members and their metrics with axes N, C, E, shape by shape."""
        by_block: dict[int, dict[int, Turn]] = defaultdict(dict)
        for turn in turns:
            block, row = self._place[turn.member]
            by_block[block][row] = turn
        ready = [self._blocks[b].ready(group, plan, chunk) for b, group in by_block.items()]
        return [start() for starts in ready for start in starts]

    def prepare(self) -> None:
        """Makes the programs that will copy states, so that nothing is compiled in the midst of a run."""
        for block in self._blocks:
            block.prepare()

    @property
    def num_bytes(self) -> int:
        """How large they are."""
        return sum(block.num_bytes for block in self._blocks)

    @property
    def only(self) -> Block | None:
        """The block that holds everybody, where there is one."""
        return self._blocks[0] if len(self._blocks) == 1 else None

    def move(self, sources: Mapping[int, int]) -> None:
        """Makes members' states copies of others: by member to be overwritten, the one that it becomes a copy of.

        What goes from one device to another is read before anything is overwritten. As little goes as can: of members
        whose sources are on each other's device, two change places instead.
        """
        self._change_places(sources)
        within: dict[int, dict[int, int]] = defaultdict(dict)
        across: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
        for to, source in sources.items():
            (block, row), (other, from_row) = self._place[to], self._place[source]
            if block == other:
                within[block][row] = from_row
            else:
                across[block, other].append((row, from_row))
        taken = []
        for (block, other), pairs in across.items():
            for part in batched(pairs, self._blocks[other].num_together):
                taken.append((block, [row for row, _ in part], self._blocks[other].take_many([r for _, r in part])))
        for block, rows in within.items():
            self._blocks[block].move(rows)
        for block, into, states in taken:
            self._blocks[block].put_many(into, states)

    def _change_places(self, sources: Mapping[int, int]) -> None:
        """Has members that are to be overwritten, and are nobody's source, change places to be nearer to their own."""
        read = set(sources.values())
        away: dict[tuple[int, int], list[int]] = defaultdict(list)
        for member, source in sources.items():
            here, there = self._place[member][0], self._place[source][0]
            if here == there or member in read:
                continue
            if away[there, here]:
                other = away[there, here].pop()
                self._place[member], self._place[other] = self._place[other], self._place[member]
            else:
                away[here, there].append(member)

    def put(self, member: int, state: Any) -> None:
        """Gives a member a state."""
        block, row = self._place[member]
        self._blocks[block].put(row, state)

    def begin_anew(self, id: SegmentId, hyperparameters: Hyperparameters) -> None:
        """Gives a member a first state, that of the segment that begins with it."""
        self.put(id.member, self._first_state(id, hyperparameters))

    def shrink(self, id: SegmentId, hyperparameters: Hyperparameters, shrink: Shrink) -> None:
        """Shrinks and perturbs a member's state before the segment that begins with it."""
        fresh = self._first_state(id, hyperparameters)
        self.put(id.member, self._shrunk(self.take(id.member), fresh, shrink))

    def take(self, member: int) -> Any:
        """Returns a copy of a member's state."""
        block, row = self._place[member]
        return self._blocks[block].take(row)

    def copied(self) -> dict[int, Callable[[], Any]]:
        """Returns what gives each member's state as it is now."""
        frozen = [block.copied() for block in self._blocks]
        return {member: partial(frozen[b].take, row) for member, (b, row) in self._place.items()}
