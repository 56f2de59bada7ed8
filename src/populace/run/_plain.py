"""A run in plain lines: for files, pipes and continuous integration."""

from __future__ import annotations

import time
from typing import TextIO, final

from populace.core import RunSpec, Segment, Status
from populace.run._display import Display
from populace.run._words import change_in_words, exploit_in_words
from populace.store import Event

_EVERY_S = 2.0


@final
class PlainLines(Display):
    """Writes a line now and then, and one per failure.

    Args:
        stream: Where to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._spec: RunSpec | None = None
        self._newest: dict[int, Segment] = {}
        self._best: Segment | None = None
        self._exploits = 0
        self._last = ""
        self._next = 0.0

    def start(self, spec: RunSpec, segments: list[Segment]) -> None:
        self._spec = spec
        for segment in segments:
            self._take(segment)
        done = sum(s.member_end for s in self._newest.values())
        going_on = f", going on after {done} member-steps" if done else ""
        self.note(f"run {spec.name}: {spec.population} members x {spec.steps} steps, interval {spec.interval}, seed {spec.seed}{going_on}")
        self._next = time.monotonic() + _EVERY_S

    def note(self, text: str) -> None:
        print(f"populace: {text}", file=self._stream, flush=True)

    def begun(self, segment: Segment) -> None:
        if segment.donor is not None:
            self._exploits += 1
            self._last = exploit_in_words(segment)

    def ended(self, segment: Segment) -> None:
        self._take(segment)
        if segment.status is Status.DIVERGED:
            self.note(f"member {segment.member} diverged at step {segment.end_step} ({getattr(segment.outcome, 'reason', '')})")

    def failure(self, event: Event) -> None:
        self.note(change_in_words(event))

    def refresh(self) -> None:
        if time.monotonic() >= self._next:
            self._line()
            self._next = time.monotonic() + _EVERY_S

    def stop(self) -> None:
        self._line()

    def _take(self, segment: Segment) -> None:
        assert self._spec is not None
        self._newest[segment.member] = segment
        mode = self._spec.mode
        if segment.score is not None and (self._best is None or segment.better(mode) > self._best.better(mode)):
            self._best = segment

    def _line(self) -> None:
        if self._spec is None:
            return
        done, total = sum(s.member_end for s in self._newest.values()), self._spec.population * self._spec.steps
        best = "no score yet" if self._best is None else f"best {self._best.score:.6g} ({self._best.id}, step {self._best.end_step})"
        last = f"; last: {self._last}" if self._last else ""
        self.note(f"{done}/{total} member-steps, {best}, {self._exploits} exploits{last}")
