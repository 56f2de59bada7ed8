"""Sparing the device the pauses of Python's garbage collector."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def set_aside() -> Iterator[None]:
    """Has the collector look at nothing, within, that existed before.

    A loop that makes some hundred objects per generation has it look through all of a process again and again; with JAX
    loaded that takes a tenth of a second, while the device waits. What became garbage before is collected afterwards.
    Where a program has set objects aside itself, everything is left as it is, since only all can be taken back.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
