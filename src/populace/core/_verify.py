"""Verification: every law of a run, checked on its log. Pure: rows in, violations out.

Each decision is derived again from the snapshot that the log names and from its key; a log that passes could have been
written by no other decisions.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import final

from populace._errors import PopulaceError
from populace.core._decision import Continue, Exploit, Retire, Start
from populace.core._policy import Policy, decide, decision_key, parent_of, start, told
from populace.core._population import Population
from populace.core._retention import base_of, kept, last_good
from populace.core._score import Failed, Finite
from populace.core._segment import Segment, SegmentId
from populace.core._shrink import Shrink
from populace.core._spec import RunSpec


@final
@dataclass(frozen=True, kw_only=True)
class Violation:
    """A law that a log breaks."""

    law: str
    """The law's name."""
    subject: str
    """The row: a segment, a member, or the run."""
    text: str
    """What was found and what should have been."""

    def __str__(self) -> str:
        return f"{self.law}: {self.subject}: {self.text}"


@final
@dataclass(frozen=True, kw_only=True)
class Chapter:
    """A stretch of the log under one specification: limits may change when a run goes on."""

    after: int
    """Sequence number of the event that began it."""
    spec: RunSpec | None
    """The specification; None where it cannot be read back (a policy with a user's function)."""
    population: int
    """Number of members."""
    steps: int
    """Steps each member trains."""


def chapters(
    spec: Mapping[str, object], changes: Iterable[tuple[int, Mapping[str, Sequence[object]]]], policy: Policy | None
) -> list[Chapter]:
    """Returns the specifications that a run went through, oldest first.

    Args:
        spec: The newest specification as JSON.
        changes: Per change its sequence number, and by field the value before and after.
        policy: The policy, where the log cannot hold it.
    """
    found: list[Chapter] = []
    held = dict(spec)
    for sequence, changed in sorted(changes, key=lambda change: change[0], reverse=True):
        found.append(_chapter(sequence, held, policy))
        held |= {name: before for name, (before, _) in changed.items()}
    found.append(_chapter(0, held, policy))
    return found[::-1]


def verify_log(
    spec: RunSpec,
    segments: Sequence[Segment],
    story: Sequence[Chapter],
    *,
    finished: bool,
    retired: Collection[int] = (),
) -> list[Violation]:
    """Returns every law that a log breaks; none for a run as it should be, in whatever state it is.

    Args:
        spec: The newest specification.
        segments: All segments.
        story: The specifications that the run went through.
        finished: Whether the run says that it is finished.
        retired: Members that the run says were given up for good.
    """
    forest = {s.id: s for s in segments}
    return [
        *_check_forest(segments, forest),
        *_check_members(spec, segments, story, finished=finished, retired=retired),
        *_check_retired(spec, segments, retired),
        *_check_outcomes(segments),
        *_check_damage(segments, forest),
        *_check_values(spec, segments),
        *_check_retention(spec, segments),
        *_check_decisions(segments, forest, story),
    ]


def _check_forest(segments: Sequence[Segment], forest: Mapping[SegmentId, Segment]) -> Iterator[Violation]:
    """Parents exist, ended before their children began, and hand on their step."""
    for s in segments:
        if s.parent is None:
            if s.start_step:
                yield _broken("weight steps", s, f"starts from init at step {s.start_step} instead of 0")
            continue
        parent = forest.get(s.parent)
        if parent is None:
            yield _broken("lineage", s, f"its parent {s.parent} is not in the log")
        elif parent.ended is None or parent.ended >= s.begun:
            yield _broken("lineage", s, f"began at {s.begun}, before its parent {s.parent} had ended ({parent.ended})")
        elif parent.end_step != s.start_step:
            yield _broken(
                "weight steps", s, f"starts at {s.start_step}, but its parent {s.parent} ended at {parent.end_step}"
            )
        if s.donor is not None and (donor := forest.get(s.donor)) is not None:
            if s.donor.member == s.member and s.donor.generation >= s.generation - 1:
                yield _broken("donor", s, "copied itself")
            if not isinstance(donor.outcome, Finite):
                yield _broken("donor", s, f"copied {s.donor}, which has no finite score")


def _check_members(
    spec: RunSpec,
    segments: Sequence[Segment],
    story: Sequence[Chapter],
    *,
    finished: bool,
    retired: Collection[int],
) -> Iterator[Violation]:
    """Members' lives have no gap and no overlap, and train the steps that were asked for at the time."""
    lives: dict[int, list[Segment]] = defaultdict(list)
    for s in sorted(segments, key=lambda s: s.generation):
        lives[s.member].append(s)
    for member, life in sorted(lives.items()):
        done = 0
        for generation, s in enumerate(life):
            if s.generation != generation:
                yield _broken("generations", s, f"follows generation {generation - 1}: one is lost or doubled")
                break
            if s.member_start != done:
                yield _broken("member steps", s, f"starts after {s.member_start} member steps instead of {done}")
            if generation and (life[generation - 1].ended or math.inf) >= s.begun:
                yield _broken("generations", s, "began before the member's generation before had ended")
            if s.member_end > (limit := _at(story, s.begun).steps):
                yield _broken("budget", s, f"trains its member to {s.member_end} of {limit} steps")
            done = s.member_end if s.ended is not None else done
        gave_up = isinstance(life[-1].outcome, Failed) or member in retired
        if finished and member < spec.population and done < spec.steps and not gave_up:
            yield Violation(law="budget", subject=f"member {member}", text=f"trained {done} of {spec.steps} steps")
    if finished and (missing := set(range(spec.population)) - set(lives)):
        yield Violation(law="budget", subject="run", text=f"members {sorted(missing)} have never trained")


def _check_retired(spec: RunSpec, segments: Sequence[Segment], retired: Collection[int]) -> Iterator[Violation]:
    """Nobody was given up for good whose code had not failed, unless the policy ends it."""
    ended = sorted((s for s in segments if s.ended is not None), key=lambda s: s.ended or 0)
    empty = Population.empty(space=spec.space, mode=spec.mode, seed=spec.seed, size=spec.population)
    population = empty.with_ended(ended, ended[-1].ended or 0) if ended and retired else empty
    for member in sorted(retired):
        newest = population.latest[member]
        if newest is None or isinstance(newest.outcome, Failed):
            continue
        key = decision_key(spec.seed, member, newest.generation + 1)
        if not isinstance(spec.policy.decide(population, newest, key), Retire):
            yield _broken("budget", newest, "is its member's last, which was given up though its code had not failed")


def _check_outcomes(segments: Sequence[Segment]) -> Iterator[Violation]:
    """An ended segment has the outcome, evaluations and checkpoint that its status promises."""
    for s in segments:
        if s.ended is None:
            continue
        if isinstance(s.outcome, Failed):
            if s.end_step != s.start_step or s.checkpoint is not None:
                yield _broken("failure", s, "failed, so it can have neither steps nor a checkpoint")
            continue
        if s.checkpoint is None and s.checkpoint_kept:
            yield _broken("checkpoint", s, "ended without one, but is said to have it")
        if isinstance(s.outcome, Finite) and (not s.evaluations or s.evaluations[-1].score != s.outcome.value):
            yield _broken("score", s, f"score {s.outcome.value} is not that of its last evaluation")
        if s.ended <= s.begun:
            yield _broken("order", s, f"ended at {s.ended}, before it began at {s.begun}")
        steps = [e.step for e in s.evaluations]
        if steps != sorted(steps) or any(not s.start_step <= step <= s.end_step for step in steps):
            yield _broken("evaluations", s, f"evaluated at steps {steps}, outside {s.start_step}..{s.end_step}")


def _check_damage(segments: Sequence[Segment], forest: Mapping[SegmentId, Segment]) -> Iterator[Violation]:
    """Whoever could not load its parent goes on from its last good ancestor; nobody copies what is known as damaged."""
    for s in segments:
        donor = None if s.donor is None or s.donor != s.parent else forest.get(s.donor)  # else no weights were copied
        if donor is not None and donor.damaged is not None and donor.damaged < s.begun:
            yield _broken("damage", s, f"copied {donor.id}, whose checkpoint was known as damaged at {donor.damaged}")
        if s.ended is None or not s.parent_damaged:
            continue
        parent = None if s.parent is None else forest.get(s.parent)
        if not isinstance(s.outcome, Failed) or parent is None or not parent.damaged or parent.damaged > s.ended:
            yield _broken("damage", s, f"was given up for {s.parent}, whose checkpoint was not known as damaged then")
        before = forest.get(SegmentId(s.member, s.generation - 1))
        base = None if before is None else base_of(before)
        nearest = last_good(base, partial(_then_or_now, forest, s))
        if s.fallback != nearest:
            yield _broken("damage", s, f"falls back to {s.fallback}, but its last good ancestor is {nearest}")


def _then_or_now(forest: Mapping[SegmentId, Segment], failed: Segment, id: SegmentId) -> Segment | None:
    """Returns a segment as it stands, a fallback as it stood: it may be dropped by now, the others only since then."""
    segment = forest.get(id)
    return segment if segment is None or id != failed.fallback else segment.as_of(failed.ended or 0)


def _check_values(spec: RunSpec, segments: Sequence[Segment]) -> Iterator[Violation]:
    """Hyperparameters are in their bounds."""
    for s in segments:
        try:
            spec.space.check(s.hyperparameters)
        except PopulaceError as error:
            yield _broken("bounds", s, str(error))


def _check_retention(spec: RunSpec, segments: Sequence[Segment]) -> Iterator[Violation]:
    """Nothing that is referred to was collected."""
    ended = [s for s in segments if s.ended is not None]
    newest = {s.member: s for s in sorted(ended, key=lambda s: s.generation)}
    best = max((s for s in ended if s.score is not None), key=partial(Segment.precedence, mode=spec.mode), default=None)
    # Older versions kept the first of equally good ones.
    equals = [s for s in ended if best is not None and s.score == best.score and s.checkpoint_kept]
    best = equals[0] if equals and best is not None and not best.checkpoint_kept else best
    running = [s for s in segments if s.ended is None]
    needed = kept(newest=newest.values(), best=None if best is None else best.id, running=running)
    for s in ended:
        if s.id in needed and not s.checkpoint_kept and s.damaged is None:
            what = "was collected" if s.checkpoint is not None else "was never saved"
            yield _broken("retention", s, f"its checkpoint is still referred to, but {what}")


def _check_decisions(
    segments: Sequence[Segment], forest: Mapping[SegmentId, Segment], story: Sequence[Chapter]
) -> Iterator[Violation]:
    """Every decision can be derived again from the snapshot and key that the log names."""
    ended = sorted((s for s in segments if s.ended is not None), key=lambda s: s.ended or 0)
    damaged = [s for s in segments if s.damaged is not None]
    place, population, chapter = 0, None, None
    for s in sorted(segments, key=lambda s: (s.snapshot, s.begun)):
        now = _at(story, s.begun)
        spec = now.spec
        if spec is None:
            continue
        if now is not chapter:
            chapter, place = now, 0
            population = spec.empty()
        if s.generation == 0:
            if dict(s.hyperparameters) != _first(spec, s) or s.parent is not None:
                yield _broken("decision", s, "does not start as its key says")
            continue
        assert population is not None
        upto = place
        while upto < len(ended) and (ended[upto].ended or 0) <= s.snapshot:
            upto += 1
        seen = ended[place:upto]
        known = [d.as_of(s.snapshot) for d in damaged if population.sequence < (d.damaged or 0) <= s.snapshot]
        population = population.with_ended([e.as_of(s.snapshot) for e in seen], s.snapshot).with_damaged(known)
        place = upto
        population = replace(population, forest={})  # one that grew would be copied at every decision
        view = replace(population, forest=_Then(forest, s.snapshot))
        if spec.synchronous:
            view = view.at_generation(s.generation - 1, _joined(s, ended, story))
        yield from _check_decision(s, view, spec)


@final
class _Then(Mapping[SegmentId, Segment]):
    """The ended segments as decisions on a snapshot saw them."""

    def __init__(self, forest: Mapping[SegmentId, Segment], sequence: int) -> None:
        self._forest = forest
        self._sequence = sequence

    def __getitem__(self, id: SegmentId) -> Segment:
        segment = self._forest[id]
        if segment.ended is None or segment.ended > self._sequence:
            raise KeyError(id)
        return segment.as_of(self._sequence)

    def __iter__(self) -> Iterator[SegmentId]:
        return (id for id in self._forest if id in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _check_decision(s: Segment, population: Population, spec: RunSpec) -> Iterator[Violation]:
    newest = population.latest[s.member]
    if newest is None or newest.generation != s.generation - 1:
        yield _broken("decision", s, f"the snapshot {s.snapshot} does not show the member's generation before")
        return
    decision = decide(population, s.member, spec.policy, decision_key(spec.seed, s.member, s.generation))
    if not isinstance(decision, Start | Continue | Exploit):
        yield _broken("decision", s, f"the snapshot {s.snapshot} gives {type(decision).__name__}, but a segment began")
        return
    derived = (
        parent_of(decision, newest),
        decision.donor if isinstance(decision, Exploit) else None,
        dict(decision.hyperparameters),
    )
    logged = (s.parent, s.donor, dict(s.hyperparameters))
    if derived != logged:
        yield _broken("decision", s, f"logged {logged}, but its snapshot and key give {derived}")
    why = told(decision)
    source, says = why.get("hyperparameters"), s.why.get("hyperparameters")
    if source != says:
        yield _broken("decision", s, f"says that its hyperparameters are those of {says}, but they are of {source}")
    for name in _REMEMBERED:
        if why.get(name) != s.why.get(name):
            yield _broken("decision", s, f"says {name} {s.why.get(name)}, but its snapshot gives {why.get(name)}")
    shrink = Shrink.of(why)
    if shrink != Shrink.of(s.why):
        yield _broken("decision", s, f"says that its weights were {_made(Shrink.of(s.why))}, not {_made(shrink)}")


_REMEMBERED = ("iteration", "since", "does", "parent", "child")
"""What later decisions read in the log about earlier ones."""


def _made(shrink: Shrink | None) -> str:
    return "left as they were" if shrink is None else f"{shrink.keep} of the old and {shrink.renew} of fresh ones"


def _at(story: Sequence[Chapter], sequence: int) -> Chapter:
    """Returns the chapter that an event belongs to."""
    return next(chapter for chapter in reversed(story) if chapter.after < sequence)


def _joined(segment: Segment, ended: Sequence[Segment], story: Sequence[Chapter]) -> int:
    """Returns when a segment's member came to a run that was under way, or back to it as its limits were raised."""
    for before, chapter in reversed(list(pairwise(story))):
        if chapter.after < segment.begun:
            own = [s.member_end for s in ended if s.member == segment.member and (s.ended or 0) < chapter.after]
            if segment.member >= before.population or max(own, default=0) >= before.steps:
                return chapter.after
    return 0


def _first(spec: RunSpec, segment: Segment) -> Mapping[str, object]:
    return start(spec.space, spec.seed, segment.member, spec.policy.starts).hyperparameters


def _chapter(sequence: int, spec: Mapping[str, object], policy: Policy | None) -> Chapter:
    population, steps = spec["population"], spec["steps"]
    assert isinstance(population, int)
    assert isinstance(steps, int)
    try:
        held = RunSpec.from_json(spec, policy=policy)
    except PopulaceError:
        held = None
    return Chapter(after=sequence, spec=held, population=population, steps=steps)


def _broken(law: str, segment: Segment, text: str) -> Violation:
    return Violation(law=law, subject=f"segment {segment.id}", text=text)
