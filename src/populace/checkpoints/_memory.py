"""A checkpoint store in memory: for tests and for runs that end with their process."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import final

from populace.checkpoints._container import Chunk
from populace.checkpoints._store import CheckpointStore, Digest, check_bytes, check_digest, missing

_PLACE = "memory"


@final
class MemoryCheckpoints(CheckpointStore):
    """Checkpoints in a dict of this process; durable as long as the process lives."""

    def __init__(self) -> None:
        self._objects: dict[Digest, bytes] = {}

    def put(self, chunks: Iterable[Chunk]) -> Digest:
        """Keeps a checkpoint and returns its digest."""
        content = b"".join(chunks)
        digest = hashlib.sha256(content).hexdigest()
        self._objects[digest] = content
        return digest

    def get(self, digest: Digest) -> bytes:
        """Returns the bytes of a checkpoint, verified against its digest.

        Raises:
            DamagedCheckpoint: It is missing.
        """
        check_digest(digest)
        if digest not in self._objects:
            raise missing(digest, _PLACE)
        content = self._objects[digest]
        check_bytes(digest, content, _PLACE)
        return content

    def exists(self, digest: Digest) -> bool:
        """Returns whether there is a checkpoint of this digest."""
        check_digest(digest)
        return digest in self._objects

    def delete(self, digest: Digest) -> None:
        """Removes a checkpoint; one that is missing is fine."""
        check_digest(digest)
        self._objects.pop(digest, None)

    def list(self) -> Iterator[Digest]:
        """Yields the digests of all checkpoints in ascending order."""
        yield from sorted(self._objects)
