"""Forks: no SQLite connection may live through one.

Its locks belong to the process, but its bookkeeping of them is memory, which a fork copies. A child that uses or closes
its parent's connection, or opens the same file anew, believes to hold locks that it has not, and damages the file
("How To Corrupt An SQLite Database File", section 2.6). Users fork in the midst of training: data loaders do. So every
connection is closed before a fork, and made again at its next use, in the parent and in the child alike.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Closable(Protocol):
    """What must be closed before a fork."""

    def hold_still(self) -> None:
        """Closes, and lets nobody use it until `go_on`."""

    def go_on(self) -> None:
        """Ends `hold_still`."""


_open: WeakSet[Closable] = WeakSet()
_held: list[Closable] = []


def close_before_forks(item: Closable) -> None:
    """Closes an object before every fork of this process, for as long as the object lives."""
    _open.add(item)


def _before() -> None:
    for item in list(_open):
        item.hold_still()
        _held.append(item)


def _after() -> None:
    while _held:
        _held.pop().go_on()


os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_after)
