"""Keys: randomness as a value.

A key names one stream of random numbers by *what it is for* (run seed, member, generation, purpose), never by when
or where it is used. The same key always gives the same numbers, so a decision or a training step can be repeated
anywhere, and the order in which workers arrive changes nothing (counter-based randomness; numpy's `SeedSequence`
with a spawn key).
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, final

import numpy as np
import numpy.typing as npt
from numpy.random.bit_generator import ISeedSequence

from populace._errors import UsageError

if TYPE_CHECKING:
    import jax


@dataclass(frozen=True)
class Key:
    """A name for a stream of random numbers.

    Attributes:
        seed_root: The run's seed, an integer in [0, 2**128).
        path: What the stream is for; grown by `fold`.

    >>> key = Key(7).fold("step", 3)
    >>> key.seed() == Key(7).fold("step", 3).seed() != key.fold(1).seed()
    True
    """

    seed_root: int
    path: tuple[int, ...] = field(default=())
    _hashed: Hashed | None = field(default=None, repr=False, compare=False)
    """What keys below an earlier one were hashed to, where that was done for many at once."""

    def __post_init__(self) -> None:
        # Longer seeds would run into the path inside numpy, so that two keys could name one stream.
        if not isinstance(self.seed_root, int | np.integer) or not 0 <= self.seed_root < 2**128:
            raise UsageError(
                f"a seed must be an integer in [0, 2**128), but got {self.seed_root!r}: use a small integer >= 0"
            )
        object.__setattr__(self, "seed_root", int(self.seed_root))

    def fold(self, *path: int | str) -> Key:
        """Returns the key of a stream below this one, named by integers in [0, 2**32) and words.

        A word never names the same stream as an integer, nor (up to 1 in 2**63) as another word.

        Raises:
            UsageError: An integer is out of range.
            TypeError: A part is neither an integer nor a word.
        """
        numbers = [_word(part) if type(part) is str else number_of(part) for part in path]  # words are the most
        return self._like((*self.path, *numbers), self._hashed)

    def with_hashed(self, hashed: Hashed) -> Key:
        """Returns this key, which knows what some keys below it were hashed to."""
        return self._like(self.path, hashed)

    def generator(self) -> np.random.Generator:
        """Returns a fresh numpy generator at the start of this key's stream."""
        state_4 = None if self._hashed is None else self._hashed.get(self.path)
        sequence = self._sequence() if state_4 is None else _Given(state_4)
        return np.random.Generator(np.random.PCG64(sequence))  # type: ignore[arg-type]  # numpy's stubs know no interface

    def seed(self) -> int:
        """Returns an integer in [0, 2**32): for `torch.manual_seed`, `random_state=` and the like."""
        return int(self._sequence().generate_state(1, np.uint32)[0])

    def words(self) -> npt.NDArray[np.uint32]:
        """Returns two words of 32 bits: the data of a threefry key."""
        return self._sequence().generate_state(2, np.uint32).astype(np.uint32, copy=False)

    def jax(self) -> jax.Array:
        """Returns this key as a JAX random key of 64 bits, whatever JAX's default generator is (needs JAX)."""
        import jax.random  # the one optional dependency of this room, only when asked for

        return jax.random.wrap_key_data(self.words(), impl="threefry2x32")

    def _like(self, path: tuple[int, ...], hashed: Hashed | None) -> Key:
        made = object.__new__(Key)  # its seed is checked already; guarded assignments would take most of the time
        vars(made).update(seed_root=self.seed_root, path=path, _hashed=hashed)
        return made

    def _sequence(self) -> np.random.SeedSequence:
        return np.random.SeedSequence(self.seed_root, spawn_key=self.path)


@final
class Hashed:
    """What numpy hashes some keys below one to; hashing is most of the work of making a generator.

    Args:
        depth: Length of the path of the key above them.
        states: By the rest of the path, the four words that seed its generator.
        at: Where these words are in the arrays.
    """

    __slots__ = ("_at", "_depth", "_states")

    def __init__(
        self, depth: int, states: Mapping[tuple[int, ...], npt.NDArray[np.uint64]], at: tuple[int, ...] = ()
    ) -> None:
        self._depth = depth
        self._states = states
        self._at = at

    def get(self, path: tuple[int, ...]) -> npt.NDArray[np.uint64] | None:
        """Returns the four words; None where they are not known."""
        found = self._states.get(path[self._depth :])
        return None if found is None else found[self._at]


@final
class _Given(ISeedSequence):
    """A seed sequence that has been hashed."""

    def __init__(self, state_4: npt.NDArray[np.uint64]) -> None:
        self._state_4 = state_4

    def generate_state(self, n_words: int, dtype: object = np.uint32) -> npt.NDArray[np.uint64]:
        assert n_words == len(self._state_4), "PCG64 asks for four words of 64 bits"
        return self._state_4


def number_of(part: int | str) -> int:
    """Returns a part of a path as the number that numpy hashes."""
    if isinstance(part, str):
        return _word(part)
    if not 0 <= part < 2**32:
        raise UsageError(f"an integer in a key's path must be in [0, 2**32), but got {part}: use a word for the rest")
    return operator.index(part)


@lru_cache(maxsize=1024)
def _word(word: str) -> int:
    # 32 bits would be too few: two names of a space would soon share a stream. The top bit keeps words and integers
    # apart.
    return int.from_bytes(hashlib.sha256(word.encode()).digest()[:8]) | 1 << 63
