"""What the outside observer knows of processes and members."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import final

from populace.core import Finite, Mode, Segment, SegmentId
from populace.store import Claim


@final
@dataclass(kw_only=True)
class Attempt:
    """One process's work on one segment."""

    segment: SegmentId
    """Which."""
    steps: int = 0
    """Steps trained."""


@final
@dataclass(kw_only=True)
class Process:
    """What is known of one process."""

    attempt: Attempt | None = None
    """What it trains, until it is published."""
    hit: str = ""
    """The fault that excuses the loss of that work."""


@final
@dataclass(kw_only=True)
class MemberNotes:
    """What is known of one member."""

    epoch: int = 0
    """The newest."""
    holder: Claim | None = None
    """The claim on it; None while it is free."""
    lease_until: float = -math.inf
    """When that claim runs out, on the host's clock."""
    failures: int = 0
    """Failures in a row."""
    retired: bool = False
    """Whether it was given up for good."""
    trained: int = 0
    """Steps it has trained."""
    newest: Segment | None = None
    """Its newest ended segment."""
    running: Segment | None = None
    """The segment that was begun and has not ended."""
    begun: dict[int, Segment] = field(default_factory=dict)
    """By generation, its segments as they were begun."""


def level(segment: Segment, mode: Mode) -> float:
    """Returns a segment's score on a scale where larger is better, by a rule of the observer's own."""
    if not isinstance(segment.outcome, Finite) or not math.isfinite(segment.outcome.value):
        return -math.inf
    return segment.outcome.value if mode is Mode.MAX else -segment.outcome.value
