"""Judgement of what a schedule has left behind: the log and the disk against the observer's notes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from populace.core import Failed, Segment, SegmentId, Violation
from populace.store import Claim, Event, EventKind
from populace.testing.simulator._notes import level
from populace.testing.simulator._observer import Observer


def judge_retention(notes: Observer, stored: set[str]) -> None:
    """Judges that what is needed is referred to and there.

    Args:
        notes: Where to look and to tell.
        stored: The digests that the store says are kept.
    """
    for segment in _needed(notes):
        digest = segment.checkpoint
        if digest is None or segment.id in notes.damaged:
            continue
        if digest not in stored:
            notes.violate("retention", f"segment {segment.id}", "its checkpoint is needed, but was collected")
        elif digest not in notes.disk.visible and digest not in notes.disk.spoilt:
            notes.violate("retention", f"segment {segment.id}", "its checkpoint is needed, but its bytes are gone")


def judge_fallback(notes: Observer, claim: Claim, segment: Segment, reason: str, stored: set[str]) -> None:
    """Judges a segment that was given up because its parent is damaged.

    Args:
        notes: Where to look and to tell.
        claim: Who gave it up.
        segment: It, as the store says.
        reason: What the worker has seen.
        stored: The digests that the store said were kept before.
    """
    lost = None if segment.parent is None else notes.published.get(segment.parent)
    digest = None if lost is None else lost.checkpoint
    if lost is None or digest is None or digest not in reason or digest not in notes.disk.spoilt:
        text = f"given up for {segment.parent}, which is not damaged: {reason}"
        notes.violate("damage", f"segment {segment.id}", text)
        return
    notes.damaged.add(lost.id)
    before = notes.member(claim.member).newest
    base = None if before is None else base_by_notes(notes, before)
    # The copy that could not be loaded leaves the member where it was.
    while base is not None and not _is_good(notes, notes.published[base], stored):
        base = notes.published[base].parent
    if segment.fallback != base:
        notes.violate("damage", f"segment {segment.id}", f"falls back to {segment.fallback}, not to {base}")
    notes.fell_back(claim, segment)


def base_by_notes(notes: Observer, newest: Segment) -> SegmentId | None:
    """Returns what a member goes on from where it copies nobody, by the observer's own rules."""
    if newest.id in notes.fallbacks:
        return notes.fallbacks[newest.id]
    return newest.parent if isinstance(newest.outcome, Failed) else newest.id


def _is_good(notes: Observer, segment: Segment, stored: set[str]) -> bool:
    is_finite = level(segment, notes.spec.mode) > -math.inf
    return is_finite and segment.checkpoint in stored and segment.id not in notes.damaged


def judge_log(notes: Observer, segments: Mapping[SegmentId, Segment]) -> None:
    """Judges that everything acknowledged is in the log as it was acknowledged."""
    for id, segment in notes.published.items():
        found = segments.get(id)
        if found is None:
            notes.violate("acknowledged", f"segment {id}", "was published, but is not in the log")
        elif _end(found) != _end(segment):
            notes.violate("acknowledged", f"segment {id}", f"was {segment}, but the log holds {found}")
        else:
            notes.judge_decision(found, "the log's row")


def judge_budget(notes: Observer) -> None:
    """Judges that every member trained its steps, and more only where that was asked before, unless it was given up."""
    for id in range(notes.spec.population):
        member = notes.member(id)
        if not member.retired and not notes.spec.steps <= member.trained <= notes.most_steps:
            notes.violate("budget", f"member {id}", f"trained {member.trained} of {notes.spec.steps} steps")


def judge_ranks(notes: Observer, segments: Iterable[Segment]) -> None:
    """Judges asynchronous truncation by counting: who copied ranked where it says, and copied nobody worse."""
    log, mode = sorted(segments, key=lambda s: s.begun), notes.spec.mode
    for segment in log:
        if segment.why.get("rule") != "truncation" or notes.spec.synchronous:
            continue
        then: dict[int, Segment] = {}
        for other in log:
            if other.ended is not None and other.ended <= segment.snapshot:
                held = then.get(other.member)
                then[other.member] = other if held is None or held.generation < other.generation else held
        mine = level(then[segment.member], mode)
        above = sum(level(other, mode) > mine for other in then.values())
        equal = sum(level(other, mode) == mine for other in then.values())
        rank = segment.why["rank"]
        assert isinstance(rank, int)
        if not above < rank <= above + equal:
            text = f"counts as rank {rank}, but {above} were better and {equal} as good"
            notes.violate("rank", f"segment {segment.id}", text)
        if segment.donor is not None and level(then[segment.donor.member], mode) < mine:
            notes.violate("rank", f"segment {segment.id}", f"copied {segment.donor}, which was worse")


def judge_events(notes: Observer, events: Sequence[Event], segments: Mapping[SegmentId, Segment]) -> None:
    """Judges that the log tells everything once, in order."""
    if [e.sequence for e in events] != list(range(1, len(events) + 1)):
        notes.violate("events", "run", "sequence numbers have gaps")
    told = Counter((e.kind, e.member, e.generation) for e in events)
    for id, segment in segments.items():
        published = told[EventKind.PUBLISHED, *id]
        given_up = told[EventKind.GIVEN_UP, *id] + told[EventKind.DAMAGED, *id]
        if told[EventKind.BEGUN, *id] != 1 or published + given_up != (segment.ended is not None):
            notes.violate("events", f"segment {id}", f"begun once? published {published}, given up {given_up} times")
    lost = sum(e.kind is EventKind.LOST for e in events)
    if lost != notes.num_lost:
        notes.violate("leases", "run", f"{lost} claims count as lost, but {notes.num_lost} were")


def differences(segments: Sequence[Segment], calm: Sequence[Segment]) -> Iterator[Violation]:
    """Yields where a synchronous log differs from the one that the same seed gives without faults."""
    mine, theirs = ({s.id: _lasting(s) for s in log} for log in (segments, calm))
    for id in sorted(mine.keys() | theirs.keys()):
        if mine.get(id) != theirs.get(id):
            text = f"is {mine.get(id)} with faults and {theirs.get(id)} without"
            yield Violation(law="determinism", subject=f"segment {id}", text=text)
            return


def _lasting(s: Segment) -> tuple[object, ...]:
    """Returns what of a segment may depend on the seed alone."""
    evaluations = [(e.step, repr(e.score)) for e in s.evaluations]
    place = (s.parent, s.donor, s.start_step, s.end_step, s.member_start)
    return (*place, dict(s.hyperparameters), dict(s.why), repr(s.outcome), evaluations, s.checkpoint)


def _end(s: Segment) -> tuple[object, ...]:
    return (s.ended, s.outcome, s.checkpoint)


def _needed(notes: Observer) -> list[Segment]:
    """Returns the segments whose checkpoints must be there, by the observer's own rules."""
    needed: dict[SegmentId, None] = dict.fromkeys(notes.pinned)
    if notes.best is not None:
        needed[notes.best.id] = None
    for member in notes.members.values():
        newest, running = member.newest, member.running
        if newest is not None:
            base = base_by_notes(notes, newest)
            needed.update(dict.fromkeys([base] if base is not None else []))
        if running is not None and running.parent is not None:
            needed[running.parent] = None
    return [notes.published[id] for id in needed if id in notes.published]
