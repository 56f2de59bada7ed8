"""Rows that go to another device arrive as they were, whatever they are made of."""

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

from populace.vectorised._packed import packed, unpacked_into


def _state(number):
    return {
        "w": jnp.full((2, 3), number, jnp.float32),
        "b": jnp.arange(4, dtype=jnp.float32) * number,
        "none": jnp.zeros((0, 2)),
        "half": jnp.float16(number),
        "count": jnp.int32(number),
        "is_odd": jnp.bool_(number % 2),
        "key": jax.random.key(number),
    }


def _stacked(numbers):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *map(_state, numbers))


def _plain(tree):
    leaves = jax.tree.leaves(tree)
    return [np.asarray(jax.random.key_data(x) if x.dtype == jax.random.key(0).dtype else x) for x in leaves]


@pytest.mark.slow
@settings(max_examples=20)
@given(
    st.lists(st.integers(0, 4), min_size=3, max_size=3),
    st.lists(st.integers(0, 2), min_size=3, max_size=3),
    st.permutations(range(5)),
    st.integers(0, 3),
)
def test_rows_arrive_as_they_were(sources, order, targets, count):
    """A state may hold keys, counters and numbers of several widths; a clone is its donor to the last bit."""
    given, into = _stacked(range(5)), _stacked(range(10, 15))
    to = np.array(targets[:3], np.int32)
    sent = jax.jit(packed)(given, np.array(sources, np.int32))
    wanted = np.array(order, np.int32)
    rows = jax.jit(unpacked_into)(into, sent, wanted, to, np.int32(count))
    expected = list(range(10, 15))
    for place, target in list(zip(order, targets, strict=False))[:count]:
        expected[target] = sources[place]
    assert all(map(np.array_equal, _plain(rows), _plain(_stacked(expected))))
    assert jax.tree.structure(rows) == jax.tree.structure(into)


@pytest.mark.slow
def test_few_transfers_carry_a_state_of_many_arrays():
    """Each transfer has a price of its own."""
    assert sorted(jax.jit(packed)(_stacked(range(2)), np.array([1], np.int32))) == [
        "bool",
        "float16",
        "float32",
        "int32",
        "uint32",
    ]
