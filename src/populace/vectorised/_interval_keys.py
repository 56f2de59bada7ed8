"""The roots of what members draw while they train, made for some generations ahead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np

from populace.space import Keys

_AHEAD = 2**12  # keys

# Array names end in their axes: G generations, M members.


@final
class IntervalKeys:
    """Makes keys of intervals.

    Args:
        seed: The run's seed.
        members: Who trains.
    """

    def __init__(self, seed: int, members: Sequence[int]) -> None:
        self._keys, self._members_M = Keys(seed), np.array(members)
        self._first, self._words_GM2 = 0, np.zeros((0, len(members), 2), np.uint32)

    def of(self, generations: Sequence[int]) -> np.ndarray:
        """Returns the keys of one generation of each member, with axes M, 2."""
        if len(set(generations)) > 1:
            return self._keys.fold(self._members_M, np.array(generations), "interval").words()
        words_M2: np.ndarray = self.ahead(generations[0], 1)[0]
        return words_M2

    def ahead(self, first: int, count: int) -> np.ndarray:
        """Returns the keys of some generations, with axes G, M, 2."""
        if not self._first <= first <= self._first + len(self._words_GM2) - count:
            wanted = max(count, _AHEAD // len(self._members_M))
            generations = np.arange(first, first + wanted)[:, None]
            self._first, self._words_GM2 = first, self._keys.fold(self._members_M, generations, "interval").words()
        return self._words_GM2[first - self._first : first - self._first + count]
