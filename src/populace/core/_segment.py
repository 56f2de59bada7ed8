"""Segments: what one member did between two ready points. They form a forest; every view is a walk over it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple, final

from populace._errors import UsageError
from populace.core._score import Diverged, Finite, Mode, Outcome, Status, status_of
from populace.space import Hyperparameters

Why = Mapping[str, object]
"""The numbers that led to a decision, as strict JSON values; `rule` names what decided."""


class SegmentId(NamedTuple):
    """A segment's name: it depends on nothing but its place, so it is the same in every execution order."""

    member: int
    generation: int

    def __str__(self) -> str:
        return f"m{self.member:02d}/{self.generation}"

    @classmethod
    def parse(cls, text: str) -> SegmentId:
        """Returns the id written as `m03/12`.

        Raises:
            UsageError: The text is not of that form.
        """
        found = re.fullmatch(r"m?([0-9]{1,12})/([0-9]{1,12})", text)
        if found is None:
            raise UsageError(f"a segment is named like m03/12 (member 3, generation 12), but got {text!r}")
        return cls(int(found[1]), int(found[2]))


@final
@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One measurement inside a segment."""

    step: int
    """Weight steps done when it was taken."""
    score: float
    """The metric that ranks; may be NaN or infinite."""
    metrics: Mapping[str, float]
    """Everything that was reported, the score's metric included; empty where a bare number was reported."""


@final
@dataclass(frozen=True, kw_only=True)
class Segment:
    """One row of the log, begun by a decision and ended by an outcome."""

    member: int
    """The member that trained it, 0..N-1."""
    generation: int
    """Its index in the member's life, from 0."""
    parent: SegmentId | None
    """The segment whose checkpoint it started from; None where it started from `init`."""
    donor: SegmentId | None
    """The segment exploited; None where there was no exploit. Equals `parent` where weights were copied."""
    start_step: int
    """Weight steps before it: the parent's `end_step`."""
    end_step: int
    """Weight steps after it (planned while it runs; equal to `start_step` where it failed)."""
    member_start: int
    """Steps the member had trained before it; these fill the budget."""
    hyperparameters: Hyperparameters
    """The full assignment it trains with, inactive dimensions included."""
    why: Why
    """The numbers behind its decision."""
    snapshot: int
    """Sequence number of the snapshot its decision was taken from."""
    begun: int
    """Sequence number of its begin."""
    ended: int | None = None
    """Sequence number of its end; None while it runs."""
    outcome: Outcome | None = None
    """How it ended; None while it runs."""
    evaluations: Sequence[Evaluation] = ()
    """All that was measured, in order."""
    checkpoint: str | None = None
    """SHA-256 digest of its checkpoint; None where its weights were never saved, since the whole population trained on
    in the memory of one process (`Store.publish_all`)."""
    checkpoint_bytes: int = 0
    """Size of its checkpoint."""
    checkpoint_kept: bool = False
    """Whether the checkpoint is still stored."""
    damaged: int | None = None
    """Sequence number at which its checkpoint was found damaged or missing; None where nobody has found it so."""
    parent_damaged: bool = False
    """Whether it failed because its parent's checkpoint is damaged: its own code never ran."""
    fallback: SegmentId | None = None
    """Where so: what the member goes on from, its last good ancestor whose checkpoint was kept; None: there is none."""
    worker: str = ""
    """The worker that ended it (while it runs: that trains it)."""
    epoch: int = 0
    """That worker's fencing number."""
    begun_at: float = 0.0
    """Wall time of the begin, for display only."""
    ended_at: float | None = None
    """Wall time of the end, for display only."""

    @cached_property
    def id(self) -> SegmentId:
        """Its name."""
        return SegmentId(self.member, self.generation)

    @property
    def score(self) -> float | None:
        """The number it is ranked by, on the user's scale; None while it runs and where it is not finite."""
        return self.outcome.value if isinstance(self.outcome, Finite) else None

    @property
    def status(self) -> Status:
        """Running, finished, diverged or failed."""
        return status_of(self.outcome)

    @property
    def member_end(self) -> int:
        """Steps the member has trained after it."""
        return self.member_start + self.end_step - self.start_step

    @property
    def metrics(self) -> Mapping[str, float]:
        """The metrics of its last evaluation."""
        return self.evaluations[-1].metrics if self.evaluations else {}

    @property
    def can_donate(self) -> bool:
        """Whether another member may copy it: it has a finite score and its checkpoint is stored."""
        return isinstance(self.outcome, Finite) and self.checkpoint_kept

    def as_of(self, sequence: int) -> Segment:
        """Returns the ended segment as decisions saw it then: with its weights, unless they were known as damaged."""
        had_weights = isinstance(self.outcome, Finite | Diverged)
        if self.checkpoint_kept or not had_weights or (self.damaged is not None and self.damaged <= sequence):
            return self
        return replace(self, damaged=None, checkpoint_kept=True)

    def precedence(self, mode: Mode) -> tuple[float, int, int]:
        """Returns what the best segment has the largest of: the score; of equal ones, the earliest place.

        By place and not by arrival, so that in lockstep the best depends on the seed alone.
        """
        return self.better(mode), -self.generation, -self.member

    def better(self, mode: Mode) -> float:
        """Returns the score on a scale where larger is better, -inf where there is no finite score."""
        return mode.orient(self.outcome.value) if isinstance(self.outcome, Finite) else float("-inf")
