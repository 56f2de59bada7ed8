"""From a decision to the segment that it begins."""

from __future__ import annotations

from populace._errors import RunFailed
from populace.core import Continue, Exploit, RunSpec, Segment, Start, parent_of, start, told
from populace.store import Draft


def first_draft(spec: RunSpec, member: int, num_steps: int) -> Draft:
    """Returns a member's first segment."""
    first = start(spec.space, spec.seed, member, spec.policy.starts)
    return Draft(
        parent=None,
        donor=None,
        start_step=0,
        num_steps=num_steps,
        hyperparameters=first.hyperparameters,
        why=first.why,
        snapshot=0,
    )


def next_draft(
    decision: Start | Continue | Exploit, newest: Segment, source: Segment | None, num_steps: int, snapshot: int
) -> Draft:
    """Returns the segment that a decision begins.

    Args:
        decision: What was decided.
        newest: The member's newest ended segment.
        source: The segment whose weights it starts from; None where they are made anew.
        num_steps: Steps it will train.
        snapshot: Sequence number of the snapshot the decision was taken from.
    """
    return Draft(
        parent=parent_of(decision, newest),
        donor=decision.donor if isinstance(decision, Exploit) else None,
        start_step=0 if source is None else source.end_step,
        num_steps=num_steps,
        hyperparameters=decision.hyperparameters,
        why=told(decision),
        snapshot=snapshot,
    )


def hopeless(spec: RunSpec, newest: Segment) -> RunFailed:
    """Returns the error of a run in which nobody has ever had a finite score: there is nothing to select."""
    name = "score" if spec.metric is None else repr(spec.metric)
    last = newest.evaluations[-1].score if newest.evaluations else "nothing"
    return RunFailed(
        f"no member has reported a finite {name} (member {newest.member} reported {last}): check what is "
        "reported, and the upper bounds of the search space"
    )
