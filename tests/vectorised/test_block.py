"""Rows of states on one or several devices: moved in place, and seen as they were."""

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

from populace.checkpoints import pack
from populace.jax import Programs
from populace.space import Key
from populace.testing import JaxBowl
from populace.vectorised import _block as _block_module
from populace.vectorised._block import Block
from populace.vectorised._layout import Turn
from populace.vectorised._rows import Rows

SIZE = 6


def _block(state_of, size=SIZE, num_devices=1):
    if num_devices > len(jax.devices()):
        pytest.skip(f"needs {num_devices} devices of JAX")
    states = map(state_of, range(size))
    return Block(Programs(JaxBowl(), None), jax.devices()[:num_devices], states, size // num_devices)


@pytest.fixture(scope="module", params=[1, 2, 3])
def block(request):
    return _block(lambda row: {"x": jnp.full(3, row, jnp.float32), "key": jax.random.key(row)}, SIZE, request.param)


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


SOURCES = st.dictionaries(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1))


@pytest.mark.slow
@settings(max_examples=25)
@given(SOURCES, st.sampled_from([1, 2, 4]), st.sampled_from([[1], [1, 2]]))
def test_training_from_another_row_is_training_from_a_copy_of_it(bowls, sources, chunk, shakes):
    """Rows are not copied where training can read the other one: in time, and not after that has moved on."""
    turns = {
        row: Turn(row, {"lr": 0.1, "shakes": shakes[row % len(shakes)]}, Key(row).words(), 0) for row in range(SIZE)
    }
    ended = []
    for block, settles in zip(bowls, (False, True), strict=True):
        for row in range(SIZE):
            block.put(row, {"w": jnp.full(4, row + 1, jnp.float32)})
        block.move(sources)
        if settles:
            block.settle()
        block.train(turns, (3,), chunk)
        ended.append([np.asarray(block.take(row)["w"]).tolist() for row in range(SIZE)])
    assert ended[0] == ended[1]


@pytest.fixture(scope="module", params=[1, 2, 3])
def bowls(request):
    return [_block(lambda row: {"w": jnp.full(4, row, jnp.float32)}, SIZE, request.param) for _ in range(2)]


@pytest.mark.slow
@settings(max_examples=50)
@given(st.lists(SOURCES, min_size=1, max_size=3))
def test_members_become_what_others_were_wherever_they_are(rows, moves):
    """Members that are to be overwritten change places with one another, and must be found there."""
    for member in range(SIZE):
        rows.put(member, {"w": jnp.full(4, member, jnp.float32)})
    expected = list(range(SIZE))
    for sources in moves:
        rows.move(sources)
        expected = [expected[sources.get(member, member)] for member in range(SIZE)]
    assert [int(rows.take(member)["w"][0]) for member in range(SIZE)] == expected
    seen = rows.copied()
    assert [int(seen[member]()["w"].array[0]) for member in range(SIZE)] == expected


@pytest.fixture(scope="module", params=[2, 16])
def rows(request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_block_module, "_TOGETHER", request.param)  # rows that all devices may send at once
        return _rows(3)


def _rows(num_devices):
    block = _block(lambda row: {"w": jnp.full(4, row, jnp.float32)}, SIZE, num_devices)
    return Rows(block, range(SIZE), lambda *_: None, lambda *_: None)


@pytest.fixture(scope="module")
def pairs():
    """Twice the same members, on two devices with three rows each, and on three with two, one crossing."""
    two = [_rows(2) for _ in range(2)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_block_module, "_TOGETHER", 3)
        return [two, [_rows(3) for _ in range(2)]]


@pytest.mark.slow
@settings(max_examples=50)
@given(st.integers(0, 1), st.lists(SOURCES, min_size=1, max_size=3), st.sampled_from([[1], [1, 2]]))
def test_training_puts_in_what_has_come_from_other_devices(pairs, which, moves, shakes):
    """Rows that have come from elsewhere wait for the next training, unless somebody looks at them before."""
    ended = []
    for rows, settles in zip(pairs[which], (False, True), strict=True):
        for member in range(SIZE):
            rows.put(member, {"w": jnp.full(4, member + 1, jnp.float32)})
        turns = [
            Turn(member, {"lr": 0.1, "shakes": shakes[member % len(shakes)]}, Key(member).words(), 0)
            for member in range(SIZE)
        ]
        for sources in moves:
            rows.move(sources)
            if settles:
                rows.block.settle()
            rows.train(turns, (2,), 1)
        ended.append([np.asarray(rows.take(member)["w"]).tolist() for member in range(SIZE)])
    assert ended[0] == ended[1]


def test_members_change_places_instead_of_sending_states(rows):
    """Two members of different devices that copy from each other's: nothing has to travel."""
    device_of = rows.block.device_of
    here = {member: device_of(row) for member, row in rows._row.items()}
    (one, source_of_two), (two, source_of_one) = ([m for m in range(SIZE) if here[m] == device] for device in (0, 1))
    rows.move({one: source_of_one, two: source_of_two})
    assert all(device_of(to) == device_of(source) for to, source in rows.block._sources.items())


@pytest.mark.slow
@pytest.mark.parametrize("length", [10, 300_000, 4_000_000])
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
        places = [frozen.take(row)["w"].array.ctypes.data for row in range(3)]
        assert [place - places[0] for place in places] == [0, 4 * length, 8 * length]
