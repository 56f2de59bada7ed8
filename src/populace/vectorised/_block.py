"""A block: the members on one device, each a row of one stacked state.

Members whose hyperparameters have one shape train in one program, a chunk of rows at a time: the rows are gathered,
trained, and written back in place. How many chunks there are is an argument, so that members may move from one shape to
another without a new program. All calls return before the device is done.

A row that is to become a copy of another is not copied, where this can be helped: it is noted, and when the row trains
next, its chunk reads the other one instead. Rows that read others train first, so nobody reads what has moved on.
A row that has come from another device waits likewise until the next training, which puts it in before anything else.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np

from populace._errors import StateMismatch
from populace.checkpoints import JaxValues
from populace.jax import Programs, Shape
from populace.space import Hyperparameters
from populace.vectorised._copies import ASIDE, in_order
from populace.vectorised._packed import Arrivals, Packed, packed, unpacked
from populace.vectorised._row_programs import move_rows, put, take, train_chunks

_TOGETHER = 8  # a transfer costs as much as copying a few small rows; each is of as many, or programs would multiply
_TOGETHER_BYTES = 2**25

# One of each for all blocks: what was traced for one device is not traced again for the next.
_MOVE = jax.jit(move_rows, donate_argnums=0)
_TAKE = jax.jit(take)
_PUT = jax.jit(put, donate_argnums=0)
_TAKE_MANY = jax.jit(packed)
_REPEATED = jax.jit(lambda x, num: jax.tree.map(lambda a: jnp.stack([a] * num), x), static_argnums=1)
_COPY = jax.jit(lambda rows_M, num: jax.tree.map(lambda x: jnp.copy(x[:num]), rows_M), static_argnums=1)

# Array names end in their axes: M rows, N chunks, C rows of a chunk, E evaluations.


@final
class Turn(NamedTuple):
    """What one member trains next."""

    member: int
    """Which."""
    hyperparameters: Hyperparameters
    """The active ones."""
    key_2: np.ndarray
    """Two words: the root of the interval's keys."""
    start_step: int
    """Weight steps before."""


@final
class Block:
    """Rows of states on a device.

    Args:
        programs: The task.
        device: The device.
        states: The rows, at least one; all of one structure.
        num_rows: How many rows there is room for.
        has_spare: Whether there is one more, for what a program of several generations keeps aside.
        is_alone: Whether no other block will ask for rows, or bring some.
    """

    def __init__(
        self,
        programs: Programs,
        device: Any,
        states: Iterable[Any],
        num_rows: int,
        *,
        has_spare: bool = False,
        is_alone: bool = True,
    ) -> None:
        self._programs = programs
        self._device = device
        self.has_spare = has_spare
        """Whether there is a row beside the others."""
        self._data = jax.device_put(programs.data, device)
        self._num_rows = num_rows
        self._sources: Mapping[int, int] = {}
        self._rows_M = self._filled(iter(states))
        self.num_bytes = _bytes(self._rows_M)
        """How large all rows are."""
        row_bytes = self.num_bytes // (num_rows + has_spare)
        self.num_together = max(1, min(num_rows, _TOGETHER, _TOGETHER_BYTES // max(1, row_bytes)))
        """How many rows `take_many` may take at once: enough to make one transfer of many, not a second population."""
        self._arrivals: Arrivals | None = None
        if not is_alone:
            shapes = jax.eval_shape(packed, self._rows_M, np.zeros(self.num_together, np.int32))
            nothing = jax.tree.map(lambda like: np.zeros(like.shape, like.dtype), shapes)
            self._arrivals = self._arriving([], jax.device_put(nothing, device))

    def ready(
        self, turns: Mapping[int, Turn], plan: tuple[int, ...], chunk: int
    ) -> list[Callable[[], tuple[list[int], dict[str, Any]]]]:
        """Returns what trains rows for an interval, once each: per shape, it gives members and their metrics (N, C, E).

        Getting ready takes as long as starting, and no device should wait while another one's work is made ready.
        """
        groups: dict[Shape, dict[int, Turn]] = defaultdict(dict)
        for row, turn in turns.items():
            groups[self._programs.shape_of(turn.hyperparameters)][row] = turn
        if len(groups) > 1 or not self._can_read(turns):
            self._settle_sources()
        sources, self._sources = self._sources, {}
        return [
            self._ready(shape, group, sources, self._taken_arrivals(), plan, chunk) for shape, group in groups.items()
        ]

    def apply(self, program: Any, *arguments: Any) -> Any:
        """Hands rows and data to a program, which gives rows back; returns what else it does."""
        self.settle()
        self._rows_M, told = program(self._rows_M, self._data, *arguments)
        return told

    def take_spare(self) -> Any:
        """Returns a copy of the row beside the others, where there is one."""
        return _TAKE(self._rows_M, np.int32(self._num_rows))

    def _filled(self, states: Iterator[Any]) -> Any:
        """Returns the rows, filled one by one, so that no second population is in memory; a spare one is the last."""
        first = jax.device_put(next(states), self._device)
        wanted = _signature(first)
        num = self._num_rows + self.has_spare
        rows_M = _REPEATED(first, num)
        for row, state in enumerate(states, start=1):
            if _signature(state) != wanted:
                raise StateMismatch(_UNLIKE)
            rows_M = _PUT(rows_M, jax.device_put(state, self._device), np.int32(row))
        return rows_M

    def move(self, sources: Mapping[int, int]) -> None:
        """Makes rows copies of others, all at once: by row to be overwritten, the row that it becomes a copy of."""
        self.settle()
        self._sources = {to: source for to, source in sources.items() if to != source}

    def settle(self) -> None:
        """Copies in place what `move` and `put_many` have noted and no training has read yet."""
        arrivals = self._taken_arrivals()
        if arrivals is not None and arrivals.count:  # seldom, so a program of its own would take longer to compile
            held = jax.device_get(arrivals.packed)
            for place, row in enumerate(arrivals.rows_C[: arrivals.count]):
                self._rows_M = self._with(row, unpacked(held, place, self._rows_M))
        self._settle_sources()

    def _settle_sources(self) -> None:
        sources, self._sources = self._sources, {}
        direct: list[tuple[int, int]] = []
        aside = None
        for source, to in in_order(sources):
            if ASIDE not in (source, to):
                direct.append((source, to))
                continue
            direct = self._moved(direct)
            if to == ASIDE:
                aside = self.take(source)
            else:
                self.put(to, aside)
        self._moved(direct)

    def _can_read(self, turns: Mapping[int, Turn]) -> bool:
        """Whether training may read noted sources: all who read train now, and none of them is read."""
        return self._sources.keys() <= turns.keys() and self._sources.keys().isdisjoint(self._sources.values())

    def _look_at(self, rows: Iterable[int]) -> None:
        """Sees to it that rows may be read and overwritten."""
        arriving = [] if self._arrivals is None else self._arrivals.rows_C[: self._arrivals.count].tolist()
        if not {*self._sources, *self._sources.values(), *arriving}.isdisjoint(rows):
            self.settle()

    def _moved(self, from_to: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Copies rows one after the other; returns what is left to do: nothing."""
        if from_to:
            padded = np.zeros((self._num_rows, 2), np.int32)
            padded[: len(from_to)] = from_to
            self._rows_M = _MOVE(self._rows_M, padded, np.int32(len(from_to)))
        return []

    def prepare(self) -> None:
        """Makes the programs that will copy rows, by copying none."""
        self._rows_M = _MOVE(self._rows_M, np.zeros((self._num_rows, 2), np.int32), np.int32(0))
        self.take(0)
        if self._arrivals is not None:
            self.take_many([0])

    def take(self, row: int) -> Any:
        """Returns a copy of a row."""
        self._look_at([row])
        return _TAKE(self._rows_M, np.int32(row))

    def put(self, row: int, state: Any) -> None:
        """Overwrites a row."""
        self._look_at([row])
        self._rows_M = self._with(row, state)

    def _with(self, row: int, state: Any) -> Any:
        return _PUT(self._rows_M, jax.device_put(state, self._device), np.int32(row))

    def take_many(self, rows: Sequence[int]) -> Packed:
        """Returns copies of some rows."""
        self._look_at(rows)
        padded = np.full(self.num_together, rows[0], np.int32)
        padded[: len(rows)] = rows
        taken: Packed = _TAKE_MANY(self._rows_M, padded)
        return taken

    def put_many(self, rows: Sequence[int], states: Packed) -> None:
        """Overwrites rows with what `take_many` of a block as large has returned; the next training puts them in."""
        assert self._arrivals is not None, "rows come from another block"
        self._look_at(rows)
        if self._arrivals.count:
            self.settle()
        self._arrivals = self._arriving(rows, jax.device_put(states, self._device))

    def _arriving(self, rows: Sequence[int], states: Packed) -> Arrivals:
        padded = np.zeros(self.num_together, np.int32)
        padded[: len(rows)] = rows
        return Arrivals(states, padded, np.int32(len(rows)))

    def _taken_arrivals(self) -> Arrivals | None:
        """Returns what has arrived; from now on nothing has."""
        taken = self._arrivals
        if taken is not None and taken.count:
            self._arrivals = taken._replace(count=np.int32(0))
        return taken

    def copied(self) -> Frozen:
        """Returns all rows as they are now, without a spare one."""
        self.settle()
        return Frozen(_COPY(self._rows_M, self._num_rows), is_seen=self._device.platform == "cpu")

    def _ready(
        self,
        shape: Shape,
        group: Mapping[int, Turn],
        sources: Mapping[int, int],
        arrivals: Arrivals | None,
        plan: tuple[int, ...],
        chunk: int,
    ) -> Callable[[], tuple[list[int], dict[str, Any]]]:
        chunk = min(chunk, self._num_rows)
        size = -(-self._num_rows // chunk) * chunk
        order = [*sources, *(row for row in group if row not in sources)]  # who reads another trains first
        turns = [group[row] for row in order]
        padded = [*turns, *[turns[0]] * (size - len(turns))]
        rows = np.full(size, self._num_rows + 1, np.int32)  # out of range: nothing is written
        rows[: len(order)] = order
        read = np.zeros(size, np.int32)
        read[: len(order)] = [sources.get(row, row) for row in order]
        arrays = {
            "rows": rows,
            "sources": read,
            "keys": np.array([turn.key_2 for turn in padded], np.uint32),
            "starts": np.array([turn.start_step for turn in padded], np.int32),
            "hp": shape.arrays([turn.hyperparameters for turn in padded]),
        }
        given = jax.tree.map(lambda a: a.reshape(-1, chunk, *a.shape[1:]), arrays)
        name, compiled = ("chunks", shape, plan), self._programs.compiled
        if name not in compiled:
            compiled[name] = jax.jit(
                partial(train_chunks, partial(self._programs.train, shape, plan)), donate_argnums=0
            )
        members, num_chunks = [turn.member for turn in turns], np.int32(-(-len(group) // chunk))
        return lambda: (members, self.apply(compiled[name], given, num_chunks, arrivals))


@final
class Frozen:
    """The rows of a block as they were.

    Args:
        rows_M: A copy of them.
        is_seen: Whether the host's memory is the device's.
    """

    def __init__(self, rows_M: Any, *, is_seen: bool) -> None:
        self._rows_M = rows_M
        self._is_seen = is_seen

    def take(self, row: int) -> Any:
        """Returns a row to be saved: a copy, or where the host sees it, the values, for which no program must wait."""
        return jax.tree.map(lambda leaf_M: self._of(leaf_M, row), self._seen)

    @cached_property
    def _seen(self) -> Any:
        return jax.tree.map(lambda leaf_M: np.asarray(leaf_M) if self._sees(leaf_M) else leaf_M, self._rows_M)

    def _sees(self, leaf_M: Any) -> bool:
        """Whether an array's values are all of it; numpy's arrays are neither keys nor weakly typed."""
        is_key = jnp.issubdtype(leaf_M.dtype, jax.dtypes.prng_key)
        return self._is_seen and not is_key and not leaf_M.weak_type

    def _of(self, leaf_M: Any, row: int) -> Any:
        return JaxValues(leaf_M[row, ...]) if isinstance(leaf_M, np.ndarray) else _TAKE(leaf_M, np.int32(row))


def _bytes(rows_M: Any) -> int:
    return sum(x.nbytes for x in jax.tree.leaves(rows_M))


def _signature(state: Any) -> tuple[object, list[tuple[Any, Any]]]:
    return jax.tree.structure(state), [(jnp.shape(x), jnp.result_type(x)) for x in jax.tree.leaves(state)]


_UNLIKE = (
    "a population is stacked, so all members' states must have the same shapes and dtypes, but they differ: a "
    "hyperparameter changes the shape of the state; give it one value per run, or use executor=populace.Processes()"
)
