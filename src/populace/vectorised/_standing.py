"""Where the population stands: the same snapshots and decisions as a worker's, kept in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import final

from populace._errors import RunFailed
from populace.core import (
    Answers,
    Continue,
    Decision,
    Draws,
    Exploit,
    Level,
    Population,
    Retire,
    RunSpec,
    Segment,
    SegmentId,
    Start,
    Together,
    Wait,
    base_of,
    decide,
    lockstep_id,
    parent_of,
)
from populace.space import Hyperparameters
from populace.store import Claim, Draft, Store
from populace.vectorised._decision_keys import DecisionKeys
from populace.vectorised._generation import Begun, Ended, segments_of
from populace.vectorised._measured import Measured
from populace.vectorised._quickly import quickly
from populace.worker import first_draft, hopeless, next_draft, with_ancestors, with_records, with_segments

_SPARE = 1000
_AHEAD = 2**16  # numbers


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
        self._looks = spec.looks
        self._members = [claim.member for claim in claims]
        self._joined = {claim.member: claim.joined for claim in claims}
        changes = store.snapshot()
        ended = [s for s in changes.ended if s.member < spec.population]
        population = spec.empty().with_ended(ended, changes.sequence)
        if self._looks.best:
            population = with_records(population, store)
        needed = [s.fallback for s in ended if s.fallback is not None]
        if spec.synchronous:  # whoever has gone further counts as it stood before, or where it stands
            needed += [SegmentId(s.member, s.generation - 1) for s in ended if s.generation]
        population = with_segments(population, store, needed)
        self._population = with_ancestors(population, store, self._looks, population.forest.values())
        self._sequence = population.sequence
        self._keys = DecisionKeys(spec)
        self._unseen: Ended | None = None
        self.together = _together(spec, claims)
        """What decides for all at once; None where each must be asked."""
        self._level: Level | None = None
        self._ends: list[int] = []
        self._draws: Draws | None = None

    @property
    def population(self) -> Population:
        """The newest snapshot."""
        if self._unseen is not None:
            ended, self._unseen = self._unseen, None
            self._population = self._population.with_ended(ended.segments, self._sequence)
            self._prune()
        return self._population

    @property
    def level(self) -> Level | None:
        """The population where it stands level and is decided on at once."""
        if self._level is None and self.together is not None:
            self._level = self.together.level(self.population)
            self._ends = [0 if s is None else s.end_step for s in self.population.latest]
        return self._level

    @property
    def ends(self) -> Sequence[int]:
        """Weight steps of each member, where there is a level."""
        return self._ends

    def generations(self) -> list[int]:
        """Returns which generation each member begins next, in their order."""
        if self._level is not None:
            return [self._level.generation + 1] * len(self._members)
        latest = self.population.latest
        return [0 if (s := latest[member]) is None else s.generation + 1 for member in self._members]

    def draws(self, generation: int, count: int = 1) -> Draws:
        """Returns draws of the decisions that begin some generations, among those of generations later."""
        assert self.together is not None, "numbers are drawn ahead where all are decided on at once"
        held = self._draws
        if held is None or not held.first <= generation <= held.first + len(held.pick_GP) - count:
            wanted = max(count, _AHEAD // (len(self._members) * (1 + len(self.together.columns))), 1)
            held = self._draws = self.together.draws(generation, min(wanted, 64 + count))
        return held

    def foresee(self) -> None:
        """Draws ahead, while a generation trains, what the decisions after it will draw."""
        after = max(self.generations(), default=0) + 1
        if self._level is not None:
            self.draws(after)
        else:
            self._keys.foresee(after)

    def begin(self, num_steps: int) -> Begun:
        """Returns the next generation.

        Raises:
            RunFailed: The policy could not decide, or nobody has ever had a finite score.
        """
        level = self.level
        if level is not None and self.together is not None:
            return self._begun(level, self.together.answers(level, self.draws(level.generation + 1)), num_steps)
        population = self.population
        decisions = self._decided([m for m in self._members if population.latest[m] is not None])
        retired = {m: d.why for m, d in decisions.items() if isinstance(d, Retire)}
        self._members = [m for m in self._members if m not in retired]
        donors = {m: d.donor for m, d in decisions.items() if isinstance(d, Exploit) and d.copies_weights}
        newest = {m for m, donor in donors.items() if (s := population.latest[donor.member]) and s.id == donor}
        members = self._members
        return Begun(
            num_steps=num_steps,
            courses={m: self._course(m, decisions.get(m), num_steps) for m in members},
            make=lambda: {m: self._draft(m, decisions.get(m), num_steps, population) for m in members},
            sources={m: donor.member for m, donor in donors.items() if m in newest},
            back=[m for m in donors if m not in newest],
            shrunk={m: d.shrink for m, d in decisions.items() if isinstance(d, Continue) and d.shrink is not None},
            anew={m: d.hyperparameters for m, d in decisions.items() if isinstance(d, Start)},
            retired=retired,
        )

    def end(self, begun: Begun, measured: Measured, steps: int) -> Ended:
        """Notes how a generation has ended.

        Its segments' numbers in the log are not known yet; no decision depends on them.

        Args:
            begun: The generation.
            measured: What was measured, members in their order.
            steps: Member steps before it.
        """
        self._sequence += 1
        generations, sequence, better_P = self.generations(), self._sequence, measured.better_P
        ended = Ended(
            members=list(begun.courses),
            generations=generations,
            better_P=better_P,
            make=lambda: segments_of(begun, generations, measured, steps, sequence),
        )
        self._unseen, self._level = ended, None
        if begun.answers is not None and self.together is not None:  # decisions ask for the level alone
            self._level = self.together.level_after(begun.answers, generations[0], better_P)
            self._ends = [start + begun.num_steps for _, start in begun.courses.values()]
        return ended

    def check_hope(self, best: float) -> None:
        """Sees to it that there is somebody to select.

        Args:
            best: The best score so far, -inf where there is none.

        Raises:
            RunFailed: Everybody has trained and nobody ever had a finite score.
        """
        if best > float("-inf"):
            return
        newest = self.population.latest[self._members[0]]
        if newest is not None and self.population.num_unknown == 0:
            raise hopeless(self._spec, newest)

    def _begun(self, level: Level, answers: Answers, num_steps: int) -> Begun:
        generation, ends = level.generation, self._ends

        def made(member: int, source: int) -> Draft:
            parent = SegmentId(source, generation)
            return quickly(
                Draft,
                parent=parent,
                donor=parent if source != member else None,
                start_step=ends[source],
                num_steps=num_steps,
                hyperparameters=answers.hyperparameters[member],
                why=answers.whys[member],
                snapshot=0,
            )

        return Begun(
            num_steps=num_steps,
            courses={m: (answers.hyperparameters[m], ends[source]) for m, source in enumerate(answers.sources)},
            make=lambda: {m: made(m, source) for m, source in enumerate(answers.sources)},
            sources={m: source for m, source in enumerate(answers.sources) if source != m},
            answers=answers,
        )

    def _decided(self, members: Sequence[int]) -> dict[int, Decision]:
        """Returns what members do next that have ended a segment, all from one snapshot."""
        views: dict[tuple[int, int], Population] = {}
        decisions = {}
        population = self.population
        for member in members:
            newest, view = population.latest[member], population
            assert newest is not None, "generation 0 is begun by `start`"
            if self._spec.synchronous:
                place = (newest.generation, self._joined[member])
                if place not in views:
                    views[place] = view if self._is_level_at(place) else view.at_generation(*place)
                view = views[place]
            key = self._keys.of(member, newest.generation + 1)
            try:
                decisions[member] = decide(view, member, self._spec.policy, key)
            except AssertionError:
                raise
            except Exception as error:
                raise RunFailed(f"the policy could not decide: {type(error).__name__}: {error}") from error
        return decisions

    def _is_level_at(self, place: tuple[int, int]) -> bool:
        """Whether everybody stands where lockstep has them, as in all but resumed runs."""
        return all(s is None or lockstep_id(s, *place) == s.id for s in self.population.latest)

    def _course(self, member: int, decision: Decision | None, num_steps: int) -> tuple[Hyperparameters, int]:
        """Returns what a member trains with, and the weight steps before."""
        population = self.population
        newest = population.latest[member]
        if isinstance(decision, Continue) and newest is not None and base_of(newest) == newest.id:
            return decision.hyperparameters, newest.end_step
        draft = self._draft(member, decision, num_steps, population)
        return draft.hyperparameters, draft.start_step

    def _draft(self, member: int, decision: Decision | None, num_steps: int, population: Population) -> Draft:
        assert not isinstance(decision, Wait | Retire), "nobody fails in a program, and who retires begins nothing"
        newest = population.latest[member]
        if decision is None or newest is None:
            return first_draft(self._spec, member, num_steps)
        parent = parent_of(decision, newest)
        return next_draft(decision, newest, None if parent is None else self._find(parent, population), num_steps, 0)

    def _find(self, id: SegmentId, population: Population) -> Segment:
        newest = population.latest[id.member]
        if newest is not None and newest.id == id:
            return newest
        found, best = population.forest.get(id), population.best
        found = found or (best if best is not None and best.id == id else None)
        assert found is not None, "a parent is a newest segment, the best, or was read from the log"
        return found

    def _prune(self) -> None:
        """Forgets segments that no decision will look at again."""
        population, looks = self._population, self._looks
        is_small = len(population.forest) <= population.size * (4 * (looks.memory + looks.depth) + 1) + _SPARE
        if looks.log or is_small:
            return
        forest = {s.id: s for s in population.lives(looks.depth)} if looks.depth else {}
        parents = [population.forest.get(s.parent) for s in forest.values() if s.parent is not None]
        forest |= {s.id: s for s in parents if s is not None}
        for newest in population.latest:
            seen = 0
            for segment in () if newest is None else population.ancestry(newest):
                forest[segment.id] = segment
                # At equal progress the evaluations count from where everybody has been.
                is_later = looks.history and segment.end_step > population.least_steps
                seen += 0 if is_later else len(segment.evaluations)
                if seen >= looks.memory and not is_later:
                    break
        self._population = replace(population, forest=forest)


def _together(spec: RunSpec, claims: Sequence[Claim]) -> Together | None:
    if [claim.member for claim in claims] != list(range(spec.population)):
        return None
    return Together.of(spec.policy, space=spec.space, mode=spec.mode, seed=spec.seed, size=spec.population)
