"""Older segments that decisions look at, loaded from the log into a population that holds the newest."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from populace.core import Looks, Population, Segment, SegmentId
from populace.store import Store


def with_segments(population: Population, store: Store, ids: Iterable[SegmentId]) -> Population:
    """Returns the population with these segments in its forest, as decisions saw them."""
    missing = [id for id in ids if id not in population.forest]
    if not missing:
        return population
    found = {id: ended(store, id, population.sequence) for id in missing}
    return replace(population, forest={**population.forest, **found})


def with_records(population: Population, store: Store) -> Population:
    """Returns the population with the segments that were the best of the run when they ended."""
    past = [s.as_of(population.sequence) for s in store.segments() if (s.ended or math.inf) <= population.sequence]
    return population.with_records(sorted(past, key=lambda s: s.ended or 0))


def with_ancestors(population: Population, store: Store, looks: Looks, known: Iterable[Segment]) -> Population:
    """Returns the population with the older segments in its forest that are looked at from each member's newest."""
    known = list(known)
    population = with_segments(population, store, _lived(looks, known))
    if looks.depth:
        recent = [population.forest[id] for id in _lived(looks, known)] + known
        population = with_segments(population, store, [s.parent for s in recent if s.parent is not None])
    if not (looks.memory or looks.history):
        return population
    found: dict[SegmentId, Segment] = {}
    least = min((s.end_step for s in known), default=0)
    for segment in known:
        walker, seen = segment, 0
        while walker.parent is not None:
            # At equal progress the evaluations count from where everybody has been.
            is_later = looks.history and walker.end_step > least
            seen += 0 if is_later else len(walker.evaluations)
            if seen >= looks.memory and not is_later:
                break
            parent = population.forest.get(walker.parent) or found.get(walker.parent)
            if parent is None:
                parent = found[walker.parent] = ended(store, walker.parent, population.sequence)
            walker = parent
    return replace(population, forest={**population.forest, **found}) if found else population


def _lived(looks: Looks, known: Iterable[Segment]) -> list[SegmentId]:
    """Returns the members' own segments before their newest that are looked at."""

    def first(newest: Segment) -> int:
        return 0 if looks.log else max(0, newest.generation + 1 - max(1, looks.depth))

    return [SegmentId(s.member, generation) for s in known for generation in range(first(s), s.generation)]


def ended(store: Store, id: SegmentId, sequence: int) -> Segment:
    """Returns an ended segment as decisions saw it at a sequence number."""
    found = store.segment(id)
    assert found is not None, "an ancestor is in the log"
    return found.as_of(sequence)
