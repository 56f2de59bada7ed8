"""Keys in bulk give what each key gives alone."""

import hypothesis.strategies as st
import numpy as np
from hypothesis import example, given

from populace.space import Hashed, Key
from populace.space._keys import Keys, agrees

SEEDS = st.one_of(st.integers(0, 2**128 - 1), st.integers(0, 9))
PARTS = st.one_of(st.text(min_size=1, max_size=8), st.integers(0, 2**32 - 1), st.just("ARRAY"))


@given(SEEDS, st.lists(PARTS, min_size=1, max_size=6), st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=5))
@example(0, ["ARRAY", 0, "ARRAY"], [0, 0])
@example(2**128 - 1, ["decide", "explore"], [1])
def test_keys_give_what_each_key_gives(seed, parts, members):
    """A member whose draws depended on whether others drew with it would break every promise of replay."""
    array = np.array(members)
    keys = Keys(seed).fold(*(array if part == "ARRAY" else part for part in parts))
    words = np.broadcast_to(keys.words(), (len(members), 2))
    first, second = (np.broadcast_to(keys.doubles(after), len(members)) for after in (0, 1))
    for place, member in enumerate(members):
        key = Key(seed).fold(*(member if part == "ARRAY" else part for part in parts))
        generator = key.generator()
        assert (words[place] == key.words()).all()
        assert (first[place], second[place]) == (generator.random(), generator.random())


@given(SEEDS, st.one_of(st.integers(1, 40), st.integers(2**31, 2**32 - 1)), st.integers(0, 2))
def test_integers_are_those_of_each_generator(seed, bound, after):
    """Large bounds make numpy draw again for up to half of the keys, as small ones do once in a blue moon."""
    drawn = Keys(seed).fold(np.arange(12), "exploit").integers(bound, after)
    for member in range(12):
        generator = Key(seed).fold(member, "exploit").generator()
        generator.random(after)
        assert drawn[member] == generator.integers(bound)


def test_keys_in_bulk_agree_with_this_numpy():
    """Where numpy changes what its generators draw, populations are decided on member by member again."""
    assert agrees()


@given(SEEDS, st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=5), st.text(min_size=1, max_size=8))
def test_key_that_was_hashed_with_others_draws_as_it_would_alone(seed, members, name):
    """Hashing takes most of the time of a draw, and a decision must not tell whether it was saved."""
    alone = [Key(seed).fold(member, "decide") for member in members]
    states = {Key(0).fold("explore", name).path: Keys(seed).fold(np.array(members), "decide", "explore", name).seeds()}
    for place, key in enumerate(alone):
        known = key.with_hashed(Hashed(2, states, (place,)))
        assert known == key
        assert hash(known) == hash(key)
        for below in (("explore", name), ("explore", name, "more"), ("exploit",), ()):
            drawn = [k.fold(*below).generator().integers(2**40, size=3).tolist() for k in (known, key)]
            assert drawn[0] == drawn[1]
        assert known.fold("explore", name).seed() == key.fold("explore", name).seed()
