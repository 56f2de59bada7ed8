"""A worker's view of the population: kept up to date by what has ended since it last looked."""

from __future__ import annotations

from dataclasses import replace
from typing import final

from populace.core import Population, RunSpec, Segment, lockstep_id
from populace.store import Store
from populace.worker._ancestors import with_ancestors, with_segments

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
        self._population = Population.empty(space=spec.space, mode=spec.mode, seed=spec.seed, size=spec.population)

    def after(self, newest: Segment, joined: int = 0) -> Population:
        """Returns the snapshot from which a member's next decision is taken.

        Asynchronous: everything that has ended by now. Synchronous: everybody at the end of the same generation.

        Args:
            newest: The member's newest ended segment.
            joined: As in `Claim`.
        """
        changes = self._store.snapshot(self._population.sequence, newest=not self._looks_back)
        members = [s for s in changes.ended if s.member < self._spec.population]
        self._population = self._population.with_ended(members, changes.sequence).with_damaged(changes.damaged)
        self._prune()
        self._fill(newest, joined)
        lockstep = self._spec.synchronous
        return self._population.at_generation(newest.generation, joined) if lockstep else self._population

    @property
    def _looks_back(self) -> bool:
        """Whether decisions depend on more than each member's newest segment."""
        policy = self._spec.policy
        return self._spec.synchronous or policy.memory > 0 or policy.needs_history

    def _fill(self, newest: Segment, joined: int) -> None:
        """Loads the ancestors that the policy looks at and that ended before this worker first looked."""
        if newest.fallback is not None:
            self._population = with_segments(self._population, self._store, [newest.fallback])
        if not self._looks_back:
            return
        known = [s for s in self._population.latest if s is not None]
        if self._spec.synchronous:
            self._population = with_segments(
                self._population, self._store, (lockstep_id(s, newest.generation, joined) for s in known)
            )
            known = [self._population.forest[lockstep_id(s, newest.generation, joined)] for s in known]
        self._population = with_ancestors(self._population, self._store, self._spec.policy, known)

    def _prune(self) -> None:
        """Forgets segments that no decision will look at again, so that a long run does not fill the memory."""
        population = self._population
        if len(population.forest) <= 4 * population.size * (1 + self._spec.policy.memory) + _SPARE:
            return
        # What is still needed of them is loaded again at once.
        newest = {s.id: s for s in population.latest if s is not None}
        self._population = replace(population, forest=newest)
