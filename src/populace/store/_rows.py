"""Rows to values and back. JSON here is strict: non-finite numbers are written as words."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from populace.core import Diverged, Evaluation, Failed, Finite, Outcome, Segment, SegmentId, Stand, Status, status_of
from populace.store._parsed import ParsedEvaluations, ParsedMapping
from populace.store._protocol import Event, EventKind


def dumps(value: object) -> str:
    """Returns strict, compact JSON text."""
    return _ENCODER.encode(value)


def evaluations_to_text(evaluations: Iterable[Evaluation]) -> str:
    """Returns evaluations as JSON text: step, score, metrics."""
    rows = [[e.step, _number(e.score), {name: _number(v) for name, v in e.metrics.items()}] for e in evaluations]
    return dumps(rows)


def evaluations_from_text(text: str) -> tuple[Evaluation, ...]:
    """Returns what `evaluations_to_text` wrote."""
    return tuple(
        Evaluation(step=step, score=float(score), metrics={name: float(value) for name, value in metrics.items()})
        for step, score, metrics in json.loads(text)
    )


def outcome_columns(outcome: Outcome) -> dict[str, object]:
    """Returns the columns that hold an outcome."""
    status = status_of(outcome).value
    match outcome:
        case Finite(value=value):
            return {"status": status, "score": value, "reason": None}
        case Diverged(reason=reason) | Failed(reason=reason):  # pragma: no branch - the union ends here
            return {"status": status, "score": None, "reason": reason}


def segment_from_row(row: Mapping[str, Any]) -> Segment:
    """Returns the segment that a row of the table holds."""
    return _segment(**{name: row[name] for name in SEGMENT_COLUMNS})


def segments_from_rows(rows: Iterable[Any]) -> list[Segment]:
    """Returns the segments that rows of the driver hold, whose values are those of `SEGMENT_COLUMNS` in their order."""
    return [_segment(*row) for row in rows]


def _segment(
    member: int,
    generation: int,
    parent_member: int | None,
    parent_generation: int,
    donor_member: int | None,
    donor_generation: int,
    start_step: int,
    end_step: int,
    member_start: int,
    hyperparameters: str,
    why: str,
    snapshot: int,
    begun: int,
    ended: int | None,
    status: str,
    score: float | None,
    reason: str | None,
    evaluations: str,
    checkpoint: str | None,
    checkpoint_bytes: int,
    checkpoint_kept: int,
    damaged: int | None,
    parent_damaged: int,
    fallback_member: int | None,
    fallback_generation: int,
    worker: str,
    epoch: int,
    begun_at: float,
    ended_at: float | None,
) -> Segment:
    # A worker reads what everybody else has ended since it last looked: with many workers this is most of what it does
    # between two intervals, and the guarded assignments of a frozen dataclass were half of it.
    segment = object.__new__(Segment)
    vars(segment).update(
        member=member,
        generation=generation,
        parent=None if parent_member is None else SegmentId(parent_member, parent_generation),
        donor=None if donor_member is None else SegmentId(donor_member, donor_generation),
        start_step=start_step,
        end_step=end_step,
        member_start=member_start,
        hyperparameters=ParsedMapping(hyperparameters),
        why=ParsedMapping(why),
        snapshot=snapshot,
        begun=begun,
        ended=ended,
        outcome=_OUTCOMES[status](score, reason),
        evaluations=ParsedEvaluations(evaluations, evaluations_from_text),
        checkpoint=checkpoint,
        checkpoint_bytes=checkpoint_bytes,
        checkpoint_kept=bool(checkpoint_kept),
        damaged=damaged,
        parent_damaged=bool(parent_damaged),
        fallback=None if fallback_member is None else SegmentId(fallback_member, fallback_generation),
        worker=worker,
        epoch=epoch,
        begun_at=begun_at,
        ended_at=ended_at,
    )
    return segment


def stand_from_row(row: Any) -> Stand:
    """Returns the stand that a row of the driver holds: member, generation, score, whether its checkpoint is kept."""
    member, generation, score, checkpoint_kept = row
    return Stand(member, generation, score, score is not None and bool(checkpoint_kept))


def event_from_row(row: Mapping[str, Any]) -> Event:
    """Returns the event that a row of the table holds."""
    return Event(**{**row, "kind": EventKind(row["kind"]), "detail": json.loads(row["detail"])})


_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)  # `json.dumps` makes one at every call
SEGMENT_COLUMNS = tuple(_segment.__annotations__)[:-1]
"""The columns of the table that make up a segment."""
_OUTCOMES: Mapping[str, Callable[[Any, Any], Outcome | None]] = {
    Status.RUNNING.value: lambda score, reason: None,
    Status.FINISHED.value: lambda score, reason: Finite(value=score),
    Status.DIVERGED.value: lambda score, reason: Diverged(reason=reason),
    Status.FAILED.value: lambda score, reason: Failed(reason=reason),
}


def _number(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)
