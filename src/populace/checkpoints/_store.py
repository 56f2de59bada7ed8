"""What a checkpoint store is: the place where the bytes of checkpoints lie, named by their content."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Protocol, TypeAlias

from populace._errors import DamagedCheckpoint
from populace.checkpoints._container import Chunk

Digest: TypeAlias = str
"""The name of a checkpoint: the SHA-256 of its bytes, as 64 lowercase hexadecimal digits."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


class CheckpointStore(Protocol):
    """A place for checkpoints, shared by all workers of a run.

    Guarantees, which `populace.testing.CheckpointStoreConformance` tests:

    - *Immutable*: a digest names its bytes for ever; nothing is changed in place.
    - *Durable*: when `put` has returned, the checkpoint survives a crash of the machine, as far as the place can.
      So a reference to it may be written after that, and only after that.
    - *Atomic*: a reader sees all of a checkpoint or none of it; a `put` that fails leaves no half of one.
    - *Idempotent*: putting the same bytes again gives the same digest, and repairs a damaged copy.
    - *Verified*: `get` returns the bytes that were put, or raises; nobody parses what was not verified.
    - Any number of processes and threads may call any method at the same time, except where a method says otherwise.
    """

    def put(self, chunks: Iterable[Chunk]) -> Digest:
        """Writes a checkpoint, given as chunks in order, and returns its digest when it is durable.

        Raises:
            StoreError: It could not be written; nothing refers to it and `put` may be called again.
        """

    def get(self, digest: Digest) -> bytes:
        """Returns the bytes of a checkpoint, verified against its digest.

        Raises:
            DamagedCheckpoint: It is missing or its bytes have changed.
            StoreError: It could not be read.
        """

    def exists(self, digest: Digest) -> bool:
        """Returns whether there is a checkpoint of this digest; its bytes are not verified."""

    def delete(self, digest: Digest) -> None:
        """Removes a checkpoint; one that is missing is fine."""

    def list(self) -> Iterator[Digest]:
        """Yields the digests of all checkpoints in ascending order."""


def check_digest(digest: Digest) -> None:
    """Checks that a text is a digest, so that no other text becomes part of a path.

    Raises:
        DamagedCheckpoint: It is none.
    """
    if not _DIGEST.fullmatch(digest):
        raise DamagedCheckpoint(
            f"a checkpoint's digest must be 64 lowercase hexadecimal digits, but got {digest[:80]!r}: "
            "the reference to the checkpoint is damaged"
        )


def check_bytes(digest: Digest, content: bytes, place: str) -> None:
    """Checks that bytes are those that a digest names.

    Raises:
        DamagedCheckpoint: They are others.
    """
    if hashlib.sha256(content).hexdigest() != digest:
        raise DamagedCheckpoint(
            f"checkpoint {digest} has changed in {place}: its {len(content)} bytes are not those that were saved; "
            "restore the file from a backup, or go on from an earlier segment"
        )


def missing(digest: Digest, place: str) -> DamagedCheckpoint:
    """Returns the error for a checkpoint that is not there."""
    return DamagedCheckpoint(
        f"checkpoint {digest} is missing from {place}: restore the file from a backup, or go on from an earlier segment"
    )
