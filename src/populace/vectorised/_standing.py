"""Where the population stands: the same snapshots and decisions as a worker's, kept in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import final

from populace.core import (
    Continue,
    Decision,
    Exploit,
    Population,
    RunSpec,
    Segment,
    SegmentId,
    Start,
    decide,
    decision_key,
    lockstep_id,
)
from populace.store import Claim, Draft, Ending, Store
from populace.worker import first_draft, next_draft

_SPARE = 1000


@final
class Standing:
    """The population as decisions see it, generation after generation.

    Args:
        store: The run's log.
        spec: The run.
        claims: The members that train.
    """

    def __init__(self, store: Store, spec: RunSpec, claims: Sequence[Claim]) -> None:
        self._spec = spec
        self._joined = {claim.member: claim.joined for claim in claims}
        changes = store.snapshot()
        ended = [s for s in changes.ended if s.member < spec.population]
        self.population = spec.empty().with_ended(ended, changes.sequence)
        if ended and (spec.synchronous or spec.policy.memory or spec.policy.needs_history):
            forest = {s.id: s.as_of(changes.sequence) for s in store.segments() if s.ended is not None}
            self.population = replace(self.population, forest={**forest, **self.population.forest})
        self._fallbacks = {s.fallback: store.segment(s.fallback) for s in ended if s.fallback is not None}

    def newest(self, member: int) -> Segment | None:
        """Returns a member's newest ended segment."""
        return self.population.latest[member]

    def decide(self, members: Iterable[int]) -> dict[int, Decision]:
        """Returns what members do next that have ended a segment, all from one snapshot."""
        views: dict[tuple[int, int], Population] = {}
        decisions = {}
        for member in members:
            newest = self.newest(member)
            assert newest is not None, "generation 0 is begun by `start`"
            view = self.population
            if self._spec.synchronous:
                place = (newest.generation, self._joined[member])
                if place not in views:
                    views[place] = view if self._is_level_at(place) else view.at_generation(*place)
                view = views[place]
            key = decision_key(self._spec.seed, member, newest.generation + 1)
            decisions[member] = decide(view, member, self._spec.policy, key)
        return decisions

    def _is_level_at(self, place: tuple[int, int]) -> bool:
        """Whether everybody stands where lockstep has them, as in all but resumed runs."""
        return all(s is None or lockstep_id(s, *place) == s.id for s in self.population.latest)

    def draft(self, member: int, decision: Start | Continue | Exploit | None, num_steps: int) -> Draft:
        """Returns a member's next segment; its first where nothing was decided."""
        newest = self.newest(member)
        if decision is None or newest is None:
            return first_draft(self._spec, member, num_steps)
        draft = next_draft(decision, newest, None, num_steps, 0)
        source = None if draft.parent is None else self._find(draft.parent)
        return replace(draft, start_step=0 if source is None else source.end_step)

    def _find(self, id: SegmentId) -> Segment:
        newest = self.population.latest[id.member]
        found = newest if newest is not None and newest.id == id else self.population.forest.get(id)
        found = found or self._fallbacks.get(id)
        assert found is not None, "a parent is a newest segment, or was read from the log"
        return found

    def end(self, drafts: Mapping[int, Draft], endings: Mapping[int, Ending], steps: int) -> list[Segment]:
        """Notes that a generation has ended, and returns its segments.

        Their numbers in the log are not known yet; no decision depends on them.
        """
        sequence = self.population.sequence + 1
        ended = [
            Segment(
                member=member,
                generation=endings[member].generation,
                parent=draft.parent,
                donor=draft.donor,
                start_step=draft.start_step,
                end_step=draft.start_step + draft.num_steps,
                member_start=steps,
                hyperparameters=draft.hyperparameters,
                why=draft.why,
                snapshot=sequence - 1,
                begun=sequence - 1,
                ended=sequence,
                outcome=endings[member].outcome,
                evaluations=endings[member].evaluations,
                checkpoint_kept=True,  # in memory
            )
            for member, draft in drafts.items()
        ]
        self.population = self.population.with_ended(ended, sequence)
        self._prune()
        return ended

    def _prune(self) -> None:
        """Forgets segments that no decision will look at again."""
        population, policy = self.population, self._spec.policy
        if len(population.forest) <= population.size * (4 * policy.memory + 1) + _SPARE:
            return
        forest: dict[SegmentId, Segment] = {}
        for newest in population.latest:
            seen = 0
            for segment in () if newest is None else population.ancestry(newest):
                forest[segment.id] = segment
                # At equal progress the evaluations count from where everybody has been.
                is_later = policy.needs_history and segment.end_step > population.least_steps
                seen += 0 if is_later else len(segment.evaluations)
                if seen >= policy.memory and not is_later:
                    break
        self.population = replace(population, forest=forest)
