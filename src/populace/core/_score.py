"""Scores: what a segment is ranked by, with failure as a value rather than an exception or a magic number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import final


class Mode(Enum):
    """Whether a larger or a smaller score is better."""

    MAX = "max"
    MIN = "min"

    def orient(self, score: float) -> float:
        """Returns the score on a scale where larger is better."""
        return score if self is Mode.MAX else -score


@final
@dataclass(frozen=True, kw_only=True)
class Finite:
    """A segment that ended with a finite score."""

    value: float
    """The score as reported, on the user's scale."""


@final
@dataclass(frozen=True, kw_only=True)
class Diverged:
    """A segment that trained to its end without a usable score: ranks last, is never a donor, is replaced."""

    reason: str
    """What was reported instead of a finite number."""


@final
@dataclass(frozen=True, kw_only=True)
class Failed:
    """A segment whose own code failed more often than allowed: it trained nothing; its member is replaced."""

    reason: str
    """The last failure, in a line or as a traceback."""


Outcome = Finite | Diverged | Failed


class Status(Enum):
    """The state of a segment, as users and tables name it."""

    RUNNING = "running"
    FINISHED = "finished"
    DIVERGED = "diverged"
    FAILED = "failed"


def status_of(outcome: Outcome | None) -> Status:
    """Returns the name of an outcome; None is a segment that still trains."""
    match outcome:
        case None:
            return Status.RUNNING
        case Finite():
            return Status.FINISHED
        case Diverged():
            return Status.DIVERGED
        case Failed():  # pragma: no branch - the union ends here
            return Status.FAILED


def outcome_of(score: float | None) -> Finite | Diverged:
    """Returns the outcome of a segment that trained to its end with this last score (None: nothing was reported)."""
    if score is None:
        return Diverged(reason="no score was reported in this segment")
    if not math.isfinite(score):
        return Diverged(reason=f"the score is {score}")
    return Finite(value=score + 0.0)  # no negative zero: databases do not keep its sign
