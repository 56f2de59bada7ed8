"""Bugs in the worker and the decisions: what is copied, from whom, by which numbers, and what is trained from it."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

from populace.core import Continue, Exploit, Failed, Finite, base_of
from populace.space import Key
from populace.store import Claim
from populace.testing.simulator._planting import Catalogue, Wrong

_STAY = "worker._stay:Stay"
_bugs = Catalogue()
WORKER_MUTANTS = _bugs.mutants
"""All of them."""


@_bugs.add("weights-not-copied", "An exploit copies hyperparameters without weights.", "worker._stay:parent_of")
def _weights_not_copied(right: Wrong, decision: Any, newest: Any) -> Any:
    return base_of(newest)


@_bugs.add("only-weights-copied", "An exploit copies weights without hyperparameters.", "worker._stay:decide")
def _only_weights_copied(right: Wrong, population: Any, member: int, *args: Any) -> Any:
    decision = right(population, member, *args)
    own = population.latest[member].hyperparameters
    return replace(decision, hyperparameters=own) if isinstance(decision, Exploit) else decision


@_bugs.add("clone-not-loaded", "A clone trains on with the weights in memory.", f"{_STAY}.checkpoint")
def _clone_not_loaded(right: Wrong, self: Any) -> Any:
    return None if self._in_memory is not None else right(self)


@_bugs.add("parent-not-loaded", "A member that is handed over begins anew.", f"{_STAY}.checkpoint")
def _parent_not_loaded(right: Wrong, self: Any) -> Any:
    return None


@_bugs.add("steps-reset", "A clone counts its steps from zero.", "worker._drafts:Draft")
def _steps_reset(right: Wrong, **draft: Any) -> Any:
    return right(**{**draft, "start_step": 0 if draft["donor"] else draft["start_step"]})


@_bugs.add("budget-by-weight-steps", "The budget counts the steps of the weights.", "core._segment:Segment.member_end")
def _budget_by_weight_steps(right: Wrong, self: Any) -> int:
    return int(self.end_step)


@_bugs.add("last-interval-too-long", "The last interval is as long as the others.", f"{_STAY}._draft")
def _last_interval_too_long(right: Wrong, self: Any, claim: Claim) -> Any:
    draft = right(self, claim)
    return draft and replace(draft, num_steps=self._spec.interval)


@_bugs.add("old-view", "Decisions are taken from an old view under a new number.", "worker._view:View.after")
def _old_view(right: Wrong, self: Any, newest: Any, joined: int) -> Any:
    population = right(self, newest, joined)
    own = [replace(s, evaluations=()) if s is not None and s.member != newest.member else s for s in population.latest]
    stale = [s for s in own if s is not None and (s.member == newest.member or s.generation % 2 == 0)]
    empty = type(population).empty(
        space=population.space, mode=population.mode, seed=population.seed, size=population.size
    )
    return empty.with_ended(stale, population.sequence)


@_bugs.add("wrong-snapshot", "A decision names another snapshot than it saw.", "worker._drafts:Draft")
def _wrong_snapshot(right: Wrong, **draft: Any) -> Any:
    return right(**{**draft, "snapshot": max(0, draft["snapshot"] - 1)})


@_bugs.add(
    "decides-alone", "Synchronous members decide on what is newest.", "core._population:Population.at_generation"
)
def _decides_alone(right: Wrong, self: Any, *args: Any) -> Any:
    return self


@_bugs.add("shared-randomness", "Decisions draw from one stream, as they come.", "worker._stay:decision_key")
def _shared_randomness(right: Wrong, *args: Any) -> Key:
    return Key(0).fold(next(_drawn))


_drawn = itertools.count()


@_bugs.add("own-donor", "A member may copy itself.", "core.exploit._truncation:Truncation.donors")
def _own_donor(right: Wrong, self: Any, population: Any, member: int) -> list[int]:
    return [*right(self, population, member), member]


@_bugs.add("diverged-ranks-best", "A diverged member ranks above all.", "core._segment:Segment.better")
def _diverged_ranks_best(right: Wrong, self: Any, mode: Any) -> float:
    return float(right(self, mode)) if isinstance(self.outcome, Finite) else math.inf


@_bugs.add("smaller-is-larger", "Scores to be minimised are maximised.", "core._score:Mode.orient")
def _smaller_is_larger(right: Wrong, self: Any, score: float) -> float:
    return score


@_bugs.add("ties-by-arrival", "Equal scores are ordered by who came first.", "core._population:Population._standing")
def _ties_by_arrival(right: Wrong, self: Any, latest: Any, changed: Any, *args: Any) -> Any:
    population = right(self, latest, changed, *args)
    for member, segment in enumerate(latest):
        population.tie_P[member] = 0 if segment is None else segment.ended
    return population


@_bugs.add(
    "explores-out-of-bounds",
    "Perturbed values are not clipped.",
    "space._space:Space.perturb",
    "space._space:Space.check",
)
def _explores_out_of_bounds(right: Wrong, self: Any, hyperparameters: Any, *args: Any) -> Any:
    return {**hyperparameters, "x": hyperparameters["x"] * 3} if args else None


@_bugs.add("wrong-ancestor", "A damaged member goes back too far.", "store._memory:last_good", "core._verify:last_good")
def _wrong_ancestor(right: Wrong, base: Any, find: Any, **lost: Any) -> Any:
    good = right(base, find, **lost)
    return good and (right(find(good).parent, find, **lost) or good)


@_bugs.add("no-fallback", "A damaged member never goes back.", "store._memory:last_good", "core._verify:last_good")
def _no_fallback(right: Wrong, *args: Any, **lost: Any) -> Any:
    return None


@_bugs.add(
    "damaged-donor-taken",
    "A donor that is known as damaged is copied again.",
    "core._population:Population.with_damaged",
    "store._memory:MemoryStore.begin",
)
def _damaged_donor_taken(right: Wrong, self: Any, *args: Any) -> Any:
    if len(args) == 1:
        return self
    claim, draft = args
    return _begun_anyway(right, self, claim, draft)


def _begun_anyway(right: Wrong, store: Any, claim: Claim, draft: Any) -> Any:
    """Begins from a parent whose checkpoint is not kept."""
    segments = store._run.segments
    parent = None if draft.parent is None else segments[draft.parent]
    if parent is None or parent.damaged is None:
        return right(store, claim, draft)
    segments[parent.id] = replace(parent, checkpoint_kept=True)
    try:
        return right(store, claim, draft)
    finally:
        segments[parent.id] = parent


@_bugs.add("damage-retried", "A damaged checkpoint is tried again and again.", "worker._worker:Worker._fall_back")
def _damage_retried(right: Wrong, self: Any, stay: Any, damage: Any) -> None:
    self._fail(stay.claim, damage)
    stay.claim = None


@_bugs.add("mixed-fallback", "A member that goes back keeps its hyperparameters.", "worker._stay:decide")
def _mixed_fallback(right: Wrong, population: Any, member: int, *args: Any) -> Any:
    decision = right(population, member, *args)
    newest = population.latest[member]
    going_back = newest.parent_damaged and isinstance(decision, Continue)
    return replace(decision, hyperparameters=newest.hyperparameters) if going_back else decision


@_bugs.add("decided-anew", "A segment that is taken up again is decided anew.", f"{_STAY}._take_up")
def _decided_anew(right: Wrong, self: Any, segment: Any) -> None:
    if self.claim is not None and self.claim.running is not None:
        segment = replace(segment, hyperparameters={**segment.hyperparameters, "n": segment.hyperparameters["n"] + 1})
    right(self, segment)


@_bugs.add("diverged-trains-on", "A diverged member is not replaced.", "worker._stay:decide")
def _diverged_trains_on(right: Wrong, population: Any, member: int, *args: Any) -> Any:
    decision = right(population, member, *args)
    own = population.latest[member]
    if isinstance(own.outcome, Finite | Failed):
        return decision
    return Continue(hyperparameters=own.hyperparameters, why=decision.why)
