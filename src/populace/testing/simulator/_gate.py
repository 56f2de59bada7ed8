"""The gate between a simulated process and its store: every call is a turn, a chance for a fault, and a note."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar, final

from populace._errors import DonorGone, StaleClaim, StoreError
from populace.core import Failed, RunSpec, Segment, SegmentId, Why
from populace.store import (
    Changes,
    Claim,
    Draft,
    Ending,
    Event,
    FailureVerdict,
    FellBack,
    Idle,
    Published,
    RunState,
    RunStatus,
    Standings,
    Store,
)
from populace.testing.simulator._judge import judge_fallback, judge_retention
from populace.testing.simulator._plan import Fault
from populace.testing.simulator._world import World

T = TypeVar("T")


@final
class GatedStore(Store):
    """A process's store.

    Args:
        world: What all processes share.
        name: The process.
        store: The log itself.
        turn: Lets others move; raises `Killed` where the process is dead.
        die: Kills the process, when what it asked has happened but it was not told.
    """

    def __init__(
        self, world: World, name: str, store: Store, turn: Callable[[], None], die: Callable[[], None]
    ) -> None:
        self._world = world
        self._name = name
        self._store = store
        self._turn = turn
        self._die = die
        self._notes = world.observer

    def claim(self, worker: str, *, prefer: int | None = None) -> Claim | Idle:
        claim = self._write("claim", lambda: self._store.claim(worker, prefer=prefer), durable=False)
        now = self._world.clock.now()
        if isinstance(claim, Claim) or not claim.stopping:
            self._notes.lapsed(now)
        if isinstance(claim, Claim):
            self._notes.claimed(claim, now)
            if prefer is not None:
                same = claim.member == prefer
                self._notes.counts["handed over in place" if same else "handed over to another member"] += 1
        elif not claim.finished and not claim.stopping and self._world.plan.spec.synchronous:
            self._notes.counts["waited at the barrier"] += 1
        self._told("claim")
        return claim

    def renew(self, claim: Claim) -> None:
        self._write("renew", lambda: self._store.renew(claim), durable=False)
        self._notes.extended(claim, self._world.clock.now())

    def begin(self, claim: Claim, draft: Draft) -> Segment:
        segment = self._write("begin", lambda: self._store.begin(claim, draft), durable=False)
        self._notes.begun(claim, draft, segment)
        self._told("begin")
        return segment

    def publish(self, claim: Claim, ending: Ending) -> Published:
        answer = self._write("publish", lambda: self._store.publish(claim, ending))
        self._notes.publishing(claim, ending, answer, self._world.clock.now())
        if self._world.fault(Fault.REPEAT):
            self._notes.hit(self._name, "answer lost")
            self._turn()
            answer = self._write("publish", lambda: self._store.publish(claim, ending))
            self._notes.publishing(claim, ending, answer, self._world.clock.now())
        judge_retention(self._notes, self._store.referenced())
        self._told("publish")
        return answer

    def claim_all(self, worker: str) -> list[Claim]:
        return self._write("claim_all", lambda: self._store.claim_all(worker), durable=False)

    def publish_all(self, claims: Sequence[Claim], generations: Sequence[Sequence[Segment]]) -> tuple[str, ...]:
        return self._write("publish_all", lambda: self._store.publish_all(claims, generations))

    def fail(self, claim: Claim, reason: str) -> FailureVerdict:
        verdict = self._write("fail", lambda: self._store.fail(claim, reason))
        self._judge(reason)
        ended = self._store.segment(SegmentId(claim.member, self._notes.generation(claim.member)))
        self._notes.failed(claim, verdict, ended if verdict.ended else None)
        judge_retention(self._notes, self._store.referenced())
        self._told("fail")
        return verdict

    def fall_back(self, claim: Claim, reason: str) -> FellBack:
        # What is stored counts as it is when the store acts: others may take turns before that.
        stored, answer = self._write(
            "fall back", lambda: (self._store.referenced(), self._store.fall_back(claim, reason))
        )
        judge_fallback(self._notes, claim, answer.segment, reason, stored)
        judge_retention(self._notes, self._store.referenced())
        self._told("fall back")
        return answer

    def retire(self, claim: Claim, why: Why) -> None:
        self._write("retire", lambda: self._store.retire(claim, why))
        self._notes.retired(claim)
        self._told("retire")

    def release(self, claim: Claim) -> None:
        self._write("release", lambda: self._store.release(claim), durable=False)
        self._notes.released(claim)
        if claim.running is None and claim.newest is not None and isinstance(claim.newest.outcome, Failed):
            self._notes.counts["waited for a donor"] += 1
        self._told("release")

    def snapshot(self, after: int = 0) -> Changes:
        return self._read(lambda: self._store.snapshot(after))

    def standings(self, after: int = 0) -> Standings:
        return self._read(lambda: self._store.standings(after))

    def segment(self, id: SegmentId) -> Segment | None:
        return self._read(lambda: self._store.segment(id))

    def state(self) -> RunState:
        state = self._read(self._store.state)
        self._notes.nothing_finite |= state.best is None and self._notes.best is None
        return state

    def events(self, after: int = 0, limit: int = 1000) -> list[Event]:
        return self._read(lambda: self._store.events(after, limit))

    def segments(self) -> list[Segment]:
        return self._read(self._store.segments)

    def referenced(self) -> set[str]:
        return self._read(self._store.referenced)

    def create(self, spec: RunSpec) -> None:
        self._write("create", lambda: self._store.create(spec))

    def read(self) -> Mapping[str, object]:
        return self._read(self._store.read)

    def open(self, spec: RunSpec) -> None:
        self._write("open", lambda: self._store.open(spec))

    def expire(self, worker: str) -> None:
        self._write("expire", lambda: self._store.expire(worker))

    def recover(self) -> None:
        self._write("recover", self._store.recover, durable=False)

    def end(self, status: RunStatus, message: str = "") -> None:
        self._write("end", lambda: self._store.end(status, message))

    def command(self, word: str) -> None:
        self._write("command", lambda: self._store.command(word))

    def keep(self, id: SegmentId, keep: bool = True) -> None:
        self._write("keep", lambda: self._store.keep(id, keep))

    def collect(self) -> tuple[str, ...]:
        return self._write("collect", self._store.collect)

    def close(self) -> None:
        self._store.close()

    def _read(self, effect: Callable[[], T]) -> T:
        self._turn()
        return effect()

    def _write(self, name: str, effect: Callable[[], T], *, durable: bool = True) -> T:
        self._turn()
        if self._world.fault(Fault.FULL_STORE):
            self._notes.hit(self._name, "full store")
            raise StoreError("the store failed (disk is full)")
        self._world.before_write(durable=durable)
        try:
            return effect()
        except StaleClaim:
            self._notes.counts[f"stale claim at {name}"] += 1
            if not self._notes.process(self._name).hit:
                self._notes.violate(
                    "lost work", self._name, f"has lost its claim at {name}, though no fault had hit it"
                )
            raise
        except DonorGone:
            self._notes.counts["donor gone"] += 1
            raise

    def _told(self, name: str) -> None:
        """Lets the process die before it learns what came of its call."""
        if self._world.fault(Fault.KILL_AFTER):
            self._notes.counts[f"killed after {name}"] += 1
            self._die()

    def _judge(self, reason: str) -> None:
        """Judges whether a failure of the user's code is one that was simulated."""
        if "StepError" in reason:
            self._notes.hit(self._name, "exception")
        else:
            self._notes.violate("failure", self._name, f"a step failed, but not by the simulated code: {reason}")
