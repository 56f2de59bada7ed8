"""Programs on stacked rows, to be traced: rows train chunk by chunk, are copied in place, taken and put."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

_TILE = 2**14  # items; at four bytes each, two tiles fit in the nearest cache but one

# Array names end in their axes: M rows, N chunks, C rows of a chunk, E evaluations.


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
            own = take(rows_M, alone["sources"])
            state, metrics_E = train(data, own, alone["keys"], alone["starts"], alone["hp"])
            return alone["rows"], state, jax.tree.map(lambda m: m[None], metrics_E)
        rows_C = jax.tree.map(lambda x: x.at[here["sources"]].get(mode="clip"), rows_M)
        states_C, metrics_CE = every(data, rows_C, here["keys"], here["starts"], here["hp"])
        return here["rows"], states_C, metrics_CE

    def body(index: Any, carried: tuple[Any, Any]) -> tuple[Any, Any]:
        rows_M, metrics_NCE = carried
        at, states_C, metrics_CE = chunk_of(rows_M, index)
        if is_one:  # never out of range: only as many chunks run as there are members
            rows_M = put(rows_M, states_C, at)
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


def take(rows_M: Any, row: Any) -> Any:
    """Returns a row."""
    return jax.tree.map(lambda x: jax.lax.dynamic_index_in_dim(x, row, keepdims=False), rows_M)


def put(rows_M: Any, state: Any, row: Any) -> Any:
    """Returns the rows with one overwritten."""
    return jax.tree.map(lambda x, s: jax.lax.dynamic_update_index_in_dim(x, s, row, 0), rows_M, state)
