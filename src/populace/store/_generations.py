"""Whole generations at once: what a process writes that trains the population in one program, in one transaction.

Written row by row they would cost more than the training: here every table is written once per call, in bulk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from populace.core import Finite, SegmentId, base_of
from populace.store import _queries as q
from populace.store._protocol import Claim, EventKind, Trained
from populace.store._rows import dumps, evaluations_to_text, outcome_columns, segment_from_row
from populace.store._transaction import Transaction, best_of, precedence_of_best

_BEGUN, _PUBLISHED = EventKind.BEGUN.value, EventKind.PUBLISHED.value
_SAVED, _UNSAVED = dumps({}), dumps({"unsaved": True})


def publish_generations(
    tx: Transaction, claims: Sequence[Claim], generations: Sequence[Sequence[Trained]], at: float
) -> tuple[str, ...]:
    """Writes generations of segments, each begun and ended; returns what nothing refers to any more.

    Args:
        tx: The transaction.
        claims: Those of all members that trained.
        generations: Oldest first; the decisions of each were taken from the population at the end of the one before.
        at: Wall time, for display only.
    """
    rows = {claim.member: dict(tx.fence(claim)) for claim in claims}
    by = {claim.member: claim for claim in claims}
    newest = [tx.segment(SegmentId(m, row["generation"] - 1)) for m, row in rows.items() if row["generation"]]
    candidates = [base_of(segment_from_row(row)) for row in newest if row is not None]
    sequence = tx.sql.value(q.SEQUENCE)
    segments: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    best, best_precedence = best_of(tx.run), precedence_of_best(tx.run)
    for generation in generations:
        snapshot = sequence
        for trained in generation:
            sequence += 1
            row, claim = rows[trained.member], by[trained.member]
            events.append(_event(sequence, _BEGUN, row, claim, at, _SAVED))
            segments.append(_segment(row, claim, trained, snapshot, sequence, at))
        for trained, columns in zip(generation, segments[-len(generation) :], strict=True):
            sequence += 1
            row, ending = rows[trained.member], trained.ending
            detail = _UNSAVED if ending.checkpoint is None else _SAVED
            events.append(_event(sequence, _PUBLISHED, row, by[trained.member], at, detail))
            columns["ended"] = sequence
            if isinstance(ending.outcome, Finite):
                better = tx.limits.mode.orient(ending.outcome.value)
                precedence = (better, -row["generation"], -trained.member)
                if precedence > best_precedence:
                    best, best_precedence = SegmentId(trained.member, row["generation"]), precedence
            row["generation"] += 1
            row["steps"] += trained.draft.num_steps
    tx.sql.write_many(q.ADD_EVENTS, events)
    tx.sql.write_many(q.BEGIN_SEGMENT, segments)
    for row in rows.values():
        tx.live(row, failures=0)
    tx.sql.write(q.COUNT_SEGMENTS, count=len(segments))
    if best is not None and best != best_of(tx.run):
        candidates.append(best_of(tx.run))
        tx.sql.write(q.NEW_BEST, better=best_precedence[0], **best._asdict())
    return tx.collect(candidates)


def _event(sequence: int, kind: str, row: Mapping[str, Any], claim: Claim, at: float, detail: str) -> dict[str, Any]:
    return {
        "sequence": sequence,
        "kind": kind,
        "member": row["id"],
        "generation": row["generation"],
        "epoch": claim.epoch,
        "worker": claim.worker,
        "at": at,
        "detail": detail,
    }


def _segment(
    row: Mapping[str, Any], claim: Claim, trained: Trained, snapshot: int, begun: int, at: float
) -> dict[str, Any]:
    draft, ending = trained.draft, trained.ending
    return {
        **_UNTROUBLED,
        **outcome_columns(ending.outcome),
        "member": row["id"],
        "generation": row["generation"],
        "parent_member": draft.parent and draft.parent.member,
        "parent_generation": draft.parent and draft.parent.generation,
        "donor_member": draft.donor and draft.donor.member,
        "donor_generation": draft.donor and draft.donor.generation,
        "start_step": draft.start_step,
        "end_step": draft.start_step + draft.num_steps,
        "member_start": row["steps"],
        "hyperparameters": dumps(dict(draft.hyperparameters)),
        "why": dumps(dict(draft.why)),
        "snapshot": snapshot,
        "begun": begun,
        "evaluations": evaluations_to_text(ending.evaluations),
        "checkpoint": ending.checkpoint,
        "checkpoint_bytes": ending.checkpoint_bytes,
        "checkpoint_kept": ending.checkpoint is not None,
        "worker": claim.worker,
        "epoch": claim.epoch,
        "begun_at": at,
        "ended_at": at,
    }


_UNTROUBLED: Mapping[str, Any] = {
    "asked": False,
    "damaged": None,
    "parent_damaged": False,
    "fallback_member": None,
    "fallback_generation": None,
}
