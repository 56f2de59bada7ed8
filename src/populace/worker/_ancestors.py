"""Older segments that decisions look at, loaded from the log into a population that holds the newest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from populace.core import Policy, Population, Segment, SegmentId
from populace.store import Store


def with_segments(population: Population, store: Store, ids: Iterable[SegmentId]) -> Population:
    """Returns the population with these segments in its forest, as decisions saw them."""
    missing = [id for id in ids if id not in population.forest]
    if not missing:
        return population
    found = {id: _load(store, id, population.sequence) for id in missing}
    return replace(population, forest={**population.forest, **found})


def with_ancestors(population: Population, store: Store, policy: Policy, known: Iterable[Segment]) -> Population:
    """Returns the population with the ancestors in its forest that a policy looks at from some segments."""
    if not (policy.memory or policy.needs_history):
        return population
    known, forest = list(known), dict(population.forest)
    least = min((s.end_step for s in known), default=0)
    for segment in known:
        walker, seen = segment, 0
        while walker.parent is not None:
            # At equal progress the evaluations count from where everybody has been.
            is_later = policy.needs_history and walker.end_step > least
            seen += 0 if is_later else len(walker.evaluations)
            if seen >= policy.memory and not is_later:
                break
            if walker.parent not in forest:
                forest[walker.parent] = _load(store, walker.parent, population.sequence)
            walker = forest[walker.parent]
    return population if len(forest) == len(population.forest) else replace(population, forest=forest)


def _load(store: Store, id: SegmentId, sequence: int) -> Segment:
    found = store.segment(id)
    assert found is not None, "an ancestor is in the log"
    return found.as_of(sequence)
