"""A worker's view of the population: kept up to date by what has ended since it last looked."""

from __future__ import annotations

from dataclasses import replace
from typing import final

from populace.core import Population, RunSpec, Segment, SegmentId, lockstep_id
from populace.store import Store

_SPARE = 1000


@final
class View:
    """Builds the snapshots that decisions are taken from.

    Args:
        store: The run's log.
        spec: The run.
    """

    def __init__(self, store: Store, spec: RunSpec) -> None:
        self._store = store
        self._spec = spec
        self._population = spec.empty()

    def after(self, newest: Segment, joined: int = 0) -> Population:
        """Returns the snapshot from which a member's next decision is taken.

        Asynchronous: everything that has ended by now. Synchronous: everybody at the end of the same generation.

        Args:
            newest: The member's newest ended segment.
            joined: As in `Claim`.
        """
        if not self._looks_back:
            return self._in_short(newest)
        changes = self._store.snapshot(self._population.sequence)
        is_first = self._population.sequence == 0
        self._population = self._population.with_ended(changes.ended, changes.sequence).with_damaged(changes.damaged)
        if is_first and self._spec.policy.needs_best:
            self._population = self._population.with_records(_ended_by(self._store, changes.sequence))
        self._prune()
        self._fill(newest, joined)
        lockstep = self._spec.synchronous
        return self._population.at_generation(newest.generation, joined) if lockstep else self._population

    def _in_short(self, newest: Segment) -> Population:
        """Returns the newest snapshot for a policy that ranks members by their newest scores alone."""
        found = self._store.standings(self._population.sequence)

        def read(id: SegmentId) -> Segment:
            return self._ended(id).as_of(found.sequence)

        stands = [stand for stand in found.stands if stand.member < self._spec.population]
        population = self._population.with_stands(stands, found.sequence, read, newest)
        fallback = [] if newest.fallback is None else [self._ended(newest.fallback)]
        self._population = replace(population, forest={good.id: good for good in fallback})
        return self._population

    def _ended(self, id: SegmentId) -> Segment:
        found = self._store.segment(id)
        assert found is not None, "what a decision looks at is in the log"
        return found

    @property
    def _looks_back(self) -> bool:
        """Whether decisions depend on more than each member's newest segment."""
        policy = self._spec.policy
        looks_back = policy.memory > 0 or policy.needs_history or policy.needs_best or policy.needs_log
        return self._spec.synchronous or looks_back or self._depth > 0

    @property
    def _depth(self) -> int:
        """How many of each member's newest segments decisions depend on."""
        return self._spec.policy.depth(self._spec.population)

    def _fill(self, newest: Segment, joined: int) -> None:
        """Loads the ancestors that the policy looks at and that ended before this worker first looked."""
        policy = self._spec.policy
        if newest.fallback is not None and newest.fallback not in self._population.forest:
            good = self._ended(newest.fallback)
            self._population = replace(self._population, forest={**self._population.forest, good.id: good})
        forest, start = dict(self._population.forest), len(self._population.forest)

        def get(id: SegmentId) -> Segment:
            if id not in forest:
                forest[id] = self._ended(id).as_of(self._population.sequence)
            return forest[id]

        known = [s for s in self._population.latest if s is not None]
        if self._spec.synchronous:
            known = [get(lockstep_id(s, newest.generation, joined)) for s in known]
        if policy.needs_log:
            for segment in known:
                for generation in range(segment.generation):
                    get(SegmentId(segment.member, generation))
        depth = self._depth
        for segment in known if depth else ():
            for generation in range(max(0, segment.generation - depth + 1), segment.generation + 1):
                lived = segment if generation == segment.generation else get(SegmentId(segment.member, generation))
                if lived.parent is not None:
                    get(lived.parent)
        if policy.memory or policy.needs_history:
            least = min((s.end_step for s in known), default=0)
            for segment in known:
                walker, seen = segment, 0
                while walker.parent is not None:
                    # At equal progress the evaluations count from where everybody has been.
                    is_later = policy.needs_history and walker.end_step > least
                    seen += 0 if is_later else len(walker.evaluations)
                    if seen >= policy.memory and not is_later:
                        break
                    walker = get(walker.parent)
        if len(forest) > start:
            self._population = replace(self._population, forest=forest)

    def _prune(self) -> None:
        """Forgets segments that no decision will look at again, so that a long run does not fill the memory."""
        population = self._population
        if self._spec.policy.needs_log:
            return
        if len(population.forest) <= 4 * population.size * (1 + self._spec.policy.memory + self._depth) + _SPARE:
            return
        # What is still needed of them is loaded again at once.
        newest = {s.id: s for s in population.latest if s is not None}
        self._population = replace(population, forest=newest)


def _ended_by(store: Store, sequence: int) -> list[Segment]:
    """Returns what had ended by a sequence number, in that order, as decisions saw it then."""
    ended = [s for s in store.segments() if s.ended is not None and s.ended <= sequence]
    return [s.as_of(sequence) for s in sorted(ended, key=lambda s: s.ended or 0)]
