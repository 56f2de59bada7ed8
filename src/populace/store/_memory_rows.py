"""The rows of the log in memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar, final

from populace.core import Finite, RunSpec, Segment, SegmentId, Stand
from populace.store._protocol import Changes, Claim, Draft, Ending, Event, RunStatus
from populace.store._rows import dumps

T = TypeVar("T")


@final
@dataclass(kw_only=True)
class Member:
    """One member's row."""

    id: int
    epoch: int = 0
    worker: str | None = None
    lease_until: float = 0.0
    boot: str = ""
    steps: int = 0
    generation: int = 0
    failures: int = 0
    retired: bool = False
    joined: int = 0
    running: Segment | None = None
    newest: Segment | None = None


@final
@dataclass(kw_only=True)
class Run:
    """The run and all its rows."""

    spec: RunSpec
    members: list[Member]
    segments: dict[SegmentId, Segment] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    asked: set[SegmentId] = field(default_factory=set)
    best: SegmentId | None = None
    status: RunStatus = RunStatus.UNFINISHED
    message: str = ""
    stopping: bool = False

    def needed_by_decisions(self, begun: int) -> set[SegmentId]:
        """Returns what members who lag in lockstep may still copy, whatever has ended since.

        Args:
            begun: A generation that everybody has begun.
        """
        needed = {s.id for s in self.segments.values() if s.checkpoint_kept and s.generation >= begun}
        if self.spec.synchronous and self.spec.looks.best:
            then = [s for s in self.segments.values() if isinstance(s.outcome, Finite) and s.generation <= begun]
            needed |= {s.id for s in sorted(then, key=lambda s: s.precedence(self.spec.mode))[-1:]}
        return needed


def logged(value: Mapping[str, T]) -> dict[str, T]:
    """Returns values as a log gives them back: copies, and refused where they are not strict JSON."""
    copy: dict[str, T] = json.loads(dumps(dict(value)))
    return copy


def changes_since(run: Run, after: int) -> Changes:
    """Returns what has happened since a sequence number."""
    segments: Iterable[Segment] = run.segments.values()
    if not after:
        segments = [m.newest for m in run.members if m.newest is not None]
    ended = [(s.ended, s) for s in segments if s.ended is not None and s.ended > after]
    ended.sort(key=lambda pair: pair[0])
    damaged = [s for s in run.segments.values() if s.damaged is not None and 0 < after < s.damaged]
    return Changes(
        sequence=len(run.events),
        ended=tuple(segment for _, segment in ended),
        damaged=tuple(sorted(damaged, key=lambda s: (s.damaged or 0, s.begun))),
    )


def stands_since(members: Iterable[Member], after: int) -> tuple[Stand, ...]:
    """Returns where members stand whose standing has changed since a sequence number."""
    newest = [member.newest for member in members if member.newest is not None]
    changed = [s for s in newest if max(s.ended or 0, s.damaged or 0) > after]
    return tuple(Stand(s.member, s.generation, s.score, s.can_donate) for s in changed)


def begun(member: Member, claim: Claim, draft: Draft, sequence: int, at: float) -> Segment:
    """Returns a member's new segment."""
    return Segment(
        member=member.id,
        generation=member.generation,
        parent=draft.parent,
        donor=draft.donor,
        start_step=draft.start_step,
        end_step=draft.start_step + draft.num_steps,
        member_start=member.steps,
        hyperparameters=logged(draft.hyperparameters),
        why=logged(draft.why),
        snapshot=draft.snapshot,
        begun=sequence,
        worker=claim.worker,
        epoch=claim.epoch,
        begun_at=at,
    )


def with_ending(running: Segment, ending: Ending) -> Segment:
    """Returns a running segment with what it left behind."""
    return replace(
        running,
        evaluations=tuple(replace(e, metrics=dict(e.metrics)) for e in ending.evaluations),
        checkpoint=ending.checkpoint,
        checkpoint_bytes=ending.checkpoint_bytes,
        checkpoint_kept=ending.checkpoint is not None,
    )


def parts_of(segment: Segment, snapshot: int) -> tuple[Draft, Ending]:
    """Returns how a segment began and ended that was trained in the memory of one process."""
    assert segment.outcome is not None, "it has ended"
    draft = Draft(
        parent=segment.parent,
        donor=segment.donor,
        start_step=segment.start_step,
        num_steps=segment.end_step - segment.start_step,
        hyperparameters=segment.hyperparameters,
        why=segment.why,
        snapshot=snapshot,
    )
    ending = Ending(
        generation=segment.generation,
        outcome=segment.outcome,
        evaluations=segment.evaluations,
        checkpoint=segment.checkpoint,
        checkpoint_bytes=segment.checkpoint_bytes,
    )
    return draft, ending
