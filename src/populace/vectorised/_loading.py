"""The members' states as a run begins or goes on: loaded from checkpoints, or made anew."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from populace.checkpoints import CheckpointStore, needs_template, unpack
from populace.core import RunSpec, Segment, SegmentId, base_of
from populace.jax import Programs
from populace.space import Hyperparameters
from populace.store import Claim, Store
from populace.vectorised._block import Block
from populace.vectorised._memory import give_back
from populace.vectorised._rows import Rows
from populace.worker import STATE_NAME, first_draft


def load_rows(
    programs: Programs,
    spec: RunSpec,
    store: Store,
    checkpoints: CheckpointStore,
    claims: Sequence[Claim],
    devices: Sequence[Any],
    *,
    has_spare: bool,
) -> tuple[Rows, int]:
    """Returns the members' states, shared out among devices, and how many members a device holds at most.

    Args:
        programs: The task.
        spec: The run.
        store: Its log.
        checkpoints: Where saved states are.
        claims: Who trains.
        devices: Where.
        has_spare: Whether there is a row beside the members', on one device.
    """
    first_state = partial(_first_state, programs, spec)

    def state_of(claim: Claim) -> Any:
        base = None if claim.newest is None else base_of(claim.newest)
        if base is None:
            return first_state(SegmentId(claim.member, 0), first_draft(spec, claim.member, 1).hyperparameters)
        source = store.segment(base)
        assert source is not None, "a base is in the log"
        return _saved_state(programs, spec, checkpoints, source)

    share = -(-len(claims) // len(devices))
    needed = -(-len(claims) // share)
    block = Block(programs, devices[:needed], map(state_of, claims), share, has_spare=has_spare)
    rows = Rows(block, [claim.member for claim in claims], first_state, programs.shrunk)
    give_back(block.num_bytes)
    return rows, share


def load_best(programs: Programs, spec: RunSpec, checkpoints: CheckpointStore, best: Segment | None) -> Any:
    """Returns the state of the best segment of the run; None where no decision will copy it."""
    if best is None or not best.can_donate or not spec.looks.best:
        return None
    return _saved_state(programs, spec, checkpoints, best)


def _first_state(programs: Programs, spec: RunSpec, id: SegmentId, hyperparameters: Hyperparameters) -> Any:
    return programs.init(spec.init_key(*id).jax(), spec.space.active(hyperparameters))


def _saved_state(programs: Programs, spec: RunSpec, checkpoints: CheckpointStore, segment: Segment) -> Any:
    assert segment.checkpoint is not None, "what is copied has a checkpoint"
    blob = checkpoints.get(segment.checkpoint)
    like = None
    if needs_template(blob):
        like = {STATE_NAME: {STATE_NAME: _first_state(programs, spec, segment.id, segment.hyperparameters)}}
    held = unpack(blob, like=like, allow_pickle=spec.allow_pickle)[STATE_NAME]
    assert isinstance(held, dict), "a task's state is tracked in a dict"
    return held[STATE_NAME]
