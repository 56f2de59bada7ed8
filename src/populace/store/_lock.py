"""File locks between the processes of one host: a fair queue for writers, and the mark of a run being trained.

SQLite's own waiting polls and is unfair; an advisory lock (flock) in front of every transaction makes it a queue. It
also keeps checkpoints of the write-ahead log and closes apart, which older SQLite versions need.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import final

from populace._errors import RunBusy, StoreError

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC


@final
class FileQueue:
    """A lock that processes take one after another: `with queue: ...`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = os.open(path, _FLAGS, 0o600)

    def __enter__(self) -> None:
        fcntl.flock(self._fd, fcntl.LOCK_EX)

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
        except OSError:  # whoever waits would wait for ever; closing the file frees the lock too
            self.close()
            self._fd = os.open(self._path, _FLAGS, 0o600)

    def close(self) -> None:
        """Frees the file."""
        _close(self._fd)


@final
class RunLock:
    """Held by the process that trains a run, as long as it lives: `with RunLock(directory): ...`."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "run.lock"
        self._fd = -1

    def __enter__(self) -> None:
        try:
            self._fd = os.open(self._path, _FLAGS, 0o600)
            self._lock()
        except OSError as error:
            raise StoreError(
                f"the process that trains a run marks it in {self._path}, which cannot be written or locked "
                f"({error.strerror}): make the run's folder writable or choose another directory"
            ) from error
        _held.add(self._fd)
        with suppress(OSError):  # the number only serves the message above; a full disk is told by who needs the space
            os.truncate(self._fd, 0)
            os.pwrite(self._fd, str(os.getpid()).encode(), 0)

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._fd in _held:  # not in a forked child, which holds nothing
            _held.remove(self._fd)
            with suppress(OSError):  # the end of the process frees it too
                fcntl.flock(self._fd, fcntl.LOCK_UN)  # a child that was forked just now may have the file open still
            _close(self._fd)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            number = os.read(self._fd, 32).decode()
            holder = f"process {number}" if number else "another process"
            _close(self._fd)
            raise RunBusy(
                f"only one process may train a run, but {self._path.parent.name!r} is being trained by "
                f"{holder}: wait for it, stop it, or choose another name"
            ) from None
        except OSError:
            _close(self._fd)
            raise


_held: set[int] = set()


def _close(descriptor: int) -> None:
    with suppress(OSError):  # the file of a lock holds nothing that could be lost
        os.close(descriptor)


def _drop() -> None:
    """Lets a forked child that outlives its parent (a data loader) not keep the run busy."""
    while _held:
        os.close(_held.pop())


os.register_at_fork(after_in_child=_drop)
