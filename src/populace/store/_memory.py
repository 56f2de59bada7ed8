"""The log in memory: for tests, toys and simulations; nothing survives the process.

Written in plain Python and apart from the SQL one, so that each is a check on the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import final

from populace._errors import DonorGone, RunExists, StaleClaim, StoreError, UnknownRun
from populace.core import Failed, Finite, Outcome, RunSpec, Segment, SegmentId, Why, base_of, kept, last_good
from populace.store._clock import Clock, HostClock
from populace.store._memory_rows import Member, Run, begun, changes_since, logged, parts_of, stands_since, with_ending
from populace.store._protocol import (
    Changes,
    Claim,
    Draft,
    Ending,
    Event,
    EventKind,
    FailureVerdict,
    FellBack,
    Idle,
    Published,
    RunState,
    RunStatus,
    Standings,
)
from populace.store._rules import Standing, claimable, first, hands_over, storable

_NEVER = 2**62


@final
class MemoryStore:
    """A `Store` in this process's memory, for one thread.

    Args:
        clock: Source of time.
        lease_s: Seconds that a claim lasts without being renewed.
    """

    def __init__(self, *, clock: Clock | None = None, lease_s: float = 60.0) -> None:
        self._clock = clock or HostClock()
        self._lease_s = lease_s
        self._created: Run | None = None

    def create(self, spec: RunSpec) -> None:
        if self._created is not None:
            raise RunExists(
                f"a run is created once, but {spec.name!r} exists already: resume it, or choose another name"
            )
        self._created = Run(spec=spec, members=[Member(id=i) for i in range(spec.population)])
        self._log(EventKind.CREATED)

    def read(self) -> Mapping[str, object]:
        return self._run.spec.to_json()

    def open(self, spec: RunSpec) -> None:
        run, old = self._run, self._run.spec
        before, after = old.to_json(), spec.to_json()
        run.members += [Member(id=i) for i in range(len(run.members), spec.population)]
        for member in run.members:
            member.worker = None
        run.spec, run.status, run.message, run.stopping = spec, RunStatus.UNFINISHED, "", False
        changed = {name: [before[name], value] for name, value in after.items() if before[name] != value}
        sequence = self._log(EventKind.OPENED, changed=changed)
        for member in run.members:
            if member.id >= old.population or member.steps >= old.steps:
                member.joined = sequence

    def end(self, status: RunStatus, message: str = "") -> None:
        message = storable(message)
        self._run.status, self._run.message = status, message
        self._log(EventKind.ENDED, status=status.value, message=message)

    def command(self, word: str) -> None:
        self._run.stopping = word == "stop"
        self._log(EventKind.COMMAND, command=word)

    def claim(self, worker: str, *, prefer: int | None = None) -> Claim | Idle:
        run = self._run
        if not run.stopping:
            for member in run.members:
                if member.worker is not None and self._is_free(member):
                    self._count_failure(member, EventKind.LOST, f"the lease of worker {member.worker} ran out")
                    member.worker = None
        standings = self._standings()
        free = claimable(standings, synchronous=run.spec.synchronous)
        chosen = first(free, prefer=prefer)
        if run.stopping or chosen is None:
            return Idle(finished=not standings, stopping=run.stopping)
        return self._take(run.members[chosen.member], worker)

    def claim_all(self, worker: str) -> list[Claim]:
        members = [] if self._run.stopping else [self._run.members[s.member] for s in self._standings()]
        return [self._take(member, worker) for member in members]

    def renew(self, claim: Claim) -> None:
        self._hold(self._fence(claim), claim.worker)

    def begin(self, claim: Claim, draft: Draft) -> Segment:
        member = self._fence(claim)
        assert member.running is None, "a member trains one segment at a time"
        if draft.parent is not None:
            parent = self._run.segments.get(draft.parent)
            base = None if member.newest is None else base_of(member.newest)
            tried = parent is not None and parent.damaged is not None and parent.id == base
            if parent is None or not (parent.checkpoint_kept or tried):
                raise DonorGone(
                    f"the checkpoint of segment {draft.parent} was collected since the snapshot: decide again"
                )
        return self._begin(member, claim, draft)

    def publish(self, claim: Claim, ending: Ending) -> Published:
        run = self._run
        before = run.segments.get(SegmentId(claim.member, ending.generation))
        if before is not None and (before.epoch, before.checkpoint) == (claim.epoch, ending.checkpoint):
            holder = run.members[claim.member]
            held = (holder.epoch, holder.worker) == (claim.epoch, claim.worker)
            again = replace(claim, steps=before.member_end, newest=before, running=None) if held else None
            return Published(segment=before, claim=again, collected=(), stopping=run.stopping)
        member = self._fence(claim)
        assert before is not None, "a segment is begun before it is published"
        assert before is member.running, "a segment is ended once"
        segment = self._publish(member, claim, ending)
        return self._hand_over(claim, segment, self._collect())

    def publish_all(self, claims: Sequence[Claim], generations: Sequence[Sequence[Segment]]) -> tuple[str, ...]:
        by = {claim.member: claim for claim in claims}
        last = generations[-1][0]
        held = self._run.segments.get(SegmentId(last.member, last.generation))
        if held is not None and (held.epoch, held.checkpoint) == (by[last.member].epoch, last.checkpoint):
            return ()
        members = {claim.member: self._fence(claim) for claim in claims}
        for generation in generations:
            now = len(self._run.events)
            parts = [(members[s.member], by[s.member], *parts_of(s, now)) for s in generation]
            for member, claim, draft, _ in parts:
                self._begin(member, claim, draft)
            for member, claim, _, ending in parts:
                self._publish(member, claim, ending)
        return self._collect()

    def fail(self, claim: Claim, reason: str) -> FailureVerdict:
        member = self._fence(claim)
        failures = member.failures + 1
        ended = self._count_failure(member, EventKind.FAILURE, reason, claim)
        member.worker = None
        run = self._run
        trained = any(s.ended is not None and not isinstance(s.outcome, Failed) for s in run.segments.values())
        untried = any(m.failures == 0 and m.generation == 0 for m in run.members[: run.spec.population])
        return FailureVerdict(
            failures=failures,
            ended=ended,
            hopeless=not trained and not untried,
            collected=self._collect() if ended else (),
        )

    def fall_back(self, claim: Claim, reason: str) -> FellBack:
        run, member = self._run, self._fence(claim)
        running = member.running
        assert running is not None, "a segment is begun before it is given up"
        assert running.parent is not None, "what was damaged is a parent's checkpoint"
        damaged = run.segments[running.parent]
        base = None if member.newest is None else base_of(member.newest)
        fallback = last_good(base, run.segments.get, lost=damaged.id)
        reason = storable(reason)
        untrained = replace(running, end_step=running.start_step, parent_damaged=True, fallback=fallback)
        detail = {
            "reason": reason,
            "parent": str(damaged.id),
            "checkpoint": damaged.checkpoint,
            "fallback": fallback and str(fallback),
        }
        segment = self._end(EventKind.DAMAGED, member, untrained, Failed(reason=reason), claim, **detail)
        member.worker = None
        known = segment.ended if damaged.damaged is None else damaged.damaged
        marked = replace(damaged, checkpoint_kept=False, damaged=known)
        run.segments[marked.id] = marked
        owner = run.members[marked.member]
        if owner.newest is not None and owner.newest.id == marked.id:
            owner.newest = marked
        gone = damaged.checkpoint if damaged.checkpoint_kept else None
        collected = self._collect()
        mine = () if gone is None or gone in self.referenced() else (gone,)
        return FellBack(segment=segment, collected=(*mine, *(digest for digest in collected if digest != gone)))

    def retire(self, claim: Claim, why: Why) -> None:
        member = self._fence(claim)
        member.retired, member.worker = True, None
        self._log(EventKind.RETIRED, member, claim, **why)

    def release(self, claim: Claim) -> None:
        member = self._run.members[claim.member]
        if (member.epoch, member.worker) == (claim.epoch, claim.worker):
            member.worker = None

    def expire(self, worker: str) -> None:
        for member in self._run.members:
            if member.worker == worker:
                self._count_failure(member, EventKind.LOST, f"worker {worker} died")
                member.worker = None

    def recover(self) -> None:
        for member in self._run.members:
            if member.worker is not None and member.boot == self._clock.boot():
                self._hold(member, member.worker)

    def snapshot(self, after: int = 0) -> Changes:
        return changes_since(self._run, after)

    def standings(self, after: int = 0) -> Standings:
        return Standings(sequence=len(self._run.events), stands=stands_since(self._run.members, after))

    def segment(self, id: SegmentId) -> Segment | None:
        return self._run.segments.get(id)

    def segments(self) -> list[Segment]:
        return sorted(self._run.segments.values(), key=lambda s: s.begun)

    def events(self, after: int = 0, limit: int = 1000) -> list[Event]:
        return self._run.events[after : after + limit]

    def state(self) -> RunState:
        run = self._run
        members = run.members[: run.spec.population]
        return RunState(
            status=run.status,
            message=run.message,
            best=None if run.best is None else run.segments[run.best],
            steps=tuple(m.steps for m in members),
            retired=tuple(m.id for m in members if m.retired),
            num_segments=sum(s.ended is not None for s in run.segments.values()),
        )

    def keep(self, id: SegmentId, keep: bool = True) -> None:
        segment = self._run.segments.get(id)
        if segment is None or not segment.checkpoint_kept:
            raise StoreError(f"only a stored checkpoint can be kept, but that of segment {id} is stored no more")
        (self._run.asked.add if keep else self._run.asked.discard)(id)

    def collect(self) -> tuple[str, ...]:
        return self._collect()

    def referenced(self) -> set[str]:
        return {s.checkpoint for s in self._run.segments.values() if s.checkpoint_kept and s.checkpoint is not None}

    def close(self) -> None:
        """Nothing to free; the log lives as long as the object."""

    @property
    def _run(self) -> Run:
        if self._created is None:
            raise UnknownRun("there is no run in this store: create it first")
        return self._created

    def _standings(self) -> list[Standing]:
        spec = self._run.spec
        return [
            Standing(member=m.id, generation=m.generation, failures=m.failures, free=self._is_free(m))
            for m in self._run.members[: spec.population]
            if m.steps < spec.steps and not m.retired
        ]

    def _is_free(self, member: Member) -> bool:
        return member.worker is None or member.lease_until < self._clock.now() or member.boot != self._clock.boot()

    def _hold(self, member: Member, worker: str) -> None:
        member.worker, member.boot, member.lease_until = worker, self._clock.boot(), self._clock.now() + self._lease_s

    def _take(self, member: Member, worker: str) -> Claim:
        member.epoch += 1
        self._hold(member, worker)
        if member.running is not None:
            member.running = replace(member.running, worker=worker, epoch=member.epoch)
            self._run.segments[member.running.id] = member.running
        return self._claim(member, worker)

    def _begin(self, member: Member, claim: Claim, draft: Draft) -> Segment:
        sequence = self._log(EventKind.BEGUN, member, claim)
        segment = begun(member, claim, draft, sequence, self._clock.wall())
        member.running = self._run.segments[segment.id] = segment
        return segment

    def _publish(self, member: Member, claim: Claim, ending: Ending) -> Segment:
        run, mode = self._run, self._run.spec.mode
        assert member.running is not None, "a segment is begun before it is published"
        detail = {"unsaved": True} if ending.checkpoint is None else {}
        trained = with_ending(member.running, ending)
        segment = self._end(EventKind.PUBLISHED, member, trained, ending.outcome, claim, **detail)
        best = None if run.best is None else run.segments[run.best]
        if isinstance(segment.outcome, Finite) and (best is None or segment.precedence(mode) > best.precedence(mode)):
            run.best = segment.id
        return segment

    def _claim(self, member: Member, worker: str) -> Claim:
        return Claim(
            member=member.id,
            epoch=member.epoch,
            worker=worker,
            steps=member.steps,
            newest=member.newest,
            running=member.running,
            joined=member.joined,
        )

    def _fence(self, claim: Claim) -> Member:
        member = self._run.members[claim.member]
        if (member.epoch, member.worker) != (claim.epoch, claim.worker):
            raise StaleClaim(
                f"member {claim.member} was taken from worker {claim.worker} (epoch {claim.epoch}, now "
                f"{member.epoch}): what it trained since is dropped"
            )
        return member

    def _log(self, kind: EventKind, member: Member | None = None, by: Claim | None = None, **detail: object) -> int:
        event = Event(
            sequence=len(self._run.events) + 1,
            kind=kind,
            member=None if member is None else member.id,
            generation=None if member is None else member.generation,
            epoch=0 if by is None else by.epoch,
            worker="" if by is None else by.worker,
            at=self._clock.wall(),
            detail=logged(detail),
        )
        self._run.events.append(event)
        return event.sequence

    def _end(
        self,
        kind: EventKind,
        member: Member,
        before: Segment,
        outcome: Outcome,
        by: Claim | None,
        **detail: object,
    ) -> Segment:
        sequence = self._log(kind, member, by, **detail)
        segment = replace(before, outcome=outcome, ended=sequence, ended_at=self._clock.wall())
        self._run.segments[segment.id] = member.newest = segment
        member.steps, member.generation = segment.member_end, member.generation + 1
        member.running, member.failures = None, 0
        return segment

    def _count_failure(self, member: Member, kind: EventKind, reason: str, by: Claim | None = None) -> bool:
        reason = storable(reason)
        self._log(kind, member, by, reason=reason)
        member.failures += 1
        if member.running is None or member.failures <= self._run.spec.max_failures:
            return False
        untrained = replace(member.running, end_step=member.running.start_step)
        self._end(EventKind.GIVEN_UP, member, untrained, Failed(reason=reason), by)
        return True

    def _collect(self) -> tuple[str, ...]:
        run = self._run
        keep = kept(
            newest=[m.newest for m in run.members if m.newest is not None],
            best=run.best,
            running=[m.running for m in run.members if m.running is not None],
            asked=run.asked,
        )
        keep |= run.needed_by_decisions(self._begun_by_all())
        gone = [s for s in run.segments.values() if s.checkpoint_kept and s.id not in keep]
        for segment in gone:
            run.segments[segment.id] = replace(segment, checkpoint_kept=False)
        digests = {s.checkpoint: None for s in gone if s.checkpoint is not None}
        still = self.referenced()  # content-addressed: another segment may refer to the same bytes
        return tuple(digest for digest in digests if digest not in still)

    def _begun_by_all(self) -> int:
        """Returns a generation that everybody who still trains has begun; only synchronous members look back."""
        spec = self._run.spec
        members = [m for m in self._run.members[: spec.population] if m.steps < spec.steps and not m.retired]
        begun = min((m.generation - (m.running is None) for m in members), default=_NEVER)
        return begun if spec.synchronous else _NEVER

    def _hand_over(self, claim: Claim, segment: Segment, collected: tuple[str, ...]) -> Published:
        run, member = self._run, self._run.members[claim.member]
        standings = self._standings()
        mine = next((s for s in standings if s.member == member.id), None)
        freed = [replace(s, free=True) if s is mine else s for s in standings]
        free = claimable(freed, synchronous=run.spec.synchronous)
        goes_on = not run.stopping and mine is not None and any(s.member == member.id for s in free)
        if goes_on and mine is not None and not hands_over(mine, free):
            kept_claim = self._claim(member, claim.worker)
            return Published(segment=segment, claim=kept_claim, collected=collected, stopping=run.stopping)
        member.worker = None
        return Published(segment=segment, claim=None, collected=collected, stopping=run.stopping)
