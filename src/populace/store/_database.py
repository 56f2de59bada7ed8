"""One SQLite file: its connections, who may write when, and what its errors mean to a user.

Statements are written in SQLAlchemy Core, so that one text serves every SQL database, compiled once, and run on the
driver itself: Core's own execution costs ten times the query, and all of it while the file is locked.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, final

from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.schema import CreateIndex, CreateTable, MetaData
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import CompilerElement

from populace._errors import DiskFull, StoreError, UnknownRun
from populace.store._filesystem import FULL, has_room
from populace.store._fork import close_before_forks
from populace.store._lock import FileQueue

Row = Mapping[str, Any]
_BUSY_S = 60.0
_ORDERED = "synchronous=NORMAL"
_DIALECT = SQLiteDialect_pysqlite(paramstyle="named")
_POSITIONAL = SQLiteDialect_pysqlite(paramstyle="qmark")


@final
class Connection:
    """Runs compiled statements in one transaction."""

    def __init__(self, driver: sqlite3.Connection) -> None:
        self._driver = driver

    def all(self, statement: Executable, **parameters: object) -> list[Row]:
        """Returns the rows of a query."""
        text, constants = compiled(statement)
        return self._driver.execute(text, {**constants, **parameters}).fetchall()

    def one(self, statement: Executable, **parameters: object) -> Row:
        """Returns the first row of a query that has one."""
        row = self.first(statement, **parameters)
        assert row is not None, "this query always has a row"
        return row

    def first(self, statement: Executable, **parameters: object) -> Row | None:
        """Returns the first row of a query, or None."""
        text, constants = compiled(statement)
        row: Row | None = self._driver.execute(text, {**constants, **parameters}).fetchone()
        return row

    def value(self, statement: Executable, **parameters: object) -> Any:
        """Returns the first column of the first row."""
        text, constants = compiled(statement)
        return self._driver.execute(text, {**constants, **parameters}).fetchone()[0]

    def write(self, statement: Executable, **parameters: object) -> sqlite3.Cursor:
        """Runs a statement; the cursor tells `rowcount` and `lastrowid`."""
        text, constants = compiled(statement)
        return self._driver.execute(text, {**constants, **parameters})

    def write_rows(self, statement: Executable, rows: Iterable[tuple[object, ...]]) -> None:
        """Runs a statement once per row, whose values stand in the order of its parameters: much the fastest."""
        self._driver.executemany(_positional(statement), rows)

    def has(self, metadata: MetaData) -> bool:
        """Returns whether any of these tables exists."""
        rows = self._driver.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return any(row["name"] in metadata.tables for row in rows)

    def create(self, metadata: MetaData) -> None:
        """Creates tables and their indexes."""
        for table in metadata.sorted_tables:
            self._driver.execute(str(CreateTable(table).compile(dialect=_DIALECT)))
            for index in sorted(table.indexes, key=lambda i: str(i.name)):
                self._driver.execute(str(CreateIndex(index).compile(dialect=_DIALECT)))


@final
class Database:
    """Transactions on a file; connections are made at their first use.

    Args:
        path: The file; its folder must exist for writing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = str(path)
        self._queue: FileQueue | None = None
        self._writing: sqlite3.Connection | None = None
        self._reading: sqlite3.Connection | None = None
        self._reads_still = False
        self._use = threading.RLock()
        close_before_forks(self)

    @contextmanager
    def write(self, *, create: bool = False, durable: bool = True) -> Iterator[Connection]:
        """A transaction that has the file to itself, durable when the block ends, undone if it raises.

        The disk is waited for when the next in the queue has the file already, so that many workers wait for it at
        once: SQLite itself would wait inside the transaction. One that need not be durable returns sooner and still
        precedes every later one on the disk: it is lost only where the host goes down before the next durable one.
        """
        with self._use, self._translated(must_exist=not create):
            queue = self._line()
            if self._writing is None:
                with queue:
                    self._writing = _connect(self.path, "mode=rwc", "journal_mode=WAL", _ORDERED)
            with queue, _transaction(self._writing):
                self._writing.execute("BEGIN IMMEDIATE")
                yield Connection(self._writing)
            if durable:
                self.settle()

    def settle(self) -> None:
        """Waits until all that has been committed is on the disk; others may commit meanwhile.

        Raises:
            StoreError: It cannot be. Not `DiskFull`: what was committed stays, and must not be written once more.
        """
        try:
            log = os.open(f"{self.path}-wal", os.O_RDONLY | os.O_CLOEXEC)
            try:
                _sync(log)
            finally:
                with suppress(OSError):  # nothing was written through it
                    os.close(log)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and self._writing is None:
                return  # whoever closed the file last has written all of it back
            raise StoreError(
                f"the store {self.path} cannot be synced to its disk ({error.strerror}): see to the disk, then resume "
                "the run"
            ) from error

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the file and blocks nobody."""
        with self._use, self._translated(must_exist=True):
            if self._reading is None:
                self._reads_still = self._is_still
                mode = "mode=ro&immutable=1" if self._reads_still else "mode=ro"
                self._reading = _connect(self.path, mode)
            with _transaction(self._reading):
                self._look(self._reading)
                yield Connection(self._reading)
            if self._reads_still:  # whoever may write can do so between two looks
                self._reading.close()
                self._reading = None

    def _look(self, driver: sqlite3.Connection) -> None:
        """Begins a transaction that sees the file as it is now.

        A process that was stopped amid a commit leaves the log's shared memory half written. SQLite looks at it for ten
        seconds and then gives up. But who commits stands first in the queue, so a reader waits there, like a writer.
        """
        until = time.monotonic() + _BUSY_S
        driver.execute("BEGIN")
        while True:
            try:
                driver.execute(_LOOK).fetchone()
                return
            except sqlite3.OperationalError as error:
                if not _is_held_up(error):
                    raise
                queue = self._line_if_allowed()
                if queue is None and time.monotonic() > until:
                    raise
            if queue is not None:
                with queue:
                    driver.execute(_LOOK).fetchone()
                return

    def _line(self) -> FileQueue:
        """Returns the queue of those who write."""
        if self._queue is None:
            self._queue = FileQueue(self.path.with_suffix(".lock"))
        return self._queue

    def _line_if_allowed(self) -> FileQueue | None:
        """Returns the queue unless this user may look at the run only."""
        try:
            return self._line()
        except OSError:
            return None

    @property
    def _is_still(self) -> bool:
        """Whether the file lies where this user cannot make the log's shared memory, and where nobody has it open."""
        writable = os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK)
        return not writable and not self.path.with_name(self.path.name + "-wal").exists()

    def close(self) -> None:
        """Frees connections and the lock's file; the next use makes them anew."""
        with self._use, self._translated(must_exist=False):
            if self._reading is not None:
                self._reading.close()
            if self._writing is not None and self._queue is not None:
                with self._queue:  # the last connection to close writes the log back into the file
                    self._writing.close()
            if self._queue is not None:
                self._queue.close()
            self._reading = self._writing = self._queue = None

    def hold_still(self) -> None:
        """Closes, and lets no other thread use it until `go_on`."""
        self._use.acquire()
        self.close()

    def go_on(self) -> None:
        """Ends `hold_still`."""
        self._use.release()

    @contextmanager
    def _translated(self, *, must_exist: bool) -> Iterator[None]:
        if must_exist and not os.path.exists(self._file):
            raise self._unknown()
        try:
            yield
        except sqlite3.Error as error:
            if _is_of_a_killed_creation(error):
                raise self._unknown() from error
            if self._is_full(error):
                raise DiskFull(f"the store {self.path} failed ({error}): {_FREE_SPACE}") from error
            found = (text for word, text in _REMEDIES.items() if word in str(error))
            remedy = next(found, "`populace doctor` checks it")
            raise StoreError(f"the store {self.path} failed ({error}): {remedy}") from error
        except OSError as error:
            if error.errno in FULL:
                raise DiskFull(f"the store {self.path} failed ({error.strerror}): {_FREE_SPACE}") from error
            raise StoreError(
                f"the store {self.path} cannot be written ({error.strerror}): make its folder writable, or choose "
                "another directory"
            ) from error

    def _is_full(self, error: sqlite3.Error) -> bool:
        """Whether the disk is full. SQLite says so of its own writes only, and of a quota never."""
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)  # the driver's own errors have none
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE):
            return True
        return code & _FAMILY in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN) and not has_room(self.path.parent)

    def _unknown(self) -> UnknownRun:
        run = self.path.parent
        return UnknownRun(f"there is no run {run.name!r} in {run.parent}: `populace ls` lists the runs there are")


_LOOK = "SELECT 1 FROM sqlite_master LIMIT 1"
_FAMILY = 0xFF  # the part of an error's code that is common to its kind
_FREE_SPACE = "free space, then resume the run; nothing that was published is lost"
_REMEDIES = {
    "readonly": "the run's folder must be writable: change its permissions or choose another directory",
    "unable to open": "the run's folder must exist and be writable: change its permissions or choose another directory",
    "not a database": "the file is damaged: restore the run's folder from a copy",
    "malformed": "the file is damaged: restore the run's folder from a copy",
    "no such": "the file is damaged: restore the run's folder from a copy",
    "lock": "another process holds the file and does nothing: let it go on, or end it",
}


_sync = getattr(os, "fdatasync", os.fsync)  # without the times of the file, where the system can


def _is_held_up(error: sqlite3.Error) -> bool:
    """Whether another process was in the midst of something for as long as SQLite waits."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
    return code & _FAMILY in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PROTOCOL)


def _is_of_a_killed_creation(error: sqlite3.Error) -> bool:
    """Whether there are no tables yet, or not even the write-ahead log: only before it is there a rollback journal."""
    rollback = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) == sqlite3.SQLITE_READONLY_ROLLBACK
    return rollback or "no such table: run" in str(error)


def _connect(path: Path, mode: str, *pragmas: str) -> sqlite3.Connection:
    quoted = str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    # The driver must not begin transactions by itself: a deferred one that reads and then writes fails at once.
    driver = sqlite3.connect(
        f"file:{quoted}?{mode}",
        uri=True,
        timeout=_BUSY_S,
        isolation_level=None,
        check_same_thread=False,  # any thread may fork, and `Database` lets one in at a time
    )
    driver.row_factory = sqlite3.Row  # a mapping by column, made without Python code per row
    try:
        for pragma in pragmas:
            driver.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        driver.close()
        raise
    return driver


@contextmanager
def _transaction(driver: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
        driver.execute("COMMIT")
    except BaseException:
        if driver.in_transaction:  # a full disk has rolled back already; a second rollback would hide the cause
            driver.execute("ROLLBACK")
        raise


@cache
def compiled(statement: Executable) -> tuple[str, Mapping[str, object]]:
    """Returns a statement's text and the constants that it holds."""
    assert isinstance(statement, CompilerElement)
    compiled = statement.compile(dialect=_DIALECT)
    assert isinstance(compiled, SQLCompiler)
    return str(compiled), {name: given.value for given, name in compiled.bind_names.items() if not given.required}


@cache
def _positional(statement: Executable) -> str:
    """Returns a statement's text with places for its values."""
    assert isinstance(statement, CompilerElement)
    return str(statement.compile(dialect=_POSITIONAL))
