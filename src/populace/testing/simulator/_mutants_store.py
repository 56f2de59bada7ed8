"""Bugs in the log and on the disk: fencing, leases, claiming, failures, publishing, retention."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from typing import Any

from populace.core import Failed, Finite, SegmentId
from populace.store import Claim, EventKind
from populace.testing.simulator._planting import Catalogue, Wrong, replaced

_MEMORY, _STAY, _RETENTION = "store._memory:MemoryStore", "worker._stay:Stay", "store._memory:kept"
_SIMULATED = "testing.simulator._disk"
_bugs = Catalogue()
STORE_MUTANTS = _bugs.mutants
"""All of them."""


def _unfenced(name: str, what: str) -> None:
    """Adds a mutant of a write that does not check the epoch."""

    def wrong(right: Wrong, self: Any, claim: Claim, *args: Any) -> Any:
        with replaced(f"{_MEMORY}._fence", lambda _, store, claim: store._run.members[claim.member]):
            return right(self, claim, *args)

    _bugs.add(f"{name}-not-fenced", f"{what} does not check the epoch.", f"{_MEMORY}.{name}")(wrong)


_unfenced("publish", "Publishing")
_unfenced("renew", "Renewing a lease")
_unfenced("begin", "Beginning a segment")
_unfenced("fail", "Counting a failure")


@_bugs.add("sql-not-fenced", "The SQL log checks no epoch.", "store._transaction:Transaction.fence")
def _sql_not_fenced(right: Wrong, self: Any, claim: Claim) -> Any:
    return self.member(claim.member)


@_bugs.add("epoch-not-raised", "A claim does not raise the epoch.", f"{_MEMORY}.claim")
def _epoch_not_raised(right: Wrong, self: Any, worker: str, **kwargs: Any) -> Any:
    claim = right(self, worker, **kwargs)
    if not isinstance(claim, Claim) or claim.epoch == 1:
        return claim
    self._run.members[claim.member].epoch -= 1
    return replace(claim, epoch=claim.epoch - 1)


# --- leases -------------------------------------------------------------------------------------------------------


@_bugs.add("lease-ignored", "Members that are held are claimed again.", f"{_MEMORY}._is_free")
def _lease_ignored(right: Wrong, self: Any, member: Any) -> bool:
    return True


@_bugs.add("lease-for-ever", "A lease never runs out.", f"{_MEMORY}._is_free")
def _lease_for_ever(right: Wrong, self: Any, member: Any) -> bool:
    return member.worker is None


@_bugs.add("lease-at-once", "A lease runs out as soon as it is given.", f"{_MEMORY}._hold")
def _lease_at_once(right: Wrong, self: Any, member: Any, worker: str) -> None:
    right(self, member, worker)
    member.lease_until = self._clock.now() - 1


@_bugs.add("lease-on-wall-clock", "Leases run on the wall clock.", "testing.simulator._clock:SimulatedClock.now")
def _lease_on_wall_clock(right: Wrong, self: Any) -> float:
    return float(right(self) + self.wall_offset_s)


@_bugs.add("renew-does-nothing", "Renewing does not extend the lease.", f"{_MEMORY}.renew")
def _renew_does_nothing(right: Wrong, self: Any, claim: Claim) -> None:
    self._fence(claim)


@_bugs.add("expire-frees-all", "Burying one worker frees the members of all.", f"{_MEMORY}.expire")
def _expire_frees_all(right: Wrong, self: Any, worker: str) -> None:
    right(self, worker)
    for member in self._run.members:
        member.worker = None


@_bugs.add("resume-frees-nothing", "Resuming leaves dead workers their members.", f"{_MEMORY}.open")
def _resume_frees_nothing(right: Wrong, self: Any, spec: Any) -> None:
    held = [member.worker for member in self._run.members]
    right(self, spec)
    for member, worker in zip(self._run.members, held, strict=False):
        member.worker = worker


# --- claiming -----------------------------------------------------------------------------------------------------


@_bugs.add("barrier-ignored", "Synchronous members do not wait for one another.", "store._memory:claimable")
def _barrier_ignored(right: Wrong, standings: Any, *, synchronous: bool) -> Any:
    return right(standings, synchronous=False)


@_bugs.add("waiting-comes-first", "Members are claimed by steps alone.", "store._rules:_advance")
def _waiting_comes_first(right: Wrong, standing: Any) -> Any:
    return standing.member


@_bugs.add("stop-ignored", "A stop command does nothing.", f"{_MEMORY}.command")
def _stop_ignored(right: Wrong, self: Any, word: str) -> None:
    right(self, "")


@_bugs.add("retired-trains-on", "A retired member is claimed again.", f"{_MEMORY}.retire")
def _retired_trains_on(right: Wrong, self: Any, claim: Claim, why: Any) -> None:
    right(self, claim, why)
    self._run.members[claim.member].retired = False


@_bugs.add("new-members-forgotten", "Resuming with a larger population adds nobody.", f"{_MEMORY}.open")
def _new_members_forgotten(right: Wrong, self: Any, spec: Any) -> None:
    right(self, replace(spec, population=self._run.spec.population))


# --- failures -----------------------------------------------------------------------------------------------------


@_bugs.add("failures-not-counted", "A failure is logged and not counted.", f"{_MEMORY}._count_failure")
def _failures_not_counted(right: Wrong, self: Any, member: Any, *args: Any) -> Any:
    before = member.failures
    ended = right(self, member, *args)
    member.failures = min(member.failures, before)
    return ended


@_bugs.add("failures-not-reset", "Failures are still counted after a success.", f"{_MEMORY}._end")
def _failures_not_reset(right: Wrong, self: Any, kind: Any, member: Any, *args: Any) -> Any:
    before = member.failures
    segment = right(self, kind, member, *args)
    member.failures = before
    return segment


@_bugs.add("lost-lease-is-free", "A lease that ran out costs no failure.", f"{_MEMORY}._count_failure")
def _lost_lease_is_free(right: Wrong, self: Any, member: Any, kind: Any, *args: Any) -> Any:
    return False if kind is EventKind.LOST else right(self, member, kind, *args)


@_bugs.add("hopeless-too-early", "One failure before anybody has trained ends the run.", f"{_MEMORY}.fail")
def _hopeless_too_early(right: Wrong, self: Any, claim: Claim, reason: str) -> Any:
    verdict = right(self, claim, reason)
    return replace(verdict, hopeless=all(s.ended is None for s in self._run.segments.values()))


@_bugs.add("given-up-keeps-steps", "A segment that was given up counts its steps.", f"{_MEMORY}._end")
def _given_up_keeps_steps(right: Wrong, self: Any, kind: Any, member: Any, before: Any, *args: Any) -> Any:
    if kind is EventKind.GIVEN_UP:
        before = replace(before, end_step=before.start_step + 1)
    return right(self, kind, member, before, *args)


# --- publishing ---------------------------------------------------------------------------------------------------


@_bugs.add("publish-before-put", "The row is written before the bytes.", f"{_STAY}.finish")
def _publish_before_put(right: Wrong, self: Any, *args: Any) -> Any:
    late: list[list[Any]] = []

    def put(_: Wrong, __: Any, chunks: Any) -> str:
        late.append(list(chunks))
        return hashlib.sha256(b"".join(late[-1])).hexdigest()

    with replaced(f"{_SIMULATED}:SimulatedCheckpoints.put", put):
        again = right(self, *args)
    for chunks in late:
        self._checkpoints.put(chunks)
    return again


@_bugs.add("put-not-synced", "A checkpoint is not synced before it counts.", f"{_SIMULATED}:Disk.sync")
def _put_not_synced(right: Wrong, self: Any, digest: str) -> None:
    return None


@_bugs.add("publish-doubles", "A publish that is repeated counts twice.", f"{_MEMORY}.publish")
def _publish_doubles(right: Wrong, self: Any, claim: Claim, ending: Any) -> Any:
    before = self._run.segments.get(SegmentId(claim.member, ending.generation))
    answer = right(self, claim, ending)
    if before is not None and before.ended is not None:
        member = self._run.members[claim.member]
        self._log(EventKind.PUBLISHED, replace(member, generation=ending.generation), claim)
    return answer


@_bugs.add("best-is-last", "The newest finite segment counts as the best.", f"{_MEMORY}.publish")
def _best_is_last(right: Wrong, self: Any, claim: Claim, ending: Any) -> Any:
    answer = right(self, claim, ending)
    if isinstance(answer.segment.outcome, Finite):
        self._run.best = answer.segment.id
    return answer


@_bugs.add("infinite-is-finite", "An infinite score is a score.", "worker._stay:outcome_of")
def _infinite_is_finite(right: Wrong, score: float | None) -> Any:
    return Finite(value=math.inf) if score == math.inf else right(score)


@_bugs.add("bytes-not-verified", "Restored bytes are not compared with their digest.", f"{_SIMULATED}:check_digest")
def _bytes_not_verified(right: Wrong, digest: str, content: bytes) -> None:
    return None


# --- retention ----------------------------------------------------------------------------------------------------


@_bugs.add("pin-dropped", "Checkpoints that running segments start from are collected.", _RETENTION)
def _pin_dropped(right: Wrong, **needed: Any) -> Any:
    return right(**{**needed, "running": ()})


@_bugs.add("best-collected", "The best checkpoint is collected.", _RETENTION)
def _best_collected(right: Wrong, **needed: Any) -> Any:
    return right(**{**needed, "best": None})


@_bugs.add("base-collected", "What a failed member would go on from is collected.", _RETENTION)
def _base_collected(right: Wrong, **needed: Any) -> Any:
    newest = [s for s in needed["newest"] if not isinstance(s.outcome, Failed)]
    return right(**{**needed, "newest": newest})


@_bugs.add("asked-collected", "What the user asked to keep is collected.", _RETENTION)
def _asked_collected(right: Wrong, **needed: Any) -> Any:
    return right(**{**needed, "asked": ()})


@_bugs.add("nothing-collected", "Checkpoints are forgotten and never deleted.", f"{_MEMORY}._collect")
def _nothing_collected(right: Wrong, self: Any) -> tuple[str, ...]:
    right(self)
    return ()


@_bugs.add("donors-dropped-early", "Donors are collected while slow members decide.", f"{_MEMORY}._begun_by_all")
def _donors_dropped_early(right: Wrong, self: Any) -> int:
    return 2**62


@_bugs.add("sweep-takes-too-much", "The sweep spares the newest checkpoints alone.", f"{_MEMORY}.referenced")
def _sweep_takes_too_much(right: Wrong, self: Any) -> set[str]:
    return {m.newest.checkpoint for m in self._run.members if m.newest is not None and m.newest.checkpoint}


@_bugs.add("collected-donor-taken", "A donor is taken though its checkpoint is gone.", f"{_MEMORY}.begin")
def _collected_donor_taken(right: Wrong, self: Any, claim: Claim, draft: Any) -> Any:
    segments = self._run.segments
    parent = None if draft.parent is None else segments[draft.parent]
    if parent is not None:
        segments[parent.id] = replace(parent, checkpoint_kept=True)
    try:
        return right(self, claim, draft)
    finally:
        if parent is not None:
            segments[parent.id] = parent
