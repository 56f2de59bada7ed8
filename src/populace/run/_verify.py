"""`verify`: whether a run is what its log says it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from populace._errors import DamagedCheckpoint
from populace.checkpoints import LocalCheckpoints
from populace.core import Failed, Policy, RunSpec, Segment, Violation, chapters, verify_log
from populace.executors import CHECKPOINTS
from populace.store import Event, EventKind, RunStatus, SqliteStore

_PAGE = 10_000


def verify(directory: Path, *, policy: Policy | None = None) -> list[Violation]:
    """Checks every law of a run on its log and its checkpoints; a run that trains meanwhile is checked as it stood.

    Args:
        directory: The run's folder.
        policy: The policy, where it holds a user's function: without it, decisions cannot be derived again.

    Returns:
        What is broken; nothing for a run as it should be.
    """
    store = SqliteStore(directory)
    try:
        held = store.read()
        spec = RunSpec.from_json(held, policy=policy)
        state = store.state()
        segments = store.segments()
        events = list(_events(store))
        referenced = store.referenced()
    finally:
        store.close()
    changes = [(e.sequence, e.detail["changed"]) for e in events if e.kind is EventKind.OPENED]
    story = chapters(held, changes, policy)  # type: ignore[arg-type]  # as `open` wrote it
    return [
        *_check_events(events, segments),
        *verify_log(spec, segments, story, finished=state.status is RunStatus.FINISHED, retired=state.retired),
        *_check_best(state.best),
        *_check_bytes(directory, segments, referenced),
    ]


def _events(store: SqliteStore) -> Iterator[Event]:
    after = 0
    while page := store.events(after, _PAGE):
        yield from page
        after = page[-1].sequence


def _check_events(events: Sequence[Event], segments: Sequence[Segment]) -> Iterator[Violation]:
    """Sequence numbers have no gap, epochs grow, and every begin and end is told once."""
    for expected, event in enumerate(events, start=1):
        if event.sequence != expected:
            text = f"sequence number {event.sequence} follows {expected - 1}: a line is missing"
            yield Violation(law="sequence", subject="run", text=text)
            return
    epochs: dict[int, int] = {}
    for event in events:
        if event.member is None or event.kind not in (EventKind.BEGUN, EventKind.PUBLISHED):
            continue
        if event.epoch < epochs.get(event.member, 0):
            text = f"event {event.sequence} carries epoch {event.epoch} after {epochs[event.member]}"
            yield Violation(law="fencing", subject=f"member {event.member}", text=text)
        epochs[event.member] = event.epoch
    unsaved = {e.sequence for e in events if e.detail.get("unsaved")}
    told = {e.sequence: (e.kind, e.member, e.generation) for e in events}
    last = events[-1].sequence if events else 0
    ends = (EventKind.PUBLISHED, EventKind.GIVEN_UP, EventKind.DAMAGED)
    for s in segments:
        if s.begun <= last and told.get(s.begun) != (EventKind.BEGUN, s.member, s.generation):
            yield Violation(law="events", subject=f"segment {s.id}", text=f"event {s.begun} does not tell its begin")
        if (
            s.ended is not None
            and s.ended <= last
            and told.get(s.ended) not in [(k, s.member, s.generation) for k in ends]
        ):
            yield Violation(law="events", subject=f"segment {s.id}", text=f"event {s.ended} does not tell its end")
        trained = s.ended is not None and not isinstance(s.outcome, Failed)
        if trained and s.checkpoint is None and s.ended not in unsaved:
            text = f"ended without one, but event {s.ended} does not say so"
            yield Violation(law="checkpoint", subject=f"segment {s.id}", text=text)


def _check_best(best: Segment | None) -> Iterator[Violation]:
    """The best can be restored."""
    if best is not None and best.damaged is not None:
        text = (
            f"the best segment cannot be restored, since its checkpoint was found damaged at event {best.damaged}: put "
            f"the file {best.checkpoint} back from a backup, or restore another segment"
        )
        yield Violation(law="checkpoint", subject=f"segment {best.id}", text=text)


def _check_bytes(directory: Path, segments: Sequence[Segment], referenced: set[str]) -> Iterator[Violation]:
    """Every checkpoint that is kept is there, and its bytes are those that were published."""
    checkpoints = LocalCheckpoints(directory / CHECKPOINTS)
    for s in segments:
        if s.checkpoint is None or not s.checkpoint_kept or s.checkpoint not in referenced:
            continue
        try:
            blob = checkpoints.get(s.checkpoint)
        except DamagedCheckpoint as error:
            if _still_kept(directory, s):  # a run that trains may have moved on meanwhile
                yield Violation(law="checkpoint", subject=f"segment {s.id}", text=str(error))
            continue
        if len(blob) != s.checkpoint_bytes:
            text = f"its checkpoint has {len(blob)} bytes, but {s.checkpoint_bytes} were published"
            yield Violation(law="checkpoint", subject=f"segment {s.id}", text=text)


def _still_kept(directory: Path, segment: Segment) -> bool:
    store = SqliteStore(directory)
    try:
        return segment.checkpoint in store.referenced()
    finally:
        store.close()
