"""Rows to values and back. JSON here is strict: non-finite numbers are written as words."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from populace.core import Diverged, Evaluation, Failed, Finite, Outcome, Segment, SegmentId, Status, status_of
from populace.store._parsed import ParsedEvaluations, ParsedMapping
from populace.store._protocol import Event, EventKind


def dumps(value: object) -> str:
    """Returns strict, compact JSON text."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


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


def segments_from_rows(rows: Sequence[Mapping[str, Any]]) -> Iterator[Segment]:
    """Yields the segments that many rows of the table hold."""
    names = list(rows[0].keys()) if rows else []
    for row in rows:
        # The driver's rows compare a name with that of every column, so it is looked up in a dict instead.
        values: Iterable[Any] = row
        yield segment_from_row(dict(zip(names, values, strict=True)))


def segment_from_row(row: Mapping[str, Any]) -> Segment:
    """Returns the segment that a row of the table holds."""
    return Segment(
        member=row["member"],
        generation=row["generation"],
        parent=_id(row["parent_member"], row["parent_generation"]),
        donor=_id(row["donor_member"], row["donor_generation"]),
        start_step=row["start_step"],
        end_step=row["end_step"],
        member_start=row["member_start"],
        hyperparameters=ParsedMapping(row["hyperparameters"]),
        why=ParsedMapping(row["why"]),
        snapshot=row["snapshot"],
        begun=row["begun"],
        ended=row["ended"],
        outcome=_OUTCOMES[row["status"]](row),
        evaluations=ParsedEvaluations(row["evaluations"], evaluations_from_text),
        checkpoint=row["checkpoint"],
        checkpoint_bytes=row["checkpoint_bytes"],
        checkpoint_kept=bool(row["checkpoint_kept"]),
        damaged=row["damaged"],
        parent_damaged=bool(row["parent_damaged"]),
        fallback=_id(row["fallback_member"], row["fallback_generation"]),
        worker=row["worker"],
        epoch=row["epoch"],
        begun_at=row["begun_at"],
        ended_at=row["ended_at"],
    )


def event_from_row(row: Mapping[str, Any]) -> Event:
    """Returns the event that a row of the table holds."""
    return Event(**{**row, "kind": EventKind(row["kind"]), "detail": json.loads(row["detail"])})


_OUTCOMES: Mapping[str, Callable[[Mapping[str, Any]], Outcome | None]] = {
    Status.RUNNING.value: lambda row: None,
    Status.FINISHED.value: lambda row: Finite(value=row["score"]),
    Status.DIVERGED.value: lambda row: Diverged(reason=row["reason"]),
    Status.FAILED.value: lambda row: Failed(reason=row["reason"]),
}


def _id(member: int | None, generation: int) -> SegmentId | None:
    return None if member is None else SegmentId(member, generation)


def _number(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)
