"""Rows on their way between devices: packed into one array per type of number.

Handing over an array takes a fixed time, however small it is, and a state may be many small arrays.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp

Packed: TypeAlias = dict[str, Any]
"""Arrays with axes C, L: rows, and what a row holds of that type; by its name."""


def packed(rows_M: Any, rows_C: Any) -> Packed:
    """Returns copies of some rows."""
    parts = defaultdict(list)
    for leaf_M in map(_plain, jax.tree.leaves(rows_M)):
        taken = leaf_M.at[rows_C].get(mode="clip")
        parts[leaf_M.dtype.name].append(taken.reshape(len(rows_C), math.prod(leaf_M.shape[1:])))
    return {name: jnp.concatenate(leaves, axis=1) for name, leaves in parts.items()}


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
