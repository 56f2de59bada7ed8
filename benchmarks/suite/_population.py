"""Runs of a population policy on many seeds at once: real decisions, no store, all members of all seeds in one call.

Synchronous: a generation trains, then everybody decides from one snapshot, as in a run with `synchronous=True`; the
decisions are the same (a test sees to it). Asynchronous: every member publishes when its interval is over and decides
at once; what has been begun and not yet trained is trained together, as late as possible, which changes nothing since
an interval depends on nothing but what it began with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

from benchmarks.suite._bank import Bank, Slots, Turn, bank_for
from benchmarks.suite._outcome import Best, Outcome, spread_of, test_key
from benchmarks.suite._task import Task
from populace.core import (
    Continue,
    Evaluation,
    Exploit,
    Lineage,
    Mode,
    Policy,
    Population,
    Schedule,
    Segment,
    Start,
    decide,
    decision_key,
    outcome_of,
    parent_of,
    start,
    told,
)
from populace.space import Key, Space

Timing = Literal["sync", "sync-unknown", "async", "async-unequal"]

_JITTER = 0.1
_FASTEST = 4.0


@dataclass(kw_only=True)
class _Draft:
    """A segment that has begun."""

    member: int
    generation: int
    parent: Segment | None
    decision: Start | Continue | Exploit
    source: int
    start_step: int
    member_start: int
    num_steps: int
    ends_at: float
    target: int | None = None
    score: float | None = None


@final
class Run:
    """One seed's run.

    Args:
        task: What is trained.
        policy: What decides.
        seed: Root of all randomness.
        population: Number of members.
        interval: Ticks between ready points.
        timing: Who waits for whom.
        bank: Where states lie.
        slots: Which of them are in use.
    """

    def __init__(
        self,
        task: Task,
        policy: Policy,
        *,
        seed: int,
        population: int,
        interval: int,
        timing: Timing,
        bank: Bank,
        slots: Slots,
    ) -> None:
        self._task = task
        self._policy = policy
        self.seed = seed
        self._interval = interval * task.steps_per_tick
        self._is_level = timing in ("sync", "sync-unknown")
        self._bank = bank
        self._slots = slots
        space = Space.of(task.space)
        self.population = Population.empty(
            space=space,
            mode=Mode.MAX,
            seed=seed,
            size=population,
            steps=None if timing == "sync-unknown" else task.num_steps,
            interval=self._interval,
        )
        self._newest_slot: dict[int, int] = {}
        self._running: dict[int, _Draft] = {}
        self.best = Best(slots, population * task.num_steps)
        self.segments: list[Segment] = []
        speeds = [_FASTEST ** (m / max(1, population - 1)) for m in range(population)]
        order = Key(seed).fold("speeds").generator().permutation(population)
        self._pace = [1 / speeds[i] if timing == "async-unequal" else 1.0 for i in order]
        starts = policy.starts or task.starts(seed, population)
        for member in range(population):
            self._begin(member, start(space, seed, member, starts))

    @property
    def drafts(self) -> list[_Draft]:
        """What has begun and has not been trained."""
        return [draft for draft in self._running.values() if draft.score is None]

    def turn(self, draft: _Draft) -> Turn:
        """Returns how a draft is trained."""
        draft.target = self._slots.take()
        return Turn(
            source=draft.source,
            target=draft.target,
            key=Key(self.seed).fold(draft.member, draft.generation),
            start_step=draft.start_step,
            num_steps=draft.num_steps,
            hyperparameters=self.population.space.active(draft.decision.hyperparameters),
        )

    def settle(self, draft: _Draft, score: float) -> None:
        """Notes that a draft has been trained."""
        self._slots.drop(draft.source)
        draft.score = score

    def advance(self) -> None:
        """Publishes and decides, as far as what has been trained allows."""
        if self._is_level:
            self._publish(list(self._running.values()))
            return
        while self._running:
            draft = min(self._running.values(), key=lambda draft: (draft.ends_at, draft.member))
            if draft.score is None:
                return
            self._publish([draft])

    def outcome(self) -> Outcome:
        """Returns what the run leaves behind."""
        first = [segment.hyperparameters for segment in self.segments if segment.generation == 0]
        last = [s.hyperparameters for s in self.population.latest if s is not None]
        test = float("-inf")
        if self.best.slot is not None:
            test = self._bank.test([self.best.slot], [test_key(self.seed)])[0]
        return self.best.outcome(
            self.seed,
            test,
            spread=spread_of(self.population.space, first, last),
            num_copies=sum(segment.donor is not None for segment in self.segments),
            schedule=self._schedule() if self._task.keeps_schedule else None,
        )

    def _schedule(self) -> str | None:
        """Returns the schedule that led to the best state."""
        winner = next((segment for segment in self.segments if segment.score == self.best.score), None)
        if winner is None:
            return None
        ancestry = Lineage(self.segments).ancestry(winner.id)
        return Schedule.of(ancestry, self.population.space, self.seed).to_json()

    def _publish(self, drafts: Sequence[_Draft]) -> None:
        first = self.population.sequence + 1
        ended = [_segment(draft, first + i) for i, draft in enumerate(drafts)]
        self.population = self.population.with_ended(ended, first + len(ended) - 1)
        self.segments += ended
        for draft in drafts:
            del self._running[draft.member]
            assert draft.target is not None, "a draft that has been trained lies in a slot"
            assert draft.score is not None, "it has a score"
            if draft.member in self._newest_slot:
                self._slots.drop(self._newest_slot[draft.member])
            self._newest_slot[draft.member] = draft.target
            self.best.note(draft.score, draft.target, draft.num_steps)
        going_on = [segment.member for segment in ended if segment.member_end < self._task.num_steps]
        # All decisions first: each is taken from the snapshot, none from what another has begun.
        decisions = {member: self._decided(member) for member in going_on}
        for member, decision in decisions.items():
            self._begin(member, decision)

    def _decided(self, member: int) -> Start | Continue | Exploit:
        newest = self.population.latest[member]
        assert newest is not None, "it has just ended"
        key = decision_key(self.seed, member, newest.generation + 1)
        decision = decide(self.population, member, self._policy, key)
        assert isinstance(decision, Start | Continue | Exploit), "nobody fails here"
        return decision

    def _begin(self, member: int, decision: Start | Continue | Exploit) -> None:
        newest = self.population.latest[member]
        parent, generation, done, now = None, 0, 0, 0.0
        if newest is None:
            source = self._slots.take()
            key = Key(self.seed).fold(member, 0, "init")
            self._bank.begin(source, key, self.population.space.active(decision.hyperparameters))
        else:
            parent = self._parent(decision, newest)
            source = self._source(decision, newest, parent)
            generation, done, now = newest.generation + 1, newest.member_end, newest.ended_at or 0.0
        num_steps = min(self._interval, self._task.num_steps - done)
        self._running[member] = _Draft(
            member=member,
            generation=generation,
            parent=parent,
            decision=decision,
            source=source,
            start_step=0 if parent is None else parent.end_step,
            member_start=done,
            num_steps=num_steps,
            ends_at=now + num_steps * self._pace_of(member, generation),
        )

    def _parent(self, decision: Start | Continue | Exploit, newest: Segment) -> Segment | None:
        id = parent_of(decision, newest)
        parent = None if id is None else self.population.latest[id.member]
        assert parent is None or parent.id == id, "a member's newest weights are gone on with"
        return parent

    def _source(self, decision: Start | Continue | Exploit, newest: Segment, parent: Segment | None) -> int:
        """Returns the slot from which a member that has trained before goes on."""
        shrink = decision.shrink if isinstance(decision, Continue) else None
        if parent is not None and shrink is None:
            return self._slots.hold(self._newest_slot[parent.member])
        fresh = self._slots.take()
        key = Key(self.seed).fold(newest.member, newest.generation + 1, "init")
        self._bank.begin(fresh, key, self.population.space.active(decision.hyperparameters))
        if shrink is not None:
            self._bank.shrink(self._newest_slot[newest.member], fresh, shrink)
        return fresh

    def _pace_of(self, member: int, generation: int) -> float:
        """Returns the time that a step takes."""
        if self._is_level:
            return 1.0
        random = Key(self.seed).fold(member, generation, "jitter").generator()
        return self._pace[member] * float(random.uniform(1 - _JITTER, 1 + _JITTER))


def run_population(
    task: Task,
    policy: Policy | Sequence[Policy],
    *,
    seeds: Sequence[int],
    population: int,
    interval: int,
    timing: Timing = "sync",
) -> list[Run]:
    """Returns finished runs, a seed each.

    Args:
        task: What is trained.
        policy: What decides; a sequence has one for each seed.
        seeds: Roots of all randomness.
        population: Number of members.
        interval: Ticks between ready points.
        timing: Who waits for whom: everybody ("sync"), nobody ("async"), nobody and some are four times as fast as
            others ("async-unequal"); "sync-unknown": everybody, and policies are not told how long the run is.
    """
    width = len(seeds) * population
    num_slots = 3 * width + len(seeds)
    bank, slots = bank_for(task, num_slots=num_slots, width=width), Slots(num_slots)
    policies = [policy] * len(seeds) if isinstance(policy, Policy) else policy
    runs = [
        Run(task, each, seed=seed, population=population, interval=interval, timing=timing, bank=bank, slots=slots)
        for seed, each in zip(seeds, policies, strict=True)
    ]
    while True:
        begun = [(run, draft) for run in runs for draft in run.drafts]
        if not begun:
            return runs
        scores = bank.train([run.turn(draft) for run, draft in begun])
        for (run, draft), score in zip(begun, scores, strict=True):
            run.settle(draft, score)
        for run in runs:
            run.advance()


def _segment(draft: _Draft, sequence: int) -> Segment:
    end_step = draft.start_step + draft.num_steps
    assert draft.score is not None, "only what has been trained is published"
    return Segment(
        member=draft.member,
        generation=draft.generation,
        parent=None if draft.parent is None else draft.parent.id,
        donor=draft.decision.donor if isinstance(draft.decision, Exploit) else None,
        start_step=draft.start_step,
        end_step=end_step,
        member_start=draft.member_start,
        hyperparameters=draft.decision.hyperparameters,
        why=told(draft.decision),
        snapshot=0,
        begun=sequence,
        ended=sequence,
        ended_at=draft.ends_at,
        outcome=outcome_of(draft.score),
        evaluations=(Evaluation(step=end_step, score=draft.score, metrics={}),),
        checkpoint_kept=True,
    )
