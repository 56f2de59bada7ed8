"""Whole generations at once: what a process writes that trains the population in one program, in one transaction.

Written row by row they would cost more than the training. Here every table is written once per call, segments as plain
rows, and the lines of the log are made of them by the database itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from populace.core import Segment, SegmentId, base_of
from populace.store import _queries as q
from populace.store._protocol import Claim
from populace.store._rows import dumps, evaluations_to_text, outcome_columns, segment_from_row
from populace.store._transaction import Transaction, best_of, precedence_of_best

_NOBODY = (None, None)


def publish_generations(
    tx: Transaction, claims: Sequence[Claim], generations: Sequence[Sequence[Segment]], at: float
) -> tuple[str, ...]:
    """Writes generations of segments, each begun and ended; returns what nothing refers to any more.

    Args:
        tx: The transaction.
        claims: Those of all members that trained.
        generations: Oldest first; the decisions of each were taken from the population at the end of the one before.
        at: Wall time, for display only.
    """
    members = {claim.member: tx.fence(claim) for claim in claims}
    by = {claim.member: claim for claim in claims}
    assert all(s.generation == members[s.member]["generation"] for s in generations[0]), "generations have no gaps"
    newest = [tx.segment(SegmentId(m, row["generation"] - 1)) for m, row in members.items() if row["generation"]]
    candidates = [base_of(segment_from_row(row)) for row in newest if row is not None]
    before = sequence = tx.sql.value(q.SEQUENCE)
    mode, best, best_precedence = tx.limits.mode, best_of(tx.run), precedence_of_best(tx.run)
    rows: list[tuple[Any, ...]] = []
    for generation in generations:
        begun, ended = sequence, sequence + len(generation)
        for place, segment in enumerate(generation, 1):
            rows.append(_row(segment, by[segment.member], (sequence, begun + place, ended + place), at))
            if segment.better(mode) >= best_precedence[0] and segment.score is not None:
                precedence = segment.precedence(mode)
                if precedence > best_precedence:
                    best, best_precedence = segment.id, precedence
        sequence += 2 * len(generation)
    tx.sql.write_rows(q.BEGIN_SEGMENT, rows)
    tx.sql.write(q.LOG_SEGMENTS, after=before, generation=min(segment.generation for segment in generations[0]))
    for segment in {segment.member: segment for generation in generations for segment in generation}.values():
        advanced = {**members[segment.member], "generation": segment.generation + 1, "steps": segment.member_end}
        tx.live(advanced, failures=0)
    tx.sql.write(q.COUNT_SEGMENTS, count=len(rows))
    if best is not None and best != best_of(tx.run):
        candidates.append(best_of(tx.run))
        tx.sql.write(q.NEW_BEST, better=best_precedence[0], **best._asdict())
    return tx.collect(candidates)


def _row(segment: Segment, claim: Claim, sequences: tuple[int, int, int], at: float) -> tuple[Any, ...]:
    """Returns the values of the table's columns, in their order."""
    assert segment.outcome is not None, "a segment is ended before it is published"
    status, score, reason = outcome_columns(segment.outcome).values()
    return (
        segment.member,
        segment.generation,
        *(segment.parent or _NOBODY),
        *(segment.donor or _NOBODY),
        segment.start_step,
        segment.end_step,
        segment.member_start,
        dumps(dict(segment.hyperparameters)),
        dumps(dict(segment.why)),
        *sequences,
        status,
        score,
        reason,
        evaluations_to_text(segment.evaluations),
        segment.checkpoint,
        segment.checkpoint_bytes,
        segment.checkpoint is not None,
        *_UNTROUBLED,
        claim.worker,
        claim.epoch,
        at,
        at,
    )


_UNTROUBLED = (False, None, False, None, None)
"""Not asked for, not damaged, nor is its parent; so it falls back to nothing."""
