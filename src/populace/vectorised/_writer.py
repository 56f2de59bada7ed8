"""Writing behind the training: checkpoints first, then the generations that they end, in one transaction.

What the log holds is never ahead of the checkpoints, so a kill costs what was trained since the last of these and
nothing else. One write is under way at a time, in a thread of its own with a log of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

from populace.checkpoints import CheckpointStore, pack
from populace.core import Segment, SegmentId, Why
from populace.store import Claim, Store
from populace.vectorised._memory import give_back
from populace.worker import STATE_NAME


@final
@dataclass(frozen=True, kw_only=True)
class Batch:
    """What is written at once."""

    claims: Sequence[Claim]
    """Of all members that trained."""
    generations: Sequence[Sequence[Segment]]
    """Oldest first."""
    states: Mapping[SegmentId, Callable[[], Any]]
    """States to be saved: those of the last generation, and the best."""


@final
class Writer:
    """Writes batches.

    Args:
        open_store: Opens the log, for the thread that writes.
        checkpoints: Where the states go.
        allow_pickle: Whether states may be pickled.
    """

    def __init__(self, open_store: Callable[[], Store], checkpoints: CheckpointStore, *, allow_pickle: bool) -> None:
        self._open_store = open_store
        self._checkpoints = checkpoints
        self._allow_pickle = allow_pickle
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self.last_s = 0.0
        """Processor time that saving the states of the last batch took. Waiting for disk or device takes none of the
        training's, and the log is as long whenever it is written."""

    @property
    def is_busy(self) -> bool:
        """Whether a batch is being written."""
        return self._thread is not None and self._thread.is_alive()

    def write(self, batch: Batch) -> None:
        """Begins to write a batch, after the one before.

        Raises:
            StoreError: An earlier batch could not be written.
        """
        self.wait()
        self._thread = threading.Thread(target=self._run, args=(batch,), name="populace-writer", daemon=True)
        self._thread.start()

    def retire(self, claim: Claim, why: Why) -> None:
        """Ends a member for good; nothing is being written."""
        store = self._open_store()
        try:
            store.retire(claim, why)
        finally:
            store.close()

    def wait(self) -> None:
        """Waits until everything is written.

        Raises:
            StoreError: It could not be.
        """
        while self._thread is not None and self._thread.is_alive():
            self._thread.join(0.1)  # in pieces, so that Ctrl-C is heard
        self._thread = None
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _run(self, batch: Batch) -> None:
        try:
            self._write(batch)
        except BaseException as error:
            self._error = error

    def _write(self, batch: Batch) -> None:
        began = time.thread_time()
        saved = {id: self._save(id, get()) for id, get in batch.states.items()}
        self.last_s = time.thread_time() - began
        last = {id.generation for id in saved}  # the others have been superseded
        generations = [
            [_with(s, saved) if s.generation in last else s for s in generation] for generation in batch.generations
        ]
        store = self._open_store()
        try:
            collected = store.publish_all(batch.claims, generations)
        finally:
            store.close()
        for digest in collected:
            self._checkpoints.delete(digest)
        give_back(sum(num_bytes for _, num_bytes in saved.values()))

    def _save(self, id: SegmentId, state: Any) -> tuple[str, int]:
        label = {"member": id.member, "generation": id.generation}
        chunks = pack({STATE_NAME: {STATE_NAME: state}}, label=label, allow_pickle=self._allow_pickle)
        num_bytes = sum(memoryview(chunk).nbytes for chunk in chunks)
        digest = self._checkpoints.put(chunks)
        give_back(num_bytes)
        return digest, num_bytes


def _with(segment: Segment, saved: Mapping[SegmentId, tuple[str, int]]) -> Segment:
    found = saved.get(segment.id)
    return segment if found is None else replace(segment, checkpoint=found[0], checkpoint_bytes=found[1])
