"""Rows on their way between devices: packed into one array per type of number.

Handing over an array takes a fixed time, however small it is, and a state may be many small arrays.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any, NamedTuple, TypeAlias, final

import jax
import jax.numpy as jnp

Packed: TypeAlias = dict[str, Any]
"""Arrays with axes C, L: rows, and what a row holds of that type; by its name."""


@final
class Arrivals(NamedTuple):
    """Rows that have come from another device, and are to be put into their places."""

    packed: Packed
    """What they hold."""
    rows_C: Any
    """Where they go."""
    count: Any
    """How many of these there are."""


def packed(rows_M: Any, rows_C: Any) -> Packed:
    """Returns copies of some rows."""
    parts = defaultdict(list)
    for leaf_M in map(_plain, jax.tree.leaves(rows_M)):
        parts[leaf_M.dtype.name].append(leaf_M.reshape(leaf_M.shape[0], math.prod(leaf_M.shape[1:])))
    return {name: _beside(leaves, rows_C) for name, leaves in parts.items()}


def _beside(leaves_ML: list[Any], rows_C: Any) -> Any:
    """Returns rows of several arrays beside one another; slices are copied several times as fast as a gather."""
    lengths = [leaf_ML.shape[1] for leaf_ML in leaves_ML]

    def one(index: Any, taken_CL: Any) -> Any:
        start = 0
        for leaf_ML, length in zip(leaves_ML, lengths, strict=True):
            row = jax.lax.dynamic_slice(leaf_ML, (rows_C[index], 0), (1, length))
            taken_CL = jax.lax.dynamic_update_slice(taken_CL, row, (index, start))
            start += length
        return taken_CL

    empty_CL = jnp.zeros((len(rows_C), sum(lengths)), leaves_ML[0].dtype)
    return jax.lax.fori_loop(0, len(rows_C), one, empty_CL)


def unpacked_into(rows_M: Any, packed: Packed, rows_C: Any, count: Any) -> Any:
    """Returns rows of which some were overwritten in place.

    Args:
        rows_M: All rows.
        packed: New content.
        rows_C: Where it goes.
        count: How many of these there are.
    """
    leaves_M, structure = jax.tree.flatten(rows_M)
    starts: dict[str, int] = defaultdict(int)
    written = []
    for leaf_M in leaves_M:
        plain_M = _plain(leaf_M)
        name, length = plain_M.dtype.name, math.prod(plain_M.shape[1:])
        part_CL = packed[name][:, starts[name] : starts[name] + length]
        starts[name] += length
        filled_M = _filled(plain_M, part_CL.reshape(len(rows_C), *plain_M.shape[1:]), rows_C, count)
        written.append(filled_M if plain_M is leaf_M else _like(leaf_M, filled_M))
    return jax.tree.unflatten(structure, written)


def _filled(leaf_M: Any, part_C: Any, rows_C: Any, count: Any) -> Any:
    def one(index: Any, held_M: Any) -> Any:
        row = jax.lax.dynamic_index_in_dim(part_C, index, keepdims=False)
        return jax.lax.dynamic_update_index_in_dim(held_M, row, rows_C[index], 0)

    return jax.lax.fori_loop(0, count, one, leaf_M)


def _plain(leaf_M: Any) -> Any:
    """Returns an array of numbers: keys in their words."""
    return jax.random.key_data(leaf_M) if jnp.issubdtype(leaf_M.dtype, jax.dtypes.prng_key) else leaf_M


def _like(leaf_M: Any, words_M: Any) -> Any:
    return jax.random.wrap_key_data(words_M, impl=jax.random.key_impl(leaf_M))
