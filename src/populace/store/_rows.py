"""Rows to values and back. JSON here is strict: non-finite numbers are written as words."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
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


def segment_from_row(row: Mapping[str, Any]) -> Segment:
    """Returns the segment that a row of the table holds."""
    return Segment(
        member=row["member"],
        generation=row["generation"],
        parent=_id(row, "parent"),
        donor=_id(row, "donor"),
        start_step=row["start_step"],
        end_step=row["end_step"],
        member_start=row["member_start"],
        hyperparameters=ParsedMapping(row["hyperparameters"]),
        why=ParsedMapping(row["why"]),
        snapshot=row["snapshot"],
        begun=row["begun"],
        ended=row["ended"],
        outcome=_outcome(row),
        evaluations=ParsedEvaluations(row["evaluations"], evaluations_from_text),
        checkpoint=row["checkpoint"],
        checkpoint_bytes=row["checkpoint_bytes"],
        checkpoint_kept=bool(row["checkpoint_kept"]),
        damaged=row["damaged"],
        parent_damaged=bool(row["parent_damaged"]),
        fallback=_id(row, "fallback"),
        worker=row["worker"],
        epoch=row["epoch"],
        begun_at=row["begun_at"],
        ended_at=row["ended_at"],
    )


def event_from_row(row: Mapping[str, Any]) -> Event:
    """Returns the event that a row of the table holds."""
    return Event(**{**row, "kind": EventKind(row["kind"]), "detail": json.loads(row["detail"])})


def _outcome(row: Mapping[str, Any]) -> Outcome | None:
    match Status(row["status"]):
        case Status.RUNNING:
            return None
        case Status.FINISHED:
            return Finite(value=row["score"])
        case Status.DIVERGED:
            return Diverged(reason=row["reason"])
        case Status.FAILED:  # pragma: no branch - the enum ends here
            return Failed(reason=row["reason"])


def _id(row: Mapping[str, Any], name: str) -> SegmentId | None:
    member = row[f"{name}_member"]
    return None if member is None else SegmentId(member, row[f"{name}_generation"])


def _number(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)
