"""What a display knows of a run: the newest of every member, gathered from what it is told. No output here."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

from populace.core import RunSpec, Segment, SegmentId, Status
from populace.run._words import exploit_in_words
from populace.space import Hyperparameters, Value
from populace.store import Event, EventKind

_NUM_EXPLOITS = 5
_NUM_SCORES = 24
_GENERATIONS_KEPT = 8


@final
@dataclass(frozen=True, kw_only=True)
class Row:
    """One member as it stands."""

    member: int
    """The member."""
    state: str
    """In a word: training, ready, done, diverged, failed, given up."""
    step: int
    """Steps that its weights have seen."""
    score: float | None
    """Its last finite score, which is its donor's until a clone has its own."""
    scores: tuple[float, ...]
    """The newest scores along its ancestry, oldest first."""
    hyperparameters: Hyperparameters
    """The active ones."""
    changed: Mapping[str, int]
    """Those that differ from the parent segment's: 1 is larger, -1 smaller, 0 another choice."""
    donor: int | None
    """The member that its current segment copied."""
    news: int
    """Sequence number of its last event: larger is more recent."""


@final
@dataclass(frozen=True, kw_only=True)
class _Past:
    """What a segment leaves to its children."""

    scores: tuple[float, ...]
    hyperparameters: Hyperparameters


@final
class Board:
    """Gathers a run's events into rows.

    Args:
        spec: The run.
        segments: The members' newest ended segments.
        best: The best so far.
    """

    def __init__(self, spec: RunSpec, segments: Sequence[Segment] = (), best: Segment | None = None) -> None:
        self.spec = spec
        self.best = best
        """The best segment so far."""
        self.num_exploits = 0
        """Exploits since training began or went on."""
        self.num_failures = 0
        """Failures, lost workers and damaged checkpoints since then."""
        self.exploits: deque[str] = deque(maxlen=_NUM_EXPLOITS)
        """The last exploits in words, oldest first."""
        self._rows: dict[int, Row] = {}
        self._trained: dict[int, int] = {}
        self._pasts: dict[SegmentId, _Past] = {}
        for segment in segments:
            self.ended(segment)

    @property
    def done(self) -> int:
        """Member-steps trained."""
        return sum(self._trained.values())

    @property
    def total(self) -> int:
        """Member-steps that the run costs."""
        return self.spec.population * self.spec.steps

    @property
    def rows(self) -> list[Row]:
        """All members that have begun, by number."""
        return [self._rows[member] for member in sorted(self._rows)]

    def begun(self, segment: Segment) -> None:
        """Takes in that a segment has begun."""
        if segment.donor is not None:
            self.num_exploits += 1
            self.exploits.append(exploit_in_words(segment))
        past = self._past(segment)
        self._rows[segment.member] = Row(
            member=segment.member,
            state="training",
            step=segment.start_step,
            score=past.scores[-1] if past.scores else None,
            scores=past.scores,
            hyperparameters=self.spec.space.active(segment.hyperparameters),
            changed=_changes(past.hyperparameters, segment.hyperparameters),
            donor=None if segment.donor is None else segment.donor.member,
            news=segment.begun,
        )

    def ended(self, segment: Segment) -> None:
        """Takes in that a segment has ended."""
        past = self._past(segment)
        score = segment.score
        scores = past.scores if score is None else (*past.scores, score)[-_NUM_SCORES:]
        self._pasts[segment.id] = _Past(scores=scores, hyperparameters=segment.hyperparameters)
        self._pasts.pop(SegmentId(segment.member, segment.generation - _GENERATIONS_KEPT), None)
        self._trained[segment.member] = segment.member_end
        mode = self.spec.mode
        if score is not None and (self.best is None or segment.precedence(mode) > self.best.precedence(mode)):
            self.best = segment
        self._rows[segment.member] = Row(
            member=segment.member,
            state=self._state(segment),
            step=segment.end_step,
            score=score,
            scores=scores,
            hyperparameters=self.spec.space.active(segment.hyperparameters),
            changed=_changes(past.hyperparameters, segment.hyperparameters),
            donor=None if segment.donor is None else segment.donor.member,
            news=segment.ended or segment.begun,
        )

    def failure(self, event: Event) -> None:
        """Takes in that a member failed, was lost, given up or retired."""
        self.num_failures += event.kind in (EventKind.FAILURE, EventKind.LOST, EventKind.DAMAGED)
        row = None if event.member is None else self._rows.get(event.member)
        if row is not None:
            state = "given up" if event.kind is EventKind.RETIRED else "failed"
            self._rows[row.member] = replace(row, state=state, news=event.sequence)

    def shown(self, most: int) -> tuple[list[Row], int]:
        """Returns at most so many rows and how many are left out.

        All members by number where there is room; else the best half, best first, then the most recent by number.
        """
        rows = self.rows
        if len(rows) <= most:
            return rows, 0
        ranked = sorted(rows, key=self._better, reverse=True)
        best, rest = ranked[: (most + 1) // 2], ranked[(most + 1) // 2 :]
        recent = sorted(rest, key=lambda row: row.news, reverse=True)[: most - len(best)]
        return [*best, *sorted(recent, key=lambda row: row.member)], len(rows) - most

    def _better(self, row: Row) -> float:
        return -math.inf if row.score is None else self.spec.mode.orient(row.score)

    def _past(self, segment: Segment) -> _Past:
        nothing = _Past(scores=(), hyperparameters=segment.hyperparameters)
        return nothing if segment.parent is None else self._pasts.get(segment.parent, nothing)

    def _state(self, segment: Segment) -> str:
        if segment.status is not Status.FINISHED:
            word: str = segment.status.value
            return word
        return "done" if segment.member_end >= self.spec.steps else "ready"


def _changes(before: Hyperparameters, after: Hyperparameters) -> dict[str, int]:
    differing = (name for name in after if name in before and before[name] != after[name])
    return {name: _direction(before[name], after[name]) for name in differing}


def _direction(before: Value, after: Value) -> int:
    if isinstance(before, int | float) and isinstance(after, int | float):
        return 1 if after > before else -1
    return 0
