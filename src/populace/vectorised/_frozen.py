"""Rows as they were, to be saved while training goes on."""

from __future__ import annotations

from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from populace.checkpoints import JaxValues
from populace.vectorised._row_programs import take
from populace.vectorised._spread import Spread

TAKE = jax.jit(take)
"""Returns a row of a device's rows: the program is made once for each device, and that of another run serves too."""


@final
class Frozen:
    """The rows of a block as they were.

    Args:
        rows_M: A copy of them.
        spread: The devices that they are on.
        num_rows: How many each device has.
    """

    def __init__(self, rows_M: Any, spread: Spread, num_rows: int) -> None:
        self._parts = [spread.part(rows_M, device) for device in range(spread.num)]
        self._num_rows = num_rows
        self._is_seen = spread.platform == "cpu"  # the host's memory is the device's
        self._seen: dict[int, Any] = {}

    def take(self, row: int) -> Any:
        """Returns a row to be saved: a copy, or where the host sees it, the values, for which no program must wait."""
        device, row = divmod(row, self._num_rows)
        if device not in self._seen:
            self._seen[device] = jax.tree.map(
                lambda leaf_M: np.asarray(leaf_M) if self._sees(leaf_M) else leaf_M, self._parts[device]
            )
        return jax.tree.map(lambda leaf_M: _of(leaf_M, row), self._seen[device])

    def _sees(self, leaf_M: Any) -> bool:
        """Whether an array's values are all of it; numpy's arrays are neither keys nor weakly typed."""
        is_key = jnp.issubdtype(leaf_M.dtype, jax.dtypes.prng_key)
        return self._is_seen and not is_key and not leaf_M.weak_type


def _of(leaf_M: Any, row: int) -> Any:
    return JaxValues(leaf_M[row, ...]) if isinstance(leaf_M, np.ndarray) else TAKE(leaf_M, np.int32(row))
