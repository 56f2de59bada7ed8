"""How members that train together are laid out: on each device in chunks, who reads another row first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import jax
import numpy as np

from populace.jax import Shape
from populace.space import Hyperparameters

# Array names end in their axes: D devices, N chunks, C rows of a chunk.


@final
class Turn(NamedTuple):
    """What one member trains next."""

    member: int
    """Which."""
    hyperparameters: Hyperparameters
    """The active ones."""
    key_2: np.ndarray
    """Two words: the root of the interval's keys."""
    start_step: int
    """Weight steps before."""


@final
@dataclass(frozen=True, kw_only=True)
class Laid:
    """Members laid out, as `train_chunks` takes them."""

    members: list[int | None]
    """Who is where, device by device and chunk by chunk; None where there is nobody."""
    given: Mapping[str, Any]
    """Arrays with axes D, N, C and their own."""
    num_chunks_D: np.ndarray
    """How many chunks of each device hold anybody."""


@final
@dataclass(frozen=True)
class Layout:
    """How many members fit where."""

    num_devices: int
    """Devices."""
    num_rows: int
    """Rows of each device. A row's number counts through all devices."""
    chunk: int
    """Members of a chunk, at most as many as a device has rows."""

    def of(self, shape: Shape, group: Mapping[int, Turn], sources: Mapping[int, int]) -> Laid:
        """Lays out members of one shape.

        Args:
            shape: The shape of their hyperparameters.
            group: Who trains, by row.
            sources: Rows that are trained from another one of their device, and from which.
        """
        num, num_rows = self.num_devices, self.num_rows
        chunk = min(self.chunk, num_rows)
        size = -(-num_rows // chunk) * chunk
        order = [*sources, *(row for row in group if row not in sources)]  # so nobody reads what has moved on
        turns = [group[row] for row in order]
        counts, places = [0] * num, []
        for row in order:
            device = row // num_rows
            places.append(device * size + counts[device])
            counts[device] += 1
        members: list[int | None] = [None] * (num * size)
        for place, turn in zip(places, turns, strict=True):
            members[place] = turn.member
        rows = np.full(num * size, num_rows + 1, np.int32)  # out of range: nothing is written
        read, which = np.zeros((2, num * size), np.int32)
        rows[places] = [row % num_rows for row in order]
        read[places] = [sources.get(row, row) % num_rows for row in order]
        which[places] = range(len(order))
        each = {
            "keys": np.array([turn.key_2 for turn in turns], np.uint32),
            "starts": np.array([turn.start_step for turn in turns], np.int32),
            "hp": shape.arrays([turn.hyperparameters for turn in turns]),
        }
        arrays = {"rows": rows, "sources": read, **jax.tree.map(lambda a: a[which], each)}
        return Laid(
            members=members,
            given=jax.tree.map(lambda a: a.reshape(num, -1, chunk, *a.shape[1:]), arrays),
            num_chunks_D=-(-np.array(counts, np.int32) // chunk),
        )
