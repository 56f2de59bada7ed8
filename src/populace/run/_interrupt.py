"""Ctrl-C: the first ends the interval and saves, the second stops now."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import final

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@final
class Interrupts:
    """Catches interrupts while a run trains: `with Interrupts(say) as interrupts: ...`.

    Only the main thread can catch signals; elsewhere nothing is caught, and nothing changes.

    Args:
        say: Called with what to tell the user at the first interrupt.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._asked = False
        self._previous: dict[int, object] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                self._previous[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what `signal` returned

    def asked(self) -> bool:
        """Whether the user has asked to stop."""
        return self._asked

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        self._say("stopping: members finish their interval and save; press Ctrl-C again to stop now")
