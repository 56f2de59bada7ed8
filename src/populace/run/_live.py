"""A run as one live screen of a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO, final

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from populace.core import RunSpec, Segment, Status
from populace.run._board import Board
from populace.run._display import Display
from populace.run._screen import ASCII, UNICODE, draw
from populace.run._words import change_in_words, divergence_in_words
from populace.store import Event

_NEWS_EVERY_S = 0.25
_CLOCK_EVERY_S = 1.0
_MOST_SHARE = 0.01
_NUM_NOTES = 8


@final
class LiveScreen(Display):
    """Draws a run in place, at most four times a second, and once a second while nothing happens.

    Where a drawing is costly, less often: it takes at most a hundredth of the time.

    Args:
        stream: The terminal.
        now: Source of time, in seconds.
    """

    def __init__(self, stream: TextIO, now: Callable[[], float] = time.monotonic) -> None:
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)
        encoding = (stream.encoding or "ascii").lower().replace("-", "")
        self._signs = UNICODE if encoding.startswith("utf") else ASCII
        self._now = now
        self._live: Live | None = None
        self._board: Board | None = None
        self._notes: list[str] = []
        self._begun_at = 0.0
        self._drawn_at = 0.0
        self._cost_s = 0.0
        self._has_news = False
        self._is_drawing = False

    def start(self, spec: RunSpec, segments: list[Segment], best: Segment | None) -> None:
        self._board = Board(spec, segments, best)
        if self._board.done:
            self.note(f"going on after {self._board.done} member-steps")
        self._begun_at = self._now()
        # Drawn by us alone: a thread of rich's would draw the same lines again and again.
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            vertical_overflow="crop",
            redirect_stdout=sys.stdout.isatty(),  # what is piped elsewhere stays there
        )
        self._live.start()
        self._draw()

    def note(self, text: str) -> None:
        self._notes = [*self._notes, text][-_NUM_NOTES:]
        # A note may come from a signal's handler, in the middle of a drawing; a long step may delay the next one.
        if self._is_drawing:
            self._has_news = True
        else:
            self._draw()

    def begun(self, segment: Segment) -> None:
        assert self._board is not None, "a run starts before its segments"
        self._board.begun(segment)
        self._has_news = True

    def ended(self, segment: Segment) -> None:
        assert self._board is not None, "a run starts before its segments"
        self._board.ended(segment)
        self._has_news = True
        if segment.status is Status.DIVERGED:
            self._notes = [*self._notes, divergence_in_words(segment)][-_NUM_NOTES:]

    def failure(self, event: Event) -> None:
        assert self._board is not None, "a run starts before its segments"
        self._board.failure(event)
        self._notes = [*self._notes, change_in_words(event)][-_NUM_NOTES:]
        self._has_news = True

    def refresh(self) -> None:
        waited = self._now() - self._drawn_at
        if waited >= max(_NEWS_EVERY_S if self._has_news else _CLOCK_EVERY_S, self._cost_s / _MOST_SHARE):
            self._draw()

    def stop(self) -> None:
        if self._live is not None:
            self._draw()
            self._live.stop()
            self._live = None

    def _draw(self) -> None:
        if self._live is None or self._board is None:
            return
        self._is_drawing = True
        try:
            self._has_news = False
            begun_at = self._now()
            width, height = self._console.size
            lines = draw(
                self._board,
                elapsed_s=begun_at - self._begun_at,
                notes=self._notes,
                width=width,
                height=height - 2,
                signs=self._signs,
            )
            # On a line of its own, the ^C that a terminal echoes cannot wrap and shift the screen.
            self._live.update(Group(*lines, Text()), refresh=True)
            self._drawn_at = self._now()
            self._cost_s = self._drawn_at - begun_at
        finally:
            self._is_drawing = False
