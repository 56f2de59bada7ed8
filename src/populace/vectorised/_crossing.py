"""Rows that cross from device to device: each sends a few, all get them, and each writes those that it wants."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias, final

import jax
import numpy as np

from populace.vectorised._packed import packed, unpacked_into
from populace.vectorised._spread import AXIS

Copy: TypeAlias = tuple[int, int]
"""From which row to which."""

# Array names end in their axes: D devices, M rows of a device, C rows that it sends, R that it writes.


@final
class Crossing(NamedTuple):
    """Which rows cross. Within a program each device has its own part, without the axis of devices."""

    sent_DC: Any
    """Rows that it sends."""
    from_DR: Any
    """What it writes: places among all that was sent, device by device."""
    to_DR: Any
    """The rows that it writes them to."""
    count_D: Any
    """How many of these there are."""
    times_D: Any
    """Whether any device sends: once or not at all, the same everywhere."""


@final
class Crossings:
    """Plans which rows cross.

    Args:
        num_devices: How many devices there are.
        num_rows: How many rows each has. A row's number counts through all devices.
        num_sent: How many each may send at once.
    """

    def __init__(self, num_devices: int, num_rows: int, num_sent: int) -> None:
        self._num_devices, self._num_rows, self._num_sent = num_devices, num_rows, num_sent

    def parted(self, from_to: Iterable[Copy]) -> tuple[list[Copy], list[Copy]]:
        """Returns copies that go from one device to another, and those that stay on one."""
        parts: tuple[list[Copy], list[Copy]] = [], []
        for source, to in from_to:
            parts[not self._crosses(source, to)].append((source, to))
        return parts

    def num_at_once(self, from_to: Sequence[Copy]) -> int:
        """Returns how many of some copies, from the first on, fit into one crossing."""
        sent: list[set[int]] = [set() for _ in range(self._num_devices)]
        for done, (source, to) in enumerate(from_to):
            if self._crosses(source, to):
                rows = sent[source // self._num_rows]
                rows.add(source)
                if len(rows) > self._num_sent:
                    return done
        return len(from_to)

    def _crosses(self, source: int, to: int) -> bool:
        return source // self._num_rows != to // self._num_rows

    def of(self, from_to: Iterable[Copy]) -> Crossing | None:
        """Returns the crossing of copies that go from one device to another; None where there is no other."""
        if self._num_devices == 1:
            return None
        num, num_rows, num_sent = self._num_devices, self._num_rows, self._num_sent
        places: dict[int, int] = {}
        counts = np.zeros((2, num), np.int32)
        sent_DC = np.zeros((num, num_sent), np.int32)
        from_DR, to_DR = np.zeros((2, num, num_rows), np.int32)
        for source, to in from_to:
            there, row = divmod(source, num_rows)
            if source not in places:
                places[source] = there * num_sent + counts[0, there]
                sent_DC[there, counts[0, there]] = row
                counts[0, there] += 1
            here, row = divmod(to, num_rows)
            place = counts[1, here]
            from_DR[here, place], to_DR[here, place] = places[source], row
            counts[1, here] += 1
        return Crossing(sent_DC, from_DR, to_DR, counts[1], np.full(num, bool(places), np.int32))


def crossed(rows_M: Any, crossing: Crossing | None) -> Any:
    """Returns a device's rows after it has sent and written what crosses, if anything does; to be traced.

    Args:
        rows_M: The rows.
        crossing: Its own part of the crossing; None where there is no other device.
    """
    if crossing is None:
        return rows_M
    # A loop of one round or none leaves rows where they are, a branch may copy them all.
    return jax.lax.fori_loop(0, crossing.times_D, lambda _, rows_M: exchanged(rows_M, crossing, lambda x: x), rows_M)


def exchanged(rows_M: Any, crossing: Crossing | None, move: Callable[[Any], Any]) -> Any:
    """Returns `crossed` with something that happens to rows between sending and writing."""
    if crossing is None:
        return move(rows_M)
    sent = packed(rows_M, crossing.sent_DC)
    everybodys = {name: jax.lax.all_gather(held_CL, AXIS, tiled=True) for name, held_CL in sent.items()}
    return unpacked_into(move(rows_M), everybodys, crossing.from_DR, crossing.to_DR, crossing.count_D)
