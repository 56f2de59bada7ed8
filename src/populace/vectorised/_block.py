"""A block: the members on one device, each a row of one stacked state.

Members whose hyperparameters have one shape train in one program, a chunk of rows at a time: the rows are gathered,
trained, and written back in place. How many chunks there are is an argument, so that members may move from one shape to
another without a new program. All calls return before the device is done.

A row that is to become a copy of another is not copied, where this can be helped: it is noted, and when the row trains
next, its chunk reads the other one instead. Rows that read others train first, so nobody reads what has moved on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, final

import jax
import jax.numpy as jnp
import numpy as np

from populace._errors import StateMismatch
from populace.jax import Programs, Shape
from populace.space import Hyperparameters
from populace.vectorised._copies import ASIDE, in_order
from populace.vectorised._packed import Packed, packed, unpacked_into

_TILE = 2**16  # items; at four bytes each, two tiles fit in the nearer caches

_TOGETHER = 8  # a transfer costs as much as copying a few small rows; each is of as many, or programs would multiply
_TOGETHER_BYTES = 2**25
_LARGE_BYTES = 2**20

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
    """

    def __init__(
        self, programs: Programs, device: Any, states: Iterable[Any], num_rows: int, *, has_spare: bool = False
    ) -> None:
        self._programs = programs
        self._device = device
        self.has_spare = has_spare
        """Whether there is a row beside the others."""
        self._data = jax.device_put(programs.data, device)
        self._num_rows = num_rows
        self._trains: dict[tuple[Shape, tuple[int, ...], int], Any] = {}
        self._move = jax.jit(move_rows, donate_argnums=0)
        self._take = jax.jit(_take)
        self._put = jax.jit(_put, donate_argnums=0)
        self._take_many = jax.jit(packed)
        self._put_many = jax.jit(unpacked_into, donate_argnums=0)
        self._copy = jax.jit(lambda rows_M: jax.tree.map(lambda x: jnp.copy(x[:num_rows]), rows_M))
        self._sources: Mapping[int, int] = {}
        self._rows_M = self._filled(iter(states))

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
            self.settle()
        sources, self._sources = self._sources, {}
        return [self._ready(shape, group, sources, plan, chunk) for shape, group in groups.items()]

    def apply(self, program: Any, *arguments: Any) -> Any:
        """Hands rows and data to a program, which gives rows back; returns what else it does."""
        self.settle()
        self._rows_M, told = program(self._rows_M, self._data, *arguments)
        return told

    def take_spare(self) -> Any:
        """Returns a copy of the row beside the others, where there is one."""
        return self._take(self._rows_M, np.int32(self._num_rows))

    def _filled(self, states: Iterator[Any]) -> Any:
        """Returns the rows, filled one by one, so that no second population is in memory; a spare one is the last."""
        first = jax.device_put(next(states), self._device)
        wanted = _signature(first)
        num = self._num_rows + self.has_spare
        repeated = jax.jit(lambda x: jax.tree.map(lambda a: jnp.stack([a] * num), x))
        rows_M = repeated(first)
        for row, state in enumerate(states, start=1):
            if _signature(state) != wanted:
                raise StateMismatch(_UNLIKE)
            rows_M = self._put(rows_M, jax.device_put(state, self._device), np.int32(row))
        return rows_M

    def move(self, sources: Mapping[int, int]) -> None:
        """Makes rows copies of others, all at once: by row to be overwritten, the row that it becomes a copy of."""
        self.settle()
        self._sources = {to: source for to, source in sources.items() if to != source}

    def settle(self) -> None:
        """Copies in place what `move` has noted and no training has read yet."""
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
        if not ({*self._sources, *self._sources.values()}.isdisjoint(rows)):
            self.settle()

    def _moved(self, from_to: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Copies rows one after the other; returns what is left to do: nothing."""
        if from_to:
            padded = np.zeros((self._num_rows, 2), np.int32)
            padded[: len(from_to)] = from_to
            self._rows_M = self._move(self._rows_M, padded, np.int32(len(from_to)))
        return []

    def prepare(self, *, is_alone: bool) -> None:
        """Makes the programs that will copy rows, by copying none; `is_alone`: no other block will ask for rows."""
        self._rows_M = self._move(self._rows_M, np.zeros((self._num_rows, 2), np.int32), np.int32(0))
        self.take(0)
        if not is_alone:
            self.put_many([], self.take_many([0]))

    def take(self, row: int) -> Any:
        """Returns a copy of a row."""
        self._look_at([row])
        return self._take(self._rows_M, np.int32(row))

    def put(self, row: int, state: Any) -> None:
        """Overwrites a row."""
        self._look_at([row])
        self._rows_M = self._put(self._rows_M, jax.device_put(state, self._device), np.int32(row))

    @property
    def num_together(self) -> int:
        """How many rows `take_many` may take at once: enough to make one transfer of many, not a second population."""
        row_bytes = _bytes(self._rows_M) // (self._num_rows + self.has_spare)
        return max(1, min(self._num_rows, _TOGETHER, _TOGETHER_BYTES // max(1, row_bytes)))

    def take_many(self, rows: Sequence[int]) -> Packed:
        """Returns copies of some rows."""
        self._look_at(rows)
        padded = np.full(self.num_together, rows[0], np.int32)
        padded[: len(rows)] = rows
        taken: Packed = self._take_many(self._rows_M, padded)
        return taken

    def put_many(self, rows: Sequence[int], states: Packed) -> None:
        """Overwrites rows with what `take_many` of a block as large has returned."""
        self._look_at(rows)
        padded = np.zeros(self.num_together, np.int32)
        padded[: len(rows)] = rows
        here = jax.device_put(states, self._device)
        self._rows_M = self._put_many(self._rows_M, here, padded, np.int32(len(rows)))

    def copied(self) -> Frozen:
        """Returns all rows as they are now, without a spare one."""
        self.settle()
        is_large = _bytes(self._rows_M) > _LARGE_BYTES * self._num_rows
        seen = self._device if is_large and self._device.platform == "cpu" else None
        return Frozen(self._copy(self._rows_M), self._take, seen)

    def _ready(
        self, shape: Shape, group: Mapping[int, Turn], sources: Mapping[int, int], plan: tuple[int, ...], chunk: int
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
        name = (shape, plan, chunk)
        if name not in self._trains:
            self._trains[name] = jax.jit(
                partial(train_chunks, partial(self._programs.train, shape, plan)), donate_argnums=0
            )
        members, num_chunks = [turn.member for turn in turns], np.int32(-(-len(group) // chunk))
        return lambda: (members, self.apply(self._trains[name], given, num_chunks))


@final
class Frozen:
    """The rows of a block as they were."""

    def __init__(self, rows_M: Any, take: Any, device: Any) -> None:
        self._rows_M = rows_M
        self._take = take
        self._device = device

    def take(self, row: int) -> Any:
        """Returns a row: a copy, or where rows are large and the host's memory is the device's, a view."""
        if self._device is None:
            return self._take(self._rows_M, np.int32(row))
        return jax.tree.map(lambda leaf_M: self._seen(leaf_M, row), self._rows_M)

    def _seen(self, leaf_M: Any, row: int) -> Any:
        if jnp.issubdtype(leaf_M.dtype, jax.dtypes.prng_key) or leaf_M.weak_type:  # numpy's arrays are neither
            return self._take(leaf_M, np.int32(row))
        return jax.device_put(np.asarray(leaf_M)[row], self._device)


def train_chunks(train: Any, rows_M: Any, data: Any, given: Mapping[str, Any], num_chunks: Any) -> tuple[Any, Any]:
    """Trains rows chunk by chunk; a chunk of one by the program of a member alone, so that not a bit differs.

    Args:
        train: Trains one member.
        rows_M: All rows.
        data: The task's arrays.
        given: Arrays with axes N, C: `rows`, where what was trained goes (out of range: nowhere); `sources`, what it is
            trained from; `keys`, `starts` and `hp`.
        num_chunks: How many chunks train.
    """
    every = jax.vmap(train, in_axes=(None, 0, 0, 0, 0))
    is_one = given["rows"].shape[1] == 1

    def chunk_of(rows_M: Any, index: Any) -> tuple[Any, Any, Any]:
        here = jax.tree.map(lambda a: a[index], given)
        if is_one:
            alone = jax.tree.map(lambda a: a[0], here)
            own = _take(rows_M, alone["sources"])
            state, metrics_E = train(data, own, alone["keys"], alone["starts"], alone["hp"])
            return alone["rows"], state, jax.tree.map(lambda m: m[None], metrics_E)
        rows_C = jax.tree.map(lambda x: x.at[here["sources"]].get(mode="clip"), rows_M)
        states_C, metrics_CE = every(data, rows_C, here["keys"], here["starts"], here["hp"])
        return here["rows"], states_C, metrics_CE

    def body(index: Any, carried: tuple[Any, Any]) -> tuple[Any, Any]:
        rows_M, metrics_NCE = carried
        at, states_C, metrics_CE = chunk_of(rows_M, index)
        if is_one:  # never out of range: only as many chunks run as there are members
            rows_M = _put(rows_M, states_C, at)
        else:
            rows_M = jax.tree.map(lambda x, s: x.at[at].set(s, mode="drop"), rows_M, states_C)
        return rows_M, jax.tree.map(lambda all, one: all.at[index].set(one), metrics_NCE, metrics_CE)

    metrics = jax.eval_shape(chunk_of, rows_M, jnp.int32(0))[2]
    num = given["rows"].shape[0]
    empty = jax.tree.map(lambda m: jnp.zeros((num, *m.shape), m.dtype), metrics)
    trained: tuple[Any, Any] = jax.lax.fori_loop(0, num_chunks, body, (rows_M, empty))
    return trained


def move_rows(rows_M: Any, from_to: Any, count: Any) -> Any:
    """Copies rows one after the other, in place; a gather would write the whole population anew."""
    return jax.tree.map(lambda leaf_M: _move_leaf(leaf_M, from_to, count), rows_M)


def _move_leaf(leaf_M: Any, from_to: Any, count: Any) -> Any:
    """Tile by tile: a tile stays in the processor's cache, a row would be written to memory twice."""
    if jnp.issubdtype(leaf_M.dtype, jax.dtypes.prng_key):
        moved = _move_leaf(jax.random.key_data(leaf_M), from_to, count)
        return jax.random.wrap_key_data(moved, impl=jax.random.key_impl(leaf_M))
    flat_ML = leaf_M.reshape(leaf_M.shape[0], -1)
    length = flat_ML.shape[1]
    if length == 0:
        return leaf_M
    tile = min(length, _TILE)
    num_tiles = -(-length // tile)

    def one(index: Any, flat_ML: Any) -> Any:
        source, to = from_to[index // num_tiles]
        start = jnp.minimum(index % num_tiles * tile, length - tile)  # the last tile may overlap the one before
        held = jax.lax.dynamic_slice(flat_ML, (source, start), (1, tile))
        return jax.lax.dynamic_update_slice(flat_ML, held, (to, start))

    return jax.lax.fori_loop(0, count * num_tiles, one, flat_ML).reshape(leaf_M.shape)


def _take(rows_M: Any, row: Any) -> Any:
    return jax.tree.map(lambda x: jax.lax.dynamic_index_in_dim(x, row, keepdims=False), rows_M)


def _put(rows_M: Any, state: Any, row: Any) -> Any:
    return jax.tree.map(lambda x, s: jax.lax.dynamic_update_index_in_dim(x, s, row, 0), rows_M, state)


def _bytes(rows_M: Any) -> int:
    return sum(x.nbytes for x in jax.tree.leaves(rows_M))


def _signature(state: Any) -> tuple[object, list[tuple[Any, Any]]]:
    return jax.tree.structure(state), [(jnp.shape(x), jnp.result_type(x)) for x in jax.tree.leaves(state)]


_UNLIKE = (
    "a population is stacked, so all members' states must have the same shapes and dtypes, but they differ: a "
    "hyperparameter changes the shape of the state; give it one value per run, or use executor=populace.Processes()"
)
