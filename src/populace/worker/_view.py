"""A worker's view of the population: kept up to date by what has ended since it last looked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import final

from populace.core import Looks, Population, RunSpec, Segment, SegmentId, lockstep_id
from populace.store import Store
from populace.worker._ancestors import ended, with_ancestors, with_records, with_segments

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
        self._looks = spec.looks
        self._population = spec.empty()
        self._filled: Sequence[Segment | None] = self._population.latest
        """Where members stood whose older segments are loaded."""

    def after(self, newest: Segment, joined: int = 0) -> Population:
        """Returns the snapshot from which a member's next decision is taken.

        Asynchronous: everything that has ended by now. Synchronous: everybody at the end of the same generation.

        Args:
            newest: The member's newest ended segment.
            joined: As in `Claim`.
        """
        if not self._spec.synchronous and self._looks == Looks():
            return self._in_short(newest)
        changes = self._store.snapshot(self._population.sequence)
        is_first = self._population.sequence == 0
        self._population = self._population.with_ended(changes.ended, changes.sequence).with_damaged(changes.damaged)
        if is_first and self._looks.best:
            self._population = with_records(self._population, self._store)
        self._prune()
        self._fill(newest, joined)
        lockstep = self._spec.synchronous
        return self._population.at_generation(newest.generation, joined) if lockstep else self._population

    def _in_short(self, newest: Segment) -> Population:
        """Returns the newest snapshot for a policy that ranks members by their newest scores alone."""
        found = self._store.standings(self._population.sequence)

        def read(id: SegmentId) -> Segment:
            return ended(self._store, id, found.sequence)

        stands = [stand for stand in found.stands if stand.member < self._spec.population]
        population = replace(self._population.with_stands(stands, found.sequence, read, newest), forest={})
        needed = [] if newest.fallback is None else [newest.fallback]
        self._population = with_segments(population, self._store, needed)
        return self._population

    def _fill(self, newest: Segment, joined: int) -> None:
        """Loads the ancestors that the policy looks at and that ended before this worker first looked."""
        if newest.fallback is not None:
            self._population = with_segments(self._population, self._store, [newest.fallback])
        latest, whole = self._population.latest, self._spec.synchronous or self._looks.history
        known = [s for s, before in zip(latest, self._filled, strict=True) if s and (whole or s is not before)]
        if self._spec.synchronous:
            level = [lockstep_id(s, newest.generation, joined) for s in known]
            self._population = with_segments(self._population, self._store, level)
            known = [self._population.forest[id] for id in level]
        self._population = with_ancestors(self._population, self._store, self._looks, known)
        self._filled = latest

    def _prune(self) -> None:
        """Forgets segments that no decision will look at again, so that a long run does not fill the memory."""
        population, looks = self._population, self._looks
        is_small = len(population.forest) <= 4 * population.size * (1 + looks.memory + looks.depth) + _SPARE
        if looks.log or is_small:
            return
        # What is still needed of them is loaded again at once.
        newest = {s.id: s for s in population.latest if s is not None}
        self._population = replace(population, forest=newest)
        self._filled = (None,) * population.size
