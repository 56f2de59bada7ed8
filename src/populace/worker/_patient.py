"""A run's log and checkpoints with patience: a full disk makes their calls last longer, and no call fail for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar, final

from populace._errors import DiskFull
from populace.checkpoints import CheckpointStore, Chunk, Digest
from populace.core import RunSpec, Segment, SegmentId, Why
from populace.store import (
    Changes,
    Claim,
    Draft,
    Ending,
    Event,
    FailureVerdict,
    FellBack,
    Idle,
    Published,
    RunState,
    RunStatus,
    Standings,
    Store,
)
from populace.worker._patience import Patience

T = TypeVar("T")


@final
class PatientStore(Store):
    """A `Store` whose calls wait until there is space.

    All but `renew`: a heartbeat must not be held up, and comes again by itself.

    Args:
        store: The log.
        patience: Repeats what was refused.
    """

    def __init__(self, store: Store, patience: Patience) -> None:
        self._store = store
        self._patience = patience

    def create(self, spec: RunSpec) -> None:
        self._write(lambda: self._store.create(spec))

    def read(self) -> Mapping[str, object]:
        return self._patience.through(self._store.read)

    def open(self, spec: RunSpec) -> None:
        self._write(lambda: self._store.open(spec))

    def claim(self, worker: str, *, prefer: int | None = None) -> Claim | Idle:
        answer = self._patience.through(lambda: self._claim(worker, prefer))
        if isinstance(answer, Claim):  # else nothing was written
            self._patience.record.written()
        return answer

    def renew(self, claim: Claim) -> None:
        try:
            self._store.renew(claim)
        except DiskFull:
            self._patience.record.refused()
            raise
        self._patience.record.written()

    def begin(self, claim: Claim, draft: Draft) -> Segment:
        return self._write(lambda: self._store.begin(claim, draft))

    def publish(self, claim: Claim, ending: Ending) -> Published:
        return self._write(lambda: self._store.publish(claim, ending))

    def claim_all(self, worker: str) -> list[Claim]:
        return self._write(lambda: self._store.claim_all(worker))

    def publish_all(self, claims: Sequence[Claim], generations: Sequence[Sequence[Segment]]) -> tuple[str, ...]:
        return self._write(lambda: self._store.publish_all(claims, generations))

    def fail(self, claim: Claim, reason: str) -> FailureVerdict:
        return self._write(lambda: self._store.fail(claim, reason))

    def fall_back(self, claim: Claim, reason: str) -> FellBack:
        return self._write(lambda: self._store.fall_back(claim, reason))

    def retire(self, claim: Claim, why: Why) -> None:
        self._write(lambda: self._store.retire(claim, why))

    def release(self, claim: Claim) -> None:
        self._patience.through(lambda: self._store.release(claim))

    def expire(self, worker: str) -> None:
        self._patience.through(lambda: self._store.expire(worker))

    def recover(self) -> None:
        self._patience.through(self._store.recover)

    def end(self, status: RunStatus, message: str = "") -> None:
        self._write(lambda: self._store.end(status, message))

    def command(self, word: str) -> None:
        self._write(lambda: self._store.command(word))

    def snapshot(self, after: int = 0) -> Changes:
        return self._patience.through(lambda: self._store.snapshot(after))

    def standings(self, after: int = 0) -> Standings:
        return self._patience.through(lambda: self._store.standings(after))

    def segment(self, id: SegmentId) -> Segment | None:
        return self._patience.through(lambda: self._store.segment(id))

    def segments(self) -> list[Segment]:
        return self._patience.through(self._store.segments)

    def events(self, after: int = 0, limit: int = 1000) -> list[Event]:
        return self._patience.through(lambda: self._store.events(after, limit))

    def state(self) -> RunState:
        return self._patience.through(self._store.state)

    def keep(self, id: SegmentId, keep: bool = True) -> None:
        self._write(lambda: self._store.keep(id, keep))

    def collect(self) -> tuple[str, ...]:
        return self._patience.through(self._store.collect)

    def referenced(self) -> set[str]:
        return self._patience.through(self._store.referenced)

    def close(self) -> None:
        self._store.close()

    def _write(self, act: Callable[[], T]) -> T:
        """Makes a call that writes whenever it returns."""
        answer = self._patience.through(act)
        self._patience.record.written()
        return answer

    def _claim(self, worker: str, prefer: int | None) -> Claim | Idle:
        if self._patience.record.doubts_leases():
            self._store.recover()
        return self._store.claim(worker, prefer=prefer)


@final
class PatientCheckpoints(CheckpointStore):
    """A `CheckpointStore` whose `put` waits until there is space.

    Args:
        checkpoints: Where the bytes lie.
        patience: Repeats what was refused.
    """

    def __init__(self, checkpoints: CheckpointStore, patience: Patience) -> None:
        self._checkpoints = checkpoints
        self._patience = patience

    def put(self, chunks: Iterable[Chunk]) -> Digest:
        parts = tuple(chunks)  # an iterator could not be written twice
        return self._patience.through(lambda: self._checkpoints.put(parts))

    def get(self, digest: Digest) -> bytes:
        return self._checkpoints.get(digest)

    def exists(self, digest: Digest) -> bool:
        return self._checkpoints.exists(digest)

    def delete(self, digest: Digest) -> None:
        self._checkpoints.delete(digest)

    def list(self) -> Iterator[Digest]:
        return self._checkpoints.list()
