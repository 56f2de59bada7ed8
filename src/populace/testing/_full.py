"""A disk that a test fills and empties, under a log and checkpoints in memory."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from typing import Any, final

from populace._errors import DiskFull
from populace.checkpoints import CheckpointStore, Chunk, Digest, MemoryCheckpoints
from populace.store import MemoryStore

_READS = {"read", "snapshot", "standings", "segment", "segments", "events", "state", "referenced", "close"}


@final
class FillableStore:
    """A log whose calls raise `DiskFull` while the disk is full, where they would write.

    As on a real disk, a call that changes nothing goes through: a claim, for example, that finds no member.

    Args:
        store: The log.

    Attributes:
        is_full: Whether the disk is full.
    """

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.is_full = False

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call: Callable[..., Any] = getattr(self._store, name)

        def bounded(*arguments: object, **options: object) -> Any:
            if not self.is_full or name in _READS:
                return call(*arguments, **options)
            tried = copy.deepcopy(self._store)
            answer = getattr(tried, name)(*arguments, **options)
            if _content(tried) != _content(self._store):
                raise DiskFull
            return answer

        return bounded


@final
class FillableCheckpoints(CheckpointStore):
    """Checkpoints in memory that take no more while the disk is full.

    Attributes:
        is_full: Whether the disk is full.
    """

    def __init__(self) -> None:
        self._kept = MemoryCheckpoints()
        self.is_full = False

    def put(self, chunks: Iterable[Chunk]) -> Digest:
        parts = tuple(chunks)
        if self.is_full:
            raise DiskFull
        return self._kept.put(parts)

    def get(self, digest: Digest) -> bytes:
        return self._kept.get(digest)

    def exists(self, digest: Digest) -> bool:
        return self._kept.exists(digest)

    def delete(self, digest: Digest) -> None:
        self._kept.delete(digest)

    def list(self) -> Iterator[Digest]:
        return self._kept.list()


def _content(store: MemoryStore) -> object:
    return store._created
