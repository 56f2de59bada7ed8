"""Laws of keys."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace._errors import UsageError
from populace.space import Key

seeds = st.integers(0, 2**128 - 1)
parts = st.one_of(st.integers(0, 2**32 - 1), st.text(max_size=5))
paths = st.lists(parts, max_size=4)


@given(seeds, paths)
def test_same_key_gives_same_numbers(seed: int, path: list[int | str]) -> None:
    """A decision in a log can be derived again, in another process and at another time."""
    key = Key(seed).fold(*path)
    again = pickle.loads(pickle.dumps(Key(seed))).fold(*path)
    assert key == again
    assert hash(key) == hash(again)
    assert key.seed() == again.seed()
    assert key.generator().random() == again.generator().random()


@given(seeds, paths, paths)
def test_different_paths_give_different_numbers(seed: int, one: list[int | str], other: list[int | str]) -> None:
    """Two members never train on the same noise by accident."""
    first, second = Key(seed).fold(*one), Key(seed).fold(*other)
    assert (one == other) == (first == second)
    assert (one == other) == (first.generator().random() == second.generator().random())


@given(seeds, paths, paths)
def test_folding_in_two_steps_is_folding_at_once(seed: int, one: list[int | str], other: list[int | str]) -> None:
    """A key can be handed down through functions without a change of the stream."""
    assert Key(seed).fold(*one).fold(*other) == Key(seed).fold(*one, *other)


def test_names_that_short_checksums_confuse_have_their_own_streams() -> None:
    """A 32-bit checksum gives these two words one number; two dimensions so named would move together."""
    assert Key(0).fold("plumless").seed() != Key(0).fold("buckeroo").seed()


def test_seed_fits_the_seeds_of_other_libraries() -> None:
    """The old interface of numpy, scikit-learn and torch take a plain int below 2**32."""
    seed = Key(3).fold("data").seed()
    assert type(seed) is int
    assert 0 <= seed < 2**32


def test_stream_is_pinned() -> None:
    """Recorded runs derive their decisions again from these numbers: a change here breaks every log."""
    assert Key(7).fold(3, "explore").seed() == 3961494917
    assert Key(7).fold(3, "explore").path == (3, 17233043042364321550)


@pytest.mark.parametrize("part", [-1, 2**32])
def test_path_outside_32_bits_is_refused(part: int) -> None:
    """A larger integer would be split into two and could name another key's stream."""
    with pytest.raises(UsageError, match=r"must be in \[0, 2\*\*32\), but got"):
        Key(0).fold(part)


@pytest.mark.parametrize("seed", [-1, 2**128, 0.5, "a", None])
def test_seed_out_of_range_is_refused(seed: object) -> None:
    """The message comes from the place where the seed was given, not from numpy in a worker."""
    with pytest.raises(UsageError, match=r"a seed must be an integer in \[0, 2\*\*128\), but got"):
        Key(seed)  # type: ignore[arg-type]  # the mistakes are the test


def test_numpy_integers_fold_like_python_ones() -> None:
    """A member's number often comes out of an array."""
    assert Key(0).fold(int(np.int64(5))) == Key(0).fold(np.int64(5))  # type: ignore[arg-type]  # what users do


def test_fraction_in_a_path_is_refused() -> None:
    """Cut to an integer it would name the stream of another step."""
    with pytest.raises(TypeError, match="integer"):
        Key(0).fold(1.5)  # type: ignore[arg-type]  # the mistake is the test


@pytest.mark.slow
def test_jax_key_follows_the_key() -> None:
    """The vectorised executor draws its noise from the same names."""
    jax = pytest.importorskip("jax")
    one, again, other = (Key(1).fold(name).jax() for name in ("a", "a", "b"))
    assert jax.random.uniform(one) == jax.random.uniform(again) != jax.random.uniform(other)
