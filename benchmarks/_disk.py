"""Raw costs of the disk: what a durable file and a durable commit cost without populace."""

from __future__ import annotations

import os
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks._figures import median_ms

_TIMES = 100
_STATE_BYTES = 10_000


@dataclass(frozen=True, kw_only=True)
class Disk:
    """Medians, in milliseconds."""

    file_ms: float
    """A new file (of 10 kB, unless told otherwise), synced, renamed, its directory synced."""
    commit_ms: float
    """A transaction of one row in SQLite, WAL, synchronous FULL."""

    @property
    def interval_ms(self) -> float:
        """What an interval costs at least: one file, and two commits (begin, publish)."""
        return self.file_ms + 2 * self.commit_ms


def measure(folder: Path, *, file_bytes: int = _STATE_BYTES, times: int = _TIMES) -> Disk:
    """Measures the disk under a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return Disk(file_ms=_files(folder, file_bytes, times), commit_ms=_commits(folder))


def _files(folder: Path, num_bytes: int, times: int) -> float:
    content, seconds = os.urandom(num_bytes), []
    for index in range(times):
        start = time.perf_counter()
        descriptor = os.open(folder / "new", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        os.write(descriptor, content)
        os.fsync(descriptor)
        os.close(descriptor)
        os.rename(folder / "new", folder / f"raw-{index}")
        directory = os.open(folder, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
        seconds.append(time.perf_counter() - start)
    return median_ms(seconds)


def _commits(folder: Path) -> float:
    database, seconds = sqlite3.connect(folder / "raw.sqlite", isolation_level=None), []
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE row (id INTEGER PRIMARY KEY, text TEXT)")
    for _ in range(_TIMES):
        start = time.perf_counter()
        database.execute("BEGIN IMMEDIATE")
        database.execute("INSERT INTO row (text) VALUES (?)", ("x" * 500,))
        database.execute("COMMIT")
        seconds.append(time.perf_counter() - start)
    database.close()
    return median_ms(seconds)
