"""Callbacks: a user's code that watches a run, from the process that started it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, final

from populace.core import RunSpec, Segment
from populace.store import Event

if TYPE_CHECKING:
    from populace.run._result import Result

_log = logging.getLogger(__name__)


class Callback:
    """Watches a run; override what you need. It is called in the starting process, so workers never wait for it.

    What a callback raises is logged once and never stops the training.
    """

    def on_start(self, spec: RunSpec) -> None:
        """Called when training begins or goes on."""

    def on_segment(self, segment: Segment) -> None:
        """Called after a segment has ended."""

    def on_exploit(self, segment: Segment) -> None:
        """Called when a segment begins with another member's weights or hyperparameters."""

    def on_failure(self, event: Event) -> None:
        """Called when a member has failed, was lost or could not load; `event.detail["reason"]` tells why."""

    def on_end(self, result: Result) -> None:
        """Called when the run has ended."""


@final
class Callbacks:
    """Calls many callbacks, each at its own risk."""

    def __init__(self, callbacks: Sequence[Callback]) -> None:
        self._callbacks = callbacks
        self._failed: set[tuple[int, str]] = set()

    def __bool__(self) -> bool:
        return bool(self._callbacks)

    def each(self, call: Callable[[Callback], None], what: str) -> None:
        """Calls every callback; `what` names the call in the log."""
        for callback in self._callbacks:
            try:
                call(callback)
            except Exception:
                place = (id(callback), what)
                if place not in self._failed:
                    self._failed.add(place)
                    _log.exception("callback %r failed in %s; training goes on", callback, what)
