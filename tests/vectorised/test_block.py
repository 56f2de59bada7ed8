"""Rows of states on a device: moved in place, and seen as they were."""

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

from populace.checkpoints import pack
from populace.jax import Programs
from populace.testing import JaxBowl
from populace.vectorised._block import Block

SIZE = 6


def _block(state_of, size=SIZE):
    return Block(Programs(JaxBowl(), None), jax.devices()[0], map(state_of, range(size)), size)


@pytest.fixture(scope="module")
def block():
    return _block(lambda row: {"x": jnp.full(3, row, jnp.float32), "key": jax.random.key(row)})


def _numbers(block):
    states = [block.take(row) for row in range(SIZE)]
    assert all(
        (jax.random.key_data(s["key"]) == jax.random.key_data(jax.random.key(int(s["x"][0])))).all() for s in states
    )
    return [int(state["x"][0]) for state in states]


@pytest.mark.slow
@settings(max_examples=25)
@given(st.dictionaries(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1)))
def test_rows_become_what_others_were_before(block, sources):
    """Members may copy one another in a circle: two migrants of the default policy, for one."""
    before = _numbers(block)
    block.move(sources)
    assert _numbers(block) == [before[sources.get(row, row)] for row in range(SIZE)]
    for row in range(SIZE):
        block.put(row, {"x": jnp.full(3, row, jnp.float32), "key": jax.random.key(row)})


@pytest.mark.slow
@pytest.mark.parametrize("length", [10, 300_000])
def test_frozen_rows_are_saved_as_copies_would_be(length):
    """Large rows are seen where they are, since copies take memory; training goes on meanwhile."""

    def state_of(row):
        weak = jnp.broadcast_to(jnp.asarray(1.0), (2,)) * row
        return {
            "w": jnp.arange(length, dtype=jnp.float32) + row,
            "half": jnp.full((3, 5), row, jnp.bfloat16),
            "weak": weak,
            "key": jax.random.key(row),
            "count": jnp.int32(row),
            "on": jnp.bool_(row % 2),
        }

    block = _block(state_of, 3)
    copies = [block.take(row) for row in range(3)]
    frozen = block.copied()
    block.move({0: 2, 1: 2})
    for row in range(3):
        states = [frozen.take(row), copies[row]]
        assert len({b"".join(pack({"s": state}, label={})) for state in states}) == 1
    if length > 10 and jax.devices()[0].platform == "cpu":
        places = [np.asarray(frozen.take(row)["w"]).ctypes.data for row in range(3)]
        assert [place - places[0] for place in places] == [0, 4 * length, 8 * length]
