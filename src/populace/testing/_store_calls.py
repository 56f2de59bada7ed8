"""A worker's life in a few calls, for tests of stores."""

from __future__ import annotations

from populace.core import PBT, Diverged, Finite, Mode, Outcome, Policy, RunSpec, Segment, SegmentId, base_of
from populace.space import Space, Uniform
from populace.store import Claim, Draft, Ending, Published, Store


def spec_of(
    *,
    population: int = 2,
    steps: int = 4,
    synchronous: bool = False,
    max_failures: int = 1,
    mode: Mode = Mode.MAX,
    policy: Policy | None = None,
) -> RunSpec:
    """Returns the specification of a small run; an interval is one step."""
    return RunSpec(
        name="run",
        space=Space({"lr": Uniform(0, 1)}),
        policy=policy or PBT(),
        seed=0,
        population=population,
        steps=steps,
        synchronous=synchronous,
        max_failures=max_failures,
        mode=mode,
    )


def claim_of(store: Store, worker: str = "ann", prefer: int | None = None) -> Claim:
    """Returns a claim where there must be one."""
    claim = store.claim(worker, prefer=prefer)
    assert isinstance(claim, Claim)
    return claim


def begin(store: Store, claim: Claim, parent: SegmentId | None = None) -> Segment:
    """Begins the claimed member's next segment, from its own base where no parent is named."""
    if parent is None and claim.newest is not None:
        parent = base_of(claim.newest)
    source = None if parent is None else store.segment(parent)
    draft = Draft(
        parent=parent,
        donor=None if parent is None or parent.member == claim.member else parent,
        start_step=0 if source is None else source.end_step,
        num_steps=1,
        hyperparameters={"lr": 0.5},
        why={"rule": "test"},
        snapshot=store.snapshot().sequence,
    )
    return store.begin(claim, draft)


def ending_of(segment: Segment, outcome: Outcome) -> Ending:
    """Returns the end of a segment; its digest tells which."""
    return Ending(
        generation=segment.generation,
        outcome=outcome,
        evaluations=(),
        checkpoint=f"digest of {segment.id}",
        checkpoint_bytes=7,
    )


def publish(store: Store, claim: Claim, score: float | None = 1.0) -> Published:
    """Trains one interval: begins a segment, or takes up the running one, and publishes it; None is no score."""
    segment = claim.running or begin(store, claim)
    return store.publish(claim, ending_of(segment, Diverged(reason="nan") if score is None else Finite(value=score)))


def train(store: Store, num_segments: int, score: float | None = 1.0) -> None:
    """Trains intervals, each by whoever is claimed first."""
    for _ in range(num_segments):
        published = publish(store, claim_of(store), score)
        if published.claim is not None:
            store.release(published.claim)
