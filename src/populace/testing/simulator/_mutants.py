"""Mutants: bugs planted in the engine, to see whether the simulator finds them. A checker that misses one proves nothing.

Each replaces one function by one that is wrong in one way. They reach into private parts, by name, since that is where
bugs live; a renamed part fails loudly when its mutant is planted.
"""

from __future__ import annotations

import hashlib
import importlib
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, final

from populace.core import Continue, Exploit, Failed, Finite, SegmentId, base_of
from populace.space import Key
from populace.store import Claim, EventKind

Wrong = Callable[..., Any]
"""What takes the place of a function: called with the right one, then with its arguments."""


@final
@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One bug."""

    name: str
    """Its name."""
    about: str
    """What is wrong, in a sentence."""
    parts: Mapping[str, Wrong]
    """By MODULE:NAME or MODULE:CLASS.NAME below `populace`, what takes its place."""

    @contextmanager
    def planted(self) -> Iterator[None]:
        """Plants the bug for the length of a block."""
        with ExitStack() as stack:
            for place, wrong in self.parts.items():
                stack.enter_context(_replaced(place, wrong))
            yield


@contextmanager
def _replaced(place: str, wrong: Wrong) -> Iterator[None]:
    module, _, path = place.partition(":")
    *owners, name = path.split(".")
    owner: Any = importlib.import_module(f"populace.{module}")
    for part in owners:
        owner = getattr(owner, part)
    right = vars(owner)[name]
    if isinstance(right, property):
        getter = right.fget
        changed: Any = property(lambda self: wrong(getter, self))
    else:
        changed = lambda *args, **kwargs: wrong(right, *args, **kwargs)  # noqa: E731 - one line is clearer here
    setattr(owner, name, changed)
    try:
        yield
    finally:
        setattr(owner, name, right)


_MEMORY, _STAY, _RETENTION = "store._memory:MemoryStore", "worker._stay:Stay", "store._memory:kept"
_SIMULATED = "testing.simulator._disk"
_FOUND: list[Mutant] = []


def _mutant(name: str, about: str, **places: str) -> Callable[[Wrong], Wrong]:
    """Adds a mutant whose wrong function is the decorated one."""

    def add(wrong: Wrong) -> Wrong:
        _FOUND.append(Mutant(name=name, about=about, parts={place: wrong for place in places.values()}))
        return wrong

    return add


def _unfenced(name: str, what: str) -> None:
    """Adds a mutant of a write that does not check the epoch."""

    def wrong(right: Wrong, self: Any, claim: Claim, *args: Any) -> Any:
        with _replaced(f"{_MEMORY}._fence", lambda _, store, claim: store._run.members[claim.member]):
            return right(self, claim, *args)

    _mutant(f"{name}-not-fenced", f"{what} does not check the epoch.", at=f"{_MEMORY}.{name}")(wrong)


_unfenced("publish", "Publishing")
_unfenced("renew", "Renewing a lease")
_unfenced("begin", "Beginning a segment")
_unfenced("fail", "Counting a failure")


@_mutant("sql-not-fenced", "The SQL log checks no epoch.", at="store._transaction:Transaction.fence")
def _sql_not_fenced(right: Wrong, self: Any, claim: Claim) -> Any:
    return self.member(claim.member)


@_mutant("epoch-not-raised", "A claim does not raise the epoch.", at=f"{_MEMORY}.claim")
def _epoch_not_raised(right: Wrong, self: Any, worker: str, **kwargs: Any) -> Any:
    claim = right(self, worker, **kwargs)
    if not isinstance(claim, Claim) or claim.epoch == 1:
        return claim
    self._run.members[claim.member].epoch -= 1
    return replace(claim, epoch=claim.epoch - 1)


# --- leases -------------------------------------------------------------------------------------------------------


@_mutant("lease-ignored", "Members that are held are claimed again.", at=f"{_MEMORY}._is_free")
def _lease_ignored(right: Wrong, self: Any, member: Any) -> bool:
    return True


@_mutant("lease-for-ever", "A lease never runs out.", at=f"{_MEMORY}._is_free")
def _lease_for_ever(right: Wrong, self: Any, member: Any) -> bool:
    return member.worker is None


@_mutant("lease-at-once", "A lease runs out as soon as it is given.", at=f"{_MEMORY}._hold")
def _lease_at_once(right: Wrong, self: Any, member: Any, worker: str) -> None:
    right(self, member, worker)
    member.lease_until = self._clock.now() - 1


@_mutant("lease-on-wall-clock", "Leases run on the wall clock.", at="testing.simulator._clock:SimulatedClock.now")
def _lease_on_wall_clock(right: Wrong, self: Any) -> float:
    return float(right(self) + self.wall_offset_s)


@_mutant("renew-does-nothing", "Renewing does not extend the lease.", at=f"{_MEMORY}.renew")
def _renew_does_nothing(right: Wrong, self: Any, claim: Claim) -> None:
    self._fence(claim)


@_mutant("expire-frees-all", "Burying one worker frees the members of all.", at=f"{_MEMORY}.expire")
def _expire_frees_all(right: Wrong, self: Any, worker: str) -> None:
    right(self, worker)
    for member in self._run.members:
        member.worker = None


@_mutant("resume-frees-nothing", "Resuming leaves dead workers their members.", at=f"{_MEMORY}.open")
def _resume_frees_nothing(right: Wrong, self: Any, spec: Any) -> None:
    held = [member.worker for member in self._run.members]
    right(self, spec)
    for member, worker in zip(self._run.members, held, strict=False):
        member.worker = worker


# --- claiming -----------------------------------------------------------------------------------------------------


@_mutant("barrier-ignored", "Synchronous members do not wait for one another.", at="store._memory:claimable")
def _barrier_ignored(right: Wrong, standings: Any, *, synchronous: bool) -> Any:
    return right(standings, synchronous=False)


@_mutant("waiting-comes-first", "Members are claimed by steps alone.", at="store._rules:_advance")
def _waiting_comes_first(right: Wrong, standing: Any) -> Any:
    return standing.member


@_mutant("stop-ignored", "A stop command does nothing.", at=f"{_MEMORY}.command")
def _stop_ignored(right: Wrong, self: Any, word: str) -> None:
    right(self, "")


@_mutant("retired-trains-on", "A retired member is claimed again.", at=f"{_MEMORY}.retire")
def _retired_trains_on(right: Wrong, self: Any, claim: Claim, why: Any) -> None:
    right(self, claim, why)
    self._run.members[claim.member].retired = False


@_mutant("new-members-forgotten", "Resuming with a larger population adds nobody.", at=f"{_MEMORY}.open")
def _new_members_forgotten(right: Wrong, self: Any, spec: Any) -> None:
    right(self, replace(spec, population=self._run.spec.population))


# --- failures -----------------------------------------------------------------------------------------------------


@_mutant("failures-not-counted", "A failure is logged and not counted.", at=f"{_MEMORY}._count_failure")
def _failures_not_counted(right: Wrong, self: Any, member: Any, *args: Any) -> Any:
    before = member.failures
    ended = right(self, member, *args)
    member.failures = min(member.failures, before)
    return ended


@_mutant("failures-not-reset", "Failures are still counted after a success.", at=f"{_MEMORY}._end")
def _failures_not_reset(right: Wrong, self: Any, kind: Any, member: Any, *args: Any) -> Any:
    before = member.failures
    segment = right(self, kind, member, *args)
    member.failures = before
    return segment


@_mutant("lost-lease-is-free", "A lease that ran out costs no failure.", at=f"{_MEMORY}._count_failure")
def _lost_lease_is_free(right: Wrong, self: Any, member: Any, kind: Any, *args: Any) -> Any:
    return False if kind is EventKind.LOST else right(self, member, kind, *args)


@_mutant("hopeless-too-early", "One failure before anybody has trained ends the run.", at=f"{_MEMORY}.fail")
def _hopeless_too_early(right: Wrong, self: Any, claim: Claim, reason: str) -> Any:
    verdict = right(self, claim, reason)
    return replace(verdict, hopeless=all(s.ended is None for s in self._run.segments.values()))


@_mutant("given-up-keeps-steps", "A segment that was given up counts its steps.", at=f"{_MEMORY}._end")
def _given_up_keeps_steps(right: Wrong, self: Any, kind: Any, member: Any, before: Any, *args: Any) -> Any:
    if kind is EventKind.GIVEN_UP:
        before = replace(before, end_step=before.start_step + 1)
    return right(self, kind, member, before, *args)


# --- publishing ---------------------------------------------------------------------------------------------------


@_mutant("publish-before-put", "The row is written before the bytes.", at=f"{_STAY}.finish")
def _publish_before_put(right: Wrong, self: Any, *args: Any) -> Any:
    late: list[list[Any]] = []

    def put(_: Wrong, __: Any, chunks: Any) -> str:
        late.append(list(chunks))
        return hashlib.sha256(b"".join(late[-1])).hexdigest()

    with _replaced(f"{_SIMULATED}:SimulatedCheckpoints.put", put):
        again = right(self, *args)
    for chunks in late:
        self._checkpoints.put(chunks)
    return again


@_mutant("put-not-synced", "A checkpoint is not synced before it counts.", at=f"{_SIMULATED}:Disk.sync")
def _put_not_synced(right: Wrong, self: Any, digest: str) -> None:
    return None


@_mutant("publish-doubles", "A publish that is repeated counts twice.", at=f"{_MEMORY}.publish")
def _publish_doubles(right: Wrong, self: Any, claim: Claim, ending: Any) -> Any:
    before = self._run.segments.get(SegmentId(claim.member, ending.generation))
    answer = right(self, claim, ending)
    if before is not None and before.ended is not None:
        member = self._run.members[claim.member]
        self._log(EventKind.PUBLISHED, replace(member, generation=ending.generation), claim)
    return answer


@_mutant("best-is-last", "The newest finite segment counts as the best.", at=f"{_MEMORY}.publish")
def _best_is_last(right: Wrong, self: Any, claim: Claim, ending: Any) -> Any:
    answer = right(self, claim, ending)
    if isinstance(answer.segment.outcome, Finite):
        self._run.best = answer.segment.id
    return answer


@_mutant("infinite-is-finite", "An infinite score is a score.", at="worker._stay:outcome_of")
def _infinite_is_finite(right: Wrong, score: float | None) -> Any:
    return Finite(value=math.inf) if score == math.inf else right(score)


@_mutant("bytes-not-verified", "Restored bytes are not compared with their digest.", at=f"{_SIMULATED}:check_digest")
def _bytes_not_verified(right: Wrong, digest: str, content: bytes) -> None:
    return None


# --- retention ----------------------------------------------------------------------------------------------------


@_mutant("pin-dropped", "Checkpoints that running segments start from are collected.", at=_RETENTION)
def _pin_dropped(right: Wrong, **needed: Any) -> Any:
    return right(**{**needed, "running": ()})


@_mutant("best-collected", "The best checkpoint is collected.", at=_RETENTION)
def _best_collected(right: Wrong, **needed: Any) -> Any:
    return right(**{**needed, "best": None})


@_mutant("base-collected", "What a failed member would go on from is collected.", at=_RETENTION)
def _base_collected(right: Wrong, **needed: Any) -> Any:
    newest = [s for s in needed["newest"] if not isinstance(s.outcome, Failed)]
    return right(**{**needed, "newest": newest})


@_mutant("asked-collected", "What the user asked to keep is collected.", at=_RETENTION)
def _asked_collected(right: Wrong, **needed: Any) -> Any:
    return right(**{**needed, "asked": ()})


@_mutant("nothing-collected", "Checkpoints are forgotten and never deleted.", at=f"{_MEMORY}._collect")
def _nothing_collected(right: Wrong, self: Any) -> tuple[str, ...]:
    right(self)
    return ()


@_mutant("donors-dropped-early", "Donors are collected while slow members decide.", at=f"{_MEMORY}._begun_by_all")
def _donors_dropped_early(right: Wrong, self: Any) -> int:
    return 2**62


@_mutant("sweep-takes-too-much", "The sweep spares the newest checkpoints alone.", at=f"{_MEMORY}.referenced")
def _sweep_takes_too_much(right: Wrong, self: Any) -> set[str]:
    return {m.newest.checkpoint for m in self._run.members if m.newest is not None and m.newest.checkpoint}


@_mutant("collected-donor-taken", "A donor is taken though its checkpoint is gone.", at=f"{_MEMORY}.begin")
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


# --- decisions ----------------------------------------------------------------------------------------------------


@_mutant("weights-not-copied", "An exploit copies hyperparameters without weights.", at="worker._stay:parent_of")
def _weights_not_copied(right: Wrong, decision: Any, newest: Any) -> Any:
    return base_of(newest)


@_mutant("only-weights-copied", "An exploit copies weights without hyperparameters.", at="worker._stay:decide")
def _only_weights_copied(right: Wrong, population: Any, member: int, *args: Any) -> Any:
    decision = right(population, member, *args)
    own = population.latest[member].hyperparameters
    return replace(decision, hyperparameters=own) if isinstance(decision, Exploit) else decision


@_mutant("clone-not-loaded", "A clone trains on with the weights in memory.", at=f"{_STAY}.checkpoint")
def _clone_not_loaded(right: Wrong, self: Any) -> Any:
    return None if self._in_memory is not None else right(self)


@_mutant("parent-not-loaded", "A member that is handed over begins anew.", at=f"{_STAY}.checkpoint")
def _parent_not_loaded(right: Wrong, self: Any) -> Any:
    return None


@_mutant("steps-reset", "A clone counts its steps from zero.", at="worker._stay:Draft")
def _steps_reset(right: Wrong, **draft: Any) -> Any:
    return right(**{**draft, "start_step": 0 if draft["donor"] else draft["start_step"]})


@_mutant("budget-by-weight-steps", "The budget counts the steps of the weights.", at="core._segment:Segment.member_end")
def _budget_by_weight_steps(right: Wrong, self: Any) -> int:
    return int(self.end_step)


@_mutant("last-interval-too-long", "The last interval is as long as the others.", at=f"{_STAY}._draft")
def _last_interval_too_long(right: Wrong, self: Any, claim: Claim) -> Any:
    draft = right(self, claim)
    return draft and replace(draft, num_steps=self._spec.interval)


@_mutant("old-view", "Decisions are taken from an old view under a new number.", at="worker._view:View.after")
def _old_view(right: Wrong, self: Any, newest: Any) -> Any:
    population = right(self, newest)
    own = [replace(s, evaluations=()) if s is not None and s.member != newest.member else s for s in population.latest]
    stale = [s for s in own if s is not None and (s.member == newest.member or s.generation % 2 == 0)]
    empty = type(population).empty(
        space=population.space, mode=population.mode, seed=population.seed, size=population.size
    )
    return empty.with_ended(stale, population.sequence)


@_mutant("wrong-snapshot", "A decision names another snapshot than it saw.", at="worker._stay:Draft")
def _wrong_snapshot(right: Wrong, **draft: Any) -> Any:
    return right(**{**draft, "snapshot": max(0, draft["snapshot"] - 1)})


@_mutant(
    "decides-alone", "Synchronous members decide on what is newest.", at="core._population:Population.at_generation"
)
def _decides_alone(right: Wrong, self: Any, *args: Any) -> Any:
    return self


@_mutant("shared-randomness", "Decisions draw from one stream, as they come.", at="worker._stay:decision_key")
def _shared_randomness(right: Wrong, *args: Any) -> Key:
    return Key(0).fold(next(_drawn))


_drawn = itertools.count()


@_mutant("own-donor", "A member may copy itself.", at="core.exploit._truncation:Truncation.donors")
def _own_donor(right: Wrong, self: Any, population: Any, member: int) -> list[int]:
    return [*right(self, population, member), member]


@_mutant("diverged-ranks-best", "A diverged member ranks above all.", at="core._segment:Segment.better")
def _diverged_ranks_best(right: Wrong, self: Any, mode: Any) -> float:
    return float(right(self, mode)) if isinstance(self.outcome, Finite) else math.inf


@_mutant("smaller-is-larger", "Scores to be minimised are maximised.", at="core._score:Mode.orient")
def _smaller_is_larger(right: Wrong, self: Any, score: float) -> float:
    return score


@_mutant("ties-by-arrival", "Equal scores are ordered by who came first.", at="core._population:Population._standing")
def _ties_by_arrival(right: Wrong, self: Any, latest: Any, changed: Any, *args: Any) -> Any:
    population = right(self, latest, changed, *args)
    for member, segment in enumerate(latest):
        population.tie_P[member] = 0 if segment is None else segment.ended
    return population


@_mutant(
    "explores-out-of-bounds",
    "Perturbed values are not clipped.",
    perturb="space._space:Space.perturb",
    check="space._space:Space.check",
)
def _explores_out_of_bounds(right: Wrong, self: Any, hyperparameters: Any, *args: Any) -> Any:
    return {**hyperparameters, "x": hyperparameters["x"] * 3} if args else None


@_mutant("decided-anew", "A segment that is taken up again is decided anew.", at=f"{_STAY}._take_up")
def _decided_anew(right: Wrong, self: Any, segment: Any) -> None:
    if self.claim is not None and self.claim.running is not None:
        segment = replace(segment, hyperparameters={**segment.hyperparameters, "n": segment.hyperparameters["n"] + 1})
    right(self, segment)


@_mutant("diverged-trains-on", "A diverged member is not replaced.", at="worker._stay:decide")
def _diverged_trains_on(right: Wrong, population: Any, member: int, *args: Any) -> Any:
    decision = right(population, member, *args)
    own = population.latest[member]
    if isinstance(own.outcome, Finite | Failed):
        return decision
    return Continue(hyperparameters=own.hyperparameters, why=decision.why)


MUTANTS: Mapping[str, Mutant] = {mutant.name: mutant for mutant in _FOUND}
"""Every mutant by its name."""
