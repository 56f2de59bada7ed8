"""Rows cross from device to device as planned: each is sent once, and nobody sends more than was agreed."""

import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from populace.vectorised._crossing import Crossings

NUM_DEVICES, NUM_ROWS, NUM_SENT = 3, 4, 2
ROWS = st.integers(0, NUM_DEVICES * NUM_ROWS - 1)


@given(st.dictionaries(ROWS, ROWS))
def test_every_device_gets_what_was_planned(sources):
    """Several clones may want one donor, on one device or on several."""
    crossings = Crossings(NUM_DEVICES, NUM_ROWS, NUM_SENT)
    across, within = crossings.parted([(source, to) for to, source in sources.items()])
    assert sorted([*across, *within]) == sorted((source, to) for to, source in sources.items())
    assert all(source // NUM_ROWS == to // NUM_ROWS for source, to in within)
    left = across
    while left:
        num = crossings.num_at_once(left)
        assert num > 0
        crossing = crossings.of(left[:num])
        sent = (crossing.sent_DC + NUM_ROWS * np.arange(NUM_DEVICES)[:, None]).ravel()
        written = [
            (int(sent[crossing.from_DR[device, place]]), int(device * NUM_ROWS + crossing.to_DR[device, place]))
            for device in range(NUM_DEVICES)
            for place in range(crossing.count_D[device])
        ]
        assert sorted(written) == sorted(left[:num])
        assert crossing.times_D.tolist() == [1] * NUM_DEVICES
        left = left[num:]


def test_nothing_is_sent_where_nothing_crosses():
    """The same program runs whether anything crosses or not."""
    assert Crossings(2, 3, 1).of([]).times_D.tolist() == [0, 0]


def test_one_device_has_no_crossings():
    """Its program need not hold what sends and writes."""
    assert Crossings(1, 3, 1).of([]) is None
