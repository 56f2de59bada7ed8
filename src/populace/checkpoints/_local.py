"""A checkpoint store in a directory of a local or shared file system.

A checkpoint is written to a new file in `tmp/`, synced, and only then renamed to its name under `objects/`; a rename
is atomic, so a name there always means a whole file.
The rename itself is durable when the directory that holds the new name has been synced, and that directory when its
own parent has.
Whatever a crash leaves behind in `tmp/` is never read, and `sweep` removes it.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import os
import secrets
import stat
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias, final

from populace._errors import DamagedCheckpoint, DiskFull, StoreError
from populace.checkpoints._container import Chunk
from populace.checkpoints._store import CheckpointStore, Digest, check_bytes, check_digest, missing

_Digests: TypeAlias = list[Digest]  # inside the class, `list` is the method
_FULL = (errno.ENOSPC, errno.EDQUOT)
_SMALL_BYTES = 1_000_000


@final
class LocalCheckpoints(CheckpointStore):
    """Checkpoints as files `objects/<digest>` under a directory, readable by their owner only.

    One folder holds them all: a run keeps about one per member, and every further folder would cost a sync.

    The directory is made by the first `put`, so that looking at a store never writes.

    Args:
        directory: Where the files lie; shared by all workers of the run.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.directory = Path(directory).absolute()
        self._objects = self.directory / "objects"
        self._temporary = self.directory / "tmp"
        # Process ids repeat on different hosts and counters in different processes; the three together do not.
        self._token = secrets.token_hex(4)
        self._count = itertools.count()
        self._synced: set[Path] = set()  # directories whose own names are durable

    def put(self, chunks: Iterable[Chunk]) -> Digest:
        """Writes a checkpoint and returns its digest when file and name are on the disk.

        A file that is there already is replaced: it may be damaged, or another process may not have synced it yet.

        Raises:
            DiskFull: There is no space; nothing of it is left.
            StoreError: It could not be written for another reason.
        """
        parts = tuple(chunks)
        num_bytes = _num_bytes(parts)
        if num_bytes < _SMALL_BYTES:
            parts = (b"".join(parts),)  # many small writes take longer than this copy
        try:
            self._make(self._temporary)
            return self._write(parts)
        except OSError as error:
            raise self._refusal(error, num_bytes) from error

    def get(self, digest: Digest) -> bytes:
        """Returns the bytes of a checkpoint, verified against its digest.

        Raises:
            DamagedCheckpoint: It is missing, no regular file, or its bytes have changed.
            StoreError: It could not be read.
        """
        path = self._path(digest)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb", buffering=0) as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise DamagedCheckpoint(f"checkpoint {digest} is not a regular file in {self.directory}: remove it")
                content = file.read()
        except FileNotFoundError as error:
            raise missing(digest, str(self.directory)) from error
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EISDIR):
                raise DamagedCheckpoint(
                    f"checkpoint {digest} is not a regular file in {self.directory}: remove it"
                ) from error
            raise StoreError(
                f"checkpoint {digest} could not be read from {self.directory} ({error.strerror}): "
                "check the disk and the rights of this user, and resume"
            ) from error
        check_bytes(digest, content, str(self.directory))
        return content

    def exists(self, digest: Digest) -> bool:
        """Returns whether there is a checkpoint of this digest; its bytes are not verified."""
        return os.path.lexists(self._path(digest))

    def delete(self, digest: Digest) -> None:
        """Removes a checkpoint; one that is missing is fine.

        The removal is not synced: one that a crash undoes costs room until the next `sweep`, and nothing else.

        Raises:
            StoreError: It could not be removed.
        """
        self._remove(self._path(digest))

    def list(self) -> Iterator[Digest]:
        """Yields the digests of all checkpoints in ascending order."""
        return (path.name for path in self._files())

    def sweep(self, referenced: Collection[Digest]) -> _Digests:
        """Removes every checkpoint that is not referenced, and all that crashes left half written.

        Only when no worker of the run is alive: a worker's newest checkpoint is referenced after it was put.

        Args:
            referenced: The digests to keep.

        Returns:
            The digests of the removed checkpoints in ascending order.

        Raises:
            StoreError: A file could not be removed.
        """
        kept = frozenset(referenced)
        removed = [path for path in self._files() if path.name not in kept]
        for path in (*removed, *_entries(self._temporary)):
            self._remove(path)
        return [path.name for path in removed]

    def size_bytes(self) -> int:
        """Returns how many bytes all checkpoints take."""
        total = 0
        for path in self._files():
            with suppress(FileNotFoundError):  # removed by a worker meanwhile
                total += path.lstat().st_size
        return total

    def _write(self, parts: Sequence[Chunk]) -> Digest:
        temporary = self._temporary / f"{self._token}-{os.getpid()}-{next(self._count)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, 0o600)
        try:
            try:
                for part in parts:
                    rest = memoryview(part).cast("B")
                    while len(rest):
                        rest = rest[os.write(descriptor, rest) :]
                digest = _hash_while(parts, lambda: os.fsync(descriptor))
            finally:
                os.close(descriptor)
            path = self._path(digest)
            self._make(path.parent)
            temporary.rename(path)
        except BaseException:  # an interrupt leaves no half file either
            with suppress(OSError):
                temporary.unlink()
            raise
        # From here on the file stays, even if this fails: another process may have put and referenced the same bytes.
        _sync(path.parent)
        return path.name

    def _make(self, directory: Path) -> None:
        """Makes a directory of the store, and makes its name durable the first time that this process uses it.

        One that exists is synced too: whoever made it may not have come to that.
        """
        if directory in self._synced:
            return
        if directory != self.directory:
            self._make(directory.parent)
        directory.mkdir(mode=0o700, parents=directory == self.directory, exist_ok=True)
        _sync(directory.parent)
        self._synced.add(directory)

    def _path(self, digest: Digest) -> Path:
        check_digest(digest)
        return self._objects / digest

    def _files(self) -> Iterator[Path]:
        yield from (path for path in _entries(self._objects) if path.match("[0-9a-f]" * 64))

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(
                f"{path} could not be removed ({error.strerror}): check the rights of this user, or remove it by hand"
            ) from error

    def _refusal(self, error: OSError, num_bytes: int) -> StoreError:
        what = f"a checkpoint of {_readable(num_bytes)} could not be written to {self.directory}"
        if error.errno in _FULL:
            return DiskFull(f"disk full: {what}: free space and resume")
        return StoreError(
            f"{what} ({error.strerror or error}): check the directory and the rights of this user, and resume"
        )


def _num_bytes(parts: Sequence[Chunk]) -> int:
    return sum(memoryview(part).nbytes for part in parts)


def _hash_while(parts: Sequence[Chunk], wait: Callable[[], None]) -> Digest:
    """Returns the digest of the parts, worked out while the disk is waited for if they are large."""
    hasher = hashlib.sha256()

    def update() -> None:
        for part in parts:
            hasher.update(part)

    if _num_bytes(parts) < _SMALL_BYTES:
        update()
        wait()
    else:
        beside = threading.Thread(target=update)
        beside.start()
        try:
            wait()
        finally:
            beside.join()
    return hasher.hexdigest()


def _entries(directory: Path) -> list[Path]:
    """Returns what lies in a directory of the store, in ascending order; nothing where it was not made yet."""
    try:
        return sorted(directory.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(
            f"{directory} could not be listed ({error.strerror}): check the disk and the rights of this user"
        ) from error


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _readable(num_bytes: int) -> str:
    size = float(num_bytes)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
