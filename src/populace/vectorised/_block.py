"""A block: the members of a population as rows of one stacked state, spread over devices.

Members whose hyperparameters have one shape train in one program, a chunk of rows at a time: the rows are gathered,
trained, and written back in place. How many chunks there are is an argument, so that members may move from one shape to
another without a new program. All calls return before the devices are done.

A row that is to become a copy of another is not copied, where this can be helped: it is noted, and when the row trains
next, its chunk reads the other one instead. Rows that read others train first, so nobody reads what has moved on.
A row that is to become a copy of one on another device waits likewise until the next training, which sends and writes
it before anything else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from populace._errors import StateMismatch
from populace.jax import Programs, Shape
from populace.vectorised._copies import ASIDE, in_order
from populace.vectorised._crossing import Crossing, Crossings, crossed, exchanged
from populace.vectorised._frozen import TAKE, Frozen
from populace.vectorised._layout import Laid, Layout, Turn
from populace.vectorised._row_programs import move_rows, put, train_chunks
from populace.vectorised._spread import Spread

_TOGETHER = 16  # rows that all devices send at once: enough that few generations need a second time
_TOGETHER_BYTES = 2**26  # and no second population

# Array names end in their axes: M rows, D devices.


@final
class Block:
    """Rows of states, numbered through all devices.

    Args:
        programs: The task.
        devices: The devices.
        states: The rows, at least one; all of one structure.
        num_rows: How many rows each device has.
        has_spare: Whether there is one more, for what a program of several generations keeps aside; on one device.
    """

    def __init__(
        self,
        programs: Programs,
        devices: Sequence[Any],
        states: Iterable[Any],
        num_rows: int,
        *,
        has_spare: bool = False,
    ) -> None:
        assert not has_spare or len(devices) == 1, "rows are numbered as if none was spare"
        self._programs = programs
        self._spread = spread = Spread(devices)
        self.has_spare = has_spare
        """Whether there is a row beside the others."""
        self._data = spread.whole(programs.data)
        self._num_rows = num_rows
        self._sources: Mapping[int, int] = {}
        self._put, self._settle = spread.shared_program(_put), spread.shared_program(_settled)
        self._rows_M = self._filled(iter(states))
        self.num_bytes: int = sum(x.nbytes for x in jax.tree.leaves(self._rows_M))
        """How large all rows are."""
        row_bytes = self.num_bytes // (num_rows * spread.num + has_spare)
        together = min(_TOGETHER, _TOGETHER_BYTES // max(1, row_bytes)) // spread.num
        self._crossings = Crossings(spread.num, num_rows, min(num_rows, max(1, together)))

    def _filled(self, states: Iterator[Any]) -> Any:
        """Returns the rows, filled one by one, so that no second population is in memory; a spare one is the last."""
        first = next(states)
        wanted = _signature(first)
        rows_M = self._spread.repeated(first, self._num_rows + self.has_spare)
        for row, state in enumerate(states, start=1):
            if _signature(state) != wanted:
                raise StateMismatch(_UNLIKE)
            rows_M = self._with(rows_M, row, state)
        return rows_M

    def prepare(self) -> None:
        """Makes the programs that will copy rows, by copying none, so nothing is compiled in the midst of a run."""
        self._copy([])
        for device in range(self._spread.num):
            self.take(device * self._num_rows)

    def device_of(self, row: int) -> int:
        """Returns which of the devices a row is on."""
        return row // self._num_rows

    def train(
        self, turns: Mapping[int, Turn], plan: tuple[int, ...], chunk: int
    ) -> list[tuple[list[int | None], dict[str, Any]]]:
        """Trains rows for an interval.

        Returns:
            Per shape, members and their metrics, the last axis of which is E; None where there is no member.
        """
        groups: dict[Shape, dict[int, Turn]] = defaultdict(dict)
        for row, turn in turns.items():
            groups[self._programs.shape_of(turn.hyperparameters)][row] = turn
        across, within = self._crossings.parted([(source, to) for to, source in self._sources.items()])
        if len(groups) > 1 or not self._can_read(turns) or self._crossings.num_at_once(across) < len(across):
            self.settle()
            across = within = []
        self._sources = {}
        sources, crossing = {to: source for source, to in within}, self._crossings.of(across)
        layout = Layout(self._spread.num, self._num_rows, chunk)
        return [
            self._trained(shape, layout.of(shape, group, sources), crossing, plan) for shape, group in groups.items()
        ]

    def apply(self, program: Any, *arguments: Any) -> Any:
        """Hands rows and data to a program, which gives rows back; returns what else it does."""
        self.settle()
        self._rows_M, told = program(self._rows_M, self._data, *arguments)
        return told

    def move(self, sources: Mapping[int, int]) -> None:
        """Makes rows copies of others, all at once: by row to be overwritten, the row that it becomes a copy of."""
        self.settle()
        self._sources = {to: source for to, source in sources.items() if to != source}

    def settle(self) -> None:
        """Copies in place what `move` has noted and no training has read yet."""
        if not self._sources:
            return
        sources, self._sources = self._sources, {}
        direct: list[tuple[int, int]] = []
        aside = None
        for source, to in in_order(sources):
            if ASIDE not in (source, to):
                direct.append((source, to))
                continue
            self._copy_all(direct)
            direct = []
            if to == ASIDE:
                aside = self.take(source)
            else:
                self.put(to, aside)
        self._copy_all(direct)

    def take(self, row: int) -> Any:
        """Returns a copy of a row."""
        self._look_at(row)
        return self._taken(*divmod(row, self._num_rows))

    def take_spare(self) -> Any:
        """Returns a copy of the row beside the others, where there is one."""
        return self._taken(0, self._num_rows)

    def put(self, row: int, state: Any) -> None:
        """Overwrites a row."""
        self._look_at(row)
        self._rows_M = self._with(self._rows_M, row, state)

    def copied(self) -> Frozen:
        """Returns all rows as they are now."""
        self.settle()
        return Frozen(self._spread.copied(self._rows_M), self._spread, self._num_rows)

    def _look_at(self, row: int) -> None:
        """Sees to it that a row may be read and overwritten."""
        if row in self._sources or row in self._sources.values():
            self.settle()

    def _taken(self, device: int, row: int) -> Any:
        return TAKE(self._spread.part(self._rows_M, device), np.int32(row))

    def _with(self, rows_M: Any, row: int, state: Any) -> Any:
        device, row = divmod(row, self._num_rows)
        is_here_D = np.arange(self._spread.num, dtype=np.int32) == device
        own = {"row": np.full(self._spread.num, row, np.int32), "count": is_here_D.astype(np.int32)}
        return self._put(rows_M, self._spread.whole(state), own)[0]

    def _can_read(self, turns: Mapping[int, Turn]) -> bool:
        """Whether training may read noted sources: all who read train now, and none of them is read."""
        return self._sources.keys() <= turns.keys() and self._sources.keys().isdisjoint(self._sources.values())

    def _copy_all(self, from_to: Sequence[tuple[int, int]]) -> None:
        """Copies rows, of which none is read after it has been overwritten."""
        while from_to:
            num = self._crossings.num_at_once(from_to)
            self._copy(from_to[:num])
            from_to = from_to[num:]

    def _copy(self, from_to: Sequence[tuple[int, int]]) -> None:
        """Copies rows, of which none is read after it has been overwritten, and few enough cross."""
        num = self._spread.num
        pairs, counts = np.zeros((num, self._num_rows, 2), np.int32), np.zeros(num, np.int32)
        across, within = self._crossings.parted(from_to)
        for source, to in within:
            device = self.device_of(to)
            pairs[device, counts[device]] = source % self._num_rows, to % self._num_rows
            counts[device] += 1
        own = {"from_to": pairs, "count": counts, "crossing": self._crossings.of(across)}
        self._rows_M = self._settle(self._rows_M, None, own)[0]

    def _trained(
        self, shape: Shape, laid: Laid, crossing: Crossing | None, plan: tuple[int, ...]
    ) -> tuple[list[int | None], dict[str, Any]]:
        own = {"given": laid.given, "num_chunks": laid.num_chunks_D, "crossing": crossing}
        name, compiled = ("chunks", shape, plan), self._programs.compiled
        if name not in compiled:
            compiled[name] = self._spread.program(partial(_interval, partial(self._programs.train, shape, plan)))
        self._rows_M, metrics = compiled[name](self._rows_M, self._data, own)
        return laid.members, metrics


def _interval(train: Any, rows_M: Any, data: Any, own: Mapping[str, Any]) -> tuple[Any, Any]:
    return train_chunks(train, crossed(rows_M, own["crossing"]), data, own["given"], own["num_chunks"])


def _settled(rows_M: Any, _: None, own: Mapping[str, Any]) -> tuple[Any, None]:
    return exchanged(rows_M, own["crossing"], lambda rows_M: move_rows(rows_M, own["from_to"], own["count"])), None


def _put(rows_M: Any, state: Any, own: Mapping[str, Any]) -> tuple[Any, None]:
    return jax.lax.fori_loop(0, own["count"], lambda _, rows_M: put(rows_M, state, own["row"]), rows_M), None


def _signature(state: Any) -> tuple[object, list[tuple[Any, Any]]]:
    return jax.tree.structure(state), [(jnp.shape(x), jnp.result_type(x)) for x in jax.tree.leaves(state)]


_UNLIKE = (
    "a population is stacked, so all members' states must have the same shapes and dtypes, but they differ: a "
    "hyperparameter changes the shape of the state; give it one value per run, or use executor=populace.Processes()"
)
