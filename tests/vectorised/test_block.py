"""Rows of states on a device: moved in place, and seen as they were."""

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
from populace.vectorised._block import Block, Turn
from populace.vectorised._rows import Rows

SIZE = 6


def _block(state_of, size=SIZE, *, is_alone=True):
    states = map(state_of, range(size))
    return Block(Programs(JaxBowl(), None), jax.devices()[0], states, size, is_alone=is_alone)


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
        for start in block.ready(turns, (3,), chunk):
            start()
        ended.append([np.asarray(block.take(row)["w"]).tolist() for row in range(SIZE)])
    assert ended[0] == ended[1]


@pytest.fixture(scope="module")
def bowls():
    return [_block(lambda row: {"w": jnp.full(4, row, jnp.float32)}) for _ in range(2)]


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


@pytest.fixture(scope="module")
def rows():
    return _rows(3)


def _rows(num_blocks):
    """Several blocks, which need not be several devices."""
    share = SIZE // num_blocks
    blocks = [
        _block(lambda row: {"w": jnp.full(4, row, jnp.float32)}, share, is_alone=False) for _ in range(num_blocks)
    ]
    places = [[block * share + row for row in range(share)] for block in range(num_blocks)]
    return Rows(blocks, places, lambda *_: None, lambda *_: None)


@pytest.fixture(scope="module")
def pairs():
    """Twice the same members, on two blocks of three and on three blocks of two."""
    return [[_rows(num_blocks) for _ in range(2)] for num_blocks in (2, 3)]


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
            for block in rows._blocks if settles else ():
                block.settle()
            rows.train(turns, (2,), 1)
        ended.append([np.asarray(rows.take(member)["w"]).tolist() for member in range(SIZE)])
    assert ended[0] == ended[1]


def test_members_change_places_instead_of_sending_states(rows, monkeypatch):
    """Two members of different devices that copy from each other's: nothing has to travel."""
    monkeypatch.setattr(Block, "take_many", lambda *_: pytest.fail("a state has travelled"))
    here = {member: rows._place[member][0] for member in range(SIZE)}
    (one, source_of_two), (two, source_of_one) = ([m for m in range(SIZE) if here[m] == block] for block in (0, 1))
    rows.move({one: source_of_one, two: source_of_two})
    assert (rows._place[one][0], rows._place[two][0]) == (1, 0)


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
