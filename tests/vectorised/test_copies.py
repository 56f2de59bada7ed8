"""Rows that are copied in place end as if all had been copied at once."""

import hypothesis.strategies as st
from hypothesis import given

from populace.vectorised._copies import ASIDE, in_order


@given(st.dictionaries(st.integers(0, 7), st.integers(0, 7)))
def test_copies_in_order_are_copies_at_once(sources):
    """A copies B while B copies C: A must get what B was."""
    rows = {row: row for row in range(8)} | {ASIDE: None}
    for source, to in in_order(sources):
        rows[to] = rows[source]
    assert [rows[row] for row in range(8)] == [sources.get(row, row) for row in range(8)]


@given(st.permutations(range(6)))
def test_circles_need_one_spare_row(order):
    """Everybody copies the next: the state that is overwritten first waits beside the others."""
    copies = in_order(dict(enumerate(order)))
    assert len(copies) <= 6 + 3
