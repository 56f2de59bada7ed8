"""The watch: reads the log while a run trains and tells callbacks and the display what is new."""

from __future__ import annotations

import time
from typing import final

from populace.core import OVERSAMPLED, Segment, SegmentId
from populace.run._callbacks import Callbacks
from populace.run._display import Display, Silence
from populace.store import EventKind, Store

_EVERY_S = 0.1
_PAGE = 1000
_FAILURES = (EventKind.FAILURE, EventKind.LOST, EventKind.GIVEN_UP, EventKind.DAMAGED, EventKind.RETIRED)


@final
class Watch:
    """Follows a run's events; call it as often as you like.

    Args:
        store: A store of its own.
        callbacks: Who is told.
        display: What shows the run.
        after: Events up to this number are old.
    """

    def __init__(self, store: Store, callbacks: Callbacks, display: Display, after: int) -> None:
        self._store = store
        self._callbacks = callbacks
        self._display = display
        self._after = after
        self._next = 0.0
        self._is_heard = bool(callbacks) or not isinstance(display, Silence)

    def __call__(self) -> None:
        """Looks for news, at most every tenth of a second."""
        now = time.monotonic()
        if now >= self._next:
            self.look()
            self._next = time.monotonic() + _EVERY_S

    def look(self) -> None:
        """Looks for news now; where nobody listens there is none to tell."""
        if not self._is_heard:
            return
        ended: dict[SegmentId, Segment] | None = None
        while True:
            events = self._store.events(self._after, _PAGE)
            if events and ended is None:
                # One query instead of two per segment: the supervisor shares its cores with the workers.
                ended = {s.id: s for s in self._store.snapshot(self._after).ended}
            for event in events:
                self._after = event.sequence
                if event.kind in _FAILURES and event.detail.get("rule") != OVERSAMPLED:
                    self._callbacks.each(lambda c, e=event: c.on_failure(e), "on_failure")  # type: ignore[misc]  # mypy cannot see the default
                    self._display.failure(event)
                elif event.kind in (EventKind.BEGUN, EventKind.PUBLISHED):
                    assert event.member is not None
                    assert event.generation is not None
                    id = SegmentId(event.member, event.generation)
                    segment = (ended or {}).get(id) or self._store.segment(id)
                    assert segment is not None, "an event names its segment"
                    if event.kind is EventKind.PUBLISHED:
                        self._callbacks.each(lambda c, s=segment: c.on_segment(s), "on_segment")  # type: ignore[misc]  # as above
                        self._display.ended(segment)
                    else:
                        if segment.donor is not None:
                            self._callbacks.each(lambda c, s=segment: c.on_exploit(s), "on_exploit")  # type: ignore[misc]  # as above
                        self._display.begun(segment)
            if len(events) < _PAGE:
                break
        self._display.refresh()
