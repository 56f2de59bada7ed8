"""The keys of decisions, with the generators that most of them make seeded for some generations ahead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np

from populace.core import RunSpec
from populace.space import Hashed, Key, Keys, agrees

_AHEAD = 2**12  # generators

# Array names end in their axes: G generations, P members, and the four words of a seed.


@final
class DecisionKeys:
    """Makes keys of decisions.

    Args:
        spec: The run.
    """

    def __init__(self, spec: RunSpec) -> None:
        self._seed, self._size, self._root = spec.seed, spec.population, Key(spec.seed)
        self._names: Sequence[tuple[str, ...]] = (("exploit",), *(("explore", name) for name in spec.space))
        self._num_ahead = max(1, _AHEAD // (spec.population * len(self._names))) if agrees() else 0
        self._first = 0
        self._states_GP4: dict[tuple[int, ...], np.ndarray] = {}
        self._made: tuple[int, Sequence[Key]] = (0, ())

    def of(self, member: int, generation: int) -> Key:
        """Returns the key of the decision with which a member begins a generation, which is at least 1."""
        made_for, made = self._made
        if made_for == generation and made:
            return made[member]
        key = self._root.fold(member, generation, "decide")
        if not self._num_ahead:
            return key
        if not (self._states_GP4 and self._first <= generation < self._first + self._num_ahead):
            self._hash(generation)
        return key.with_hashed(Hashed(3, self._states_GP4, (generation - self._first, member)))

    def foresee(self, generation: int) -> None:
        """Makes the keys of the decisions with which members begin a generation, and hashes what these will draw."""
        self._made = generation, [self.of(member, generation) for member in range(self._size)]

    def _hash(self, first: int) -> None:
        generations = np.arange(first, first + self._num_ahead)[:, None]
        keys = Keys(self._seed).fold(np.arange(self._size), generations, "decide")
        self._first = first
        self._states_GP4 = {
            Key(0).fold(*names).path: np.ascontiguousarray(keys.fold(*names).seeds()) for names in self._names
        }
