"""A whole run in memory: real decisions, training as a pure function, no store, no clock, no files.

It shows what a policy does on a problem that can be computed in a blink, so that a claim about a policy becomes a test.
Time goes in intervals. Synchronous: all members train, then all decide from one snapshot. Asynchronous: the members
take turns; each trains, publishes, and decides at once from the then latest snapshot what its next turn will be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, final

from populace.core import (
    Continue,
    Decision,
    Evaluation,
    Exploit,
    Finite,
    Lineage,
    Mode,
    Policy,
    Population,
    Retire,
    Segment,
    SegmentId,
    Shrink,
    Start,
    Wait,
    decide,
    decision_key,
    outcome_of,
    parent_of,
    start,
    told,
)
from populace.space import Hyperparameters, Space

S = TypeVar("S")

Order = Callable[[int], Iterable[int]]
"""The members in the order in which they take their turns in a generation."""


@final
@dataclass(frozen=True, kw_only=True)
class Problem(Generic[S]):
    """Something to train whose state is a value."""

    state: S
    """What every member begins with."""
    train: Callable[[S, Hyperparameters, int], S]
    """`(state, hyperparameters, num_steps) -> state`; changes nothing in place."""
    evaluate: Callable[[S], float]
    """`state -> score`; may be NaN or infinite."""
    shrink: Callable[[S, S, Shrink], S] | None = None
    """`(state, first state, how) -> state`, where weights may be shrunk."""


@final
@dataclass(frozen=True, kw_only=True)
class Simulation(Generic[S]):
    """What a simulated run left behind."""

    population: Population
    """The last snapshot."""
    states: Mapping[SegmentId, S]
    """The state at the end of every segment."""
    decisions: Mapping[SegmentId, Start | Decision]
    """By the segment that each began."""

    @property
    def lineage(self) -> Lineage:
        """All segments."""
        return Lineage(self.population.forest.values())

    @property
    def final(self) -> list[Segment]:
        """The members' last segments, by member."""
        return [segment for segment in self.population.latest if segment is not None]

    @property
    def best(self) -> Segment:
        """The best of the last segments: PBT's answer."""
        return max(self.final, key=lambda segment: segment.better(self.population.mode))

    @property
    def best_score(self) -> float:
        """The score of the best of the last segments, on the user's scale."""
        outcome = self.best.outcome
        assert isinstance(outcome, Finite), "nobody ended with a finite score"
        return outcome.value


def simulate(
    problem: Problem[S],
    policy: Policy,
    *,
    space: object,
    size: int,
    intervals: int,
    interval: int = 1,
    seed: int = 0,
    mode: Mode = Mode.MAX,
    synchronous: bool = True,
    order: Order | None = None,
    initial: Sequence[Hyperparameters] | None = None,
) -> Simulation[S]:
    """Returns what a run of this policy on this problem leaves behind.

    Args:
        problem: What is trained.
        policy: What decides.
        space: The search space, as users write it.
        size: Number of members.
        intervals: Segments per member.
        interval: Steps per segment.
        seed: Root of all randomness.
        mode: Whether a larger or a smaller score is better.
        synchronous: Whether all members decide from one snapshot; else they take turns.
        order: In which order members take their turns or report, by generation; None: by number.
        initial: The first members' first hyperparameters; None: as the policy says.
    """
    dimensions = Space.of(space)
    population = Population.empty(
        space=dimensions, mode=mode, seed=seed, size=size, steps=intervals * interval, interval=interval
    )
    states: dict[SegmentId, S] = {}
    decisions: dict[SegmentId, Start | Decision] = {}

    def draft(member: int) -> _Draft | None:
        """Returns the member's next segment, decided from the snapshot of this moment; None where it has none."""
        newest = population.latest[member]
        if newest is None:
            first = start(dimensions, seed, member, policy.starts if initial is None else initial)
            return _Draft(id=SegmentId(member, 0), parent=None, decision=first, snapshot=0)
        id = SegmentId(member, newest.generation + 1)
        decision = decide(population, member, policy, decision_key(seed, member, id.generation))
        if isinstance(decision, Wait | Retire):
            return None
        parent = parent_of(decision, newest)
        source = None if parent is None else population.forest[parent]
        return _Draft(id=id, parent=source, decision=decision, snapshot=population.sequence)

    def train(draft: _Draft, sequence: int) -> Segment:
        decisions[draft.id] = draft.decision
        state = problem.state if draft.parent is None else states[draft.parent.id]
        shrink = draft.decision.shrink if isinstance(draft.decision, Continue) else None
        if shrink is not None:
            assert problem.shrink is not None, "the problem says how its weights are shrunk"
            state = problem.shrink(state, problem.state, shrink)
        states[draft.id] = problem.train(state, draft.decision.hyperparameters, interval)
        return draft.ended(interval, problem.evaluate(states[draft.id]), sequence)

    drafts = [draft(member) for member in range(size)]
    for generation in range(intervals):
        turns = list(range(size) if order is None else order(generation))
        assert sorted(turns) == list(range(size)), "every member takes one turn in an interval"
        for group in [turns] if synchronous else [[member] for member in turns]:
            asked_again = [(m, drafts[m] or draft(m)) for m in group]
            begun = [(m, one) for m, one in asked_again if one is not None]
            ended = [train(one, population.sequence + place) for place, (_, one) in enumerate(begun, 1)]
            population = population.with_ended(ended, population.sequence + len(ended))
            if generation + 1 < intervals:
                for member, _ in begun:
                    drafts[member] = draft(member)
    return Simulation(population=population, states=states, decisions=decisions)


@final
@dataclass(frozen=True, kw_only=True)
class _Draft:
    """A segment that has been decided and not yet trained."""

    id: SegmentId
    parent: Segment | None
    decision: Start | Continue | Exploit
    snapshot: int

    def ended(self, num_steps: int, score: float, sequence: int) -> Segment:
        """Returns the segment after its training."""
        start_step = 0 if self.parent is None else self.parent.end_step
        end_step = start_step + num_steps
        return Segment(
            member=self.id.member,
            generation=self.id.generation,
            parent=None if self.parent is None else self.parent.id,
            donor=self.decision.donor if isinstance(self.decision, Exploit) else None,
            start_step=start_step,
            end_step=end_step,
            member_start=self.id.generation * num_steps,
            hyperparameters=self.decision.hyperparameters,
            why=told(self.decision),
            snapshot=self.snapshot,
            begun=sequence,
            ended=sequence,
            outcome=outcome_of(score),
            evaluations=(Evaluation(step=end_step, score=score, metrics={}),),
            checkpoint=str(self.id),
            checkpoint_kept=True,
        )
