"""A run in plain lines: for files, pipes and continuous integration."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO, final

from populace.core import RunSpec, Segment, Status
from populace.run._board import Board
from populace.run._display import Display
from populace.run._words import change_in_words, divergence_in_words
from populace.store import FULL, Event

_FIRST_PAUSE_S, _LAST_PAUSE_S, _GROWTH = 2.0, 30.0, 1.25


@final
class PlainLines(Display):
    """Writes a line now and then while there is news, less often as time goes by, and one per failure.

    Args:
        stream: Where to.
        now: Source of time, in seconds.
    """

    def __init__(self, stream: TextIO, now: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._now = now
        self._board: Board | None = None
        self._pause_s = _FIRST_PAUSE_S
        self._next = 0.0
        self._said = ""

    def start(self, spec: RunSpec, segments: list[Segment], best: Segment | None) -> None:
        self._board = Board(spec, segments, best)
        size = f"{spec.population} members x {spec.steps} steps, interval {spec.interval}, seed {spec.seed}"
        done = f", going on after {self._board.done} member-steps" if self._board.done else ""
        self.note(f"run {spec.name}: {size}{done}")
        self._next = self._now() + self._pause_s

    def note(self, text: str) -> None:
        try:
            self._stream.write(f"populace: {text}\n")
            self._stream.flush()
        except OSError as error:
            if error.errno not in FULL:
                raise
            # A log on the disk that is full: the stream keeps the line and writes it with a later one.

    def begun(self, segment: Segment) -> None:
        assert self._board is not None, "a run starts before its segments"
        self._board.begun(segment)

    def ended(self, segment: Segment) -> None:
        assert self._board is not None, "a run starts before its segments"
        self._board.ended(segment)
        if segment.status is Status.DIVERGED:
            self.note(divergence_in_words(segment))

    def failure(self, event: Event) -> None:
        assert self._board is not None, "a run starts before its segments"
        self._board.failure(event)
        self.note(change_in_words(event))

    def refresh(self) -> None:
        if self._now() >= self._next:
            self._line()
            self._pause_s = min(self._pause_s * _GROWTH, _LAST_PAUSE_S)
            self._next = self._now() + self._pause_s

    def stop(self) -> None:
        self._line()

    def _line(self) -> None:
        if self._board is None:
            return
        best = self._board.best
        found = "no score yet" if best is None else f"best {best.score:.6g} ({best.id}, step {best.end_step})"
        last = f"; last exploit: {self._board.exploits[-1]}" if self._board.exploits else ""
        done = f"{self._board.done}/{self._board.total} member-steps"
        line = f"{done}, {found}, {self._board.num_exploits} exploits{last}"
        if line != self._said:
            self._said = line
            self.note(line)
