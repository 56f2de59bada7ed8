"""Many keys at once: the numbers that `Key` gives one by one, for whole arrays of keys.

A population that trains as one program asks for several numbers per member and generation, and making a generator of
numpy's for each takes longer than a small model trains. Here the two algorithms behind a key run on arrays: the hash of
numpy's `SeedSequence` (O'Neill 2015, "Developing a seed_seq alternative") and PCG XSL RR 128/64 (O'Neill 2014). Numpy
promises that neither changes (NEP 19), but promises nothing of what its generators make of their bits: `agrees` looks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TypeAlias, final

import numpy as np
import numpy.typing as npt

from populace.space._key import Key, number_of

Words: TypeAlias = npt.NDArray[np.uint32]
Longs: TypeAlias = npt.NDArray[np.uint64]
Part: TypeAlias = int | str | npt.NDArray[np.int64]


@final
@dataclass(frozen=True, eq=False)
class Keys:
    """Keys of one seed whose paths differ in some integers.

    Attributes:
        seed_root: The run's seed, as in `Key`.
        path: Numbers, and arrays of them that broadcast to the keys' common shape.

    >>> keys, key = Keys(7).fold(np.arange(3), "step"), Key(7).fold(2, "step")
    >>> bool(keys.doubles()[2] == key.generator().random()), bool((keys.words()[2] == key.words()).all())
    (True, True)
    """

    seed_root: int
    path: tuple[int | npt.NDArray[np.int64], ...] = field(default=())

    def fold(self, *path: Part) -> Keys:
        """Returns the keys below these; arrays hold integers in [0, 2**32)."""
        parts = (part if isinstance(part, np.ndarray) else number_of(part) for part in path)
        return Keys(self.seed_root, (*self.path, *parts))

    def words(self) -> Words:
        """Returns what `Key.words` does, with a last axis of two."""
        return np.stack(self._state(2), axis=-1)

    def longs(self, count: int = 1) -> list[Longs]:
        """Returns the first outputs of 64 bits of each key's generator."""
        high, low, inc_high, inc_low = self._seeds()
        inc = inc_high << _ONE | inc_low >> np.uint64(63), inc_low << _ONE | _ONE
        now = _step(_add(inc, (high, low)), inc)
        outputs: list[Longs] = []
        for _ in range(count):
            now = _step(now, inc)
            outputs.append(_turned(now[0] ^ now[1], now[0] >> np.uint64(58)))
        return outputs

    def seeds(self) -> Longs:
        """Returns the words that seed each key's generator, with a last axis of four."""
        return np.stack(self._seeds(), axis=-1)

    def doubles(self, after: int = 0) -> npt.NDArray[np.float64]:
        """Returns `generator().random()` of each key, the one after so many others."""
        return doubles_of(self.longs(after + 1)[after])

    def integers(self, bound: int, after: int = 0) -> npt.NDArray[np.int64]:
        """Returns `generator().integers(bound)` of each key, after so many `random()`; bound in [1, 2**32)."""
        long = self.longs(after + 1)[after]
        drawn, is_rejected = bounded(long, bound)
        for at in np.argwhere(is_rejected):
            generator = self.at(*at).generator()
            generator.random(after)
            drawn[tuple(at)] = generator.integers(bound)
        return drawn

    def at(self, *index: int) -> Key:
        """Returns one of the keys."""
        shape = np.broadcast_shapes(*(np.shape(part) for part in self.path))
        path = (
            int(np.broadcast_to(part, shape)[index]) if isinstance(part, np.ndarray) else part for part in self.path
        )
        return Key(self.seed_root, tuple(path))

    def _seeds(self) -> list[Longs]:
        state: list[Longs] = [word.astype(np.uint64) for word in self._state(8)]
        return [_joined(state[2 * i + 1], state[2 * i]) for i in range(4)]

    def _state(self, num_words: int) -> list[Words]:
        """Returns words of `SeedSequence(seed, spawn_key=path).generate_state`, broadcast to one shape."""
        pool = _pool([*_words_of(self.seed_root, 4), *(word for part in self.path for word in _words_of(part))])
        state, constant = [], 0x8B51F9DD
        for i in range(num_words):
            word = pool[i % 4] ^ np.uint32(constant)
            constant = constant * 0x58F38DED & _MASK
            state.append(_shaken(word * np.uint32(constant)))
        return state


def doubles_of(longs: Longs) -> npt.NDArray[np.float64]:
    """Returns outputs of 64 bits as `Generator.random` does: numbers in [0, 1)."""
    return (longs >> np.uint64(11)).astype(np.float64) * 2.0**-53


def bounded(longs: Longs, bound: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Returns outputs as integers below a bound, and which of them `Generator.integers` would draw again.

    Lemire 2019, "Fast random integer generation in an interval", on the lower half of the output.
    """
    product = (longs & np.uint64(_MASK)) * np.uint64(bound)
    is_rejected = (product & np.uint64(_MASK)) < np.uint64((2**32 - bound) % bound)
    return (product >> _U32).astype(np.int64), is_rejected


@cache
def agrees() -> bool:
    """Whether this numpy's generators make of their bits what is expected here."""
    keys = Keys(2**70 + 3).fold(np.arange(32), "agrees", 5)
    every = [keys.at(i) for i in range(32)]
    generators = [key.generator() for key in every]
    first, then = [g.random() for g in generators], [g.integers(3 * 2**30) for g in generators]
    return bool(
        (keys.doubles() == first).all()
        and (keys.integers(3 * 2**30, after=1) == then).all()
        and (keys.words() == [key.words() for key in every]).all()
    )


_MASK = 2**32 - 1
_U16, _U32, _ONE, _LOW = np.uint32(16), np.uint64(32), np.uint64(1), np.uint64(2**32 - 1)
_MULTIPLIER = np.uint64(2549297995355413924), np.uint64(4865540595714422341)


def _turned(long: Longs, places: Longs) -> Longs:
    turned: Longs = long >> places | long << (np.uint64(64) - places & np.uint64(63))
    return turned


def _joined(high: Longs, low: Longs) -> Longs:
    return low | high << _U32


def _words_of(part: int | npt.NDArray[np.int64], at_least: int = 1) -> list[Words]:
    """Returns a number in words, the lowest first. Arrays all: scalars of numpy warn where they wrap around."""
    if isinstance(part, np.ndarray):
        return [part.astype(np.uint32)]
    count = max(at_least, -(-part.bit_length() // 32))
    return [np.array([part >> 32 * i & _MASK], np.uint32) for i in range(count)]


def _pool(entropy: list[Words]) -> list[Words]:
    constant = 0x43B0D7E5

    def hashed(word: Words) -> Words:
        nonlocal constant
        word = word ^ np.uint32(constant)
        constant = constant * 0x931E8875 & _MASK
        return _shaken(word * np.uint32(constant))

    def mixed(one: Words, other: Words) -> Words:
        return _shaken(one * np.uint32(0xCA01F9DD) - other * np.uint32(0x4973F715))

    pool = [hashed(word) for word in entropy[:4]]
    for source in range(4):
        for to in range(4):
            if to != source:
                pool[to] = mixed(pool[to], hashed(pool[source]))
    for word in entropy[4:]:
        pool = [mixed(held, hashed(word)) for held in pool]
    return pool


def _shaken(word: Words) -> Words:
    shaken: Words = word ^ word >> _U16
    return shaken


def _step(state: tuple[Longs, Longs], inc: tuple[Longs, Longs]) -> tuple[Longs, Longs]:
    """Returns state x multiplier + inc, in 128 bits."""
    high, low = state
    times_high, times_low = _MULTIPLIER
    # The upper half of low x times_low, from products of halves.
    a, b, c, d = low >> _U32, low & _LOW, times_low >> _U32, times_low & _LOW
    cross = a * d + (b * d >> _U32)
    other = b * c + (cross & _LOW)
    carried = a * c + (cross >> _U32) + (other >> _U32)
    return _add((carried + high * times_low + low * times_high, low * times_low), inc)


def _add(one: tuple[Longs, Longs], other: tuple[Longs, Longs]) -> tuple[Longs, Longs]:
    low = one[1] + other[1]
    return one[0] + other[0] + (low < one[1]), low
