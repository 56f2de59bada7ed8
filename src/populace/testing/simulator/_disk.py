"""The simulated disk that checkpoints lie on: what was not synced may vanish, tear or survive a crash of the host."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import final

from populace._errors import DamagedCheckpoint
from populace.checkpoints import CheckpointStore, Chunk, Digest


@final
class Disk:
    """Objects by digest.

    Attributes:
        visible: What processes read: the page cache over the disk.
        durable: What a crash of the host leaves.
        written: Everything that was ever put, as it was put: the outside observer's copy.
        spoilt: Digests whose bytes were damaged or lost by a fault at rest.
    """

    def __init__(self) -> None:
        self.visible: dict[Digest, bytes] = {}
        self.durable: dict[Digest, bytes] = {}
        self.written: dict[Digest, bytes] = {}
        self.spoilt: set[Digest] = set()

    def write(self, content: bytes) -> Digest:
        """Makes an object visible, not yet durable."""
        digest = hashlib.sha256(content).hexdigest()
        self.visible[digest] = self.written[digest] = content
        self.spoilt.discard(digest)
        return digest

    def sync(self, digest: Digest) -> None:
        """Makes an object durable, bytes and name."""
        if digest in self.visible:
            self.durable[digest] = self.visible[digest]

    def crash(self, rng: random.Random) -> None:
        """Drops the page cache: each object that was not synced vanishes, tears or survives, and deletions may too."""
        for digest in sorted(self.visible.keys() | self.durable.keys()):
            seen, kept = self.visible.get(digest), self.durable.get(digest)
            if seen is not None and kept is None:
                left = (None, _torn(seen, rng), seen)[rng.randrange(3)]
                if left is not None:
                    self.durable[digest] = left
            elif seen is None and rng.random() < 0.5:
                del self.durable[digest]  # the deletion had reached the disk
        self.visible = dict(self.durable)

    def spoil(self, digest: Digest, rng: random.Random) -> None:
        """Flips a bit of an object at rest, cuts it short, or loses it."""
        content = self.visible[digest]
        kind = rng.randrange(4)
        place = rng.randrange(max(1, len(content)))
        self.spoilt.add(digest)
        if kind == 0 or not content:
            del self.visible[digest]
            self.durable.pop(digest, None)
            return
        cut = content[:place]
        flipped = cut + bytes([content[place] ^ (1 << rng.randrange(8))]) + content[place + 1 :]
        self.visible[digest] = self.durable[digest] = cut if kind == 1 else flipped

    def delete(self, digest: Digest) -> None:
        """Removes an object; a crash may undo it."""
        self.visible.pop(digest, None)

    def sweep(self, referenced: Collection[Digest]) -> list[Digest]:
        """Removes what is not referred to; as in `LocalCheckpoints`, only while no worker lives."""
        gone = [digest for digest in sorted(self.visible) if digest not in referenced]
        for digest in gone:
            self.delete(digest)
        return gone


@final
class SimulatedCheckpoints(CheckpointStore):
    """One process's view of the disk.

    Args:
        disk: The disk.
        operation: Called with the name of an operation before each; it may raise.
    """

    def __init__(self, disk: Disk, operation: Callable[[str], None]) -> None:
        self._disk = disk
        self._operation = operation

    def put(self, chunks: Iterable[Chunk]) -> Digest:
        content = b"".join(bytes(chunk) for chunk in chunks)
        self._operation("put")
        digest = self._disk.write(content)
        self._operation("sync")
        self._disk.sync(digest)
        self._operation("synced")
        return digest

    def get(self, digest: Digest) -> bytes:
        self._operation("get")
        content = self._disk.visible.get(digest)
        if content is None:
            raise DamagedCheckpoint(f"checkpoint {digest} is missing")
        check_digest(digest, content)
        return content

    def exists(self, digest: Digest) -> bool:
        self._operation("exists")
        return digest in self._disk.visible

    def delete(self, digest: Digest) -> None:
        self._operation("delete")
        self._disk.delete(digest)

    def list(self) -> Iterator[Digest]:
        self._operation("list")
        yield from sorted(self._disk.visible)


def check_digest(digest: Digest, content: bytes) -> None:
    """Raises `DamagedCheckpoint` for bytes that are not those which the digest names."""
    if hashlib.sha256(content).hexdigest() != digest:
        raise DamagedCheckpoint(f"checkpoint {digest} has changed")


def _torn(content: bytes, rng: random.Random) -> bytes:
    """Returns what is left of a write that a crash cut: a part was written, the rest is short or zero."""
    cut = rng.randrange(len(content))
    return content[:cut] + bytes(len(content) - cut) * rng.randrange(2)
