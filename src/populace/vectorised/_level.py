"""Bringing members level: one program trains them all for the same number of steps.

A run that was begun elsewhere may have stopped with some members an interval ahead, or with a segment begun and not
ended. An ordinary worker trains those that are behind, in this process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from populace.core import RunSpec
from populace.store import Claim, Store
from populace.worker import Worker


def claim_level(
    name: str, spec: RunSpec, store: Store, worker: Callable[[Callable[[], bool]], Worker], stopping: Callable[[], bool]
) -> list[Claim]:
    """Returns claims on all members that still have steps to train, all level; none where nothing is left to do.

    Args:
        name: Who claims.
        spec: The run.
        store: Its log.
        worker: Makes an ordinary worker that stops when it is told so.
        stopping: Whether the run is to stop.
    """
    while not stopping():
        claims = store.claim_all(name)
        if not claims or _is_level(claims, spec):
            return claims
        ends = [c.steps + (c.running.end_step - c.running.start_step if c.running else 0) for c in claims]
        target = max(ends) if len({c.steps for c in claims}) > 1 or any(c.running for c in claims) else spec.steps
        release(store, claims)
        worker(lambda target=target: stopping() or _least(store, spec) >= target).run()  # type: ignore[misc]  # mypy cannot see the default
    return []


def release(store: Store, claims: Sequence[Claim]) -> None:
    """Frees all members."""
    for claim in claims:
        store.release(claim)


def _is_level(claims: Sequence[Claim], spec: RunSpec) -> bool:
    generations = {None if c.newest is None else c.newest.generation for c in claims} if spec.synchronous else set()
    return len({c.steps for c in claims}) == 1 and len(generations) <= 1 and not any(c.running for c in claims)


def _least(store: Store, spec: RunSpec) -> int:
    state = store.state()
    left = [s for member, s in enumerate(state.steps) if s < spec.steps and member not in state.retired]
    return min(left, default=spec.steps)
