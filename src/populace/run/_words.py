"""Events in words, the same on every face."""

from __future__ import annotations

from populace.core import Diverged, Segment
from populace.store import Event


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


def change_in_words(event: Event) -> str:
    """Returns a failure as a user reads it, with the last line of its reason."""
    reason = str(event.detail.get("reason", "")).strip()
    last = reason.splitlines()[-1] if reason else "no reason is known"
    return f"member {event.member}, generation {event.generation}: {event.kind.value}: {last}"
