"""The steps that write transactions on a SQL log are made of."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, final

from populace._errors import StaleClaim
from populace.core import Failed, Finite, Mode, Outcome, Segment, SegmentId, base_of, last_good
from populace.store import _queries as q
from populace.store._clock import Clock
from populace.store._database import Connection, Row
from populace.store._protocol import Claim, Draft, EventKind, FellBack, Published
from populace.store._rows import dumps, outcome_columns, segment_from_row
from populace.store._rules import storable

_NEVER, _UNSWEPT = 2**62, -1


@final
@dataclass(frozen=True, kw_only=True)
class Limits:
    """What claiming and counting depend on."""

    population: int
    """Number of members."""
    steps: int
    """Steps each member trains."""
    synchronous: bool
    """Whether generations are taken in lockstep."""
    max_failures: int
    """Failures in a row after which a segment is given up."""
    mode: Mode
    """Whether a larger score is better."""
    lease_s: float
    """Seconds that a claim lasts."""
    needs_best: bool = False
    """Whether decisions may copy the best segment of the run."""

    @classmethod
    def of(cls, spec: Mapping[str, Any], lease_s: float) -> Limits:
        """Returns the limits in a specification's JSON."""
        names = ("population", "steps", "synchronous", "max_failures")
        return cls(
            **{name: spec[name] for name in names},
            mode=Mode(spec["mode"]),
            lease_s=lease_s,
            needs_best=spec.get("needs_best", False),
        )


@final
class Transaction:
    """One write transaction under way.

    Args:
        connection: Runs the statements.
        limits: What claiming and counting depend on.
        clock: Source of time.
        run: The run's row as it is at the beginning.
    """

    def __init__(self, connection: Connection, limits: Limits, clock: Clock, run: Row) -> None:
        self.sql = connection
        self.limits = limits
        self.run = run
        self._clock = clock
        self._swept = run["swept"]

    @property
    def wanted(self) -> dict[str, Any]:
        """The parameters of every query that asks who can be claimed."""
        limits = self.limits
        return {
            "population": limits.population,
            "steps": limits.steps,
            "synchronous": limits.synchronous,
            "now": self._clock.now(),
            "boot": self._clock.boot(),
        }

    @property
    def stopping(self) -> bool:
        """Whether the run was asked to stop."""
        return bool(self.run["command"] == "stop")

    def member(self, id: int) -> Row:
        """Returns a member's row."""
        return self.sql.one(q.MEMBER, member=id)

    def segment(self, id: SegmentId) -> Row | None:
        """Returns a segment's row."""
        return self.sql.first(q.SEGMENT, **id._asdict())

    def fence(self, claim: Claim) -> Row:
        """Returns the row of a claimed member.

        Raises:
            StaleClaim: The claim is not the member's newest, or was released.
        """
        row = self.member(claim.member)
        if row["epoch"] != claim.epoch or row["worker"] != claim.worker:
            raise StaleClaim(
                f"member {claim.member} was taken from worker {claim.worker} (epoch {claim.epoch}, now "
                f"{row['epoch']}): what it trained since is dropped"
            )
        return row

    def log(self, kind: EventKind, row: Row | None = None, by: Claim | None = None, **detail: object) -> int:
        """Adds an event and returns its sequence number."""
        values = {
            "kind": kind.value,
            "member": None if row is None else row["id"],
            "generation": None if row is None else row["generation"],
            "epoch": 0 if by is None else by.epoch,
            "worker": "" if by is None else by.worker,
            "at": self._clock.wall(),
            "detail": dumps(detail),
        }
        return self.sql.write(q.ADD_EVENT, **values).lastrowid or 0

    def hold(self, member: int, epoch: int, worker: str) -> None:
        """Writes a lease."""
        until = self._clock.now() + self.limits.lease_s
        lease = {"member": member, "epoch": epoch, "worker": worker, "lease_until": until, "boot": self._clock.boot()}
        self.sql.write(q.UPDATE_CLAIM, **lease)

    def extend_all(self) -> None:
        """Writes every lease anew; the holders of those from before a restart of the host are dead."""
        until = self._clock.now() + self.limits.lease_s
        self.sql.write(q.EXTEND_ALL, lease_until=until, boot=self._clock.boot())

    def free(self, row: Row) -> None:
        """Ends a lease; the epoch stays, so that a claim can never be mistaken for a later one."""
        nobody = {"worker": None, "lease_until": None, "boot": None}
        self.sql.write(q.UPDATE_CLAIM, member=row["id"], epoch=row["epoch"], **nobody)

    def lapse(self) -> None:
        """Counts a failure for every lease that has run out, and frees its member."""
        for row in self.sql.all(q.LAPSED, now=self._clock.now(), boot=self._clock.boot()):
            self.count_failure(row, EventKind.LOST, f"the lease of worker {row['worker']} ran out")
            self.free(row)

    def live(self, row: Row, **changes: object) -> None:
        """Writes how far a member has come."""
        names = ("generation", "running", "failures", "retired")
        life = {"member": row["id"], "trained": row["steps"], **{name: row[name] for name in names}}
        self.sql.write(q.UPDATE_LIFE, **{**life, **changes})

    def take_up(self, row: Row, epoch: int, worker: str) -> Row:
        """Notes who goes on with a segment that another claim began; returns its row."""
        self.sql.write(q.TRAINS, key_member=row["id"], key_generation=row["generation"], epoch=epoch, worker=worker)
        return self.sql.one(q.SEGMENT, member=row["id"], generation=row["generation"])

    def begin(self, row: Row, claim: Claim, draft: Draft) -> Segment:
        """Writes a new segment."""
        sequence = self.log(EventKind.BEGUN, row, claim)
        parent, donor = draft.parent, draft.donor
        values = {
            "member": row["id"],
            "generation": row["generation"],
            "parent_member": parent and parent.member,
            "parent_generation": parent and parent.generation,
            "donor_member": donor and donor.member,
            "donor_generation": donor and donor.generation,
            "start_step": draft.start_step,
            "end_step": draft.start_step + draft.num_steps,
            "member_start": row["steps"],
            "hyperparameters": dumps(dict(draft.hyperparameters)),
            "why": dumps(dict(draft.why)),
            "snapshot": draft.snapshot,
            "begun": sequence,
            "ended": None,
            "status": "running",
            "score": None,
            "reason": None,
            "evaluations": "[]",
            "checkpoint": None,
            "checkpoint_bytes": 0,
            "checkpoint_kept": False,
            "asked": False,
            "damaged": None,
            "parent_damaged": False,
            "fallback_member": None,
            "fallback_generation": None,
            "worker": claim.worker,
            "epoch": claim.epoch,
            "begun_at": self._clock.wall(),
            "ended_at": None,
        }
        self.sql.write(q.BEGIN_SEGMENT, **values)
        self.live(row, running=True)
        return segment_from_row(values)

    def end(
        self,
        kind: EventKind,
        row: Row,
        before: Row,
        outcome: Outcome,
        by: Claim | None,
        detail: Mapping[str, object] | None = None,
        **changes: object,
    ) -> Segment:
        """Writes how a member's running segment ended."""
        sequence = self.log(kind, row, by, **(detail or {}))
        names = (
            *("end_step", "evaluations", "checkpoint", "checkpoint_bytes", "checkpoint_kept"),
            *("parent_damaged", "fallback_member", "fallback_generation"),
        )
        values = {
            **{name: before[name] for name in names},
            **outcome_columns(outcome),
            **changes,
            "ended": sequence,
            "ended_at": self._clock.wall(),
        }
        key = {"key_member": before["member"], "key_generation": before["generation"]}
        self.sql.write(q.END_SEGMENT, **values, **key)
        self.sql.write(q.COUNT_SEGMENT)
        segment = segment_from_row({**before, **values})
        trained = row["steps"] + segment.end_step - segment.start_step
        self.live(row, trained=trained, generation=row["generation"] + 1, running=False, failures=0)
        return segment

    def count_failure(self, row: Row, kind: EventKind, reason: str, by: Claim | None = None) -> bool:
        """Counts a failure of a member; returns whether its segment was given up, after too many."""
        reason = storable(reason)
        self.log(kind, row, by, reason=reason)
        before = self.segment(SegmentId(row["id"], row["generation"])) if row["running"] else None
        if before is None or row["failures"] + 1 <= self.limits.max_failures:
            self.live(row, failures=row["failures"] + 1)
            return False
        self.end(EventKind.GIVEN_UP, row, before, Failed(reason=reason), by, end_step=before["start_step"])
        self.sweep_next()
        return True

    def fall_back(self, row: Row, claim: Claim, reason: str) -> FellBack:
        """Gives a segment up whose parent is damaged, and notes what its member goes on from."""
        before = self.segment(SegmentId(row["id"], row["generation"]))
        assert before is not None, "a segment is begun before it is given up"
        lost = segment_from_row(before).parent
        assert lost is not None, "what was damaged is a parent's checkpoint"
        damaged = self.segment(lost)
        assert damaged is not None, "a parent is in the log"
        previous = self._find(SegmentId(row["id"], row["generation"] - 1))
        fallback = None if previous is None else last_good(base_of(previous), self._find, lost=lost)
        detail = {
            "reason": storable(reason),
            "parent": str(lost),
            "checkpoint": damaged["checkpoint"],
            "fallback": fallback and str(fallback),
        }
        segment = self.end(
            EventKind.DAMAGED,
            row,
            before,
            Failed(reason=storable(reason)),
            claim,
            detail,
            end_step=before["start_step"],
            parent_damaged=True,
            fallback_member=fallback and fallback.member,
            fallback_generation=fallback and fallback.generation,
        )
        self.sql.write(q.DAMAGE, key_member=lost.member, key_generation=lost.generation, sequence=segment.ended)
        digest = damaged["checkpoint"]
        gone = damaged["checkpoint_kept"] and not self.sql.value(q.IS_REFERENCED, checkpoint=digest)
        self.sweep_next()
        collected = self.collect()
        return FellBack(segment=segment, collected=(digest, *collected) if gone else collected)

    def _find(self, id: SegmentId) -> Segment | None:
        row = self.segment(id)
        return None if row is None else segment_from_row(row)

    def is_base(self, row: Row, parent: SegmentId) -> bool:
        """Whether a member goes on from a segment where it copies nobody."""
        newest = self._find(SegmentId(row["id"], row["generation"] - 1))
        return newest is not None and base_of(newest) == parent

    def forget(self, segment: Segment) -> tuple[str, ...]:
        """Notes the best and drops what nothing needs any more after a segment has ended by training."""
        candidates = [segment.parent]
        before = SegmentId(segment.member, segment.generation - 1)
        # A member that goes on with its own weights has its base for parent.
        if segment.generation and segment.parent != before:
            previous = self.segment(before)
            assert previous is not None, "generations have no gaps"
            candidates.append(base_of(segment_from_row(previous)))
        precedence = segment.precedence(self.limits.mode)
        if isinstance(segment.outcome, Finite) and precedence > precedence_of_best(self.run):
            self.sql.write(q.NEW_BEST, better=precedence[0], **segment.id._asdict())
            candidates.append(best_of(self.run))
        return self.collect(candidates)

    def sweep_next(self) -> None:
        """Makes the next `collect` look at every checkpoint: something else than a publish may have freed some."""
        self._swept = _UNSWEPT
        self.sql.write(q.SWEPT, swept=_UNSWEPT)

    def collect(self, candidates: Iterable[SegmentId | None] = ()) -> tuple[str, ...]:
        """Drops the checkpoints that nothing needs; returns their digests.

        A publish can free few, which are its candidates. All are looked at only where more may be free: in synchronous
        mode when everybody has begun a generation, since then the one before is due.
        """
        begun = self._begun_by_all()
        if begun != self._swept:
            candidates = [SegmentId(row["member"], row["generation"]) for row in self.sql.all(q.KEPT)]
            self.sql.write(q.SWEPT, swept=begun)
        digests: dict[str, None] = {}
        held = self._best_of_decisions(begun)
        for id in dict.fromkeys(c for c in candidates if c is not None and c != held):
            for row in self.sql.all(q.COLLECT, key_member=id.member, key_generation=id.generation, begun=begun):
                digests[row["checkpoint"]] = None
        # Content-addressed: another segment may refer to the same bytes.
        return tuple(digest for digest in digests if not self.sql.value(q.IS_REFERENCED, checkpoint=digest))

    def _best_of_decisions(self, begun: int) -> SegmentId | None:
        """Returns the best segment that members who lag in lockstep may still copy, whatever has ended since."""
        if not (self.limits.needs_best and self.limits.synchronous):
            return None
        query = q.BEST_BEGUN[self.limits.mode]
        row = self.sql.first(query, begun=begun)
        return None if row is None else SegmentId(row["member"], row["generation"])

    def _begun_by_all(self) -> int:
        """Returns a generation that everybody who still trains has begun; only synchronous members look back."""
        limits = self.limits
        if not limits.synchronous:
            return _NEVER
        begun = self.sql.value(q.BEGUN_BY_ALL, population=limits.population, steps=limits.steps)
        return _NEVER if begun is None else int(begun)

    def repeat(self, claim: Claim, segment: Segment) -> Published:
        """Returns the answer to a publish that went through already; its claim may have been released with it."""
        row = self.member(claim.member)
        held = (row["epoch"], row["worker"]) == (claim.epoch, claim.worker)
        kept = _after(claim, segment) if held else None
        return Published(segment=segment, claim=kept, collected=(), stopping=self.stopping)

    def hand_over(self, claim: Claim, segment: Segment, collected: tuple[str, ...]) -> Published:
        """Keeps the claim unless the member is done, must wait for others, or others wait for the worker."""
        limits, stopping = self.limits, self.stopping
        unfinished = segment.member_end < limits.steps and claim.member < limits.population
        if unfinished and not stopping:
            wanted = {**self.wanted, "holder": claim.member}
            at_barrier = not limits.synchronous or self.sql.value(q.AT_BARRIER, **wanted)
            advance = {"generation": segment.generation + 1, "failures": 0}
            if at_barrier and not self.sql.value(q.OTHERS_WAIT, **wanted, **advance):
                kept = _after(claim, segment)
                return Published(segment=segment, claim=kept, collected=collected, stopping=stopping)
        self.free({"id": claim.member, "epoch": claim.epoch})
        return Published(segment=segment, claim=None, collected=collected, stopping=stopping)


def _after(claim: Claim, segment: Segment) -> Claim:
    """Returns the claim to go on with after a segment."""
    return replace(claim, steps=segment.member_end, newest=segment, running=None)


def precedence_of_best(run: Row) -> tuple[float, int, int]:
    """Returns `Segment.precedence` of the best segment that a run's row names."""
    if run["best_better"] is None:
        return -math.inf, 0, 0
    return run["best_better"], -run["best_generation"], -run["best_member"]


def best_of(run: Row) -> SegmentId | None:
    """Returns the best segment that a run's row names."""
    return None if run["best_member"] is None else SegmentId(run["best_member"], run["best_generation"])
