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


def unpacked_into(rows_M: Any, packed: Packed, from_R: Any, to_R: Any, count: Any) -> Any:
    """Returns rows of which some were overwritten in place.

    Args:
        rows_M: All rows.
        packed: New content.
        from_R: Which of the packed rows are wanted.
        to_R: Where they go.
        count: How many of these there are.
    """
    leaves_M, structure = jax.tree.flatten(rows_M)
    plain_M = [_plain(leaf_M) for leaf_M in leaves_M]
    spans = _spans(plain_M)

    def one(index: Any, held: list[Any]) -> list[Any]:
        written = []
        for leaf_M, (name, start, length) in zip(held, spans, strict=True):
            row = jax.lax.dynamic_slice(packed[name], (from_R[index], start), (1, length)).reshape(leaf_M.shape[1:])
            written.append(jax.lax.dynamic_update_index_in_dim(leaf_M, row, to_R[index], 0))
        return written

    held = jax.lax.fori_loop(0, count, one, plain_M)
    pairs = zip(leaves_M, plain_M, held, strict=True)
    return jax.tree.unflatten(structure, [new if was is leaf else _like(leaf, new) for leaf, was, new in pairs])


def _spans(plain_M: list[Any]) -> list[tuple[str, int, int]]:
    """Returns where each of some arrays lies when packed: type of number, first place, length."""
    starts: dict[str, int] = defaultdict(int)
    spans = []
    for leaf_M in plain_M:
        name, length = leaf_M.dtype.name, math.prod(leaf_M.shape[1:])
        spans.append((name, starts[name], length))
        starts[name] += length
    return spans


def _plain(leaf_M: Any) -> Any:
    """Returns an array of numbers: keys in their words."""
    return jax.random.key_data(leaf_M) if jnp.issubdtype(leaf_M.dtype, jax.dtypes.prng_key) else leaf_M


def _like(leaf_M: Any, words_M: Any) -> Any:
    return jax.random.wrap_key_data(words_M, impl=jax.random.key_impl(leaf_M))
