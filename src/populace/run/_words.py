"""Events in words, the same on every face."""

from __future__ import annotations

from populace.core import OVERSAMPLED, Diverged, Segment, SegmentId
from populace.store import Event, EventKind


def exploit_in_words(segment: Segment) -> str:
    """Returns an exploit as a user reads it: `m03 <- m11 at step 40: score 0.71 against 0.84`."""
    assert segment.donor is not None
    scores = ""
    if isinstance(segment.why.get("donor_score"), float):
        own = segment.why.get("score")
        against = f" against {own:.4g}" if isinstance(own, float) else ""
        scores = f" (score {segment.why['donor_score']:.4g}{against})"
    return f"m{segment.member:02d} <- m{segment.donor.member:02d} at step {segment.start_step}{scores}"


def divergence_in_words(segment: Segment) -> str:
    """Returns a divergence as a user reads it: `m03 diverged at step 40: the score is nan`."""
    assert isinstance(segment.outcome, Diverged)
    return f"m{segment.member:02d} diverged at step {segment.end_step}: {segment.outcome.reason}"


def fallback_in_words(segment: Segment) -> str | None:
    """Returns a begin after a damage as a user reads it: `m03 goes back to m03/5 at step 10, since m03/7 is damaged`.

    None for any other begin.
    """
    if segment.why.get("rule") != "damaged" or segment.donor is not None:
        return None
    found = segment.parent or "init"
    why = f"since {segment.why['lost']} is damaged"
    return f"m{segment.member:02d} goes back to {found} at step {segment.start_step}, {why}"


def damage_in_words(event: Event) -> str:
    """Returns a damage as a user reads it: `m03: its checkpoint of generation 7 is damaged; goes on from ...`."""
    assert event.member is not None

    def place(name: str) -> str:
        id = SegmentId.parse(str(event.detail[name]))
        return f"generation {id.generation}" + (f" of m{id.member:02d}" if id.member != event.member else "")

    own = SegmentId.parse(str(event.detail["parent"])).member == event.member
    follows = "has no good ancestor, so it copies a member or begins anew"
    if event.detail["fallback"] is not None:
        follows = f"goes on from {place('fallback')}"
    return f"m{event.member:02d}: {'its' if own else 'the'} checkpoint of {place('parent')} is damaged; {follows}"


def change_in_words(event: Event) -> str:
    """Returns a failure as a user reads it: with the last line of its reason, or what follows from it."""
    place = f"member {event.member}, generation {event.generation}"
    match event.kind:
        case EventKind.DAMAGED:
            return damage_in_words(event)
        case EventKind.GIVEN_UP:
            return f"{place}: given up: it failed more often than max_failures allows, so the member copies another"
        case EventKind.RETIRED if event.detail.get("rule") == "beyond help":
            return f"{place}: retired: it failed again after {event.detail['failed']} copies of others"
        case EventKind.RETIRED if event.detail.get("rule") == OVERSAMPLED:
            return f"{place}: ends here: of {event.detail['of']} starts, the run goes on with {event.detail['keep']}"
        case EventKind.RETIRED:
            return f"{place}: retired: it failed, and there is nobody to copy"
        case _:
            lines = str(event.detail["reason"]).strip().splitlines()
            return f"{place}: {event.kind.value}: {lines[-1] if lines else 'no reason was given'}"
